//! Workflows that start by themselves, and when they are due.

use levqor_model::{AccountId, RunId, Timestamp, WorkflowId};

use crate::{Error, Session, Store, event_triggers, params, workflows::NewSchedule};

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
    pub async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<Vec<DueSchedule>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT workflow_id, account_id, version, anchor_at, next_due_at FROM schedules
                 WHERE next_due_at IS NOT NULL AND next_due_at <= $1
                 ORDER BY next_due_at, workflow_id LIMIT $2",
                params![now, limit],
                |row| {
                    Ok(DueSchedule {
                        workflow_id: row.take()?,
                        account_id: row.take()?,
                        version: row.take()?,
                        anchor_at: row.take()?,
                        due_at: row.take()?,
                    })
                },
            )
        })
        .await
    }

    pub async fn next_schedule_due(&self) -> Result<Option<Timestamp>, Error> {
        self.read(|session| {
            session.scalar(
                "SELECT next_due_at FROM schedules WHERE next_due_at IS NOT NULL
                 ORDER BY next_due_at, workflow_id LIMIT 1",
                &[],
            )
        })
        .await
    }

    /// When the workflow is due next.
    pub async fn schedule_next(&self, workflow: WorkflowId) -> Result<Option<Timestamp>, Error> {
        self.read(move |session| {
            let next: Option<Option<Timestamp>> = session
                .scalar("SELECT next_due_at FROM schedules WHERE workflow_id = $1", params![workflow])?;
            Ok(next.flatten())
        })
        .await
    }

    /// Moves the due time, only if it still is `was`.
    pub async fn set_schedule_due(
        &self,
        workflow: WorkflowId,
        was: Option<Timestamp>,
        next: Option<Timestamp>,
    ) -> Result<bool, Error> {
        self.write(move |session| move_due(session, workflow, was, next)).await
    }

    /// The run that a due time started.
    pub async fn firing(&self, workflow: WorkflowId, due_at: Timestamp) -> Result<Option<RunId>, Error> {
        self.read(move |session| firing(session, workflow, due_at)).await
    }

    /// Forgets which runs were started by due times before then. Keep more than any schedule can still catch up with:
    /// a forgotten due time could start a second run.
    pub async fn prune_firings(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM firings WHERE (workflow_id, due_at) IN
                (SELECT workflow_id, due_at FROM firings WHERE due_at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}

/// Takes the due time for this run; the run that has it already when there is one.
pub(crate) fn take(
    session: &Session,
    workflow: WorkflowId,
    due_at: Timestamp,
    next_due_at: Option<Timestamp>,
    run: RunId,
) -> Result<Option<RunId>, Error> {
    let taken = session.execute(
        "INSERT INTO firings (workflow_id, due_at, run_id) VALUES ($1, $2, $3)
         ON CONFLICT (workflow_id, due_at) DO NOTHING",
        params![workflow, due_at, run],
    )?;
    if taken == 0 {
        return firing(session, workflow, due_at);
    }
    move_due(session, workflow, Some(due_at), next_due_at)?;
    Ok(None)
}

/// Makes it the schedule of the workflow, with what events start; None takes what was there away.
pub(crate) fn replace(
    session: &Session,
    workflow: WorkflowId,
    account: AccountId,
    version: &str,
    schedule: Option<&NewSchedule>,
) -> Result<(), Error> {
    event_triggers::replace(
        session,
        workflow,
        account,
        version,
        schedule.and_then(|schedule| schedule.on.as_ref()),
    )?;
    match schedule {
        None => session.execute("DELETE FROM schedules WHERE workflow_id = $1", params![workflow]),
        Some(schedule) => session.execute(
            "INSERT INTO schedules (workflow_id, account_id, version, anchor_at, next_due_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (workflow_id) DO UPDATE SET version = excluded.version, anchor_at = excluded.anchor_at,
                 next_due_at = excluded.next_due_at",
            params![workflow, account, version, schedule.anchor_at, schedule.next_due_at],
        ),
    }
    .map(drop)
}

fn move_due(
    session: &Session,
    workflow: WorkflowId,
    was: Option<Timestamp>,
    next: Option<Timestamp>,
) -> Result<bool, Error> {
    let moved = match was {
        Some(was) => session.execute(
            "UPDATE schedules SET next_due_at = $3 WHERE workflow_id = $1 AND next_due_at = $2",
            params![workflow, was, next],
        )?,
        None => session.execute(
            "UPDATE schedules SET next_due_at = $2 WHERE workflow_id = $1 AND next_due_at IS NULL",
            params![workflow, next],
        )?,
    };
    Ok(moved > 0)
}

fn firing(session: &Session, workflow: WorkflowId, due_at: Timestamp) -> Result<Option<RunId>, Error> {
    session.scalar(
        "SELECT run_id FROM firings WHERE workflow_id = $1 AND due_at = $2",
        params![workflow, due_at],
    )
}
