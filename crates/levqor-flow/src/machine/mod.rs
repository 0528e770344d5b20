//! The interpreter: events in, effects out, no I/O.
//!
//! A run is the fold of its journal: `Machine::start` with the first event, `apply` with the others, `run` after
//! each until it is idle. Pure tasks are evaluated again on replay; what an effect gave is in the journal.
//!
//! Invariant: an event is applied only when the machine is idle, so replay needs no record of how work was sliced.
//! The exceptions, `Cancelled`, `Aborted` and `Suspended`, carry the number of tasks that had begun.
//!
//! ```text
//! events ─► events.rs ─► queue of steps (step.rs) ─► enter.rs ─► finish.rs ─► … ─► effects (effects.rs), notes
//!                              ▲                        └─► errors: fault.rs, catching.rs
//!                              └──────────── the tree of tasks under way: frame.rs, arena.rs
//! ```
//!
//! The state is explicit (no recursion over tasks, no futures), so a run can be cloned, printed and left at any point.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use levqor_model::{RunId, RunStatus, TaskStatus, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::{
    arena::{Arena, FrameId},
    budget::Spent,
    effects::Pending,
    entry::Lookout,
    fault::Fault,
    frame::Due,
    resources::{Resources, Schemas},
    step::{Step, Until},
    suspend::Suspension,
};
use crate::{
    access::Credentials,
    definition::{Program, Returns, Workflow},
    event::{CloudEvent, Interest},
    expression::Bounds,
    secrets::{SecretBook, SecretVersions},
    services::Service,
};

mod access;
mod arena;
mod around;
mod budget;
mod catalogs;
mod catching;
mod effects;
mod emit;
mod enter;
mod entry;
mod events;
mod fault;
mod finish;
mod frame;
mod http;
mod leave;
mod listen;
mod moving;
pub(crate) mod payload;
mod process;
mod replay;
mod resources;
mod scope;
mod service;
mod step;
mod suspend;

pub use entry::{Around, Entry, entry_at, entry_points};
pub use leave::REFUSED;
pub use moving::{Difference, replays_on};
pub use suspend::TimerUse;

pub use catalogs::file_request;

/// Numbers a run's effects, from 1, in the order in which the interpreter asks for them.
pub type EffectId = u64;

