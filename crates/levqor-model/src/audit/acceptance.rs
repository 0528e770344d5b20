//! Agreeing to what a key signed that was given up with its keyring.
//!
//! Such a key signs nothing any more, and nobody trusts it by itself. An operator may agree to what it has signed: all of it, by one
//! digest, which the key that signs now signs. So nothing can be put in, taken out or replaced of it afterwards.

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{Record, RecordHash};
use crate::{PublicKey, SigningKey};

/// The kind of such records.
pub const KEY_ACCEPTED: &str = "audit.key_accepted";

const PURPOSE: &[u8] = b"levqor audit key accepted 1\n";
const DIGEST_PURPOSE: &[u8] = b"levqor audit signed records 1\n";

/// The details of such a record. There may be more of them, which say nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The public key that was given up, in base64.
    pub accepted: String,
    /// Of every record that it signed.
    pub digest: RecordHash,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who says so: the public key, in base64.
    pub key: String,
    pub signature: String,
}

impl Acceptance {
    pub fn sign(accepted: PublicKey, digest: RecordHash, reason: String, key: &SigningKey) -> Self {
        let accepted = accepted.to_string();
        let signature = key.sign(PURPOSE, &message(&accepted, digest, &reason));
        Self { accepted, digest, reason, key: key.public_key().to_string(), signature }
    }

    /// What the details say; None: they are not of this form.
    pub fn read(record: &Record) -> Option<Self> {
        serde_json::from_str(&record.details).ok()
    }

    /// The key that it names, when that one signed it.
    pub fn signer(&self) -> Option<PublicKey> {
        let key = PublicKey::parse(&self.key).ok()?;
        let message = message(&self.accepted, self.digest, &self.reason);
        key.has_signed(PURPOSE, &message, &self.signature).then_some(key)
    }
}

fn message(accepted: &str, digest: RecordHash, reason: &str) -> Vec<u8> {
    // Texts always have a JSON form.
    serde_json::to_vec(&(accepted, digest, reason)).unwrap_or_default()
}

/// A record, as a digest of several names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) chain: String,
    pub(super) seq: u64,
    hash: [u8; 32],
}

impl From<&Record> for Place {
    fn from(record: &Record) -> Self {
        Self { chain: record.chain.clone(), seq: record.seq, hash: record.hash.0 }
    }
}

/// The same for the same records, in whatever order they were met.
pub(super) fn digest_of<'a>(places: impl Iterator<Item = &'a Place>) -> RecordHash {
    let mut places: Vec<&Place> = places.collect();
    places.sort_unstable();
    let mut digest = Context::new(&SHA256);
    digest.update(DIGEST_PURPOSE);
    for Place { chain, seq, hash } in places {
        // No chain's name is that long.
        digest.update(&(chain.len() as u64).to_be_bytes());
        digest.update(chain.as_bytes());
        digest.update(&seq.to_be_bytes());
        digest.update(hash);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.finish().as_ref());
    RecordHash(hash)
}
