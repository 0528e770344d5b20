//! One record, and what its hash is made of.

use std::fmt;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{AccountId, Timestamp};

/// Hashed together with the record, so that a hash of something else never fits.
const PURPOSE: &[u8] = b"levqor audit record 1\n";

/// SHA-256 of a record. Its text is 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordHash(pub [u8; 32]);

impl RecordHash {
    /// What the first record of a chain has before it.
    pub const NONE: Self = Self([0; 32]);
}

impl fmt::Display for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RecordHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 64];
        for (digits, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *digits = [digit(byte >> 4), digit(byte & 15)];
        }
        serializer.serialize_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for RecordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut hash = [0; 32];
        if pairs.len() != hash.len() || !rest.is_empty() {
            return Err(D::Error::custom("a hash has 64 hexadecimal digits"));
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (value(*high), value(*low)) else {
                return Err(D::Error::custom("a hash has the digits 0 to 9 and a to f"));
            };
            *byte = high << 4 | low;
        }
        Ok(Self(hash))
    }
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What somebody did, or what was found, as it is kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Whose chain: a node's id, or `local` for a tool.
    pub chain: String,
    /// From 1, without a gap.
    pub seq: u64,
    pub at: Timestamp,
    /// Where the writer runs; empty for a tool.
    pub region: String,
    /// What was done, such as `key.revoked`.
    pub kind: String,
    /// Who did it, such as `user usr_…`, `API key key_…`, `job …` or `levqor` itself.
    pub author: String,
    /// Whose data it was about; None: the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// What it was done to: an id or a name.
    pub subject: String,
    /// A JSON object as text, since the hash is of this very text. No secrets; what is personal is masked.
    pub details: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    pub previous: RecordHash,
    pub hash: RecordHash,
}

impl Record {
    /// The hash that the record must have: of its fields, each with its length before it.
    pub fn computed_hash(&self) -> RecordHash {
        let mut digest = Context::new(&SHA256);
        digest.update(PURPOSE);
        digest.update(&self.seq.to_be_bytes());
        digest.update(&self.at.as_micros().to_be_bytes());
        digest.update(&self.previous.0);
        let account = self.account.map(|account| account.to_string());
        for field in [&self.chain, &self.region, &self.kind, &self.author, &self.subject, &self.details] {
            feed(&mut digest, Some(field));
        }
        feed(&mut digest, account.as_deref());
        feed(&mut digest, self.request_id.as_deref());
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.finish().as_ref());
        RecordHash(hash)
    }

    /// The same record with the hash that it must have.
    #[must_use]
    pub fn hashed(self) -> Self {
        let hash = self.computed_hash();
        Self { hash, ..self }
    }
}

/// A missing field differs from an empty one.
fn feed(digest: &mut Context, field: Option<&str>) {
    // No text is that long.
    let length = field.map_or(u64::MAX, |text| text.len() as u64);
    digest.update(&length.to_be_bytes());
    digest.update(field.unwrap_or_default().as_bytes());
}
