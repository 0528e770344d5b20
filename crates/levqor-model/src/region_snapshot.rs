//! The region snapshot: what the control plane tells edges, signed, so that an edge can start and route without it.
//!
//! The document is signed as the exact text that is sent, so nobody has to agree on how JSON is written. The signature
//! is Ed25519: an edge holds the public key only, and a stolen edge can forge nothing.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::{Random, RegionCode, RegionStatus, Timestamp};

/// Signed together with the document, so that a signature of something else never fits.
const PURPOSE: &[u8] = b"levqor region snapshot 1\n";
/// A larger document is refused unread.
const BYTES_MAX: usize = 1024 * 1024;

/// The regions, who answers there, and whom to prefer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionSnapshot {
    /// Grows with each change; an edge never goes back.
    pub sequence: u64,
    pub issued_at: Timestamp,
    /// After this an edge still routes by the document when it has no newer one, and says that it is old.
    pub expires_at: Timestamp,
    pub regions: Vec<SnapshotRegion>,
    /// Regions in the operator's order, for callers about whom nothing is known.
    #[serde(default)]
    pub preference: Vec<RegionCode>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRegion {
    pub code: RegionCode,
    /// As the control plane saw it; None in documents of earlier builds. An edge goes by its own checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RegionStatus>,
    pub origins: Vec<SnapshotOrigin>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotOrigin {
    pub name: String,
    /// `http://host:port` or `https://host:port`.
    pub url: String,
}

/// What is sent and stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedSnapshot {
    /// A [`RegionSnapshot`] as JSON text.
    pub document: String,
    /// Base64 of the Ed25519 signature.
    pub signature: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot's signature is not by the configured key")]
    Forged,
    #[error("the snapshot is not a document of the expected form: {0}")]
    Form(String),
    #[error("the snapshot is larger than {BYTES_MAX} bytes")]
    TooLarge,
    #[error("{0:?} is not a public key: base64 of 32 bytes is expected")]
    PublicKey(String),
    #[error("the signing seed must be 32 bytes")]
    Seed,
}

/// The control plane's half of the key.
pub struct SnapshotSigner(Ed25519KeyPair);

impl fmt::Debug for SnapshotSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnapshotSigner(…)")
    }
}

impl SnapshotSigner {
    /// # Errors
    /// [`SnapshotError::Seed`] when it has not 32 bytes.
    pub fn from_seed(seed: &[u8]) -> Result<Self, SnapshotError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| SnapshotError::Seed)
    }

    /// A fresh seed; keep it as a secret.
    pub fn new_seed(random: &dyn Random) -> [u8; 32] {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        seed
    }

    /// What edges are configured with.
    pub fn public_key(&self) -> SnapshotKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        SnapshotKey(bytes)
    }

    /// # Errors
    /// [`SnapshotError::Form`] when the document cannot be written as JSON, [`SnapshotError::TooLarge`].
    pub fn sign(&self, snapshot: &RegionSnapshot) -> Result<SignedSnapshot, SnapshotError> {
        let document =
            serde_json::to_string(snapshot).map_err(|error| SnapshotError::Form(error.to_string()))?;
        if document.len() > BYTES_MAX {
            return Err(SnapshotError::TooLarge);
        }
        let signature = STANDARD.encode(self.0.sign(&signed_bytes(&document)));
        Ok(SignedSnapshot { document, signature })
    }
}

/// The public half of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotKey([u8; 32]);

impl SnapshotKey {
    /// # Errors
    /// [`SnapshotError::PublicKey`].
    pub fn parse(text: &str) -> Result<Self, SnapshotError> {
        STANDARD
            .decode(text.trim())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| SnapshotError::PublicKey(text.chars().take(64).collect()))
    }

    /// The document, when the key's owner signed it. Says nothing of its age.
    ///
    /// # Errors
    /// [`SnapshotError::Forged`], [`SnapshotError::Form`], [`SnapshotError::TooLarge`].
    pub fn open(&self, signed: &SignedSnapshot) -> Result<RegionSnapshot, SnapshotError> {
        if signed.document.len() > BYTES_MAX {
            return Err(SnapshotError::TooLarge);
        }
        let signature = STANDARD.decode(&signed.signature).map_err(|_| SnapshotError::Forged)?;
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(&signed_bytes(&signed.document), &signature)
            .map_err(|_| SnapshotError::Forged)?;
        serde_json::from_str(&signed.document).map_err(|error| SnapshotError::Form(error.to_string()))
    }
}

impl fmt::Display for SnapshotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

fn signed_bytes(document: &str) -> Vec<u8> {
    [PURPOSE, document.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRandom;

    fn signer(seed: u64) -> SnapshotSigner {
        SnapshotSigner::from_seed(&SnapshotSigner::new_seed(&SeededRandom::new(seed))).unwrap()
    }

    fn snapshot() -> RegionSnapshot {
        RegionSnapshot {
            sequence: 7,
            issued_at: Timestamp::from_seconds(1_795_503_701),
            expires_at: Timestamp::from_seconds(1_795_507_301),
            regions: vec![SnapshotRegion {
                code: "eu-west".parse().unwrap(),
                status: Some(RegionStatus::Active),
                origins: vec![SnapshotOrigin { name: "eu-1".into(), url: "http://10.0.0.1:8000".into() }],
            }],
            preference: vec!["eu-west".parse().unwrap()],
        }
    }

    #[test]
    fn what_was_signed_is_read_back_by_the_public_key() {
        let signer = signer(1);
        let signed = signer.sign(&snapshot()).unwrap();
        let key = SnapshotKey::parse(&signer.public_key().to_string()).unwrap();
        assert_eq!(key.open(&signed), Ok(snapshot()));
    }

    #[test]
    fn another_key_or_another_text_is_forged() {
        let signed = signer(1).sign(&snapshot()).unwrap();
        assert_eq!(signer(2).public_key().open(&signed), Err(SnapshotError::Forged));
        let key = signer(1).public_key();
        let changed =
            SignedSnapshot { document: signed.document.replace("10.0.0.1", "10.0.0.2"), ..signed.clone() };
        assert_eq!(key.open(&changed), Err(SnapshotError::Forged));
        for signature in ["", "AAAA", "not base64"] {
            let changed = SignedSnapshot { signature: signature.into(), ..signed.clone() };
            assert_eq!(key.open(&changed), Err(SnapshotError::Forged), "{signature}");
        }
    }

    #[test]
    fn keys_and_seeds_have_32_bytes() {
        for bad in ["", "AAAA", "ö", &"A".repeat(100)] {
            assert!(matches!(SnapshotKey::parse(bad), Err(SnapshotError::PublicKey(_))), "{bad}");
        }
        assert!(matches!(SnapshotSigner::from_seed(&[1; 31]), Err(SnapshotError::Seed)));
    }
}
