//! Moving a run on: one journal entry and the row beside it, refused unless the writer still owns the run.

use levqor_model::{AccountId, NodeId, RegionCode, RunId, RunStatus, Timestamp};

use super::{Append, archive, counts, segments};
use crate::{
    Error, Session, Store, approvals, listeners, params,
    queue::{self, Again, Gate},
    timers,
};

impl Store {
    /// Durable when this returns. An end clears all timers and listeners of the run.
    ///
    /// # Errors
    /// [`Error::Stale`] when the epoch or the place is not the row's, or the run has ended; nothing
    /// is written then.
    pub async fn append(&self, append: Append) -> Result<(), Error> {
        if self.write(move |session| write(session, &append)).await? {
            self.queue_bell.notify_one();
        }
        Ok(())
    }

    /// Appends to a faulted run and has it go on: running when its gate lets it in, else pending and in the queue. False when
    /// it is not faulted or has moved on, or the node was stopped. Its output and error are taken away: they are those of an end that no longer is one.
    #[expect(clippy::too_many_arguments, reason = "the parts of one journal entry and its writer")]
    pub async fn reopen_run(
        &self,
        id: RunId,
        epoch: i64,
        node: NodeId,
        seq: i64,
        at: Timestamp,
        region: RegionCode,
        events: String,
        gate: Gate,
    ) -> Result<bool, Error> {
        self.reopen(id, epoch, node, seq, at, region, events, None, gate).await
    }

