//! Ed25519 signatures: who holds the seed signs; who holds the public key checks, and can forge nothing.
//!
//! Source: RFC 8032.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::Random;

/// The half that signs.
pub struct SigningKey(Ed25519KeyPair);

/// The half that checks. Its text is base64 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("{0:?} is not a public key: base64 of 32 bytes is expected")]
    PublicKey(String),
    #[error("the signing seed must be 32 bytes")]
    Seed,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// # Errors
    /// [`KeyError::Seed`] when it has not 32 bytes.
    pub fn from_seed(seed: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| KeyError::Seed)
    }

    /// A fresh seed; keep it as a secret.
    pub fn new_seed(random: &dyn Random) -> [u8; 32] {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        seed
    }

    pub fn public_key(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// Base64 of the signature. `purpose` is signed together with the message, so that a signature of something else never
    /// fits.
    pub fn sign(&self, purpose: &[u8], message: &[u8]) -> String {
        STANDARD.encode(self.0.sign(&[purpose, message].concat()))
    }
}

impl PublicKey {
    /// # Errors
    /// [`KeyError::PublicKey`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        STANDARD
            .decode(text.trim())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| KeyError::PublicKey(text.chars().take(64).collect()))
    }

    /// Whether the key's owner signed this message for this purpose.
    pub fn has_signed(&self, purpose: &[u8], message: &[u8], signature: &str) -> bool {
        STANDARD.decode(signature).is_ok_and(|signature| {
            UnparsedPublicKey::new(&ED25519, &self.0).verify(&[purpose, message].concat(), &signature).is_ok()
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_seeds_have_32_bytes() {
        for bad in ["", "AAAA", "ö", &"A".repeat(100)] {
            assert!(matches!(PublicKey::parse(bad), Err(KeyError::PublicKey(_))), "{bad}");
        }
        assert!(matches!(SigningKey::from_seed(&[1; 31]), Err(KeyError::Seed)));
    }

    #[test]
    fn a_signature_is_for_its_purpose() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let signature = key.sign(b"one\n", b"text");
        assert!(key.public_key().has_signed(b"one\n", b"text", &signature));
        assert!(!key.public_key().has_signed(b"two\n", b"text", &signature));
    }
}
