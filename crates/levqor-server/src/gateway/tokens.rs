//! Secret tokens: API keys and sessions. Only their SHA-256 is ever stored.
//!
//! The tokens are 32 random bytes, so a plain hash is enough: there is nothing to guess, and looking a hash up in an index
//! tells nobody how much of a guess was right.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use levqor_model::{Random, Secret};
use sha2::{Digest, Sha256};

/// What every API key starts with.
pub const KEY_PREFIX: &str = "lvq_";
/// How much of a key is kept in the open, to recognise it by.
const SHOWN: usize = KEY_PREFIX.len() + 6;
/// Characters of 32 bytes in base64 without padding.
const BODY: usize = 43;

/// A new API key, shown once.
#[derive(Debug)]
pub struct NewKey {
    /// `lvq_` and 43 characters.
    pub key: Secret,
    pub hash: [u8; 32],
    /// The first characters, kept to recognise the key by.
    pub prefix: String,
}

/// Makes an API key. `random` must be fit for secrets.
pub fn new_key(random: &dyn Random) -> NewKey {
    let text = format!("{KEY_PREFIX}{}", new_token(random));
    NewKey { hash: token_hash(&text), prefix: text.chars().take(SHOWN).collect(), key: Secret::new(text) }
}

/// 32 random bytes as 43 characters that are safe in addresses and cookies.
pub fn new_token(random: &dyn Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What the store knows a token by.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether the text has the shape of an API key; spares the database a look for everything else.
pub(crate) fn is_key_shaped(text: &str) -> bool {
    text.strip_prefix(KEY_PREFIX).is_some_and(is_token_shaped)
}

/// Whether the text has the shape of [`new_token`].
pub(crate) fn is_token_shaped(text: &str) -> bool {
    text.len() == BODY && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;

    use super::*;

    #[test]
    fn a_key_has_its_shape_and_keeps_only_its_hash() {
        let new = new_key(&SeededRandom::new(1));
        let text = new.key.expose();
        assert!(is_key_shaped(text), "{text}");
        assert_eq!(text.len(), 47);
        assert!(text.starts_with(&new.prefix) && new.prefix.len() == 10);
        assert_eq!(new.hash, token_hash(text));
        assert!(!format!("{new:?}").contains(&text[10..]));
    }

    #[test]
    fn what_is_not_a_key_is_not_looked_up() {
        let long = format!("lvq_{}", "a".repeat(44));
        let odd = format!("lvq_{}", "é".repeat(21) + "a");
        for text in ["", "lvq_", "lvq_short", long.as_str(), odd.as_str(), "sk_live_0123"] {
            assert!(!is_key_shaped(text), "{text}");
        }
    }
}
