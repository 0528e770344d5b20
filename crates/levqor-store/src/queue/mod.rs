//! Runs that are accepted and wait for their turn.
//!
//! ```text
//! accept ─┬─► running                                   a place is free, nobody of the account is before it
//!         ├─► ready ───── claim (fair over accounts) ─► running
//!         └─► held ── its key comes free ─► ready
//! ```
//!
//! Each account has a pass and a stride: the account with the least pass is served, and its pass grows by its stride. So
//! accounts with half the stride get twice the turns, and whoever is behind comes next (stride scheduling). An account that
//! was away begins at the present pass: it saves up nothing.
//!
//! Invariants, after every transaction: `queue_accounts` counts the rows of `queued_runs`; no workflow's key is held by
//! more runs than its limit; every ready run with a key holds it.
//!
//! Source: Waldspurger and Weihl, "Stride Scheduling: Deterministic Proportional-Share Resource Management", 1995.

mod admit;
mod again;
mod claim;
mod keys;
mod looks;

use levqor_model::{AccountId, RunId, WorkflowId};

pub use claim::Claimer;
pub use looks::{Ahead, QueueLoad};

use crate::{Error, Session, params};

/// The rank of a run that another one waits for: before all others, and without regard to the account's limit.
const URGENT: i64 = -1;

/// What a run must pass to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    pub key: Option<ConcurrencyKey>,
    /// Whether the node has a place for it now.
    pub has_place: bool,
    /// Runs of the account that may be running.
    pub running_max: i64,
    /// Runs of the account that may be queued.
    pub queued_max: i64,
    /// Runs that may be queued at all.
    pub queued_total_max: i64,
    /// How much one turn costs the account: the larger, the fewer turns.
    pub stride: i64,
    /// What the caller has not asked for again.
    pub assumed: Option<Assumed>,
}

/// What is taken for granted of a run's workflow: that it is there, and that this is its current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumed {
    /// None: whichever it is.
    pub version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrencyKey {
    pub text: String,
    /// Runs of the workflow that may have the key at once.
    pub limit: u32,
}

/// What became of a run that asked to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It is there and may begin.
    Running,
    /// It is there and waits for its turn.
    Queued,
    /// The same request, due time, message or parent effect has started this run before, or a run with this id is there.
    Already(RunId),
    /// Its due time waits for the end of the run before.
    Buffered,
    /// Its due time was passed over, or somebody else has taken care of it.
    Skipped,
    QueueFull(QueueFull),
}

/// Which queue has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueFull {
    Account,
    All,
}

/// A row that left the queue.
#[derive(Debug)]
struct Queued {
    workflow: WorkflowId,
    /// The key that it waited for.
    held_by: Option<String>,
}

/// Adds to a named number, and gives it.
fn add_to(session: &Session, name: &'static str, change: i64) -> Result<i64, Error> {
    let value = session.scalar(
        "INSERT INTO sequences (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = sequences.value + excluded.value RETURNING value",
        params![name, change],
    )?;
    Ok(value.unwrap_or_default())
}

fn number(session: &Session, name: &'static str) -> Result<i64, Error> {
    Ok(session.scalar("SELECT value FROM sequences WHERE name = $1", params![name])?.unwrap_or_default())
}

/// Rows of `queued_runs`.
const TOTAL: &str = "queued_runs";
/// The pass that was served last.
const PRESENT: &str = "queue_pass";

/// Counts one more queued run of the account. `stride`: None leaves it.
fn count_in(
    session: &Session,
    account: AccountId,
    queued: i64,
    is_ready: bool,
    stride: Option<i64>,
) -> Result<(), Error> {
    const USUAL: i64 = 1;
    let present = number(session, PRESENT)?;
    session
        .execute(
            "INSERT INTO queue_accounts (account_id, queued, ready, pass, stride, at_limit)
             VALUES ($1, $2, $3, $4, $5, false)
             ON CONFLICT (account_id) DO UPDATE SET queued = queue_accounts.queued + excluded.queued,
                 ready = queue_accounts.ready + excluded.ready,
                 stride = CASE WHEN $6 THEN excluded.stride ELSE queue_accounts.stride END,
                 pass = CASE WHEN queue_accounts.ready = 0 AND queue_accounts.pass < excluded.pass
                     THEN excluded.pass ELSE queue_accounts.pass END",
            params![account, queued, i64::from(is_ready), present, stride.unwrap_or(USUAL), stride.is_some()],
        )
        .map(drop)
}

/// Takes a run out of the queue, if it is there.
fn take_out(session: &Session, run: RunId) -> Result<Option<Queued>, Error> {
    let row = session.row(
        "DELETE FROM queued_runs WHERE run_id = $1 RETURNING account_id, workflow_id, concurrency_key, held",
        params![run],
        |row| {
            let (account, workflow): (AccountId, WorkflowId) = (row.take()?, row.take()?);
            let (key, held): (Option<String>, bool) = (row.take()?, row.take()?);
            Ok((account, workflow, key.filter(|_| held), held))
        },
    )?;
    let Some((account, workflow, held_by, held)) = row else { return Ok(None) };
    session.execute(
        "UPDATE queue_accounts SET queued = queued - 1, ready = ready - $2 WHERE account_id = $1",
        params![account, i64::from(!held)],
    )?;
    session.execute("DELETE FROM queue_accounts WHERE account_id = $1 AND queued <= 0", params![account])?;
    add_to(session, TOTAL, -1)?;
    Ok(Some(Queued { workflow, held_by }))
}

/// A run that was queued goes on otherwise: it was cancelled, or driven past the queue. Whether others may come forward.
pub(crate) fn leave(session: &Session, run: RunId) -> Result<bool, Error> {
    match take_out(session, run)? {
        // The next one in line may have a larger limit.
        Some(Queued { workflow, held_by: Some(key) }) => keys::come_forward(session, workflow, &key),
        _ => Ok(false),
    }
}

/// The first entry of the run is written, or never will be.
pub(crate) fn has_begun(session: &Session, run: RunId) -> Result<(), Error> {
    session.execute("DELETE FROM first_entries WHERE run_id = $1", params![run]).map(drop)
}

/// A run of the account is running no more. Whether a queued one may take its turn.
pub(crate) fn stopped_running(session: &Session, account: AccountId) -> Result<bool, Error> {
    let freed = session.execute(
        "UPDATE queue_accounts SET at_limit = false,
             pass = CASE WHEN pass < coalesce((SELECT value FROM sequences WHERE name = 'queue_pass'), 0)
                 THEN (SELECT value FROM sequences WHERE name = 'queue_pass') ELSE pass END
         WHERE account_id = $1 AND at_limit",
        params![account],
    )?;
    Ok(freed > 0)
}

pub(crate) use again::Again;
pub(crate) use keys::ended;
