//! Runs and their journals.
//!
//! A run is its journal; the row beside it is what lists and workers need without reading the journal. Payloads live
//! in a table of their own, so that lists never touch them. Runs that have ended live in an archive, so that work on those
//! that go on never touches them ([`archive`]).
//!
//! Invariant: `run_counts` equals the rows of `runs` and `archived_runs` by account and status, after every transaction.
//! Invariant: rows and journals of a run change only by [`append`](Store::append) and
//! [`reopen_run`](Store::reopen_run) with the row's epoch and place, so a stale owner can never write.

pub(crate) mod accept;
pub(crate) mod append;
mod archive;
pub(crate) mod counts;
pub(crate) mod lists;
mod ownership;
mod pack;
mod retention;
mod segments;
pub(crate) mod short;
mod sweep;
mod takeover;
mod unreadable;

pub use ownership::RunsToDrive;
pub use retention::{Deleted, KeptBy};
pub use sweep::{LiveRun, LiveRuns};
pub use takeover::{LeftRuns, Takeover, Taker};
pub(crate) use unreadable::Told;
pub use unreadable::UnreadableRun;

use levqor_model::{
    AccountId, Date, NodeId, Overlap, Priority, RegionCode, Residency, RunId, RunStatus, Timestamp,
    TriggerKind, WorkflowId,
};

use crate::{
    Error, Row, Store, approvals::ApprovalChanges, event_triggers::TriggerMove, idempotency::KeyClaim,
    listeners::EventChanges, params, webhooks::WebhookMessage,
};

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Made from the same reading of the clock as `created_at`: lists by time rely on it, within an hour.
    pub id: RunId,
    pub account_id: AccountId,
    pub workflow_id: WorkflowId,
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub status: RunStatus,
    pub trigger: TriggerKind,
    /// Where it runs (or ended).
    pub region: RegionCode,
    pub home_region: RegionCode,
    pub residency: Residency,
    /// What a waiting run waits for, in words.
    pub waiting_for: Option<String>,
    /// The run and effect that wait for this one.
    pub parent: Option<(RunId, u64)>,
    pub depth: u32,
    /// The run that this one repeats from its start.
    pub retry_of: Option<RunId>,
    pub created_at: Timestamp,
    /// When it had a place for the first time. None: it is queued, or was suspended or cancelled there.
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub owner: Option<NodeId>,
    pub epoch: i64,
    /// The place of the next journal entry.
    pub next_seq: i64,
    pub priority: Priority,
    /// What it shares with other runs of the workflow, of which only so many may go on at once.
    pub concurrency_key: Option<String>,
}

/// A run's payloads, as JSON texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payloads {
    pub input: String,
    pub output: Option<String>,
    pub error: Option<String>,
}

/// A run to accept, with its first journal entry, which takes place 0: the row's `next_seq` is 1 then, and 0 for a run
/// without one, whatever `run.next_seq` says.
#[derive(Debug, Clone)]
pub struct NewRun {
    pub run: Run,
    /// JSON.
    pub input: String,
    /// The first journal entry: a JSON array of events. None for a run that begins later.
    pub events: Option<String>,
    /// What starts it, where that may start only one.
    pub firing: Option<Firing>,
    /// The day whose usage it counts for.
    pub day: Date,
    /// The `Idempotency-Key` that the caller has claimed for it: the claim leads to the run from the same transaction on.
    pub claim: Option<KeyClaim>,
    /// Its first entry says more than its input: it is kept while the run is queued.
    pub keeps_first_entry: bool,
}

