//! No message passes whose signature was not made with the secret; one that was passes, with whatever stands around it.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The source itself: the crate around it is a whole server.
#[allow(dead_code, reason = "the server uses all of it")]
#[path = "../../crates/levqor-server/src/features/triggers/signature.rs"]
mod signature;

use signature::{Signed, sign, verify};

fuzz_target!(|input: (Vec<u8>, String, String, String, Vec<u8>, i64)| {
    let (secret, id, timestamp, signatures, body, now) = input;
    let signed = Signed { id: Some(&id), timestamp: Some(&timestamp), signature: Some(&signatures) };
    let good = timestamp.parse().ok().and_then(|at: i64| sign(&secret, &id, at, &body));
    if verify(&secret, signed, &body, now).is_ok() {
        // Only by the signature itself, which nobody guesses.
        let good = good.expect("a time that passes is a number");
        assert!(signatures.split(' ').any(|signature| signature == good), "{signatures}");
    } else if let Some(good) = good {
        let both = format!("{good} {signatures}");
        let again = Signed { signature: Some(&both), ..signed };
        let at: i64 = timestamp.parse().expect("it was one");
        let plain = timestamp == at.to_string() && at >= 0 && now.abs_diff(at) <= 300;
        if plain && signature::message_id(&id).is_ok() {
            assert_eq!(verify(&secret, again, &body, now), Ok(()));
        }
    }
});
