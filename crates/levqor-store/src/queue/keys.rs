//! Concurrency keys: who has them, and who is next.

use levqor_model::{AccountId, RunId, WorkflowId};

use super::{ConcurrencyKey, URGENT, count_in};
use crate::{Error, Session, params};

/// Runs that come forward at once when a limit has grown; the next end lets more through.
const FORWARD_MAX: usize = 1_000;

pub(super) fn hold(session: &Session, run: RunId, workflow: WorkflowId, key: &str) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO key_holds (run_id, workflow_id, concurrency_key) VALUES ($1, $2, $3)
             ON CONFLICT (run_id) DO NOTHING",
            params![run, workflow, key],
        )
        .map(drop)
}

/// Whether a run may have the key now: it has it already, or there is room and nobody waits for it.
pub(super) fn is_free(
    session: &Session,
    run: RunId,
    workflow: WorkflowId,
    key: &ConcurrencyKey,
) -> Result<bool, Error> {
    if is_held_by(session, run, workflow, &key.text)? {
        return Ok(true);
    }
    if !has_room(session, workflow, &key.text, key.limit)? {
        return Ok(false);
    }
    let waiting: Option<i64> = session.scalar(
        "SELECT place FROM queued_runs WHERE held AND workflow_id = $1 AND concurrency_key = $2
         ORDER BY place LIMIT 1",
        params![workflow, key.text],
    )?;
    Ok(waiting.is_none())
}

fn has_room(session: &Session, workflow: WorkflowId, key: &str, limit: u32) -> Result<bool, Error> {
    let holders: Option<i64> = session.scalar(
        "SELECT count(*) FROM
            (SELECT 1 FROM key_holds WHERE workflow_id = $1 AND concurrency_key = $2 LIMIT $3) AS page",
        params![workflow, key, i64::from(limit)],
    )?;
    Ok(holders.unwrap_or_default() < i64::from(limit))
}

/// Whether a run above this one has the key: to wait for it would be to wait for ever.
pub(super) fn is_held_above(
    session: &Session,
    parent: Option<RunId>,
    workflow: WorkflowId,
    key: &str,
) -> Result<bool, Error> {
    let mut above = parent;
    for _ in 0..=levqor_model::limits::SUBRUN_DEPTH_MAX {
        let Some(run) = above else { return Ok(false) };
        if is_held_by(session, run, workflow, key)? {
            return Ok(true);
        }
        let parent: Option<Option<RunId>> =
            session.scalar("SELECT parent_run_id FROM runs WHERE run_id = $1", params![run])?;
        above = parent.flatten();
    }
    Ok(false)
}

pub(super) fn is_held_by(
    session: &Session,
    run: RunId,
    workflow: WorkflowId,
    key: &str,
) -> Result<bool, Error> {
    let holds: Option<RunId> = session.scalar(
        "SELECT run_id FROM key_holds WHERE run_id = $1 AND workflow_id = $2 AND concurrency_key = $3",
        params![run, workflow, key],
    )?;
    Ok(holds.is_some())
}

/// Whether a run that another one waits for is in line for the key.
pub(super) fn is_urgent(session: &Session, workflow: WorkflowId, key: &str) -> Result<bool, Error> {
    let urgent: Option<i64> = session.scalar(
        "SELECT place FROM queued_runs WHERE held AND workflow_id = $1 AND concurrency_key = $2 AND rank = $3
         ORDER BY place LIMIT 1",
        params![workflow, key, URGENT],
    )?;
    Ok(urgent.is_some())
}

/// A run that another one waits for is in line for the key: all before it are as urgent as it is. Otherwise those that have
/// the key could wait for the account's turn, which the runs that wait for this one take up.
pub(super) fn hurry(session: &Session, workflow: WorkflowId, key: &str) -> Result<(), Error> {
    session.execute(
        "UPDATE queued_runs SET rank = $3 WHERE held AND workflow_id = $1 AND concurrency_key = $2",
        params![workflow, key, URGENT],
    )?;
    session
        .execute(
            "UPDATE queued_runs SET rank = $3 WHERE NOT held AND run_id IN
                (SELECT run_id FROM key_holds WHERE workflow_id = $1 AND concurrency_key = $2)",
            params![workflow, key, URGENT],
        )
        .map(drop)
}

/// The run has ended: whoever waits for its key comes forward. Whether anybody did.
pub(crate) fn ended(session: &Session, run: RunId) -> Result<bool, Error> {
    let held = session.row(
        "DELETE FROM key_holds WHERE run_id = $1 RETURNING workflow_id, concurrency_key",
        params![run],
        |row| Ok((row.take::<WorkflowId>()?, row.take::<String>()?)),
    )?;
    match held {
        Some((workflow, key)) => come_forward(session, workflow, &key),
        None => Ok(false),
    }
}

/// Gives the key to those who wait for it, first come, first served, as far as their own limits allow.
pub(super) fn come_forward(session: &Session, workflow: WorkflowId, key: &str) -> Result<bool, Error> {
    let mut any = false;
    for _ in 0..FORWARD_MAX {
        let first = session.row(
            "SELECT place, run_id, account_id, key_limit, rank FROM queued_runs
             WHERE held AND workflow_id = $1 AND concurrency_key = $2 ORDER BY place LIMIT 1",
            params![workflow, key],
            |row| {
                let (place, run): (i64, RunId) = (row.take()?, row.take()?);
                let (account, limit, rank): (AccountId, Option<u32>, i64) =
                    (row.take()?, row.take()?, row.take()?);
                Ok((place, run, account, limit.unwrap_or(1), rank))
            },
        )?;
        let Some((place, run, account, limit, rank)) = first else { break };
        if !has_room(session, workflow, key, limit)? {
            break;
        }
        session.execute("UPDATE queued_runs SET held = false WHERE place = $1", params![place])?;
        hold(session, run, workflow, key)?;
        count_in(session, account, 0, true, None)?;
        if rank == URGENT {
            super::stopped_running(session, account)?;
        }
        any = true;
    }
    Ok(any)
}
