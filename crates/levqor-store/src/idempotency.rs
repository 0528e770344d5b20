//! Answers to writes with an `Idempotency-Key`, so that a repeat gets the first answer.

use levqor_model::Timestamp;

use crate::{Error, Store};

/// The answer that was given. `scope` is the account (or `anonymous`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// SHA-256 of method, path and body.
    pub request_hash: [u8; 32],
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

/// What claiming a key gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The key is the caller's: do the work, then [`finish`](crate::Store::finish_idempotency) or release.
    Yours,
    /// The first request with this key is still being processed.
    InProgress {
        request_hash: [u8; 32],
    },
    Answered(StoredAnswer),
}

impl Store {
    /// Claims that are still unanswered but older than `stale_before` belong to a dead process and are given anew.
    pub async fn claim_idempotency(
        &self,
        _scope: String,
        _key: String,
        _request_hash: [u8; 32],
        _now: Timestamp,
        _stale_before: Timestamp,
    ) -> Result<Claim, Error> {
        unimplemented!("claim_idempotency")
    }

    pub async fn finish_idempotency(
        &self,
        _scope: String,
        _key: String,
        _answer: StoredAnswer,
    ) -> Result<(), Error> {
        unimplemented!("finish_idempotency")
    }

    /// The work failed without an effect: let a repeat try again.
    pub async fn release_idempotency(&self, _scope: String, _key: String) -> Result<(), Error> {
        unimplemented!("release_idempotency")
    }

    pub async fn prune_idempotency(&self, _before: Timestamp) -> Result<(), Error> {
        unimplemented!("prune_idempotency")
    }
}
