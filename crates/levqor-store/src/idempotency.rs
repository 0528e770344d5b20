//! Answers to writes with an `Idempotency-Key`, so that a repeat gets the first answer.

use levqor_model::Timestamp;

use crate::{Error, Row, Store, params};

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

/// A key as it is stored.
struct Held {
    request_hash: [u8; 32],
    claimed_at: Timestamp,
    answer: Option<(u16, String, Vec<u8>)>,
}

impl Held {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        let (request_hash, claimed_at) = (row.take()?, row.take()?);
        let answer = match row.take()? {
            Some(status) => Some((status, row.take()?, row.take()?)),
            None => None,
        };
        Ok(Self { request_hash, claimed_at, answer })
    }
}

impl Store {
    /// Claims that are still unanswered but older than `stale_before` belong to a dead process and are given anew.
    pub async fn claim_idempotency(
        &self,
        scope: String,
        key: String,
        request_hash: [u8; 32],
        now: Timestamp,
        stale_before: Timestamp,
    ) -> Result<Claim, Error> {
        self.write(move |session| {
            let claimed = session.execute(
                "INSERT INTO idempotency_keys (scope, key, request_hash, claimed_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (scope, key) DO UPDATE SET request_hash = excluded.request_hash,
                     claimed_at = excluded.claimed_at
                 WHERE idempotency_keys.status IS NULL AND idempotency_keys.claimed_at < $5",
                params![scope, key, request_hash, now, stale_before],
            )?;
            if claimed > 0 {
                return Ok(Claim::Yours);
            }
            let held = session.row(
                "SELECT request_hash, claimed_at, status, content_type, body FROM idempotency_keys
                 WHERE scope = $1 AND key = $2",
                params![scope, key],
                Held::read,
            )?;
            let Some(held) = held else {
                return Err(Error::Unavailable("the idempotency key was released meanwhile".to_owned()));
            };
            debug_assert!(
                held.answer.is_some() || held.claimed_at >= stale_before,
                "a stale claim is given anew"
            );
            Ok(match held.answer {
                Some((status, content_type, body)) => Claim::Answered(StoredAnswer {
                    request_hash: held.request_hash,
                    status,
                    content_type,
                    body,
                }),
                None => Claim::InProgress { request_hash: held.request_hash },
            })
        })
        .await
    }

    /// Keeps the answer. The first one stays when there are two.
    pub async fn finish_idempotency(
        &self,
        scope: String,
        key: String,
        answer: StoredAnswer,
    ) -> Result<(), Error> {
        self.write(move |session| {
            session
                .execute(
                    "UPDATE idempotency_keys SET request_hash = $3, status = $4, content_type = $5, body = $6
                     WHERE scope = $1 AND key = $2 AND status IS NULL",
                    params![scope, key, answer.request_hash, answer.status, answer.content_type, answer.body],
                )
                .map(drop)
        })
        .await
    }

    /// The work failed without an effect: let a repeat try again. An answer that is there stays.
    pub async fn release_idempotency(&self, scope: String, key: String) -> Result<(), Error> {
        self.write(move |session| {
            session
                .execute(
                    "DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND status IS NULL",
                    params![scope, key],
                )
                .map(drop)
        })
        .await
    }

    /// Forgets keys that were claimed before then.
    pub async fn prune_idempotency(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM idempotency_keys WHERE (scope, key) IN
                (SELECT scope, key FROM idempotency_keys WHERE claimed_at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
