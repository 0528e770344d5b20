//! The durable engine: owns runs, performs the effects that `levqor-flow` asks for, and journals what they gave.
//!
//! ```text
//! start ─► accept (durable) ─► driver: Machine::run ─► append (durable) ─► perform effects ─► events ─┐
//!                                  ▲                                                                   │
//!                                  └───────────────────────────────────────────────────────────────────┘
//! timers, schedules ─► wake a run that left memory: replay its journal, go on
//! ```
//!
//! Invariant: an effect is performed only after the journal entry that led to it is durable, and nothing is
//! acknowledged before its entry is durable. A stale epoch can compute but never append.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use levqor_flow::machine::{FlowError, Surroundings};
use levqor_model::{
    AccountId, Clock, NodeId, Random, RegionCode, Residency, RunId, RunStatus, TaskStatus, Timestamp,
    TriggerKind, WorkflowId,
};
use levqor_store::{Store, runs::Run};
use serde::Serialize;
use serde_json::Value;

mod admission;
mod again;
mod approvals;
mod backlog;
mod catalogs;
pub mod cluster;
mod core;
pub mod courier;
mod definitions;
mod drains;
mod driver;
pub mod egress;
mod ends;
mod engine;
mod events;
#[doc(hidden)]
pub mod fault;
mod follow;
pub mod handlers;
mod health;
pub mod jobs;
pub mod keyring;
mod lifecycle;
mod mask;
mod measures;
mod notepad;
mod nudges;
mod payload;
mod pending;
mod pool;
pub mod processes;
mod queue;
mod quota;
mod registry;
mod schedules;
mod secrets;
mod services;
mod signing;
pub mod sink;
mod start;
mod sub_run;
mod suspend;
mod sweep;
mod tasks;
mod timers;
mod triggers;
mod vault;
mod watch;
mod why;

pub use again::Changes;
pub use cluster::Cluster;
pub use measures::RunMeasures;
pub use sweep::Stuck;

pub use keyring::{Closed, Keyring, SealError};
pub use levqor_store::secrets::SecretSet;
pub use vault::{Sealed, Vault};

/// What an engine is built from.
#[derive(Debug, Clone)]
pub struct Setup {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub node: NodeId,
    pub region: RegionCode,
    pub surroundings: Arc<Surroundings>,
    pub egress: egress::Policy,
    pub processes: processes::Policy,
    /// Functions of the server that are made outside the engine.
    pub handlers: handlers::Handlers,
    pub limits: Limits,
    /// Opens the secrets of accounts.
    pub vault: Vault,
    /// Who is told the life of all runs; None: nobody.
    pub sink: Option<sink::Sink>,
    /// Whether other nodes may use the store.
    pub cluster: Cluster,
}

/// Bounds of the engine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Runs held in memory at once; more wait in the database.
    pub active_runs: usize,
    /// Effects (calls) in flight at once.
    pub effects: usize,
    /// Runs of one account that have not ended; more are refused.
    pub runs_per_account: i64,
    /// Runs of one account that are running; more are queued. Those that wait do not count.
    pub running_per_account: i64,
    /// Runs of one account that are queued; more are refused.
    pub queued_per_account: i64,
    /// Runs that are queued at all; more are refused.
    pub queued: i64,
    /// Events older than a month that are kept for a listener that has not read them.
    pub unread_events: usize,
    /// Turns that accounts with a plan get when places are short, against 1 for plans that are not named.
    pub plan_weights: BTreeMap<String, u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            active_runs: 10_000,
            effects: 1_024,
            runs_per_account: 100_000,
            running_per_account: 50,
            queued_per_account: 10_000,
            queued: 100_000,
            unread_events: levqor_model::limits::UNREAD_EVENTS_MAX,
            plan_weights: BTreeMap::new(),
        }
    }
}

/// A request to start a run.
#[derive(Debug, Clone)]
pub struct StartRun {
    pub account_id: AccountId,
    pub workflow_id: WorkflowId,
    /// None: the current version.
    pub version: Option<String>,
    pub input: Value,
    pub trigger: TriggerKind,
    /// None: the workflow's, or anywhere.
    pub residency: Option<Residency>,
    /// None: this node's region.
    pub home_region: Option<RegionCode>,
}

/// Where a retry begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryFrom {
    /// The same run goes on from the task that failed.
    Failed,
    /// A new run from the start.
    Start,
    /// A new run from the task of this JSON Pointer, with the data that it had when it began for the last time.
    Task(String),
}

/// A run with its payloads.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDetail {
    pub run: Run,
    pub input: Value,
    pub output: Option<Value>,
    pub error: Option<FlowError>,
}

/// One execution of a task, as the run page shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskRecord {
    /// Numbers the executions within the run, from 1.
    pub task: u64,
    pub name: String,
    pub reference: String,
    pub iteration: Vec<u64>,
    pub attempt: u32,
    pub status: TaskStatus,
    pub input: Value,
    pub output: Option<Value>,
    pub error: Option<FlowError>,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub region: RegionCode,
}

