//! Checkpoints: records that sign the chain before them, and the ends of others.

use serde::{Deserialize, Serialize};

use super::{Record, RecordHash};
use crate::{PublicKey, SigningKey, Timestamp};

/// The kind of such records.
pub const CHECKPOINT: &str = "audit.checkpoint";

const CHECKPOINT_PURPOSE: &[u8] = b"levqor audit checkpoint 1\n";
const HEADS_PURPOSE: &[u8] = b"levqor audit heads 1\n";

/// The end of a chain, as somebody saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub chain: String,
    pub seq: u64,
    pub hash: RecordHash,
}

/// The details of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Ends of other chains that had grown since somebody named them last.
    pub heads: Vec<Head>,
    /// The public key, in base64.
    pub key: String,
    /// Of the record without its details, and the heads.
    pub signature: String,
}

impl Checkpoint {
    /// The details for `record`, whose own are not looked at.
    pub fn sign(record: &Record, heads: Vec<Head>, key: &SigningKey) -> Self {
        let signature = key.sign(CHECKPOINT_PURPOSE, &message(record, &heads));
        Self { heads, key: key.public_key().to_string(), signature }
    }

    /// What the details of a checkpoint say; None: they are not of this form.
    pub fn read(record: &Record) -> Option<Self> {
        serde_json::from_str(&record.details).ok()
    }

    /// The key that it names, when that one signed the record.
    pub fn signer(&self, record: &Record) -> Option<PublicKey> {
        let key = PublicKey::parse(&self.key).ok()?;
        let signed = key.has_signed(CHECKPOINT_PURPOSE, &message(record, &self.heads), &self.signature);
        signed.then_some(key)
    }
}

fn message(record: &Record, heads: &[Head]) -> Vec<u8> {
    let bare = (&record.chain, record.seq, record.at.as_micros(), &record.region, &record.previous, heads);
    // Texts and numbers always have a JSON form.
    serde_json::to_vec(&bare).unwrap_or_default()
}

/// The ends of all chains at a moment: what witnesses keep, and exports begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heads {
    pub at: Timestamp,
    pub heads: Vec<Head>,
}

/// [`Heads`] with their signature, as the exact text that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHeads {
    /// [`Heads`] as JSON text.
    pub document: String,
    pub key: String,
    pub signature: String,
}

impl SignedHeads {
    pub fn sign(heads: &Heads, key: &SigningKey) -> Self {
        let document = serde_json::to_string(heads).unwrap_or_default();
        let signature = key.sign(HEADS_PURPOSE, document.as_bytes());
        Self { document, key: key.public_key().to_string(), signature }
    }

    /// None: not signed by one of these keys.
    pub fn open(&self, trusted: &[PublicKey]) -> Option<Heads> {
        self.signed().filter(|(key, _)| trusted.contains(key)).map(|(_, heads)| heads)
    }

    /// With the key that it names, whoever that is; None: that one did not sign it.
    pub fn signed(&self) -> Option<(PublicKey, Heads)> {
        let key = PublicKey::parse(&self.key).ok()?;
        if !key.has_signed(HEADS_PURPOSE, self.document.as_bytes(), &self.signature) {
            return None;
        }
        Some((key, serde_json::from_str(&self.document).ok()?))
    }
}
