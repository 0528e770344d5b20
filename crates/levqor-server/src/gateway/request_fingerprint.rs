//! What a request with an `Idempotency-Key` is known by, so that its repeat is told from another request.
//!
//! Keyed, for a body may be the value of a secret, and a short one could be guessed from a plain hash. The first bytes name the
//! key, so that a repeat is known also after keys were rotated:
//!
//! ```text
//! tag of the key (8 bytes) │ first 24 bytes of HMAC-SHA256        of a key from before there were several: all 32 bytes of it
//! ```

use axum::body::Bytes;
use http::Method;
use levqor_engine::{
    Keyring,
    keyring::{Error, Key, Tag},
};
use levqor_model::KeyPurpose;

/// As it is stored.
pub(super) type RequestFingerprint = [u8; 32];

/// Bytes of a tag.
const TAG: usize = 8;

/// A request, as far as a repeat must be alike.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) body: Bytes,
}

impl Asked {
    /// By the key that is active now.
    pub(super) async fn fingerprint(&self, keyring: &Keyring) -> Result<RequestFingerprint, Error> {
        Ok(self.by(&*keyring.active(KeyPurpose::Signing).await?))
    }

    /// Whether a fingerprint that was made before, perhaps by another key, is that of this request.
    pub(super) async fn is(&self, before: RequestFingerprint, keyring: &Keyring) -> Result<bool, Error> {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&before[..TAG]);
        // One of a key from before there were several begins with anything.
        for tag in [Tag::from_bytes(tag), Tag::ZERO] {
            if let Some(key) = keyring.key(KeyPurpose::Signing, tag).await?
                && self.by(&key) == before
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn by(&self, key: &Key) -> RequestFingerprint {
        let parts = ["idempotency", self.method.as_str(), &self.target];
        let mut fingerprint = key.sign(&parts, &self.body);
        if key.tag() != Tag::ZERO {
            fingerprint.copy_within(..32 - TAG, TAG);
            fingerprint[..TAG].copy_from_slice(&key.tag().bytes());
        }
        fingerprint
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::Secret;

    use super::*;

    fn asked(method: Method, target: &str, body: &'static [u8]) -> Asked {
        Asked { method, target: target.to_owned(), body: Bytes::from_static(body) }
    }

    #[tokio::test]
    async fn method_path_body_and_key_are_told_apart() {
        let keyring = Keyring::fixed(&Secret::new("s"));
        let first = asked(Method::POST, "/a", b"b");
        let fingerprint = first.fingerprint(&keyring).await.unwrap();
        assert!(first.is(fingerprint, &keyring).await.unwrap());
        for other in [
            asked(Method::PUT, "/a", b"b"),
            asked(Method::POST, "/", b"ab"),
            asked(Method::POST, "/a", b""),
            asked(Method::POST, "/a?", b"b"),
        ] {
            assert_ne!(other.fingerprint(&keyring).await.unwrap(), fingerprint, "{other:?}");
            assert!(!other.is(fingerprint, &keyring).await.unwrap(), "{other:?}");
        }
        let another = Keyring::fixed(&Secret::new("t"));
        assert!(!first.is(fingerprint, &another).await.unwrap());
    }
}
