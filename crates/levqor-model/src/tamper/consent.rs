//! What an operator agreed to, signed by the node that heard it: whoever can only write to the database cannot agree to anything.

use serde::Serialize;

use crate::{PublicKey, SigningKey};

const PURPOSE: &[u8] = b"levqor tamper consent 1\n";

/// A change that somebody agrees to.
///
/// What was expected is part of it, so that one which was used does not serve again once something else was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Consent<'a> {
    pub place: &'a str,
    pub path: &'a str,
    pub expected: Option<&'a str>,
    pub found: Option<&'a str>,
}

impl Consent<'_> {
    pub fn sign(&self, key: &SigningKey) -> String {
        key.sign(PURPOSE, &self.message())
    }

    pub fn is_signed(&self, key: PublicKey, signature: &str) -> bool {
        key.has_signed(PURPOSE, &self.message(), signature)
    }

    fn message(&self) -> Vec<u8> {
        // Texts always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