/// What happened to a run; the journal is a list of these. The serialised form is stored: only add members, with defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Started {
        at: Timestamp,
        run: RunId,
        input: Value,
        /// Feeds everything random in the run, such as jitter.
        seed: u64,
        /// The secrets that the run sees, by the versions that were current then.
        #[serde(default, skip_serializing_if = "SecretVersions::is_empty")]
        secrets: SecretVersions,
    },
    /// The effect gave its result.
    EffectEnded {
        at: Timestamp,
        effect: EffectId,
        outcome: Outcome,
        /// The AI credits that it cost.
        #[serde(default, skip_serializing_if = "is_zero")]
        credits: u64,
    },
    /// The effect is a timer, and it is due.
    TimerFired {
        at: Timestamp,
        effect: EffectId,
    },
    /// A `listen` task consumes an event: one that [`Machine::wants`].
    Received {
        at: Timestamp,
        effect: EffectId,
        /// The event's place among all that were published; grows from one to the next.
        seq: u64,
        /// Stored as `message`, since `event` is the entry's own tag.
        #[serde(rename = "message")]
        event: CloudEvent,
    },
    Cancelled {
        at: Timestamp,
        tasks_begun: u64,
    },
    /// The engine gave the run up for a reason that replay cannot find again (such as an expression over its time).
    /// `error` is that of [`MustAbort`], or has no `instance`: replay finds the place by it.
    Aborted {
        at: Timestamp,
        tasks_begun: u64,
        error: FlowError,
    },
    /// Go on from the task that failed: it is entered again with its raw input, and so are the calls that were cut off by
    /// its fault. The time since the fault counts for no timer.
    Retried {
        at: Timestamp,
        /// The secrets from here on: what was mended helps.
        #[serde(default, skip_serializing_if = "SecretVersions::is_empty")]
        secrets: SecretVersions,
    },
    /// A first event, like `Started`, of a run that begins at a task of another run instead of the beginning.
    Forked {
        at: Timestamp,
        run: RunId,
        /// The workflow's input.
        input: Value,
        seed: u64,
        entry: Box<Entry>,
        #[serde(default, skip_serializing_if = "SecretVersions::is_empty")]
        secrets: SecretVersions,
    },
    /// From here on the journal is that of another version of the workflow, on which what came before replays alike. A
    /// run that has faulted also there goes on as after `Retried`.
    Moved {
        at: Timestamp,
        /// The secrets from here on, which the other version may need more of.
        #[serde(default, skip_serializing_if = "SecretVersions::is_empty")]
        secrets: SecretVersions,
    },
    /// The run stands still: no task begins and no timer fires. Results that come are held until `Resumed`.
    Suspended {
        at: Timestamp,
        tasks_begun: u64,
        /// Who asked for it, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Nobody did: the run's budget is used up, and `Resumed` allows as much again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        budget: bool,
    },
    /// The run goes on: what was held is taken in, as if it had come now, in its order. Waits keep their moments; timeouts
    /// move by the pause.
    Resumed {
        at: Timestamp,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Event {
    /// The end of an effect that cost no credits.
    pub fn ended(at: Timestamp, effect: EffectId, outcome: Outcome) -> Self {
        Event::EffectEnded { at, effect, outcome, credits: 0 }
    }

    pub fn at(&self) -> Timestamp {
        match self {
            Event::Started { at, .. }
            | Event::EffectEnded { at, .. }
            | Event::TimerFired { at, .. }
            | Event::Received { at, .. }
            | Event::Cancelled { at, .. }
            | Event::Aborted { at, .. }
            | Event::Retried { at, .. }
            | Event::Forked { at, .. }
            | Event::Moved { at, .. }
            | Event::Suspended { at, .. }
            | Event::Resumed { at } => *at,
        }
    }
}

/// The result of a call or of a sub-run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The task's raw output.
    Output(Value),
    Failed {
        error: FlowError,
        /// The callee answered (an HTTP status came back), so a retry is a new attempt and gets a new idempotency key;
        /// without an answer the retry repeats the key, since the first try may have had its effect.
        answered: bool,
    },
}

/// An error of the DSL (RFC 7807 shape). `instance` is set by the interpreter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowError {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default)]
    pub instance: String,
}

/// The standard error types of the DSL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    Configuration,
    Validation,
    Expression,
    Authentication,
    Authorization,
    Timeout,
    Communication,
    Runtime,
}

impl ErrorKind {
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::Configuration => "configuration",
            ErrorKind::Validation => "validation",
            ErrorKind::Expression => "expression",
            ErrorKind::Authentication => "authentication",
            ErrorKind::Authorization => "authorization",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Communication => "communication",
            ErrorKind::Runtime => "runtime",
        }
    }

    /// The status that the DSL gives it by default.
    pub const fn status(self) -> i64 {
        match self {
            ErrorKind::Configuration | ErrorKind::Validation | ErrorKind::Expression => 400,
            ErrorKind::Authentication => 401,
            ErrorKind::Authorization => 403,
            ErrorKind::Timeout => 408,
            ErrorKind::Communication | ErrorKind::Runtime => 500,
        }
    }

    /// `https://serverlessworkflow.io/spec/1.0.0/errors/<name>`.
    pub fn uri(self) -> String {
        format!("https://serverlessworkflow.io/spec/1.0.0/errors/{}", self.name())
    }

    /// An error of this kind with its default status.
    pub fn error(self, title: impl Into<String>, detail: impl Into<String>) -> FlowError {
        FlowError {
            kind: self.uri(),
            status: self.status(),
            title: Some(title.into()),
            detail: Some(detail.into()),
            instance: String::new(),
        }
    }
}