    /// [`Store::reopen_run`] on another version of the workflow.
    #[expect(clippy::too_many_arguments, reason = "the parts of one journal entry and its writer")]
    pub async fn move_run(
        &self,
        id: RunId,
        epoch: i64,
        node: NodeId,
        seq: i64,
        at: Timestamp,
        region: RegionCode,
        events: String,
        version: String,
        gate: Gate,
    ) -> Result<bool, Error> {
        self.reopen(id, epoch, node, seq, at, region, events, Some(version), gate).await
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one journal entry and its writer")]
    async fn reopen(
        &self,
        id: RunId,
        epoch: i64,
        node: NodeId,
        seq: i64,
        at: Timestamp,
        region: RegionCode,
        events: String,
        version: Option<String>,
        gate: Gate,
    ) -> Result<bool, Error> {
        let (reopened, queued) = self
            .write(move |session| {
                archive::bring_back(session, id, seq)?;
                let again = match Again::ask(session, id, &gate) {
                    Err(Error::Stale(_)) => return Ok((false, false)),
                    again => again?,
                };
                let account: Option<AccountId> = session.scalar(
                    "UPDATE runs SET status = $6, ended_at = NULL, waiting_for = $7, owner = $4,
                         epoch = CASE WHEN owner = $4 THEN epoch WHEN epoch < $2 THEN $2 ELSE epoch + 1 END,
                         region = $5, next_seq = next_seq + 1, version = coalesce($8, version)
                     WHERE run_id = $1 AND next_seq = $3 AND status = 'faulted'
                         AND NOT EXISTS (SELECT 1 FROM nodes WHERE node_id = $4 AND stopped_at IS NOT NULL)
                     RETURNING account_id",
                    params![id, epoch, seq, node, region, again.status(), again.waiting_for(), version],
                )?;
                let Some(account) = account else { return Ok((false, false)) };
                write_entry(session, id, seq, at, &region, &events)?;
                session.execute(
                    "DELETE FROM run_payloads WHERE run_id = $1 AND part IN ('output', 'error')",
                    params![id],
                )?;
                counts::move_one(session, account, RunStatus::Faulted, again.status())?;
                again.let_in(session, &gate, at)?;
                Ok((true, !again.begins()))
            })
            .await?;
        if queued {
            self.queue_bell.notify_one();
        }
        Ok(reopened)
    }
}

/// Whether a queued run may have its turn now.
pub(crate) fn write(session: &Session, append: &Append) -> Result<bool, Error> {
    let id = append.run_id;
    let row = session.row(
        "SELECT account_id, status, concurrency_key IS NOT NULL FROM runs
         WHERE run_id = $1 AND epoch = $2 AND next_seq = $3 AND ended_at IS NULL",
        params![id, append.epoch, append.seq],
        |row| Ok((row.take::<AccountId>()?, row.take::<RunStatus>()?, row.take::<bool>()?)),
    )?;
    let (account, was, has_key) = row.ok_or(Error::Stale(id))?;
    if !update(session, append, was)? {
        return Err(Error::Stale(id));
    }
    if let Some(events) = &append.events {
        write_entry(session, id, append.seq, append.at, &append.region, events)?;
    }
    if append.seq == 0 {
        queue::has_begun(session, id)?;
    }
    if let Some(output) = &append.output {
        write_payload(session, id, "output", output)?;
    }
    if let Some(error) = &append.error {
        write_payload(session, id, "error", error)?;
    }
    if append.status.is_ended() {
        timers::clear_all(session, id)?;
    } else {
        for effect in &append.timers_cleared {
            timers::clear(session, id, *effect)?;
        }
        for (effect, due_at) in &append.timers_set {
            timers::set(session, id, *effect, *due_at)?;
        }
    }
    listeners::change(session, id, account, append.at, append.status.is_ended(), &append.event_changes)?;
    approvals::change(session, id, account, append.at, &append.approval_changes)?;
    let mut someone_next = false;
    if was != append.status {
        counts::move_one(session, account, was, append.status)?;
        if was == RunStatus::Pending {
            someone_next |= queue::leave(session, id)?;
        }
        if was == RunStatus::Running {
            someone_next |= queue::stopped_running(session, account)?;
        }
        if append.status.is_ended() && has_key {
            someone_next |= queue::ended(session, id)?;
        }
    }
    if append.status.is_ended() {
        archive::move_ended(session, id)?;
    } else if append.events.is_some() && (append.seq + 1) % segments::ENTRIES as i64 == 0 {
        segments::compact(session, id)?;
    }
    Ok(someone_next)
}

/// Changes the row if it still is what was read; false otherwise.
fn update(session: &Session, append: &Append, was: RunStatus) -> Result<bool, Error> {
    let next_seq = append.seq + i64::from(append.events.is_some());
    let updated = if was == append.status {
        // Naming only what changes spares the indexes that hold the status.
        session.execute(
            "UPDATE runs SET region = $5, waiting_for = $6, started_at = coalesce($7, started_at), next_seq = $8
             WHERE run_id = $1 AND epoch = $2 AND next_seq = $3 AND status = $4",
            params![
                append.run_id,
                append.epoch,
                append.seq,
                was,
                append.region,
                append.waiting_for,
                append.started_at,
                next_seq,
            ],
        )?
    } else {
        let ended_at = append.status.is_ended().then(|| append.ended_at.unwrap_or(append.at));
        session.execute(
            "UPDATE runs SET region = $5, waiting_for = $6, started_at = coalesce($7, started_at), next_seq = $8,
                 status = $9, ended_at = $10
             WHERE run_id = $1 AND epoch = $2 AND next_seq = $3 AND status = $4",
            params![
                append.run_id,
                append.epoch,
                append.seq,
                was,
                append.region,
                append.waiting_for,
                append.started_at,
                next_seq,
                append.status,
                ended_at,
            ],
        )?
    };
    Ok(updated > 0)
}

pub(super) fn write_entry(
    session: &Session,
    run: RunId,
    seq: i64,
    at: Timestamp,
    region: &RegionCode,
    events: &str,
) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO journal (run_id, seq, at, region, events) VALUES ($1, $2, $3, $4, $5)",
            params![run, seq, at, region, events],
        )
        .map(drop)
}

pub(super) fn write_payload(session: &Session, run: RunId, part: &str, body: &str) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO run_payloads (run_id, part, body) VALUES ($1, $2, $3)
             ON CONFLICT (run_id, part) DO UPDATE SET body = excluded.body",
            params![run, part, body],
        )
        .map(drop)
}
