//! What people and metrics want to know of the queue.

use levqor_model::{AccountId, RunId, Timestamp, WorkflowId};

use super::{TOTAL, number};
use crate::{Error, Store, params};

/// Runs before another one are counted up to here.
const AHEAD_MAX: i64 = 1_000;

/// What stands before a queued run; at most 1000 are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ahead {
    /// Runs of the account that begin before it.
    Account(i64),
    /// Runs that have its concurrency key or get it before.
    Key { key: String, runs: i64 },
}

impl Ahead {
    /// No more are counted.
    pub const MAX: i64 = AHEAD_MAX;
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueLoad {
    pub queued: i64,
    /// When the one that waits longest was queued.
    pub oldest_at: Option<Timestamp>,
}

impl Store {
    /// None when the run is not queued.
    pub async fn queue_position(&self, run: RunId) -> Result<Option<Ahead>, Error> {
        self.read(move |session| {
            let row = session.row(
                "SELECT place, account_id, workflow_id, concurrency_key, rank, held FROM queued_runs
                 WHERE run_id = $1",
                params![run],
                |row| {
                    let (place, account): (i64, AccountId) = (row.take()?, row.take()?);
                    let (workflow, key): (WorkflowId, Option<String>) = (row.take()?, row.take()?);
                    let (rank, held): (i64, bool) = (row.take()?, row.take()?);
                    Ok((place, account, workflow, key, rank, held))
                },
            )?;
            let Some((place, account, workflow, key, rank, held)) = row else { return Ok(None) };
            if let (Some(key), true) = (key, held) {
                let waiting: Option<i64> = session.scalar(
                    "SELECT count(*) FROM
                        (SELECT 1 FROM queued_runs
                         WHERE held AND workflow_id = $1 AND concurrency_key = $2 AND place < $3 LIMIT $4) AS page",
                    params![workflow, key, place, AHEAD_MAX],
                )?;
                let holders: Option<i64> = session.scalar(
                    "SELECT count(*) FROM
                        (SELECT 1 FROM key_holds WHERE workflow_id = $1 AND concurrency_key = $2 LIMIT $3) AS page",
                    params![workflow, key, AHEAD_MAX],
                )?;
                let runs = waiting.unwrap_or_default() + holders.unwrap_or_default();
                return Ok(Some(Ahead::Key { key, runs: runs.min(AHEAD_MAX) }));
            }
            let ahead: Option<i64> = session.scalar(
                "SELECT count(*) FROM
                    (SELECT 1 FROM queued_runs
                     WHERE NOT held AND account_id = $1 AND (rank, place) < ($2, $3) LIMIT $4) AS page",
                params![account, rank, place, AHEAD_MAX],
            )?;
            Ok(Some(Ahead::Account(ahead.unwrap_or_default())))
        })
        .await
    }

    pub async fn is_queued(&self, run: RunId) -> Result<bool, Error> {
        self.read(move |session| {
            let place: Option<i64> =
                session.scalar("SELECT place FROM queued_runs WHERE run_id = $1", params![run])?;
            Ok(place.is_some())
        })
        .await
    }

    /// What a run that has not begun begins with, when that is more than its input.
    pub async fn first_entry(&self, run: RunId) -> Result<Option<String>, Error> {
        self.read(move |session| {
            session.scalar("SELECT events FROM first_entries WHERE run_id = $1", params![run])
        })
        .await
    }

    /// Whether a claim would find somebody.
    pub async fn queue_is_ready(&self) -> Result<bool, Error> {
        self.read(|session| {
            let account: Option<AccountId> = session.scalar(
                "SELECT account_id FROM queue_accounts WHERE ready > 0 AND NOT at_limit
                 ORDER BY pass, account_id LIMIT 1",
                &[],
            )?;
            Ok(account.is_some())
        })
        .await
    }

    pub async fn queue_load(&self) -> Result<QueueLoad, Error> {
        self.read(|session| {
            let oldest_at =
                session.scalar("SELECT queued_at FROM queued_runs ORDER BY place LIMIT 1", &[])?;
            Ok(QueueLoad { queued: number(session, TOTAL)?, oldest_at })
        })
        .await
    }

    /// Waits until the queue may have somebody whose turn it is, as far as this process knows. Cancel safe.
    pub async fn queue_changed(&self) {
        self.queue_bell.notified().await;
    }
}
