//! Due times that came while the run before had not ended, and wait for that.

use levqor_model::{AccountId, Overlap, RunId, Timestamp, WorkflowId};

use super::{DueSchedule, Taken, move_due};
use crate::{Error, Session, Store, params, runs::Due};

/// Due times of one workflow that may wait; more are skipped.
pub const BUFFERED_MAX: i64 = 1_000;

impl Store {
    /// Schedules whose earliest buffered due time may start a run now, with that due time.
    pub async fn released_firings(&self, limit: usize) -> Result<Vec<DueSchedule>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT workflow_id, account_id, version, anchor_at,
                     (SELECT min(due_at) FROM buffered_firings
                      WHERE buffered_firings.workflow_id = schedules.workflow_id) AS due_at
                 FROM schedules
                 WHERE buffered > 0 AND NOT EXISTS (SELECT 1 FROM runs
                     WHERE runs.workflow_id = schedules.workflow_id AND started_by = 'schedule'
                         AND ended_at IS NULL)
                     AND EXISTS (SELECT 1 FROM buffered_firings
                         WHERE buffered_firings.workflow_id = schedules.workflow_id)
                 ORDER BY workflow_id LIMIT $1",
                params![limit],
                |row| {
                    Ok(DueSchedule {
                        workflow_id: row.take()?,
                        account_id: row.take::<AccountId>()?,
                        version: row.take()?,
                        anchor_at: row.take()?,
                        due_at: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// Runs that a buffered due time wants cancelled and that have not ended.
    pub async fn runs_in_the_way(&self, limit: usize) -> Result<Vec<RunId>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT runs.run_id FROM buffered_firings
                     JOIN runs ON runs.workflow_id = buffered_firings.workflow_id
                         AND runs.started_by = 'schedule' AND runs.ended_at IS NULL
                 WHERE cancels ORDER BY buffered_firings.workflow_id, runs.run_id LIMIT $1",
                params![limit],
                |row| row.take(),
            )
        })
        .await
    }

    /// Gives a buffered due time up, because its workflow cannot be started.
    pub async fn drop_buffered(&self, workflow: WorkflowId, due_at: Timestamp) -> Result<bool, Error> {
        self.write(move |session| {
            let dropped = take_out(session, workflow, due_at)?;
            if dropped {
                skipped(session, workflow, 1)?;
            }
            Ok(dropped)
        })
        .await
    }
}

/// A due time that a run is in the way of: it waits, or it is passed over.
pub(super) fn or_skip(session: &Session, workflow: WorkflowId, due: Due) -> Result<Taken, Error> {
    if due.was_buffered {
        return Ok(Taken::Buffered);
    }
    if !move_due(session, workflow, Some(due.due_at), due.next_due_at)? {
        // Another node was faster, or the workflow was saved anew.
        return Ok(Taken::Skipped);
    }
    let waiting = waiting(session, workflow)?;
    let room = match due.overlap {
        Overlap::Skip | Overlap::AllowAll => false,
        Overlap::BufferOne => waiting == 0,
        Overlap::BufferAll => waiting < BUFFERED_MAX,
        Overlap::CancelOther => {
            // The latest one counts.
            let older =
                session.execute("DELETE FROM buffered_firings WHERE workflow_id = $1", params![workflow])?;
            skipped(session, workflow, i64::try_from(older).unwrap_or(i64::MAX))?;
            true
        }
    };
    if !room {
        skipped(session, workflow, 1)?;
        return Ok(Taken::Skipped);
    }
    session.execute(
        "INSERT INTO buffered_firings (workflow_id, due_at, cancels) VALUES ($1, $2, $3)
         ON CONFLICT (workflow_id, due_at) DO NOTHING",
        params![workflow, due.due_at, due.overlap == Overlap::CancelOther],
    )?;
    recount(session, workflow)?;
    Ok(Taken::Buffered)
}

/// False when it does not wait any more.
pub(super) fn take_out(session: &Session, workflow: WorkflowId, due_at: Timestamp) -> Result<bool, Error> {
    let taken = session.execute(
        "DELETE FROM buffered_firings WHERE workflow_id = $1 AND due_at = $2",
        params![workflow, due_at],
    )?;
    recount(session, workflow)?;
    Ok(taken > 0)
}

pub(super) fn waiting(session: &Session, workflow: WorkflowId) -> Result<i64, Error> {
    let waiting =
        session.scalar("SELECT count(*) FROM buffered_firings WHERE workflow_id = $1", params![workflow])?;
    Ok(waiting.unwrap_or_default())
}

fn recount(session: &Session, workflow: WorkflowId) -> Result<(), Error> {
    let waiting = waiting(session, workflow)?;
    session
        .execute("UPDATE schedules SET buffered = $2 WHERE workflow_id = $1", params![workflow, waiting])
        .map(drop)
}

fn skipped(session: &Session, workflow: WorkflowId, count: i64) -> Result<(), Error> {
    session
        .execute(
            "UPDATE schedules SET skipped = skipped + $2 WHERE workflow_id = $1",
            params![workflow, count],
        )
        .map(drop)
}
