//! Messages that are signed as Standard Webhooks has it.
//!
//! Source: Standard Webhooks specification 1.0.0, "Signature scheme".

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Bytes of a key.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Whether a text is a secret whose key is as long as it should be.
pub(crate) fn is_secret(text: &str) -> bool {
    key(text).is_some_and(|key| KEY_BYTES.contains(&key.len()))
}

/// The headers of a message: its id is the same whenever it is sent again under its `key`. None when the secret is none.
pub(crate) fn signed(
    secret: &str,
    message_key: &str,
    seconds: i64,
    body: &str,
) -> Option<Vec<(String, String)>> {
    let digest = Sha256::digest(message_key.as_bytes());
    let id = digest[..16].iter().fold(String::from("msg_"), |id, byte| format!("{id}{byte:02x}"));
    signed_as(secret, &id, seconds, body)
}

/// The headers of a message with this id. None when the secret is none.
pub(crate) fn signed_as(secret: &str, id: &str, seconds: i64, body: &str) -> Option<Vec<(String, String)>> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key(secret)?).ok()?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let header = |name: &str, value: String| (name.to_owned(), value);
    Some(vec![
        header("webhook-id", id.to_owned()),
        header("webhook-timestamp", seconds.to_string()),
        header("webhook-signature", format!("v1,{signature}")),
    ])
}

fn key(secret: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(secret.strip_prefix("whsec_")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_key_of_24_to_64_bytes() {
        let of = |bytes: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]));
        for (secret, good) in [
            (of(24), true),
            (of(64), true),
            (of(23), false),
            (of(65), false),
            (of(32).replace("whsec_", ""), false),
            ("whsec_not base 64!".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_secret(&secret), good, "{secret}");
        }
    }
}
