//! How much room the data of accounts takes: counted where rows are few, estimated from a sample where they are many.

use levqor_model::AccountId;

use crate::{Error, Session, Store, params};

/// Runs of an account that are weighed; the newest.
const WEIGHED_MAX: usize = 50;
/// Bytes of a run's row and of what the indexes have of it, besides what it keeps.
const ROW_BYTES: i64 = 300;

/// The room that an account takes, in bytes of its contents. What the database adds of its own is not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredBytes {
    /// Definitions and sources of workflows, all versions.
    pub workflows: i64,
    /// Runs that are kept, live and ended: their number times what the newest ones weigh.
    pub runs: i64,
    pub runs_kept: i64,
    /// How many of them were weighed.
    pub runs_weighed: i64,
    /// Events that were published.
    pub events: i64,
    /// Values of the function `store`.
    pub state: i64,
}

impl StoredBytes {
    pub fn total(&self) -> i64 {
        self.workflows.saturating_add(self.runs).saturating_add(self.events).saturating_add(self.state)
    }
}

impl Store {
    /// What an account takes now.
    pub async fn stored_bytes(&self, account: AccountId) -> Result<StoredBytes, Error> {
        self.view(move |session| weigh(session, account)).await
    }
}

fn weigh(session: &Session, account: AccountId) -> Result<StoredBytes, Error> {
    let sum = |sql: &'static str| -> Result<i64, Error> {
        Ok(session.scalar::<i64>(sql, params![account])?.unwrap_or_default())
    };
    let workflows = sum(
        "SELECT CAST(coalesce(sum(octet_length(definition) + coalesce(octet_length(source), 0)), 0) AS bigint) FROM workflow_versions
         WHERE workflow_id IN (SELECT workflow_id FROM workflows WHERE account_id = $1 AND deleted_at IS NULL)",
    )?;
    let events =
        sum("SELECT CAST(coalesce(sum(octet_length(body)), 0) AS bigint) FROM events WHERE account_id = $1")?;
    let state = sum(
        "SELECT CAST(coalesce(sum(octet_length(key) + octet_length(value)), 0) AS bigint) FROM state WHERE account_id = $1",
    )?;
    let live = sum("SELECT count(*) FROM runs WHERE account_id = $1")?;
    let ended = sum("SELECT count(*) FROM archived_runs WHERE account_id = $1")?;
    let weighed: Vec<i64> = [
        "SELECT CAST(
            coalesce((SELECT sum(octet_length(body)) FROM run_payloads WHERE run_payloads.run_id = runs.run_id), 0)
            + coalesce((SELECT sum(octet_length(events)) FROM journal WHERE journal.run_id = runs.run_id), 0)
            + coalesce((SELECT sum(octet_length(body)) FROM journal_segments WHERE journal_segments.run_id = runs.run_id), 0)
            AS bigint)
         FROM runs WHERE account_id = $1 ORDER BY run_id DESC LIMIT $2",
        "SELECT CAST(
            coalesce((SELECT sum(octet_length(body)) FROM archived_payloads WHERE archived_payloads.run_id = archived_runs.run_id), 0)
            + coalesce((SELECT sum(octet_length(body)) FROM journal_segments WHERE journal_segments.run_id = archived_runs.run_id), 0)
            AS bigint)
         FROM archived_runs WHERE account_id = $1 ORDER BY run_id DESC LIMIT $2",
    ]
    .into_iter()
    .map(|sql| session.rows(sql, params![account, WEIGHED_MAX], |row| row.take::<i64>()))
    .collect::<Result<Vec<_>, _>>()?
    .concat();
    let (runs_kept, runs_weighed) = (live + ended, i64::try_from(weighed.len()).unwrap_or(i64::MAX));
    let mean = weighed.iter().sum::<i64>().checked_div(runs_weighed).unwrap_or_default();
    let runs = runs_kept.saturating_mul(mean.saturating_add(ROW_BYTES));
    Ok(StoredBytes { workflows, runs, runs_kept, runs_weighed, events, state })
}
