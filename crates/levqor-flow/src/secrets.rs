//! The secrets of a run, as the interpreter sees them: values, and which version of each the run uses.
//!
//! The versions are fixed when a run starts and stand in its journal, and again when it is retried, so that replay sees
//! what the run saw, whatever was set since. The values are not in the journal: who replays hands them in.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::{Map, Value};

/// Which version of each secret a run uses. What is not there was not set.
pub type SecretVersions = BTreeMap<String, u64>;

/// Values of secrets, by name and version.
#[derive(Clone, Default, PartialEq)]
pub struct SecretBook(BTreeMap<String, BTreeMap<u64, Arc<Value>>>);

impl SecretBook {
    pub fn insert(&mut self, name: impl Into<String>, version: u64, value: Value) {
        self.0.entry(name.into()).or_default().insert(version, Arc::new(value));
    }

    pub fn get(&self, name: &str, version: u64) -> Option<&Value> {
        self.0.get(name)?.get(&version).map(|value| &**value)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All values of all versions, for whoever must keep them from being shown.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.values().flat_map(|versions| versions.values().map(|value| &**value))
    }

    /// `$secrets`: the values at these versions.
    pub(crate) fn object(&self, versions: &SecretVersions) -> Value {
        let members = versions
            .iter()
            .filter_map(|(name, version)| Some((name.clone(), self.get(name, *version)?.clone())));
        Value::Object(members.collect::<Map<_, _>>())
    }
}

impl fmt::Debug for SecretBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBook({} names)", self.0.len())
    }
}

/// Longest name of a secret.
pub const NAME_BYTES_MAX: usize = 64;

/// Whether a text can name a secret: letters, digits, `_`, `-` and `.`, beginning with a letter or `_`.
pub fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_book_gives_what_a_run_uses_and_shows_nothing() {
        let mut book = SecretBook::default();
        book.insert("key", 1, json!("old"));
        book.insert("key", 2, json!("new"));
        book.insert("other", 1, json!({ "a": 1 }));
        let versions = SecretVersions::from([("key".to_owned(), 1), ("gone".to_owned(), 9)]);
        assert_eq!(book.object(&versions), json!({ "key": "old" }));
        assert_eq!(book.values().count(), 3);
        assert_eq!(format!("{book:?}"), "SecretBook(2 names)");
    }

    #[test]
    fn names() {
        for good in ["a", "_x", "apiKey", "stripe-live.key_2", &"x".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "-a", ".a", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