/// What watchers of a run are told.
#[derive(Debug, Clone)]
pub enum RunUpdate {
    /// The run's row changed; its status now.
    Run { status: RunStatus, at: Timestamp },
    /// A task began, became something else or ended.
    Task(Arc<TaskRecord>),
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("run {0} does not exist")]
    RunNotFound(RunId),
    #[error("workflow {0} does not exist")]
    WorkflowNotFound(WorkflowId),
    #[error("workflow {workflow} has no version {version:?}")]
    VersionNotFound { workflow: WorkflowId, version: String },
    #[error("run {id} has already ended as {status}")]
    RunEnded { id: RunId, status: RunStatus },
    #[error("run {id} cannot go on: {reason}; cancel it, or run it again from its start")]
    Stuck { id: RunId, reason: String },
    #[error(
        "run {id} is {status}; only a faulted run can be retried from the failed task; {} from \"start\" to run it again",
        if .status.is_ended() { "use" } else { "wait for its end or cancel it, and use" }
    )]
    NotFaulted { id: RunId, status: RunStatus },
    #[error("run {id} is {status}; wait for its end or cancel it before you run it again")]
    NotEnded { id: RunId, status: RunStatus },
    #[error("values of secrets that run {0} used are not kept any more; start it anew")]
    SecretsForgotten(RunId),
    #[error(
        "a retry from the failed task keeps the run's input; use from \"start\" or the pointer of a task to change it"
    )]
    InputKept,
    #[error(
        "no run of version {version} can begin at {pointer:?}: only at tasks that stand in no loop, fork or try. Allowed are {allowed}"
    )]
    NoEntry { pointer: String, version: String, allowed: String },
    #[error(
        "run {id} never began the task {pointer}; choose one that it reached, or run it again from its start"
    )]
    NeverBegan { id: RunId, pointer: String },
    #[error(
        "run {id} cannot go on with version {version}: {reason}; run it again from its start with that version, or retry it with its own"
    )]
    OtherVersion { id: RunId, version: String, reason: String },
    #[error(
        "the journal of run {id} has more than {max} bytes, so its tasks are not shown here; the run itself is not affected"
    )]
    JournalTooLarge { id: RunId, max: usize },
    #[error(
        "the tasks of run {id} could not be told from its journal within {seconds} s; the run itself is not affected"
    )]
    JournalTooSlow { id: RunId, seconds: u64 },
    #[error("the input has {bytes} bytes of JSON; at most {max} are allowed")]
    InputTooLarge { bytes: usize, max: usize },
    #[error("the input is nested deeper than {0} levels")]
    InputTooDeep(usize),
    #[error("the stored definition of {workflow} {version} cannot be used by this build: {reason}")]
    Definition { workflow: WorkflowId, version: String, reason: String },
    #[error("the engine has too much work; try again in {retry_after:?}")]
    Overloaded { retry_after: Duration },
    #[error("run {0} may only be in regions where no node lives now; wait until one is back")]
    NoHost(RunId),
    #[error("the node is shutting down")]
    Draining,
    #[error("the journal of run {id} cannot be replayed: {reason}")]
    Journal { id: RunId, reason: String },
    #[error(
        "the account has {limit} runs that have not ended, which is its limit; let some end or cancel them"
    )]
    TooManyRuns { limit: i64 },
    #[error("{found} events were sent at once; at most {max} are taken")]
    TooManyEvents { found: usize, max: usize },
    /// `in_account`: of this account, else of all.
    #[error(
        "{max} runs {} queued already, and no more can be; try again in {retry_after:?}",
        if *.in_account { "of the account are" } else { "are" }
    )]
    QueueFull { in_account: bool, max: i64, retry_after: Duration },
    #[error("{0}")]
    ConcurrencyKey(String),
    #[error("there is no workflow {namespace}/{name}")]
    NoSuchWorkflow { namespace: String, name: String },
    #[error("runs that start runs are nested deeper than {max} levels")]
    TooDeep { max: u32 },
    #[error("the system gave no threads for the work of runs")]
    Threads(#[source] std::io::Error),
    #[error("could not reach the store")]
    Store(#[from] levqor_store::Error),
    #[error("the keyring cannot be used")]
    Keyring(#[source] keyring::Error),
}

impl From<keyring::Error> for Error {
    fn from(error: keyring::Error) -> Self {
        match error {
            keyring::Error::Store(error) => Error::Store(error),
            other => Error::Keyring(other),
        }
    }
}

/// A running engine; cheap to clone. When the last clone is dropped it stops as a killed process would; use
/// [`Engine::drain`] to end in order.
#[derive(Debug, Clone)]
pub struct Engine {
    core: Arc<core::Core>,
    _stop: Arc<StopOnDrop>,
}

/// Stops the background work of an engine that nobody holds any more.
#[derive(Debug)]
struct StopOnDrop(Arc<core::Core>);

/// What the engine is doing now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    pub active_runs: usize,
    pub effects_in_flight: usize,
    pub timers_near: usize,
}
