//! How secrets are kept: sealed under keys of the [keyring](crate::keyring), which is not what the database alone can open.
//!
//! What is sealed belongs to its account, name and version: moved to another row it does not open.

use levqor_model::{AccountId, KeyPurpose, Random, Secret};
use serde_json::Value;

use crate::keyring::{Closed, Error, Keyring, SealError, Tag};

/// Seals and opens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault {
    keyring: Keyring,
}

/// A value as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub bytes: Vec<u8>,
    /// The key that it is sealed under.
    pub tag: Tag,
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
    pub(crate) fn label(&self) -> Vec<u8> {
        format!("{}\0{}\0{}", self.account, self.name, self.version).into_bytes()
    }
}

impl Vault {
    /// A vault under one key that is derived from `secret`, for a store that dies with its process.
    pub fn new(secret: &Secret) -> Self {
        Self { keyring: Keyring::fixed(secret) }
    }

    /// A vault under the keys of a ring.
    pub fn of(keyring: Keyring) -> Self {
        Self { keyring }
    }

    /// Seals something of the server's own, by its name.
    ///
    /// # Errors
    /// When the keyring cannot be read.
    pub async fn seal_own(&self, name: &str, value: &Value, random: &dyn Random) -> Result<Sealed, Error> {
        self.seal_as(&own_label(name), value, random).await
    }

    /// # Errors
    /// When it does not open; when the keyring cannot be read.
    pub async fn open_own(&self, name: &str, sealed: &[u8]) -> Result<Value, SealError> {
        self.open_as(&own_label(name), sealed).await
    }

    pub(crate) async fn seal(
        &self,
        shelf: Shelf<'_>,
        value: &Value,
        random: &dyn Random,
    ) -> Result<Sealed, Error> {
        self.seal_as(&shelf.label(), value, random).await
    }

    pub(crate) async fn open(&self, shelf: Shelf<'_>, sealed: &[u8]) -> Result<Value, SealError> {
        self.open_as(&shelf.label(), sealed).await
    }

    /// The key that a value was sealed under is gone: the next one shall be another.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        self.keyring.refresh().await
    }

    async fn seal_as(&self, label: &[u8], value: &Value, random: &dyn Random) -> Result<Sealed, Error> {
        let key = self.keyring.active(KeyPurpose::Sealing).await?;
        let text = zeroize::Zeroizing::new(value.to_string());
        Ok(Sealed { bytes: key.seal(label, text.as_bytes(), random), tag: key.tag() })
    }

    async fn open_as(&self, label: &[u8], sealed: &[u8]) -> Result<Value, SealError> {
        let key = self.keyring.sealing_key(sealed).await?;
        let text = key.open(label, sealed)?;
        serde_json::from_slice(&text).map_err(|_| Closed::Damaged.into())
    }
}

/// No account's id is empty, so this is no shelf of theirs.
pub(crate) fn own_label(name: &str) -> Vec<u8> {
    format!("\0{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use levqor_model::{SeededRandom, Timestamp};
    use serde_json::json;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    fn closed(outcome: Result<Value, SealError>) -> Closed {
        match outcome {
            Err(SealError::Closed(closed)) => closed,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_sealed_opens_on_its_shelf_only() {
        let random = SeededRandom::new(3);
        let account = |_| AccountId::new(Timestamp::from_seconds(1), &random);
        let [mine, other] = [0, 1].map(account);
        let shelf = Shelf { account: mine, name: "key", version: 7 };
        let vault = Vault::new(&Secret::new("one"));
        let value = json!({ "a": ["hush", 1, null] });
        let sealed = vault.seal(shelf, &value, &random).await.unwrap().bytes;
        assert_eq!(vault.open(shelf, &sealed).await, Ok(value.clone()));
        assert!(!sealed.windows(4).any(|window| window == b"hush"));

        let elsewhere = [
            Shelf { account: other, ..shelf },
            Shelf { name: "kez", ..shelf },
            Shelf { version: 8, ..shelf },
        ];
        for shelf in elsewhere {
            assert_eq!(closed(vault.open(shelf, &sealed).await), Closed::Damaged);
        }
        let another = Vault::new(&Secret::new("two"));
        assert_eq!(closed(another.open(shelf, &sealed).await), Closed::OtherKey);
        assert_eq!(closed(vault.open_own("key", &sealed).await), Closed::Damaged);
        let own = vault.seal_own("seed", &value, &random).await.unwrap().bytes;
        assert_eq!(vault.open_own("seed", &own).await, Ok(value.clone()));
        assert_eq!(closed(vault.open_own("seeds", &own).await), Closed::Damaged);
        for place in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[place] ^= 1;
            assert!(vault.open(shelf, &bent).await.is_err(), "{place}");
            assert!(vault.open(shelf, &sealed[..place]).await.is_err(), "{place}");
        }
    }

    /// As builds sealed and signed that knew no keyring.
    #[tokio::test]
    async fn what_one_secret_made_still_holds() {
        let secret = Secret::new("the secret of the time before");
        let keyring = Keyring::fixed(&secret);
        let vault = Vault::of(keyring.clone());
        let account = "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        let sealed = bytes(
            "01da1139041799d1b55ac389a30c3b0363f83697934d3197c047c16b10f0d3923b8ebce33aab7f080445169816facba3d5223d0b\
             099465c353669ccc3dae770af7dde3a61a46",
        );
        let shelf = Shelf { account, name: "key", version: 7 };
        assert_eq!(vault.open(shelf, &sealed).await, Ok(json!({ "a": ["hush", 1, null] })));
        let own = bytes(
            "01da1139041799d1b545b905dac24e6e19c55d01aa8f271e30444007b030966f61b7e929b262229a7acf65f288d3f010e4317f51\
             5eb3d39fab7a5d",
        );
        assert_eq!(vault.open_own("region_snapshot_seed", &own).await, Ok(json!("c2VlZA==")));

        let token = keyring.token(&["csrf", "ses_01ARZ3NDEKTSV4RRFFQ69G5FAV"]).await.unwrap();
        // Base 64 of 8f5caf3f8bfae8b829a9469087a571ae6caa349f0e8836fa62d4b7e700e0ac1f.
        assert_eq!(token, "j1yvP4v66LgpqUaQh6VxrmyqNJ8OiDb6YtS35wDgrB8");
        let webhooks = keyring.active(KeyPurpose::Webhooks).await.unwrap();
        let parts = ["webhook", "whk_01ARZ3NDEKTSV4RRFFQ69G5FAV", "3"];
        let expected = bytes("9da9f75d56aa830c365f1a2fb1e152fff7017f37ff7e8cf81bcfc34689bacb22");
        assert_eq!(webhooks.sign(&parts, &[]).as_slice(), expected);
    }
}
