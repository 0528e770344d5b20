//! No message passes whose signature was not made with the secret; one that was passes, with whatever stands around it.
#![no_main]

// The source itself: the crate around it is a whole server.
#[allow(dead_code, reason = "the server uses all of it")]
#[path = "../../crates/levqor-server/src/features/triggers/signature.rs"]
mod signature;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use signature::{Signed, sign, verify};

/// By the text of the scheme, without the code under test: the time is signed as it is written, `05` too.
fn by_the_scheme(secret: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

// Lines: secret, id, timestamp, signatures, the second that it is; then the body.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(6, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (secret, id, timestamp, signatures, now, body) = (part(), part(), part(), part(), part(), part());
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let (Some(id), Some(timestamp), Some(signatures)) = (text(id), text(timestamp), text(signatures)) else {
        return;
    };
    let now: i64 = text(now).and_then(|now| now.parse().ok()).unwrap_or(0);
    let secret = text(secret).and_then(signature::key).unwrap_or(secret.to_vec());
    let signed = Signed { id: Some(id), timestamp: Some(timestamp), signature: Some(signatures) };
    let good = by_the_scheme(&secret, id, timestamp, body);
    if verify(&secret, signed, body, now).is_ok() {
        // Only by the signature itself, which nobody guesses.
        let good = good.expect("what passes was signed");
        assert!(signatures.split(' ').any(|signature| signature == good), "{signatures}");
    } else if let Some(good) = good {
        let both = format!("{good} {signatures}");
        let again = Signed { signature: Some(&both), ..signed };
        let at = timestamp.parse().ok().filter(|at: &i64| timestamp == at.to_string() && *at >= 0);
        if let Some(at) = at.filter(|at| now.abs_diff(*at) <= 300)
            && signature::message_id(id).is_ok()
        {
            assert_eq!(sign(&secret, id, at, body).as_deref(), Some(good.as_str()));
            assert_eq!(verify(&secret, again, body, now), Ok(()));
        }
    }
});