/// What the engine must do for the run.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    CallHttp {
        id: EffectId,
        call: HttpRequest,
    },
    /// Start a run of another workflow; with `wait`, its result is this effect's.
    RunWorkflow {
        id: EffectId,
        call: SubRun,
    },
    /// Publish an event. It ends with the event, in JSON form, as its `Output`. Asked for again, it is the same event under
    /// the same id, unless an attempt has had its result.
    Emit {
        id: EffectId,
        key: String,
        event: CloudEvent,
    },
    /// Offer the run the events that are published from now on and may match one of `interests`: those that it
    /// [`wants`](Machine::wants) become [`Event::Received`]. It gets no `EffectEnded`: the machine lets go of it, by itself
    /// when it has what it waited for, else with an `Abandon`.
    Listen {
        id: EffectId,
        interests: Vec<Interest>,
    },
    /// Run a process on this machine; it ends with [`ProcessEnd::output`] of what was asked for.
    RunProcess {
        id: EffectId,
        call: ProcessCall,
    },
    /// Call a function of the server itself. One that waits for a person ends whenever they answer.
    CallService {
        id: EffectId,
        call: ServiceCall,
    },
    /// Fire at `at`, not earlier.
    Timer {
        id: EffectId,
        at: Timestamp,
    },
    /// Nobody waits for this effect any more: stop it if it still runs. It gets no event.
    Abandon {
        id: EffectId,
    },
}

impl Effect {
    /// The number of the effect; of the one to let go for `Abandon`.
    pub fn id(&self) -> EffectId {
        match self {
            Effect::CallHttp { id, .. }
            | Effect::RunWorkflow { id, .. }
            | Effect::Emit { id, .. }
            | Effect::Listen { id, .. }
            | Effect::RunProcess { id, .. }
            | Effect::CallService { id, .. }
            | Effect::Timer { id, .. }
            | Effect::Abandon { id } => *id,
        }
    }
}

/// A request, evaluated.
///
/// `key` is the `Idempotency-Key`: `<run>/<path of the task>/<attempt group>`, visible ASCII without quotes. The path has
/// `[i]` after a loop for its iteration and `@n` after a task that was reached by the list's nth jump back. The group
/// grows when an attempt has had its result, so a retry of what nobody answered repeats the key.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    pub key: String,
    pub method: String,
    pub uri: String,
    pub credentials: Option<Credentials>,
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub body: Option<Value>,
    pub output: crate::definition::HttpOutput,
    pub redirect: bool,
}

impl HttpRequest {
    /// Fetches a document that a workflow refers to.
    fn document(key: String, uri: String, credentials: Option<Credentials>) -> Self {
        Self {
            key,
            method: "GET".to_owned(),
            uri,
            credentials,
            headers: Vec::new(),
            query: Vec::new(),
            body: None,
            output: crate::definition::HttpOutput::Text,
            redirect: true,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SubRun {
    pub key: String,
    pub namespace: String,
    pub name: String,
    pub version: String,
    pub input: Value,
    /// False: the effect ends with its `Output` as soon as the sub-run is durably accepted.
    pub wait: bool,
}

/// A call of a function of the server itself, evaluated: its input meets the function's schema.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceCall {
    pub key: String,
    pub service: Service,
    pub input: Value,
}

/// A process to run, evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessCall {
    pub key: String,
    pub program: Program,
    /// A command for a shell, or a script's code.
    pub text: String,
    pub stdin: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub returns: Returns,
    /// False: the effect ends with its `Output` as soon as the process has begun.
    pub wait: bool,
}

/// What a process left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessEnd {
    /// 128 and the signal's number for one that a signal ended.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl ProcessEnd {
    /// The task's raw output. A code other than 0 is not an error: the task may ask for it.
    pub fn output(self, returns: Returns) -> Value {
        match returns {
            Returns::Stdout => Value::from(self.stdout),
            Returns::Stderr => Value::from(self.stderr),
            Returns::Code => Value::from(self.code),
            Returns::All => {
                serde_json::json!({ "code": self.code, "stdout": self.stdout, "stderr": self.stderr })
            }
            Returns::None => Value::Null,
        }
    }
}

