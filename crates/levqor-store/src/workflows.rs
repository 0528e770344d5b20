//! Workflows and their versions.

use levqor_model::{AccountId, Timestamp, WorkflowId};

use crate::{Error, Store};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    pub id: WorkflowId,
    pub account_id: AccountId,
    pub namespace: String,
    pub name: String,
    /// The version saved last.
    pub version: String,
    pub title: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub workflow_id: WorkflowId,
    pub version: String,
    /// The document as JSON.
    pub definition: String,
    /// The document as it was written, when it came as text.
    pub source: Option<String>,
    pub created_at: Timestamp,
}

/// What a schedule of a saved version needs; None takes a schedule that was there away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSchedule {
    pub anchor_at: Timestamp,
    /// None for schedules without due times of their own.
    pub next_due_at: Option<Timestamp>,
}

impl Store {
    /// # Errors
    /// [`Conflict::WorkflowName`](crate::Conflict::WorkflowName) when the name is taken.
    pub async fn create_workflow(
        &self,
        _workflow: Workflow,
        _version: Version,
        _schedule: Option<NewSchedule>,
    ) -> Result<(), Error> {
        unimplemented!("create_workflow")
    }

    /// Makes it the current version; false when the workflow is not there.
    ///
    /// # Errors
    /// [`Conflict::WorkflowVersion`](crate::Conflict::WorkflowVersion) when that version exists.
    pub async fn add_version(
        &self,
        _account: AccountId,
        _version: Version,
        _title: Option<String>,
        _schedule: Option<NewSchedule>,
    ) -> Result<bool, Error> {
        unimplemented!("add_version")
    }

    /// Not when deleted.
    pub async fn workflow(&self, _account: AccountId, _id: WorkflowId) -> Result<Option<Workflow>, Error> {
        unimplemented!("workflow")
    }

    pub async fn workflow_by_name(
        &self,
        _account: AccountId,
        _namespace: String,
        _name: String,
    ) -> Result<Option<Workflow>, Error> {
        unimplemented!("workflow_by_name")
    }

    /// Newest first.
    pub async fn workflows_of(
        &self,
        _account: AccountId,
        _before: Option<WorkflowId>,
        _limit: usize,
    ) -> Result<Vec<Workflow>, Error> {
        unimplemented!("workflows_of")
    }

    /// Of one account, or of all.
    pub async fn workflows_count(&self, _account: Option<AccountId>) -> Result<i64, Error> {
        unimplemented!("workflows_count")
    }

    /// Also of a deleted workflow: runs keep their version.
    pub async fn version(&self, _id: WorkflowId, _version: String) -> Result<Option<Version>, Error> {
        unimplemented!("version")
    }

    /// Newest first.
    pub async fn versions_of(
        &self,
        _account: AccountId,
        _id: WorkflowId,
        _before: Option<Timestamp>,
        _limit: usize,
    ) -> Result<Vec<Version>, Error> {
        unimplemented!("versions_of")
    }

    /// Takes its schedule away too; its runs stay. False when it is not there.
    pub async fn delete_workflow(
        &self,
        _account: AccountId,
        _id: WorkflowId,
        _at: Timestamp,
    ) -> Result<bool, Error> {
        unimplemented!("delete_workflow")
    }
}
