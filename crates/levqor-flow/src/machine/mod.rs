//! The interpreter: events in, effects out, no I/O.
//!
//! A run is the fold of its journal: `Machine::start` with the first event, `apply` with the others, `run` after
//! each until it is idle. Pure tasks are evaluated again on replay; what an effect gave is in the journal.
//!
//! Invariant: an event is applied only when the machine is idle, so replay needs no record of how work was sliced.
//! The exceptions, `Cancelled` and `Aborted`, carry the number of tasks that had begun.

use std::{fmt, sync::Arc};

use levqor_model::{RunId, RunStatus, TaskStatus, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{definition::Workflow, expression::Bounds};

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
    },
    /// The effect gave its result.
    EffectEnded {
        at: Timestamp,
        effect: EffectId,
        outcome: Outcome,
    },
    /// The effect is a timer, and it is due.
    TimerFired {
        at: Timestamp,
        effect: EffectId,
    },
    Cancelled {
        at: Timestamp,
        tasks_begun: u64,
    },
    /// The engine gave the run up for a reason that replay cannot find again (such as an expression over its time).
    Aborted {
        at: Timestamp,
        tasks_begun: u64,
        error: FlowError,
    },
    /// Go on from the task that failed.
    Retried {
        at: Timestamp,
    },
}

impl Event {
    pub fn at(&self) -> Timestamp {
        match self {
            Event::Started { at, .. }
            | Event::EffectEnded { at, .. }
            | Event::TimerFired { at, .. }
            | Event::Cancelled { at, .. }
            | Event::Aborted { at, .. }
            | Event::Retried { at } => *at,
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

/// A request, evaluated. `key` is the `Idempotency-Key`: `<run>/<path of the task, iterations included>/<attempt group>`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    pub key: String,
    pub method: String,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub body: Option<Value>,
    pub output: crate::definition::HttpOutput,
    pub redirect: bool,
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

/// What a reader of the run sees happen to its tasks, in order. `task` numbers the executions of tasks, from 1.
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
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
            bounds: Bounds::default(),
            payload_bytes_max: levqor_model::limits::PAYLOAD_BYTES_MAX,
            tasks_max: levqor_model::limits::TASKS_PER_RUN_MAX,
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
    #[error("a journal must begin with Started, once")]
    Start,
    #[error("effect {0} is not pending")]
    NotPending(EffectId),
    #[error("the run is {0}")]
    Status(RunStatus),
}

/// One run.
pub struct Machine {
    #[expect(dead_code, reason = "skeleton")]
    workflow: Arc<Workflow>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine(…)")
    }
}

impl Machine {
    /// A run at its first event, which must be [`Event::Started`]. Call [`Machine::run`] next.
    ///
    /// # Errors
    /// [`ApplyError::Start`] for any other event.
    pub fn start(
        _workflow: Arc<Workflow>,
        _surroundings: Arc<Surroundings>,
        _started: &Event,
    ) -> Result<Self, ApplyError> {
        unimplemented!("Machine::start")
    }

    /// Takes an event in. Call [`Machine::run`] next.
    ///
    /// # Errors
    /// When the event does not fit; the machine is unchanged then. An `EffectEnded` or `TimerFired` for an effect that
    /// was abandoned or has ended is [`ApplyError::NotPending`]: drop it, it must not be journalled.
    pub fn apply(&mut self, _event: &Event, _notes: &mut dyn Notes) -> Result<(), ApplyError> {
        unimplemented!("Machine::apply")
    }

    /// Executes pure work, at most `tasks` task executions of it, and appends the effects asked for.
    ///
    /// # Errors
    /// [`MustAbort`] when an expression ran over its time.
    pub fn run(
        &mut self,
        _tasks: u64,
        _effects: &mut Vec<Effect>,
        _notes: &mut dyn Notes,
    ) -> Result<Progress, MustAbort> {
        unimplemented!("Machine::run")
    }

    /// Rebuilds a run from its whole journal; afterwards [`Machine::pending`] are the effects to perform (again).
    ///
    /// # Errors
    /// When the journal does not fit the workflow.
    pub fn replay(
        workflow: Arc<Workflow>,
        surroundings: Arc<Surroundings>,
        journal: &[Event],
        notes: &mut dyn Notes,
    ) -> Result<Self, ApplyError> {
        let _ = (journal, notes);
        Self::start(workflow, surroundings, &journal[0])
    }

    /// Running, Waiting (all that is pending are timers of `wait`), Completed, Faulted or Cancelled.
    pub fn status(&self) -> RunStatus {
        unimplemented!("Machine::status")
    }

    /// The run's output; only when completed.
    pub fn output(&self) -> Option<&Value> {
        unimplemented!("Machine::output")
    }

    /// The run's error; only when faulted.
    pub fn error(&self) -> Option<&FlowError> {
        unimplemented!("Machine::error")
    }

    /// Effects that were asked for and have neither ended nor been abandoned, in order.
    pub fn pending(&self) -> Vec<Effect> {
        unimplemented!("Machine::pending")
    }

    /// Task executions begun so far.
    pub fn tasks_begun(&self) -> u64 {
        unimplemented!("Machine::tasks_begun")
    }
}