/// What a reader of the run sees happen to its tasks, in order. `task` numbers the executions of tasks, from 1.
///
/// Every execution begins and ends, also of pure, composite and skipped tasks; inner tasks end before outer ones. When a
/// run faults, all that is open ends (as faulted on the way of the error, else as cancelled). When it is retried, the
/// tasks around the failed one go on: they become `running` again, waits `waiting`, and end a second time. What is
/// entered again is another execution, with a higher attempt.
#[derive(Debug)]
pub enum TaskNote<'a> {
    Began {
        at: Timestamp,
        task: u64,
        name: &'a str,
        reference: &'a str,
        /// Positions in the enclosing loops, outermost first; empty outside loops.
        iteration: &'a [u64],
        /// From 1; grows with retries.
        attempt: u32,
        input: &'a Value,
    },
    /// The task waits (timer, sub-run, call in flight) or goes on.
    Became { at: Timestamp, task: u64, status: TaskStatus },
    Ended {
        at: Timestamp,
        task: u64,
        status: TaskStatus,
        output: Option<&'a Value>,
        error: Option<&'a FlowError>,
    },
}

/// Receives notes. `()` drops them.
pub trait Notes {
    fn note(&mut self, note: TaskNote<'_>);
}

impl Notes for () {
    fn note(&mut self, _note: TaskNote<'_>) {}
}

/// The fixed surroundings of a run: what `$runtime` says, and its bounds.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub runtime_version: String,
    pub bounds: Bounds,
    pub payload_bytes_max: usize,
    pub tasks_max: u64,
    /// Values of the secrets that the run's journal names. An engine makes these for each run that declares any.
    pub secrets: Arc<SecretBook>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
            bounds: Bounds::default(),
            payload_bytes_max: levqor_model::limits::PAYLOAD_BYTES_MAX,
            tasks_max: levqor_model::limits::TASKS_PER_RUN_MAX,
            secrets: Arc::default(),
        }
    }
}

/// How far `run` came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to do until the next event.
    Idle,
    /// The slice is used up; call `run` again.
    More,
}

/// A step that replay could not repeat: append [`Event::Aborted`] with this error and apply it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the run must be aborted: {}", .0.detail.as_deref().unwrap_or("unknown reason"))]
pub struct MustAbort(pub FlowError);

/// An event that does not fit the run's state: a bug or a foreign journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    #[error("a journal must begin with Started or Forked, once")]
    Start,
    #[error("effect {0} is not pending")]
    NotPending(EffectId),
    #[error("the run is {0}")]
    Status(RunStatus),
    /// The listener does not consume this event, or has consumed it already: go on with the next.
    #[error("the listener of effect {0} does not want this event")]
    NotWanted(EffectId),
    /// The listener consumes no event for now, because it is busy with earlier ones: keep this event and those after it,
    /// and offer them again when the run has moved.
    #[error("the listener of effect {0} has no room for another event now")]
    Full(EffectId),
    /// Replay would apply it at another point than this.
    #[error("the run has work to do before it takes this event; call run until it is idle")]
    Busy,
}

