//! Answers to writes with an `Idempotency-Key`, so that a repeat gets the first answer.
//!
//! A claim that has led to a run holds the run's id in `content_type` until it is answered. It is written in the
//! transaction that accepts the run, so whoever takes the claim over after a crash finds the run and starts no second.

use levqor_model::{NodeId, RunId, Timestamp};

use crate::{Error, Row, Session, Store, params};

/// The answer that was given. `scope` is the account (or `anonymous`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// What the request is known by; opaque here.
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

/// A key that the caller has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyClaim {
    pub scope: String,
    pub key: String,
}

/// The run that the claim has led to.
pub(crate) fn run_of(session: &Session, claim: &KeyClaim) -> Result<Option<RunId>, Error> {
    let held: Option<Option<String>> = session.scalar(
        "SELECT content_type FROM idempotency_keys WHERE scope = $1 AND key = $2 AND status IS NULL",
        params![claim.scope, claim.key],
    )?;
    held.flatten()
        .map(|id| id.parse().map_err(|_| Error::Decode(format!("column content_type: {id:?} is no run"))))
        .transpose()
}

/// From now on the claim leads to this run.
pub(crate) fn lead_to(session: &Session, claim: &KeyClaim, run: RunId) -> Result<(), Error> {
    session
        .execute(
            "UPDATE idempotency_keys SET content_type = $3 WHERE scope = $1 AND key = $2 AND status IS NULL",
            params![claim.scope, claim.key, run],
        )
        .map(drop)
}

/// A key as it is stored.
struct Held {
    request_hash: [u8; 32],
    answer: Option<(u16, String, Vec<u8>)>,
}

impl Held {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        let request_hash = row.take()?;
        let answer = match row.take()? {
            Some(status) => Some((status, row.take()?, row.take()?)),
            None => None,
        };
        Ok(Self { request_hash, answer })
    }
}

impl Store {
    /// Claims that are still unanswered are given anew when they are older than `stale_before`, or of another node that was
    /// stopped; one that has led to a run only to the same request.
    pub async fn claim_idempotency(
        &self,
        by: NodeId,
        scope: String,
        key: String,
        request_hash: [u8; 32],
        now: Timestamp,
        stale_before: Timestamp,
    ) -> Result<Claim, Error> {
        self.write(move |session| {
            let claimed = session.execute(
                "INSERT INTO idempotency_keys (scope, key, request_hash, claimed_at, claimed_by)
                 VALUES ($1, $2, $3, $4, $6)
                 ON CONFLICT (scope, key) DO UPDATE SET request_hash = excluded.request_hash,
                     claimed_at = excluded.claimed_at, claimed_by = excluded.claimed_by
                 WHERE idempotency_keys.status IS NULL
                     AND (idempotency_keys.claimed_at < $5 OR (idempotency_keys.claimed_by <> $6 AND NOT EXISTS
                         (SELECT 1 FROM nodes
                          WHERE nodes.node_id = idempotency_keys.claimed_by AND stopped_at IS NULL)))
                     AND (idempotency_keys.content_type IS NULL
                         OR idempotency_keys.request_hash = excluded.request_hash)",
                params![scope, key, request_hash, now, stale_before, by],
            )?;
            if claimed > 0 {
                return Ok(Claim::Yours);
            }
            let held = session.row(
                "SELECT request_hash, status, content_type, body FROM idempotency_keys
                 WHERE scope = $1 AND key = $2",
                params![scope, key],
                Held::read,
            )?;
            let Some(held) = held else {
                return Err(Error::Unavailable("the idempotency key was released meanwhile".to_owned()));
            };
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

    /// The work failed: let a repeat try again. An answer that is there stays, and so does the run that the claim has led
    /// to: the repeat will find it.
    pub async fn release_idempotency(&self, scope: String, key: String) -> Result<(), Error> {
        /// Enough to make a claim stale, and not enough to have it forgotten.
        const HOUR_MICROS: i64 = 3_600_000_000;
        self.write(move |session| {
            session.execute(
                "DELETE FROM idempotency_keys
                 WHERE scope = $1 AND key = $2 AND status IS NULL AND content_type IS NULL",
                params![scope, key],
            )?;
            session
                .execute(
                    "UPDATE idempotency_keys SET claimed_at = claimed_at - $3
                     WHERE scope = $1 AND key = $2 AND status IS NULL",
                    params![scope, key, HOUR_MICROS],
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
