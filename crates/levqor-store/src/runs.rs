//! Runs and their journals.
//!
//! A run is its journal; the row beside it is what lists and workers need without reading the journal.

use levqor_model::{
    AccountId, Date, NodeId, RegionCode, Residency, RunId, RunStatus, Timestamp, TriggerKind, WorkflowId,
};

use crate::{Error, Store};

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
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
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub owner: Option<NodeId>,
    pub epoch: i64,
    /// The place of the next journal entry.
    pub next_seq: i64,
}

/// A run's payloads, as JSON texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payloads {
    pub input: String,
    pub output: Option<String>,
    pub error: Option<String>,
}

/// A run to accept, with its first journal entry.
#[derive(Debug, Clone)]
pub struct NewRun {
    pub run: Run,
    /// JSON.
    pub input: String,
    /// The first journal entry: a JSON array of events. None for a run that begins later.
    pub events: Option<String>,
    /// The schedule's due time that starts it, and the schedule's next one.
    pub firing: Option<Firing>,
    /// The day whose usage it counts for.
    pub day: Date,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firing {
    pub due_at: Timestamp,
    pub next_due_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    New,
    /// The same due time or the same parent effect has started this run before.
    Already(RunId),
}

/// One journal entry and what it changes in the row. Refused as stale unless `epoch` and `seq` are the row's.
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

impl Store {
    /// Durable when this returns; counts the account's usage in the same transaction.
    pub async fn accept_run(&self, _new: NewRun) -> Result<Accepted, Error> {
        unimplemented!("accept_run")
    }

    /// Durable when this returns. An end clears all timers of the run.
    ///
    /// # Errors
    /// [`Error::Stale`](crate::Error::Stale) when the epoch or the place is not the row's; nothing is written then.
    pub async fn append(&self, _append: Append) -> Result<(), Error> {
        unimplemented!("append")
    }

    /// Takes the run for this node (unless a newer epoch has it) and gives its row.
    pub async fn own_run(&self, _id: RunId, _node: NodeId, _epoch: i64) -> Result<Option<Run>, Error> {
        unimplemented!("own_run")
    }

    /// Takes all runs that have not ended and whose owner is not a live newer node; gives how many.
    pub async fn own_live_runs(&self, _node: NodeId, _epoch: i64) -> Result<u64, Error> {
        unimplemented!("own_live_runs")
    }

    /// Runs that are pending or running, oldest first: the ones to load after a start.
    pub async fn runs_to_drive(&self, _after: Option<RunId>, _limit: usize) -> Result<Vec<Run>, Error> {
        unimplemented!("runs_to_drive")
    }

    /// None as account: any (for the engine).
    pub async fn run(&self, _account: Option<AccountId>, _id: RunId) -> Result<Option<Run>, Error> {
        unimplemented!("run")
    }

    pub async fn payloads(&self, _id: RunId) -> Result<Option<Payloads>, Error> {
        unimplemented!("payloads")
    }

    /// In order.
    pub async fn journal(
        &self,
        _id: RunId,
        _after_seq: Option<i64>,
        _limit: usize,
    ) -> Result<Vec<JournalEntry>, Error> {
        unimplemented!("journal")
    }

    /// Newest first, by keyset; narrow rows only.
    pub async fn runs_of(
        &self,
        _account: Option<AccountId>,
        _filter: RunFilter,
        _before: Option<RunId>,
        _limit: usize,
    ) -> Result<Vec<Run>, Error> {
        unimplemented!("runs_of")
    }

    pub async fn run_counts(&self, _account: Option<AccountId>) -> Result<RunCounts, Error> {
        unimplemented!("run_counts")
    }

    /// Runs that have not ended.
    pub async fn live_runs_count(&self, _account: AccountId) -> Result<i64, Error> {
        unimplemented!("live_runs_count")
    }

    /// Runs that were started by a `run: workflow` task of `parent` and have not ended.
    pub async fn children_of(
        &self,
        _parent: RunId,
        _after: Option<RunId>,
        _limit: usize,
    ) -> Result<Vec<Run>, Error> {
        unimplemented!("children_of")
    }

    /// Appends to a faulted run and makes it running again; false when it is not faulted or has moved on.
    pub async fn reopen_run(
        &self,
        _id: RunId,
        _epoch: i64,
        _node: NodeId,
        _seq: i64,
        _at: Timestamp,
        _region: RegionCode,
        _events: String,
    ) -> Result<bool, Error> {
        unimplemented!("reopen_run")
    }
}
