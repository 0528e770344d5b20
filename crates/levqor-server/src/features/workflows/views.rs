//! Workflows as the API shows them.

use std::time::Duration;

use levqor_flow::{policy::SchedulePolicy, schedule::Schedule};
use levqor_model::Timestamp;
use levqor_store::{
    schedules::ScheduleState,
    workflows::{Version, Workflow},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::service::{self, Draft, Saved, field_error};
use crate::{Problem, gateway::Cursor, problem::FieldError};

/// A workflow to save or to check.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DefinitionBody {
    /// A document of the Serverless Workflow DSL 1.0: an object, or YAML in a text.
    #[schema(value_type = Object, example = json!({
        "document": { "dsl": "1.0.0", "namespace": "examples", "name": "greet", "version": "0.1.0" },
        "do": [{ "greet": { "set": { "message": "${ \"Hello, \\(.name)\" }" } } }]
    }))]
    pub(super) definition: Value,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SavedView {
    #[schema(example = "wf_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    namespace: String,
    name: String,
    version: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Not wrong, but perhaps not meant.
    warnings: Vec<FieldError>,
    /// False when that content was saved already.
    changed: bool,
}

impl From<Saved> for SavedView {
    fn from(saved: Saved) -> Self {
        let Saved { workflow, version_created_at, warnings, changed } = saved;
        Self {
            id: workflow.id.to_string(),
            namespace: workflow.namespace,
            name: workflow.name,
            version: workflow.version,
            created_at: version_created_at,
            warnings: warnings.iter().map(field_error).collect(),
            changed,
        }
    }
}

/// What checking a document found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Validity {
    valid: bool,
    /// Places are JSON Pointers into the document.
    errors: Vec<FieldError>,
    warnings: Vec<FieldError>,
    /// What it is, when it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<About>,
    /// When it would start by itself, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ScheduleView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct About {
    namespace: String,
    name: String,
    version: String,
    title: Option<String>,
    summary: Option<String>,
}

impl Validity {
    pub(super) fn new(draft: &Draft, now: Timestamp) -> Self {
        let workflow = draft.workflow.as_deref();
        Self {
            valid: workflow.is_some(),
            errors: draft.errors.iter().map(field_error).collect(),
            warnings: draft.warnings.iter().map(field_error).collect(),
            workflow: workflow.map(|workflow| About {
                namespace: workflow.namespace.clone(),
                name: workflow.name.clone(),
                version: workflow.version.clone(),
                title: workflow.title.clone(),
                summary: workflow.summary.clone(),
            }),
            schedule: workflow
                .and_then(|workflow| Some((workflow.schedule.as_ref()?, &workflow.policy.schedule)))
                .map(|(schedule, policy)| ScheduleView::new(schedule, policy, now, now)),
        }
    }
}

/// When a workflow starts by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduleView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0 9 * * 1-5")]
    cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every_seconds: Option<f64>,
    /// After the end of each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    after_seconds: Option<f64>,
    #[schema(example = "Europe/London")]
    zone: String,
    #[schema(example = "every weekday at 09:00 Europe/London")]
    description: String,
    /// The next five due times; fewer when there are no more.
    #[schema(value_type = Vec<String>)]
    next_times: Vec<Timestamp>,
    /// What happens to a due time while the run before has not ended.
    #[schema(example = "allow-all")]
    overlap: &'static str,
    /// What happens to due times that passed while the service was down.
    #[schema(example = "fire-once")]
    misfire: &'static str,
    /// Due times missed longer ago are not made up for.
    #[schema(example = 3600.0)]
    catch_up_seconds: f64,
}

/// A schedule in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduleInForce {
    #[serde(flatten)]
    schedule: ScheduleView,
    #[serde(flatten)]
    counts: ScheduleCounts,
}

/// What a schedule has done so far; a new version of the workflow goes on counting.
#[derive(Debug, Default, Serialize, ToSchema)]
struct ScheduleCounts {
    /// The next due time.
    #[schema(value_type = Option<String>, format = DateTime)]
    next: Option<Timestamp>,
    /// The due time that started a run last.
    #[schema(value_type = Option<String>, format = DateTime)]
    last: Option<Timestamp>,
    /// The run that it started.
    last_run_id: Option<String>,
    /// Due times that started a run.
    fired: i64,
    /// Due times that passed while nobody was there, and were not made up for.
    missed: i64,
    /// Due times that a run which had not ended, or a full queue, was in the way of.
    skipped: i64,
    /// Due times that wait for the end of a run.
    buffered: i64,
}

