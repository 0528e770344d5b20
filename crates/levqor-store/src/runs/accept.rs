//! Accepting a run: its row, its input, its first journal entry and everything that counts it, or nothing.

use levqor_model::RunId;

use super::{Accepted, Append, Firing, NewRun, Run, append, archive, counts};
use crate::{
    Conflict, Error, Session, Store, event_triggers,
    idempotency::{self, KeyClaim},
    params, schedules, usage, webhooks,
};

impl Store {
    /// Durable when this returns; counts the account's usage in the same transaction.
    pub async fn accept_run(&self, new: NewRun) -> Result<Accepted, Error> {
        self.write(move |session| accept(session, &new)).await
    }

    /// [`Store::accept_run`] and the first [`Store::append`] of that run in one transaction: both or neither. The append is
    /// left out when the run is there already.
    ///
    /// # Errors
    /// [`Error::Stale`] when the append is not for the run as it is accepted.
    pub async fn accept_begun_run(&self, new: NewRun, first: Append) -> Result<Accepted, Error> {
        self.write(move |session| accept_begun(session, &new, Some(&first))).await
    }

    /// [`Store::accept_begun_run`], or [`Store::accept_run`], for a request with an `Idempotency-Key` that the caller has
    /// claimed: the claim leads to the run from the same transaction on. [`Accepted::Already`] when it has led to one before.
    pub async fn accept_run_once(
        &self,
        new: NewRun,
        first: Option<Append>,
        claim: KeyClaim,
    ) -> Result<Accepted, Error> {
        self.write(move |session| {
            if let Some(run) = idempotency::run_of(session, &claim)? {
                return Ok(Accepted::Already(run));
            }
            let accepted = accept_begun(session, &new, first.as_ref())?;
            if accepted == Accepted::New {
                idempotency::lead_to(session, &claim, new.run.id)?;
            }
            Ok(accepted)
        })
        .await
    }
}

fn accept_begun(session: &Session, new: &NewRun, first: Option<&Append>) -> Result<Accepted, Error> {
    let accepted = accept(session, new)?;
    if let (Accepted::New, Some(first)) = (accepted, first) {
        append::write(session, first)?;
    }
    Ok(accepted)
}

fn accept(session: &Session, new: &NewRun) -> Result<Accepted, Error> {
    let run = &new.run;
    let other = match &new.firing {
        None => None,
        Some(Firing::Due { due_at, next_due_at }) => {
            schedules::take(session, run.workflow_id, *due_at, *next_due_at, run.id)?
        }
        Some(Firing::Events(step)) => event_triggers::take(session, step).map(|()| None)?,
        Some(Firing::Message(message)) => webhooks::take(session, message, run.id, run.created_at)?,
    };
    if let Some(other) = other {
        return Ok(Accepted::Already(other));
    }
    let next_seq = i64::from(new.events.is_some());
    if !insert(session, run, next_seq)? {
        if new.firing.is_some() {
            // What starts it is free but the run is there: taking the one for the other would lose a start.
            return Err(Error::Conflict(Conflict::Other));
        }
        return existing(session, run)?.map(Accepted::Already).ok_or(Error::Conflict(Conflict::Other));
    }
    append::write_payload(session, run.id, "input", &new.input)?;
    if let Some(events) = &new.events {
        append::write_entry(session, run.id, 0, run.created_at, &run.region, events)?;
    }
    counts::add(session, run.account_id, run.status, 1)?;
    usage::add(session, Some(run.account_id), new.day, 1, 0)?;
    Ok(Accepted::New)
}

/// False when the run or its parent's effect is there already.
fn insert(session: &Session, run: &Run, next_seq: i64) -> Result<bool, Error> {
    if archive::existing(session, run)?.is_some() {
        return Ok(false);
    }
    let (parent_run, parent_effect) = run.parent.unzip();
    let inserted = session.execute(
        concat!(
            "INSERT INTO runs (",
            super::columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
             ON CONFLICT DO NOTHING"
        ),
        params![
            run.id,
            run.account_id,
            run.workflow_id,
            run.namespace,
            run.name,
            run.version,
            run.status,
            run.trigger,
            run.region,
            run.home_region,
            run.residency,
            run.waiting_for,
            parent_run,
            parent_effect,
            run.depth,
            run.retry_of,
            run.created_at,
            run.started_at,
            run.ended_at,
            run.owner,
            run.epoch,
            next_seq,
        ],
    )?;
    Ok(inserted > 0)
}

fn existing(session: &Session, run: &Run) -> Result<Option<RunId>, Error> {
    if let Some(id) = archive::existing(session, run)? {
        return Ok(Some(id));
    }
    match run.parent {
        Some((parent, effect)) => session.scalar(
            "SELECT run_id FROM runs
             WHERE run_id = $1 OR (parent_run_id IS NOT NULL AND parent_run_id = $2 AND parent_effect = $3) LIMIT 1",
            params![run.id, parent, effect],
        ),
        None => session.scalar("SELECT run_id FROM runs WHERE run_id = $1", params![run.id]),
    }
}
