//! How secrets are kept: sealed under a key that is not in the database.
//!
//! The key comes from the server's own secret by HKDF. Each sealed value says which key sealed it, so that another can be
//! put in its place while the old one still opens. What is sealed belongs to its account, name and version: moved to
//! another row it does not open.
//!
//! Sources: RFC 5869 (HKDF with SHA-256), XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), whose nonce is long enough to be
//! random.

use std::fmt;

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use levqor_model::{AccountId, Random, Secret};
use serde_json::Value;
use sha2::Sha256;

/// Says how the rest is to be read.
const FORM: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    key_id: [u8; KEY_ID_BYTES],
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    #[error("it was sealed under another key: SECURITY_HMAC_SECRET has changed since")]
    OtherKey,
    #[error("it is damaged, or stands in another place than it was made for")]
    Damaged,
}

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shelf<'a> {
    pub(crate) account: AccountId,
    pub(crate) name: &'a str,
    pub(crate) version: u64,
}

impl Shelf<'_> {
    /// Ids and names have no zero bytes, so no two shelves read alike.
    fn label(&self) -> Vec<u8> {
        format!("{}\0{}\0{}", self.account, self.name, self.version).into_bytes()
    }
}

impl Vault {
    /// A vault under a key that is derived from `secret`.
    pub fn new(secret: &Secret) -> Self {
        let extracted = hmac(b"levqor secrets", &[secret.expose().as_bytes()]);
        let key = hmac(&extracted, &[b"key", &[1]]);
        let id = hmac(&extracted, &[b"key id", &[1]]);
        let mut key_id = [0; KEY_ID_BYTES];
        key_id.copy_from_slice(&id[..KEY_ID_BYTES]);
        Self { key_id, cipher: XChaCha20Poly1305::new(&key.into()) }
    }

    /// Names the key without giving it away.
    pub fn key_id(&self) -> String {
        self.key_id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Seals something of the server's own, by its name.
    pub fn seal_own(&self, name: &str, value: &Value, random: &dyn Random) -> Vec<u8> {
        self.seal_as(&own_label(name), value, random)
    }

    /// # Errors
    /// [`Closed`].
    pub fn open_own(&self, name: &str, sealed: &[u8]) -> Result<Value, Closed> {
        self.open_as(&own_label(name), sealed)
    }

    /// Form, key id, nonce, and the value as sealed JSON.
    pub(crate) fn seal(&self, shelf: Shelf<'_>, value: &Value, random: &dyn Random) -> Vec<u8> {
        self.seal_as(&shelf.label(), value, random)
    }

    /// # Errors
    /// [`Closed`].
    pub(crate) fn open(&self, shelf: Shelf<'_>, sealed: &[u8]) -> Result<Value, Closed> {
        self.open_as(&shelf.label(), sealed)
    }

    fn seal_as(&self, label: &[u8], value: &Value, random: &dyn Random) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce);
        let text = value.to_string();
        let payload = Payload { msg: text.as_bytes(), aad: label };
        // The cipher refuses only what is longer than 256 GiB.
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        [&[FORM], &self.key_id[..], &nonce[..], &sealed[..]].concat()
    }

    fn open_as(&self, label: &[u8], sealed: &[u8]) -> Result<Value, Closed> {
        let rest = sealed.strip_prefix(&[FORM]).ok_or(Closed::Damaged)?;
        let (key_id, rest) = rest.split_at_checked(KEY_ID_BYTES).ok_or(Closed::Damaged)?;
        if key_id != self.key_id {
            return Err(Closed::OtherKey);
        }
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Closed::Damaged)?;
        let payload = Payload { msg: sealed, aad: label };
        let text = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Closed::Damaged)?;
        serde_json::from_slice(&text).map_err(|_| Closed::Damaged)
    }
}

/// No account's id is empty, so this is no shelf of theirs.
fn own_label(name: &str) -> Vec<u8> {
    format!("\0{name}").into_bytes()
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length, so this cannot fail; an unkeyed hash would be the wrong fallback.
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use levqor_model::{SeededRandom, Timestamp};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_sealed_opens_on_its_shelf_only() {
        let random = SeededRandom::new(3);
        let account = |_| AccountId::new(Timestamp::from_seconds(1), &random);
        let [mine, other] = [0, 1].map(account);
        let shelf = Shelf { account: mine, name: "key", version: 7 };
        let vault = Vault::new(&Secret::new("one"));
        let value = json!({ "a": ["hush", 1, null] });
        let sealed = vault.seal(shelf, &value, &random);
        assert_eq!(vault.open(shelf, &sealed), Ok(value.clone()));
        assert!(!sealed.windows(4).any(|window| window == b"hush"));
        assert_ne!(sealed, vault.seal(shelf, &value, &random), "a nonce is never used twice");

        let elsewhere = [
            Shelf { account: other, ..shelf },
            Shelf { name: "kez", ..shelf },
            Shelf { version: 8, ..shelf },
        ];
        for shelf in elsewhere {
            assert_eq!(vault.open(shelf, &sealed), Err(Closed::Damaged));
        }
        assert_eq!(Vault::new(&Secret::new("two")).open(shelf, &sealed), Err(Closed::OtherKey));
        assert_eq!(vault.open_own("key", &sealed), Err(Closed::Damaged));
        let own = vault.seal_own("seed", &value, &random);
        assert_eq!(vault.open_own("seed", &own), Ok(value.clone()));
        assert_eq!(vault.open_own("seeds", &own), Err(Closed::Damaged));
        for place in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[place] ^= 1;
            assert!(vault.open(shelf, &bent).is_err(), "{place}");
            assert!(vault.open(shelf, &sealed[..place]).is_err(), "{place}");
        }
    }
}
