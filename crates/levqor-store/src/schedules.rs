//! Workflows that start by themselves, and when they are due.

use levqor_model::{AccountId, RunId, Timestamp, WorkflowId};

use crate::{Error, Store};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSchedule {
    pub workflow_id: WorkflowId,
    pub account_id: AccountId,
    pub version: String,
    pub anchor_at: Timestamp,
    pub due_at: Timestamp,
}

impl Store {
    /// Due at or before `now`, earliest first.
    pub async fn due_schedules(&self, _now: Timestamp, _limit: usize) -> Result<Vec<DueSchedule>, Error> {
        unimplemented!("due_schedules")
    }

    pub async fn next_schedule_due(&self) -> Result<Option<Timestamp>, Error> {
        unimplemented!("next_schedule_due")
    }

    /// When the workflow is due next.
    pub async fn schedule_next(&self, _workflow: WorkflowId) -> Result<Option<Timestamp>, Error> {
        unimplemented!("schedule_next")
    }

    /// Moves the due time, only if it still is `was`.
    pub async fn set_schedule_due(
        &self,
        _workflow: WorkflowId,
        _was: Option<Timestamp>,
        _next: Option<Timestamp>,
    ) -> Result<bool, Error> {
        unimplemented!("set_schedule_due")
    }

    /// The run that a due time started.
    pub async fn firing(&self, _workflow: WorkflowId, _due_at: Timestamp) -> Result<Option<RunId>, Error> {
        unimplemented!("firing")
    }
}
