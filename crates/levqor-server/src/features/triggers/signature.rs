//! Signatures of webhook messages, as Standard Webhooks has them.
//!
//! Pure: what came, a secret and the time in; yes or why not out.
//!
//! Source: Standard Webhooks specification 1.0.0, "Signature scheme" and "Verifying webhooks".

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret starts with when it is shown.
pub const SECRET_PREFIX: &str = "whsec_";
/// How far a message's time may be from ours, either way.
pub const TOLERANCE_SECONDS: i64 = 300;
/// Signatures of one message that are looked at: more than any sender has keys.
const SIGNATURES_MAX: usize = 16;
const ID_CHARS_MAX: usize = 256;

/// The headers that a signature is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signed<'a> {
    pub id: Option<&'a str>,
    pub timestamp: Option<&'a str>,
    pub signature: Option<&'a str>,
}

/// Why a message is not taken for the sender's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the header `{0}` is missing; send the three headers of Standard Webhooks")]
    Missing(&'static str),
    #[error("`webhook-id` must have 1 to {ID_CHARS_MAX} visible ASCII characters")]
    Id,
    #[error("`webhook-timestamp` must be the time in whole seconds since 1970")]
    Timestamp,
    #[error(
        "`webhook-timestamp` is more than {TOLERANCE_SECONDS} s away from the time here; sign the message anew when it is sent again, and check the sender's clock"
    )]
    Stale,
    #[error(
        "the key that this webhook's secret was made with was revoked; make its secret anew, and give it to the sender"
    )]
    Revoked,
    #[error(
        "no signature in `webhook-signature` fits; sign `<id>.<timestamp>.<body>` with HMAC-SHA256 under this webhook's secret and send `v1,<base64>`"
    )]
    Mismatch,
}

/// The id of a message, which tells repeats apart.
///
/// # Errors
/// [`Refusal::Id`].
pub fn message_id(text: &str) -> Result<&str, Refusal> {
    let good = (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if good { Ok(text) } else { Err(Refusal::Id) }
}

/// Whether the message was signed with this secret, not long ago. Takes the same time for each signature that is wrong.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(secret: &[u8], signed: Signed<'_>, body: &[u8], now_seconds: i64) -> Result<(), Refusal> {
    let id = message_id(signed.id.ok_or(Refusal::Missing("webhook-id"))?)?;
    let timestamp = signed.timestamp.ok_or(Refusal::Missing("webhook-timestamp"))?;
    let signatures = signed.signature.ok_or(Refusal::Missing("webhook-signature"))?;
    let digits = !timestamp.is_empty() && timestamp.bytes().all(|b| b.is_ascii_digit());
    let at: i64 = timestamp.parse().ok().filter(|_| digits).ok_or(Refusal::Timestamp)?;
    if now_seconds.abs_diff(at) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(Refusal::Stale);
    }
    let mac = mac(secret, id, timestamp, body).ok_or(Refusal::Mismatch)?;
    let mut fits = false;
    for signature in signatures.split(' ').take(SIGNATURES_MAX) {
        let Some(given) = signature.strip_prefix("v1,") else { continue };
        let Ok(given) = BASE64_STANDARD.decode(given) else { continue };
        // Compares in constant time.
        fits |= mac.clone().verify_slice(&given).is_ok();
    }
    if fits { Ok(()) } else { Err(Refusal::Mismatch) }
}

/// The signature of a message, for senders.
pub fn sign(secret: &[u8], id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let mac = mac(secret, id, &timestamp.to_string(), body)?;
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

/// A secret as it is shown.
pub fn shown(secret: &[u8]) -> String {
    format!("{SECRET_PREFIX}{}", BASE64_STANDARD.encode(secret))
}

/// The key in a secret as it is shown.
pub fn key(shown: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(shown.strip_prefix(SECRET_PREFIX)?).ok()
}

/// None never comes: HMAC takes keys of any length.
fn mac(secret: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).ok()?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn checked(id: &str, timestamp: &str, signature: &str, body: &[u8], now: i64) -> Result<(), Refusal> {
        let secret = BASE64_STANDARD.decode(SECRET).unwrap();
        let some = |text| Some(text).filter(|text: &&str| *text != "-");
        let signed = Signed { id: some(id), timestamp: some(timestamp), signature: some(signature) };
        verify(&secret, signed, body, now)
    }

    #[test]
    fn the_published_example_fits() {
        let secret = BASE64_STANDARD.decode(SECRET).unwrap();
        assert_eq!(sign(&secret, ID, AT, BODY).as_deref(), Some(SIGNATURE));
        assert_eq!(checked(ID, "1614265330", SIGNATURE, BODY, AT), Ok(()));
        assert_eq!(shown(&secret), format!("whsec_{SECRET}"));
        assert_eq!(key(&shown(&secret)), Some(secret));
        assert_eq!(key(SECRET), None);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let at = "1614265330";
        let several = format!("v1,AAAA v1a,{} {SIGNATURE}", &SIGNATURE[3..]);
        let padded = format!("v1,{}", "A".repeat(44));
        let many = format!("{}{SIGNATURE}", "v1,AAAA ".repeat(SIGNATURES_MAX));
        let long = "x".repeat(257);
        type Row<'a> = (&'a str, &'a str, &'a str, &'a [u8], i64, Result<(), Refusal>);
        let rows: [Row<'_>; 17] = [
            (ID, at, &several, BODY, AT, Ok(())),
            (ID, at, SIGNATURE, BODY, AT + 300, Ok(())),
            (ID, at, SIGNATURE, BODY, AT - 300, Ok(())),
            (ID, at, SIGNATURE, BODY, AT + 301, Err(Refusal::Stale)),
            (ID, at, SIGNATURE, BODY, AT - 301, Err(Refusal::Stale)),
            (ID, "99999999999999999999", SIGNATURE, BODY, AT, Err(Refusal::Timestamp)),
            (ID, "+1614265330", SIGNATURE, BODY, AT, Err(Refusal::Timestamp)),
            (ID, "", SIGNATURE, BODY, AT, Err(Refusal::Timestamp)),
            (ID, at, SIGNATURE, b"{}", AT, Err(Refusal::Mismatch)),
            ("msg_other", at, SIGNATURE, BODY, AT, Err(Refusal::Mismatch)),
            (ID, at, "v1,", BODY, AT, Err(Refusal::Mismatch)),
            (ID, at, &padded, BODY, AT, Err(Refusal::Mismatch)),
            (ID, at, &many, BODY, AT, Err(Refusal::Mismatch)),
            (&long, at, SIGNATURE, BODY, AT, Err(Refusal::Id)),
            ("-", at, SIGNATURE, BODY, AT, Err(Refusal::Missing("webhook-id"))),
            (ID, "-", SIGNATURE, BODY, AT, Err(Refusal::Missing("webhook-timestamp"))),
            (ID, at, "-", BODY, AT, Err(Refusal::Missing("webhook-signature"))),
        ];
        for (id, timestamp, signature, body, now, expected) in rows {
            assert_eq!(
                checked(id, timestamp, signature, body, now),
                expected,
                "{id} {timestamp} {signature}"
            );
        }
    }
}