/// One run. `Debug` shows all of it, payloads too: it is for tests, not for logs.
#[derive(Debug, Clone)]
pub struct Machine {
    workflow: Arc<Workflow>,
    surroundings: Arc<Surroundings>,
    run: RunId,
    seed: u64,
    started_at: Timestamp,
    /// The moment of the last event: the only time that the run knows.
    now: Timestamp,
    raw_input: Arc<Value>,
    context: Arc<Value>,
    secrets: SecretVersions,
    root: Root,
    frames: Arena,
    queue: VecDeque<Step>,
    pending: BTreeMap<EffectId, Pending>,
    /// Effects that `run` has not handed out yet.
    outbox: Vec<Effect>,
    effects_asked: EffectId,
    begun: u64,
    /// The workflow's timeout, as a span and as the timer that was asked for.
    run_deadline: Option<(Duration, Due)>,
    /// How many attempts of a call have had their result, by path: see [`HttpRequest::key`].
    key_groups: BTreeMap<String, u64>,
    /// What was fetched for this run.
    resources: Resources,
    schemas: Schemas,
    state: RunState,
    /// Set while the run stands still.
    suspension: Option<Suspension>,
    /// Results that came while it did, in their order.
    held: VecDeque<(EffectId, Outcome)>,
    spent: Spent,
    /// A person has agreed that the run begins.
    agreed: bool,
    /// Where the run begins, when that is not the beginning.
    entry: Option<Arc<Entry>>,
    /// A task to look out for: see [`entry_at`].
    lookout: Option<Box<Lookout>>,
    /// What the journal shows to have been fast enough is not timed again.
    patient: bool,
}

/// The workflow's own list.
#[derive(Debug, Clone, Default)]
struct Root {
    child: Option<FrameId>,
    lap: u32,
}

#[derive(Debug, Clone)]
enum RunState {
    Live,
    Completed(Arc<Value>),
    Faulted(Box<Fault>),
    Cancelled,
}

impl Machine {
    /// A run at its first event, which must be [`Event::Started`] or [`Event::Forked`]. Call [`Machine::run`] next.
    ///
    /// # Errors
    /// [`ApplyError::Start`] for any other event.
    pub fn start(
        workflow: Arc<Workflow>,
        surroundings: Arc<Surroundings>,
        started: &Event,
    ) -> Result<Self, ApplyError> {
        let (at, run, input, seed, secrets, entry) = match started {
            Event::Started { at, run, input, seed, secrets } => (at, run, input, seed, secrets, None),
            Event::Forked { at, run, input, seed, entry, secrets } => {
                (at, run, input, seed, secrets, Some(Arc::new((**entry).clone())))
            }
            _ => return Err(ApplyError::Start),
        };
        let context = match &entry {
            Some(entry) => entry.context.clone(),
            None => Value::Object(Map::new()),
        };
        Ok(Self {
            workflow,
            surroundings,
            run: *run,
            seed: *seed,
            started_at: *at,
            now: *at,
            raw_input: Arc::new(input.clone()),
            context: Arc::new(context),
            secrets: secrets.clone(),
            root: Root::default(),
            frames: Arena::default(),
            queue: VecDeque::from([Step::Open]),
            pending: BTreeMap::new(),
            outbox: Vec::new(),
            effects_asked: 0,
            begun: 0,
            run_deadline: None,
            key_groups: BTreeMap::new(),
            resources: Resources::default(),
            schemas: Schemas::default(),
            state: RunState::Live,
            suspension: None,
            held: VecDeque::new(),
            spent: Spent::default(),
            agreed: false,
            entry,
            lookout: None,
            patient: false,
        })
    }

    /// Takes an event in. Call [`Machine::run`] next.
    ///
    /// # Errors
    /// When the event does not fit; the machine is unchanged then. An `EffectEnded` or `TimerFired` for an effect that
    /// was abandoned or has ended is [`ApplyError::NotPending`]: drop it, it must not be journalled. `Cancelled`,
    /// `Aborted` and `Suspended` first do what is due before the next task begins, and are refused when that ends the
    /// run; `Suspended` also when it cannot be done ([`ApplyError::Busy`]: [`Machine::run`] says why).
    pub fn apply(&mut self, event: &Event, notes: &mut dyn Notes) -> Result<(), ApplyError> {
        self.take_in(event, notes)
    }

