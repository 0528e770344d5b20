//! API keys. Only a hash of the secret is stored.

use levqor_model::{AccountId, KeyId, Role, Timestamp};

use crate::{Error, Store};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: KeyId,
    pub account_id: AccountId,
    pub name: String,
    /// The first characters of the key, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    pub role: Role,
    /// The key may use `/api/ops`.
    pub operator: bool,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    pub async fn create_key(&self, _key: ApiKey) -> Result<(), Error> {
        unimplemented!("create_key")
    }

    /// Also revoked and expired ones: the caller decides.
    pub async fn key_by_hash(&self, _hash: [u8; 32]) -> Result<Option<ApiKey>, Error> {
        unimplemented!("key_by_hash")
    }

    /// Oldest first.
    pub async fn keys_of(
        &self,
        _account: AccountId,
        _after: Option<KeyId>,
        _limit: usize,
    ) -> Result<Vec<ApiKey>, Error> {
        unimplemented!("keys_of")
    }

    /// False when there is no such live key in the account.
    pub async fn revoke_key(&self, _account: AccountId, _id: KeyId, _at: Timestamp) -> Result<bool, Error> {
        unimplemented!("revoke_key")
    }

    /// Notes the last use of several keys at once.
    pub async fn touch_keys(&self, _used: Vec<(KeyId, Timestamp)>) -> Result<(), Error> {
        unimplemented!("touch_keys")
    }
}
