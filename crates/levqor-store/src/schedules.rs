//! Workflows that start by themselves, and when they are due.

mod buffer;

use levqor_model::{AccountId, Overlap, RunId, Timestamp, WorkflowId};

pub use buffer::BUFFERED_MAX;

use crate::{Error, Session, Store, event_triggers, params, runs::Due, workflows::NewSchedule};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSchedule {
    pub workflow_id: WorkflowId,
    pub account_id: AccountId,
    pub version: String,
    pub anchor_at: Timestamp,
    pub due_at: Timestamp,
}

/// Due times that start nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Nobody was there when they came.
    pub missed: i64,
    /// A run that had not ended, or a full queue, was in their way.
    pub skipped: i64,
}

/// What a schedule has done so far, and does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleState {
    pub next_due_at: Option<Timestamp>,
    /// The due time that started a run last, and that run.
    pub last_due_at: Option<Timestamp>,
    pub last_run: Option<RunId>,
    /// Due times that started runs.
    pub fired: i64,
    pub missed: i64,
    pub skipped: i64,
    /// Due times that wait for the end of a run.
    pub buffered: i64,
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

    /// Moves the due time as [`Store::set_schedule_due`] does, and counts due times that start nothing.
    pub async fn pass_over(
        &self,
        workflow: WorkflowId,
        was: Timestamp,
        next: Option<Timestamp>,
        passed: Passed,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let moved = move_due(session, workflow, Some(was), next)?;
            if moved {
                session.execute(
                    "UPDATE schedules SET missed = missed + $2, skipped = skipped + $3 WHERE workflow_id = $1",
                    params![workflow, passed.missed, passed.skipped],
                )?;
            }
            Ok(moved)
        })
        .await
    }

    /// None when the workflow does not start by itself.
    pub async fn schedule_state(&self, workflow: WorkflowId) -> Result<Option<ScheduleState>, Error> {
        self.read(move |session| {
            session.row(
                "SELECT next_due_at, last_due_at, last_run_id, fired, missed, skipped, buffered FROM schedules
                 WHERE workflow_id = $1",
                params![workflow],
                |row| {
                    Ok(ScheduleState {
                        next_due_at: row.take()?,
                        last_due_at: row.take()?,
                        last_run: row.take()?,
                        fired: row.take()?,
                        missed: row.take()?,
                        skipped: row.take()?,
                        buffered: row.take()?,
                    })
                },
            )
        })
        .await
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

/// What became of a due time.
pub(crate) enum Taken {
    /// It starts the run.
    Fires,
    /// It has started this run before.
    Fired(RunId),
    Buffered,
    Skipped,
}

/// Takes the due time for this run, unless it has a run already or another one is in its way.
pub(crate) fn take(session: &Session, workflow: WorkflowId, due: Due, run: RunId) -> Result<Taken, Error> {
    if let Some(other) = firing(session, workflow, due.due_at)? {
        if due.was_buffered {
            buffer::take_out(session, workflow, due.due_at)?;
        }
        return Ok(Taken::Fired(other));
    }
    // Behind those that wait already, although the run before may have ended.
    let is_in_the_way = || -> Result<bool, Error> {
        Ok(is_live(session, workflow)? || (!due.was_buffered && buffer::waiting(session, workflow)? > 0))
    };
    if due.overlap != Overlap::AllowAll && is_in_the_way()? {
        return buffer::or_skip(session, workflow, due);
    }
    if due.was_buffered {
        if !buffer::take_out(session, workflow, due.due_at)? {
            // Another node was faster, or the schedule was taken away.
            return Ok(Taken::Skipped);
        }
    } else if !move_due(session, workflow, Some(due.due_at), due.next_due_at)?
        && due.overlap != Overlap::AllowAll
    {
        // Somebody else has looked at it, and may have passed it over.
        return Ok(Taken::Skipped);
    }
    session.execute(
        "INSERT INTO firings (workflow_id, due_at, run_id) VALUES ($1, $2, $3)",
        params![workflow, due.due_at, run],
    )?;
    session.execute(
        "UPDATE schedules SET fired = fired + 1, last_due_at = $2, last_run_id = $3 WHERE workflow_id = $1",
        params![workflow, due.due_at, run],
    )?;
    Ok(Taken::Fires)
}

/// Whether a run that the schedule started has not ended.
fn is_live(session: &Session, workflow: WorkflowId) -> Result<bool, Error> {
    let run: Option<RunId> = session.scalar(
        "SELECT run_id FROM runs
         WHERE workflow_id = $1 AND started_by = 'schedule' AND ended_at IS NULL ORDER BY run_id LIMIT 1",
        params![workflow],
    )?;
    Ok(run.is_some())
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
        None => {
            session
                .execute("DELETE FROM buffered_firings WHERE workflow_id = $1", params![workflow])?;
            session.execute("DELETE FROM schedules WHERE workflow_id = $1", params![workflow])
        }
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

pub(crate) fn firing(
    session: &Session,
    workflow: WorkflowId,
    due_at: Timestamp,
) -> Result<Option<RunId>, Error> {
    session.scalar(
        "SELECT run_id FROM firings WHERE workflow_id = $1 AND due_at = $2",
        params![workflow, due_at],
    )
}
