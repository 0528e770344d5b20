//! Runs and tasks as the API shows them.

use levqor_engine::{RunDetail, TaskRecord};
use levqor_flow::machine::FlowError;
use levqor_model::{RegionCode, RunStatus, TaskStatus, Timestamp, TriggerKind, WorkflowId};
use levqor_store::runs::Run;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::residency::ResidencyBody;
use crate::{gateway::Cursor, openapi::vocabulary};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartBody {
    /// Any JSON; an empty object when left out.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Value>, example = json!({ "name": "Ada" }))]
    pub(super) input: Option<Value>,
    /// Wait for the run's end, at most this long: 200 when it ended, else 202.
    #[schema(minimum = 0, maximum = 60)]
    pub(super) wait_seconds: Option<u64>,
    /// The current version when left out.
    #[schema(example = "0.1.0")]
    pub(super) version: Option<String>,
    /// The run's home region; the one that answers when left out.
    #[schema(example = "eu-west")]
    pub(super) region: Option<String>,
    /// Where the run may be taken over: `"anywhere"`, a list of regions (`["eu-west"]`, or `{"regions": ["eu-west"]}`), or
    /// `{"jurisdiction": "EU"}`.
    pub(super) residency: Option<ResidencyBody>,
}

/// `null` is an input, too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryBody {
    /// `failed` (the same run goes on from the task that failed; the default), `start` (a new run) or the JSON Pointer of a
    /// task (a new run that begins there, with the data that the task had).
    #[schema(example = "failed")]
    pub(super) from: Option<String>,
    /// The input of the new run, or of the task that it begins at; the recorded one when left out. Not for `failed`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    pub(super) input: Option<Value>,
    /// Another version of the workflow; the run's own when left out. For `failed` only a version on which the run's
    /// journal replays.
    #[schema(example = "0.2.0")]
    pub(super) version: Option<String>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmptyBody {}

/// A run in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunItem {
    #[schema(example = "run_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    run_id: String,
    #[schema(example = "wf_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    workflow_id: String,
    namespace: String,
    name: String,
    version: String,
    #[schema(value_type = RunStatusName)]
    status: RunStatus,
    /// Where it runs, or ended.
    #[schema(value_type = String, example = "eu-west")]
    region: RegionCode,
    #[schema(value_type = String, example = "eu-west")]
    home_region: RegionCode,
    #[schema(value_type = TriggerName)]
    trigger: TriggerKind,
    /// Why it is not moving, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<String>,
    /// The run that this one repeats from its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_of: Option<String>,
    /// The run that started this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_run_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

vocabulary! {
    pub(super) RunStatusName as RunStatus = RunStatus;
    pub(super) TaskStatusName as TaskStatus = TaskStatus;
    pub(super) TriggerName as Trigger = TriggerKind;
}

impl From<Run> for RunItem {
    fn from(run: Run) -> Self {
        Self {
            run_id: run.id.to_string(),
            workflow_id: run.workflow_id.to_string(),
            namespace: run.namespace,
            name: run.name,
            version: run.version,
            status: run.status,
            region: run.region,
            home_region: run.home_region,
            trigger: run.trigger,
            waiting_for: run.waiting_for,
            retry_of: run.retry_of.map(|id| id.to_string()),
            parent_run_id: run.parent.map(|(id, _)| id.to_string()),
            created_at: run.created_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
        }
    }
}

/// A run with its payloads.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunView {
    #[serde(flatten)]
    about: RunItem,
    #[schema(value_type = Value)]
    input: Value,
    /// Null until the run completes.
    #[schema(value_type = Value)]
    output: Option<Value>,
    /// Null unless the run faulted.
    error: Option<RunError>,
    /// 1 to 9: which of the account's queued runs begin first.
    #[schema(example = 5)]
    priority: u8,
    /// So many runs of the workflow with this key at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency_key: Option<String>,
}

impl From<RunDetail> for RunView {
    fn from(detail: RunDetail) -> Self {
        let RunDetail { mut run, input, output, error } = detail;
        let (priority, concurrency_key) = (run.priority.get(), run.concurrency_key.take());
        Self { about: run.into(), input, output, error: error.map(RunError::from), priority, concurrency_key }
    }
}

/// Why a run or a task faulted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunError {
    #[serde(rename = "type")]
    #[schema(example = "https://serverlessworkflow.io/spec/1.0.0/errors/communication")]
    kind: String,
    #[schema(example = 500)]
    status: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// JSON Pointer of the task in the definition.
    #[schema(example = "/do/0/fetch")]
    instance: String,
}

impl From<FlowError> for RunError {
    fn from(error: FlowError) -> Self {
        let FlowError { kind, status, title, detail, instance } = error;
        Self { kind, status, title, detail, instance }
    }
}

/// One execution of a task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskView {
    /// Numbers the executions within the run, from 1.
    pub(super) task: u64,
    name: String,
    /// JSON Pointer into the definition.
    #[schema(example = "/do/0/fetch")]
    reference: String,
    /// Positions in the enclosing loops, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    iteration: Vec<u64>,
    attempt: u32,
    #[schema(value_type = TaskStatusName)]
    status: TaskStatus,
    #[schema(value_type = Value)]
    input: Value,
    #[schema(value_type = Value)]
    output: Option<Value>,
    error: Option<RunError>,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    #[schema(value_type = String, example = "eu-west")]
    region: RegionCode,
}

impl From<TaskRecord> for TaskView {
    fn from(record: TaskRecord) -> Self {
        Self {
            task: record.task,
            name: record.name,
            reference: record.reference,
            iteration: record.iteration,
            attempt: record.attempt,
            status: record.status,
            input: record.input,
            output: record.output,
            error: record.error.map(RunError::from),
            started_at: record.started_at,
            ended_at: record.ended_at,
            region: record.region,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Runs {
    pub(super) runs: Vec<RunItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) next_cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tasks {
    /// In the order in which they began.
    pub(super) tasks: Vec<TaskView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) next_cursor: Option<Cursor>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsQuery {
    /// Only runs of this workflow.
    #[param(value_type = Option<String>)]
    pub(super) workflow: Option<WorkflowId>,
    /// Only runs with this status.
    #[param(value_type = Option<RunStatusName>)]
    pub(super) status: Option<RunStatus>,
    /// Only runs in this region.
    pub(super) region: Option<String>,
    /// Only runs created at or after this time.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(super) from: Option<Timestamp>,
    /// Only runs created before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(super) to: Option<Timestamp>,
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    pub(super) cursor: Option<Cursor>,
}