impl From<ScheduleState> for ScheduleCounts {
    fn from(state: ScheduleState) -> Self {
        let ScheduleState { next_due_at, last_due_at, last_run, fired, missed, skipped, buffered } = state;
        Self {
            next: next_due_at,
            last: last_due_at,
            last_run_id: last_run.map(|run| run.to_string()),
            fired,
            missed,
            skipped,
            buffered,
        }
    }
}

impl ScheduleView {
    fn new(schedule: &Schedule, policy: &SchedulePolicy, anchor: Timestamp, after: Timestamp) -> Self {
        Self {
            cron: schedule.cron.as_ref().map(|cron| cron.text.clone()),
            every_seconds: schedule.every.as_ref().map(Duration::as_secs_f64),
            after_seconds: schedule.after.as_ref().map(Duration::as_secs_f64),
            zone: schedule.zone.iana_name().unwrap_or("UTC").to_owned(),
            description: schedule.describe(),
            next_times: service::due_times(schedule, anchor, after),
            overlap: policy.overlap.as_str(),
            misfire: policy.misfire.as_str(),
            catch_up_seconds: policy.catch_up.as_secs_f64(),
        }
    }

    /// Of a schedule in force, whose next due time the store knows.
    pub(super) fn in_force(
        schedule: &Schedule,
        policy: &SchedulePolicy,
        state: Option<ScheduleState>,
        now: Timestamp,
    ) -> ScheduleInForce {
        let schedule = match state.and_then(|state| state.next_due_at) {
            // The due time is one of the schedule's own, so the ones after it count from there.
            Some(due) => Self::new(schedule, policy, due, due - Duration::from_micros(1)).starting_at(due),
            None => Self { next_times: Vec::new(), ..Self::new(schedule, policy, now, now) },
        };
        ScheduleInForce { schedule, counts: state.map(ScheduleCounts::from).unwrap_or_default() }
    }

    fn starting_at(mut self, due: Timestamp) -> Self {
        if self.next_times.first() != Some(&due) {
            self.next_times.insert(0, due);
            self.next_times.truncate(5);
        }
        self
    }
}

/// A workflow in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkflowItem {
    #[schema(example = "wf_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    namespace: String,
    name: String,
    /// The version saved last.
    version: String,
    title: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Workflow> for WorkflowItem {
    fn from(workflow: Workflow) -> Self {
        Self {
            id: workflow.id.to_string(),
            namespace: workflow.namespace,
            name: workflow.name,
            version: workflow.version,
            title: workflow.title,
            created_at: workflow.created_at,
            updated_at: workflow.updated_at,
        }
    }
}

/// A workflow with its current definition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkflowView {
    #[serde(flatten)]
    pub(super) about: WorkflowItem,
    pub(super) summary: Option<String>,
    #[schema(value_type = Object)]
    pub(super) definition: Value,
    /// The definition as it was written, when it came as text.
    pub(super) source: Option<String>,
    /// Null when it does not start by itself.
    pub(super) schedule: Option<ScheduleInForce>,
}

/// A version in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionItem {
    workflow_id: String,
    #[schema(example = "0.1.0")]
    version: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<&Version> for VersionItem {
    fn from(version: &Version) -> Self {
        Self {
            workflow_id: version.workflow_id.to_string(),
            version: version.version.clone(),
            created_at: version.created_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionView {
    #[serde(flatten)]
    about: VersionItem,
    #[schema(value_type = Object)]
    definition: Value,
    /// The definition as it was written, when it came as text.
    source: Option<String>,
    /// Functions of catalogs that it calls, as they were fetched when it was saved, by the addresses of their files.
    #[schema(value_type = Object)]
    functions: Value,
}

impl VersionView {
    /// # Errors
    /// 500 when what is stored is not JSON.
    pub(super) fn new(version: Version) -> Result<Self, Problem> {
        Ok(Self {
            about: VersionItem::from(&version),
            definition: serde_json::from_str(&version.definition).map_err(Problem::internal)?,
            source: version.source,
            functions: match version.functions {
                Some(functions) => serde_json::from_str(&functions).map_err(Problem::internal)?,
                None => Value::Object(Map::new()),
            },
        })
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Workflows {
    pub(super) workflows: Vec<WorkflowItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) next_cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Versions {
    pub(super) versions: Vec<VersionItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) next_cursor: Option<Cursor>,
}
