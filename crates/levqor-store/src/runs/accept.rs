//! Accepting a run: its row, its input, its first journal entry and everything that counts it, or nothing.

use levqor_model::RunId;

use super::{Accepted, Append, Firing, NewRun, Run, append, archive, counts, short::ShortRun};
use crate::{
    Conflict, Error, Session, Store, event_triggers, idempotency, params,
    schedules::{self, Taken},
    usage, webhooks,
};

macro_rules! insert_into {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (",
            super::columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
             ON CONFLICT DO NOTHING"
        )
    };
}

impl Store {
    /// Durable when this returns; counts the account's usage in the same transaction.
    pub async fn accept_run(&self, new: NewRun) -> Result<Accepted, Error> {
        self.write(move |session| accept(session, &new)).await
    }
}

pub(crate) fn accept(session: &Session, new: &NewRun) -> Result<Accepted, Error> {
    let run = &new.run;
    if let Some(not) = not_now(session, new)? {
        return Ok(not);
    }
    let next_seq = i64::from(new.events.is_some());
    if archive::existing(session, run)?.is_some() || !insert(session, insert_into!("runs"), run, next_seq)? {
        return already(session, new);
    }
    append::write_payload(session, run.id, "input", &new.input)?;
    if let Some(events) = &new.events {
        append::write_entry(session, run.id, 0, run.created_at, &run.region, events)?;
    }
    count(session, new, run)
}

/// [`accept`] for a run that ends with its first step.
pub(crate) fn accept_short(
    session: &Session,
    new: &NewRun,
    first: &Append,
    short: &ShortRun,
) -> Result<Accepted, Error> {
    if let Some(not) = not_now(session, new)? {
        return Ok(not);
    }
    let run = short.row(&new.run, first);
    if live(session, &run)?.is_some() || !insert(session, insert_into!("archived_runs"), &run, run.next_seq)?
    {
        return already(session, new);
    }
    short.write(session, &run, first)?;
    count(session, new, &run)
}

/// Why what asks for the run gets none.
fn not_now(session: &Session, new: &NewRun) -> Result<Option<Accepted>, Error> {
    if let Some(other) = claimed(session, new)? {
        return Ok(Some(Accepted::Already(other)));
    }
    Ok(match take(session, new)? {
        Taken::Fires => None,
        Taken::Fired(other) => Some(Accepted::Already(other)),
        Taken::Buffered => Some(Accepted::Buffered),
        Taken::Skipped => Some(Accepted::Skipped),
    })
}

fn already(session: &Session, new: &NewRun) -> Result<Accepted, Error> {
    if new.firing.is_some() {
        // What starts it is free but the run is there: taking the one for the other would lose a start.
        return Err(Error::Conflict(Conflict::Other));
    }
    existing(session, &new.run)?.map(Accepted::Already).ok_or(Error::Conflict(Conflict::Other))
}

fn count(session: &Session, new: &NewRun, run: &Run) -> Result<Accepted, Error> {
    if let Some(claim) = &new.claim {
        idempotency::lead_to(session, claim, run.id)?;
    }
    counts::add(session, run.account_id, run.status, 1)?;
    usage::add(session, Some(run.account_id), new.day, 1, 0)?;
    Ok(Accepted::New)
}

/// The run that the request has led to before.
pub(crate) fn claimed(session: &Session, new: &NewRun) -> Result<Option<RunId>, Error> {
    match &new.claim {
        Some(claim) => idempotency::run_of(session, claim),
        None => Ok(None),
    }
}

/// Takes what starts the run, where that may start only one.
fn take(session: &Session, new: &NewRun) -> Result<Taken, Error> {
    let run = &new.run;
    let other = match &new.firing {
        None => None,
        Some(Firing::Due(due)) => return schedules::take(session, run.workflow_id, *due, run.id),
        Some(Firing::Events(step)) => event_triggers::take(session, step).map(|()| None)?,
        Some(Firing::Message(message)) => webhooks::take(session, message, run.id, run.created_at)?,
    };
    Ok(other.map_or(Taken::Fires, Taken::Fired))
}

/// False when the run or its parent's effect is there already.
fn insert(session: &Session, sql: &'static str, run: &Run, next_seq: i64) -> Result<bool, Error> {
    let (parent_run, parent_effect) = run.parent.unzip();
    let inserted = session.execute(
        sql,
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
            run.priority,
            run.concurrency_key,
        ],
    )?;
    Ok(inserted > 0)
}

fn existing(session: &Session, run: &Run) -> Result<Option<RunId>, Error> {
    match archive::existing(session, run)? {
        None => live(session, run),
        found => Ok(found),
    }
}

/// The run of that id or of that parent's effect, among those that live.
fn live(session: &Session, run: &Run) -> Result<Option<RunId>, Error> {
    match run.parent {
        Some((parent, effect)) => session.scalar(
            "SELECT run_id FROM runs
             WHERE run_id = $1 OR (parent_run_id IS NOT NULL AND parent_run_id = $2 AND parent_effect = $3) LIMIT 1",
            params![run.id, parent, effect],
        ),
        None => session.scalar("SELECT run_id FROM runs WHERE run_id = $1", params![run.id]),
    }
}
