//! The baseline: what was agreed of each path, numbered and signed.

use std::collections::BTreeMap;

use ring::digest;
use serde::{Deserialize, Serialize};

use super::Entry;
use crate::{PublicKey, SigningKey, Timestamp};

/// What the file says of itself.
pub const FORMAT: &str = "levqor baseline 1";

const PURPOSE: &[u8] = b"levqor baseline 1\n";

/// What was agreed at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Whose files: a machine and a data directory.
    pub place: String,
    /// Grows by one with every change of what is agreed.
    pub sequence: u64,
    pub at: Timestamp,
    /// SHA-256 of the text of the one before it; empty for the first.
    pub previous: String,
    pub entries: BTreeMap<String, Entry>,
}

/// A [`Baseline`] as it is in the file: readable, and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBaseline {
    pub format: String,
    /// The public key, in base64.
    pub key: String,
    pub signature: String,
    pub baseline: Baseline,
}

/// Why a text is no baseline to believe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    #[error("it is no baseline: {0}")]
    Form(String),
    #[error("it has the format {0:?}; this build reads {FORMAT:?}")]
    Format(String),
    #[error("it is signed by another key than this installation's")]
    Key,
    #[error("its signature does not hold: it was edited")]
    Signature,
    #[error("it is of another place, {0:?}")]
    Place(String),
}

impl SignedBaseline {
    pub fn sign(baseline: Baseline, key: &SigningKey) -> Self {
        let signature = key.sign(PURPOSE, &message(&baseline));
        Self { format: FORMAT.to_owned(), key: key.public_key().to_string(), signature, baseline }
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        // Texts and numbers always have a JSON form.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What a text says, when it is this place's and this key's.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub fn open(text: &str, place: &str, key: PublicKey) -> Result<Baseline, BaselineError> {
        let signed: Self =
            serde_json::from_str(text).map_err(|error| BaselineError::Form(error.to_string()))?;
        if signed.format != FORMAT {
            return Err(BaselineError::Format(signed.format.chars().take(40).collect()));
        }
        if PublicKey::parse(&signed.key) != Ok(key) {
            return Err(BaselineError::Key);
        }
        if !key.has_signed(PURPOSE, &message(&signed.baseline), &signed.signature) {
            return Err(BaselineError::Signature);
        }
        if signed.baseline.place != place {
            return Err(BaselineError::Place(signed.baseline.place.chars().take(200).collect()));
        }
        Ok(signed.baseline)
    }
}

/// The members in the order of their declaration, the entries in that of their paths: one text for one baseline.
fn message(baseline: &Baseline) -> Vec<u8> {
    serde_json::to_vec(baseline).unwrap_or_default()
}

/// 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in digest::digest(&digest::SHA256, bytes).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