    /// Executes pure work, at most `tasks` task executions of it, and appends the effects asked for.
    ///
    /// # Errors
    /// [`MustAbort`] when an expression ran over its time. The step is put back: applying [`Event::Aborted`] with this
    /// error ends the run there, calling `run` again tries it again.
    pub fn run(
        &mut self,
        tasks: u64,
        effects: &mut Vec<Effect>,
        notes: &mut dyn Notes,
    ) -> Result<Progress, MustAbort> {
        let until = Until { begun: self.begun.saturating_add(tasks), reference: None };
        let progress = self.work(until, notes);
        effects.append(&mut self.outbox);
        progress
    }

    /// Rebuilds a run from its whole journal; afterwards [`Machine::pending`] are the effects to perform (again).
    ///
    /// The work that follows the last event is done too, unless an expression is too slow: [`Machine::run`] says so, and
    /// gives the effects that the last event abandoned.
    ///
    /// # Errors
    /// When the journal does not fit the workflow.
    pub fn replay(
        workflow: Arc<Workflow>,
        surroundings: Arc<Surroundings>,
        journal: &[Event],
        notes: &mut dyn Notes,
    ) -> Result<Self, ApplyError> {
        replay::replay(workflow, surroundings, journal, notes)
    }

    /// [`Machine::replay`] that asks between slices of the work whether to go on; None when it was told not to.
    ///
    /// # Errors
    /// When the journal does not fit the workflow.
    pub fn replay_while(
        workflow: Arc<Workflow>,
        surroundings: Arc<Surroundings>,
        journal: &[Event],
        notes: &mut dyn Notes,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Self>, ApplyError> {
        replay::replay_while(workflow, surroundings, journal, notes, go_on)
    }

    /// Running, Waiting (all that is pending are timers of `wait` and listeners), Suspended, Completed, Faulted or
    /// Cancelled.
    pub fn status(&self) -> RunStatus {
        self.status_now()
    }

    /// The run's output; only when completed.
    pub fn output(&self) -> Option<&Value> {
        if let RunState::Completed(output) = &self.state { Some(output) } else { None }
    }

    /// The run's error; only when faulted.
    pub fn error(&self) -> Option<&FlowError> {
        if let RunState::Faulted(fault) = &self.state { Some(&fault.error) } else { None }
    }

    /// Effects that were asked for and have neither ended nor been abandoned, in order. Calls that wait for more budget were
    /// not asked for.
    pub fn pending(&self) -> Vec<Effect> {
        let is_asked = |effect: &Effect| !self.is_held(effect.id()) && !self.is_parked(effect.id());
        self.pending
            .values()
            .filter(|pending| is_asked(&pending.effect))
            .map(|pending| pending.effect.clone())
            .collect()
    }

    /// Whether the listener of `effect` would consume `event` now, as [`Event::Received`]. Changes nothing.
    ///
    /// # Errors
    /// [`ApplyError::NotPending`] when no such listener is there (any more), [`ApplyError::Busy`] before the run is idle,
    /// and [`ApplyError::Full`] when the event must wait (the listener is busy, or the run is suspended).
    pub fn wants(&self, effect: EffectId, event: &CloudEvent) -> Result<bool, ApplyError> {
        if self.suspension.is_some() {
            return Err(ApplyError::Full(effect));
        }
        self.would_take(effect, event)
    }

    /// The highest `seq` that the listener of `effect` has consumed; None when it has consumed nothing or is gone.
    pub fn last_received(&self, effect: EffectId) -> Option<u64> {
        self.last_taken(effect)
    }

    /// The name of the task whose listener `effect` is.
    pub fn listening_task(&self, effect: EffectId) -> Option<&str> {
        let frame = self.frames.get(self.listener_of(effect)?)?;
        Some(&frame.task().name)
    }

    /// Task executions begun so far.
    pub fn tasks_begun(&self) -> u64 {
        self.begun
    }

    fn bounds(&self) -> Bounds {
        // Long enough for anything that once took less, short enough to add to any moment.
        const PATIENCE: Duration = Duration::from_secs(3_600);
        let bounds = self.surroundings.bounds;
        if self.patient { Bounds { time: PATIENCE, ..bounds } } else { bounds }
    }
}
