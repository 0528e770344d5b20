//! The region snapshot: what the control plane tells edges, signed, so that an edge can start and route without it.
//!
//! The document is signed as the exact text that is sent, so nobody has to agree on how JSON is written. The signature
//! is Ed25519: an edge holds the public key only, and a stolen edge can forge nothing.

use serde::{Deserialize, Serialize};

use crate::{PublicKey, RegionCode, RegionStatus, SigningKey, Timestamp};

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
}

impl RegionSnapshot {
    /// # Errors
    /// [`SnapshotError::Form`] when the document cannot be written as JSON, [`SnapshotError::TooLarge`].
    pub fn sign(&self, key: &SigningKey) -> Result<SignedSnapshot, SnapshotError> {
        let document = serde_json::to_string(self).map_err(|error| SnapshotError::Form(error.to_string()))?;
        if document.len() > BYTES_MAX {
            return Err(SnapshotError::TooLarge);
        }
        let signature = key.sign(PURPOSE, document.as_bytes());
        Ok(SignedSnapshot { document, signature })
    }
}

impl SignedSnapshot {
    /// The document, when the key's owner signed it. Says nothing of its age.
    ///
    /// # Errors
    /// [`SnapshotError::Forged`], [`SnapshotError::Form`], [`SnapshotError::TooLarge`].
    pub fn open(&self, key: &PublicKey) -> Result<RegionSnapshot, SnapshotError> {
        if self.document.len() > BYTES_MAX {
            return Err(SnapshotError::TooLarge);
        }
        if !key.has_signed(PURPOSE, self.document.as_bytes(), &self.signature) {
            return Err(SnapshotError::Forged);
        }
        serde_json::from_str(&self.document).map_err(|error| SnapshotError::Form(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRandom;

    fn signer(seed: u64) -> SigningKey {
        SigningKey::from_seed(&SigningKey::new_seed(&SeededRandom::new(seed))).unwrap()
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
        let signed = snapshot().sign(&signer).unwrap();
        let key = PublicKey::parse(&signer.public_key().to_string()).unwrap();
        assert_eq!(signed.open(&key), Ok(snapshot()));
    }

    #[test]
    fn another_key_or_another_text_is_forged() {
        let signed = snapshot().sign(&signer(1)).unwrap();
        assert_eq!(signed.open(&signer(2).public_key()), Err(SnapshotError::Forged));
        let key = signer(1).public_key();
        let changed =
            SignedSnapshot { document: signed.document.replace("10.0.0.1", "10.0.0.2"), ..signed.clone() };
        assert_eq!(changed.open(&key), Err(SnapshotError::Forged));
        for signature in ["", "AAAA", "not base64"] {
            let changed = SignedSnapshot { signature: signature.into(), ..signed.clone() };
            assert_eq!(changed.open(&key), Err(SnapshotError::Forged), "{signature}");
        }
    }
}
