//! Sign-in: magic links and sessions. Only hashes of their tokens are stored.

use levqor_model::{AccountId, LinkId, SessionId, Timestamp, UserId};

use crate::{Error, Store};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub id: LinkId,
    pub user_id: UserId,
    pub hash: [u8; 32],
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    pub account_id: AccountId,
    pub hash: [u8; 32],
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Store {
    pub async fn create_link(&self, _link: Link) -> Result<(), Error> {
        unimplemented!("create_link")
    }

    /// Spends the link: gives its user once, only before it expires.
    pub async fn use_link(&self, _hash: [u8; 32], _now: Timestamp) -> Result<Option<UserId>, Error> {
        unimplemented!("use_link")
    }

    pub async fn create_session(&self, _session: Session) -> Result<(), Error> {
        unimplemented!("create_session")
    }

    /// Only one that is neither expired nor revoked.
    pub async fn session_by_hash(&self, _hash: [u8; 32], _now: Timestamp) -> Result<Option<Session>, Error> {
        unimplemented!("session_by_hash")
    }

    pub async fn touch_session(&self, _id: SessionId, _now: Timestamp) -> Result<(), Error> {
        unimplemented!("touch_session")
    }

    pub async fn revoke_session(&self, _id: SessionId, _now: Timestamp) -> Result<(), Error> {
        unimplemented!("revoke_session")
    }

    /// Forgets links and sessions that ended before then.
    pub async fn prune_sign_in(&self, _before: Timestamp) -> Result<(), Error> {
        unimplemented!("prune_sign_in")
    }
}