/// What starts at most one run, whoever looks: taken in the transaction that accepts the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Firing {
    /// A due time of the workflow's schedule; its next one takes its place.
    Due(Due),
    /// Events, up to a number; the workflow's trigger moves past them.
    Events(TriggerMove),
    /// A message that came to a webhook.
    Message(WebhookMessage),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub due_at: Timestamp,
    pub next_due_at: Option<Timestamp>,
    /// What becomes of it while a run that the schedule started before has not ended.
    pub overlap: Overlap,
    /// It came before and was buffered; the schedule has moved on since.
    pub was_buffered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    New,
    /// The same request, due time, message or parent effect has started this run before, or a run with this id is there.
    Already(RunId),
    /// The due time waits for the end of the run before.
    Buffered,
    /// The due time was passed over, or somebody else has taken care of it.
    Skipped,
}

/// One journal entry and what it changes in the row. Refused as stale unless `epoch` and `seq` are the row's.
///
/// `output` and `error` replace what is there when given, `started_at` too; `waiting_for` always does. A timer that is both
/// cleared and set is set.
#[derive(Debug, Clone)]
pub struct Append {
    pub run_id: RunId,
    pub epoch: i64,
    pub seq: i64,
    pub at: Timestamp,
    pub region: RegionCode,
    /// A JSON array of events; None changes only the row.
    pub events: Option<String>,
    pub status: RunStatus,
    pub waiting_for: Option<String>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// JSON.
    pub output: Option<String>,
    /// JSON.
    pub error: Option<String>,
    pub timers_set: Vec<(u64, Timestamp)>,
    pub timers_cleared: Vec<u64>,
    pub event_changes: EventChanges,
    pub approval_changes: ApprovalChanges,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    pub seq: i64,
    pub at: Timestamp,
    pub region: RegionCode,
    pub events: String,
}

/// Which runs a list shows.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub workflow_id: Option<WorkflowId>,
    pub status: Option<RunStatus>,
    pub region: Option<RegionCode>,
    pub created_from: Option<Timestamp>,
    pub created_until: Option<Timestamp>,
}

/// Runs by status, over all accounts or one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunCounts {
    pub pending: i64,
    pub running: i64,
    pub waiting: i64,
    pub suspended: i64,
    pub completed: i64,
    pub faulted: i64,
    pub cancelled: i64,
}

/// The columns of [`Run`], in the order in which [`Run::read`] takes them.
macro_rules! columns {
    () => {
        "run_id, account_id, workflow_id, namespace, name, version, status, started_by, region, home_region, \
         residency, waiting_for, parent_run_id, parent_effect, depth, retry_of, created_at, started_at, ended_at, \
         owner, epoch, next_seq, priority, concurrency_key"
    };
}
use columns;

impl Run {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            workflow_id: row.take()?,
            namespace: row.take()?,
            name: row.take()?,
            version: row.take()?,
            status: row.take()?,
            trigger: row.take()?,
            region: row.take()?,
            home_region: row.take()?,
            residency: row.take()?,
            waiting_for: row.take()?,
            parent: {
                let (run, effect): (Option<RunId>, Option<u64>) = (row.take()?, row.take()?);
                run.zip(effect)
            },
            depth: row.take()?,
            retry_of: row.take()?,
            created_at: row.take()?,
            started_at: row.take()?,
            ended_at: row.take()?,
            owner: row.take()?,
            epoch: row.take()?,
            next_seq: row.take()?,
            priority: row.take()?,
            concurrency_key: row.take()?,
        })
    }
}

impl Store {
    /// None as account: any (for the engine).
    pub async fn run(&self, account: Option<AccountId>, id: RunId) -> Result<Option<Run>, Error> {
        self.read(move |session| {
            let run = session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM runs WHERE run_id = $1 UNION ALL SELECT ",
                    columns!(),
                    " FROM archived_runs WHERE run_id = $1 LIMIT 1"
                ),
                params![id],
                Run::read,
            )?;
            Ok(run.filter(|run| account.is_none_or(|account| account == run.account_id)))
        })
        .await
    }

    pub async fn payloads(&self, id: RunId) -> Result<Option<Payloads>, Error> {
        self.read(move |session| session.snapshot(|| archive::payloads(session, id))).await
    }
}
