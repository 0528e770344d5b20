//! Due times that come, begin, end, and are taken up again.

use std::time::Duration;

use levqor_model::{NodeId, RegionCode, Timestamp};
use serde_json::json;

use super::{Cause, FiringState, JobFiring, columns};
use crate::{
    Error, Session, Store,
    audit::{self, Note},
    params,
};

/// How often a firing is begun at most: once more when the node that ran it is gone.
const ATTEMPTS_MAX: i64 = 2;
/// How many moments are tried for one by hand: each job has one row a microsecond.
const MOMENTS: u64 = 100;

/// Who runs firings, and until when that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taker {
    pub node: NodeId,
    pub region: RegionCode,
    /// From now on; it must cover the longest time that the job may take.
    pub lease: Duration,
}

/// A due time that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fire {
    pub job: String,
    /// As the job's row has it.
    pub due_at: Timestamp,
    /// The due time that begins: a later one when others were missed. None: none of them.
    pub fires_at: Option<Timestamp>,
    pub next_due_at: Timestamp,
    /// Due times that begin nothing.
    pub missed: i64,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fired {
    Began(Box<JobFiring>),
    /// One of the same job has not ended.
    Skipped,
    /// All of them were missed.
    Passed,
    /// Somebody else was faster, or the job is paused by now.
    NotDue,
}

/// What somebody who asks for a firing gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub firing: JobFiring,
    /// It was there before.
    pub already: bool,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub state: FiringState,
    pub summary: Option<String>,
    /// JSON.
    pub data: Option<String>,
    pub problem: Option<String>,
    pub at: Timestamp,
}

impl Store {
    /// Moves a job to its next due time and begins this one, both or neither.
    pub async fn fire_job(&self, fire: Fire, taker: Taker, now: Timestamp) -> Result<Fired, Error> {
        self.write(move |session| {
            let Fire { job, due_at, fires_at, next_due_at, missed } = &fire;
            let moved = session.execute(
                "UPDATE jobs SET next_due_at = $3, missed = missed + $4
                 WHERE job_id = $1 AND next_due_at = $2 AND paused_at IS NULL",
                params![job, due_at, next_due_at, missed],
            )?;
            if moved == 0 {
                return Ok(Fired::NotDue);
            }
            let Some(fires_at) = fires_at else { return Ok(Fired::Passed) };
            let is_in_the_way = open(session, job)?.is_some();
            let state = if is_in_the_way { FiringState::Skipped } else { FiringState::Running };
            let ended_at = is_in_the_way.then_some(now);
            let problem = is_in_the_way.then_some("the one before it had not ended");
            let Taker { node, region, lease } = &taker;
            let added: Vec<JobFiring> = session.rows(
                concat!(
                    "INSERT INTO job_firings (job_id, due_at, cause, state, attempt, node_id, region, began_at, lease_ends_at,
                         ended_at, problem)
                     VALUES ($1, $2, 'schedule', $3, 1, $4, $5, $6, $7, $8, $9)
                     ON CONFLICT (job_id, due_at) DO NOTHING RETURNING ",
                    columns!()
                ),
                params![job, fires_at, state.as_str(), node, region, now, now + *lease, ended_at, problem],
                JobFiring::read,
            )?;
            match added.into_iter().next() {
                // Its moment was taken by somebody's hand: that one is it.
                None => Ok(Fired::NotDue),
                Some(_) if is_in_the_way => {
                    session.execute("UPDATE jobs SET skipped = skipped + 1 WHERE job_id = $1", params![job])?;
                    Ok(Fired::Skipped)
                }
                Some(firing) => Ok(Fired::Began(Box::new(firing))),
            }
        })
        .await
    }

    /// Firings that somebody should begin: those that wait, and those whose node is gone.
    pub async fn firings_to_take(&self, now: Timestamp) -> Result<Vec<JobFiring>, Error> {
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM job_firings
                     WHERE ended_at IS NULL AND (state = 'waiting' OR lease_ends_at < $1 OR NOT EXISTS
                         (SELECT 1 FROM nodes WHERE nodes.node_id = job_firings.node_id AND stopped_at IS NULL))
                     ORDER BY job_id LIMIT $2"
                ),
                params![now, super::JOBS_MAX],
                JobFiring::read,
            )
        })
        .await
    }

    /// Begins a firing of [`Store::firings_to_take`], or gives it up when it was begun too often. None: somebody else was faster, or it
    /// was given up.
    pub async fn take_firing(
        &self,
        seen: JobFiring,
        taker: Taker,
        now: Timestamp,
    ) -> Result<Option<JobFiring>, Error> {
        self.write(move |session| {
            let JobFiring { job, due_at, attempt, state, .. } = &seen;
            if *state == FiringState::Running && *attempt >= ATTEMPTS_MAX {
                let problem = format!("the nodes that ran it were gone before its end, {attempt} times");
                let given_up = session.execute(
                    "UPDATE job_firings SET state = 'crashed', ended_at = $4, problem = $5
                     WHERE job_id = $1 AND due_at = $2 AND attempt = $3 AND state = 'running'",
                    params![job, due_at, attempt, now, problem],
                )?;
                if given_up > 0 {
                    note_crash(session, &seen, "given up", now)?;
                }
                return Ok(None);
            }
            let Taker { node, region, lease } = &taker;
            let taken = session.rows(
                concat!(
                    "UPDATE job_firings SET state = 'running', attempt = attempt + 1, node_id = $5, region = $6, began_at = $7,
                         lease_ends_at = $8
                     WHERE job_id = $1 AND due_at = $2 AND attempt = $3 AND state = $4 AND ended_at IS NULL RETURNING ",
                    columns!()
                ),
                params![job, due_at, attempt, state.as_str(), node, region, now, now + *lease],
                JobFiring::read,
            )?;
            let taken = taken.into_iter().next();
            if taken.is_some() && *state == FiringState::Running {
                note_crash(session, &seen, "begun again", now)?;
            }
            Ok(taken)
        })
        .await
    }

    /// Writes the end of an attempt; false: it was not this one's any more, and nothing is written.
    pub async fn end_firing(&self, firing: JobFiring, ended: Ended) -> Result<bool, Error> {
        self.write(move |session| {
            let Ended { state, summary, data, problem, at } = &ended;
            let written = session.execute(
                "UPDATE job_firings SET state = $5, summary = $6, data = $7, problem = $8, ended_at = $9
                 WHERE job_id = $1 AND due_at = $2 AND attempt = $3 AND node_id = $4 AND state = 'running'",
                params![
                    firing.job,
                    firing.due_at,
                    firing.attempt,
                    firing.node,
                    state.as_str(),
                    summary,
                    data,
                    problem,
                    at
                ],
            )?;
            Ok(written > 0)
        })
        .await
    }

    /// The node stops: another may begin it, as if it had not begun.
    pub async fn give_firing_back(&self, firing: JobFiring) -> Result<bool, Error> {
        self.write(move |session| {
            let given = session.execute(
                "UPDATE job_firings SET state = 'waiting', attempt = attempt - 1, began_at = NULL, lease_ends_at = NULL
                 WHERE job_id = $1 AND due_at = $2 AND attempt = $3 AND node_id = $4 AND state = 'running'",
                params![firing.job, firing.due_at, firing.attempt, firing.node],
            )?;
            Ok(given > 0)
        })
        .await
    }

    /// Asks for a firing by hand. One that has not ended is the one that is asked for, and a request that was made before gets what it got
    /// then. None: there is no such job.
    pub async fn ask_for_job(
        &self,
        id: String,
        by: String,
        request: Option<String>,
        now: Timestamp,
    ) -> Result<Option<Asked>, Error> {
        self.write(move |session| {
            // Changes nothing, and holds the row: who fires or asks for the same job on another node waits, and then sees this firing
            // instead of running into it.
            let known =
                session.execute("UPDATE jobs SET skipped = skipped WHERE job_id = $1", params![id])?;
            if known == 0 {
                return Ok(None);
            }
            if let Some(request) = &request
                && let Some(firing) = of_request(session, &id, request)?
            {
                return Ok(Some(Asked { firing, already: true }));
            }
            if let Some(firing) = open(session, &id)? {
                return Ok(Some(Asked { firing, already: true }));
            }
            let Some(firing) = insert_asked(session, &id, &by, request.as_deref(), now)? else {
                return Err(Error::Unavailable(
                    "too many firings of the job were asked for at once".to_owned(),
                ));
            };
            let details = json!({ "due_at": firing.due_at });
            audit::note(
                session,
                Note { kind: "job.asked_for", at: now, account: None, subject: &id, details },
            )?;
            Ok(Some(Asked { firing, already: false }))
        })
        .await
    }

    /// No due time of it fires any more; false: it was paused before, or there is no such job.
    pub async fn pause_job(
        &self,
        id: String,
        by: String,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let paused = session.execute(
                "UPDATE jobs SET paused_at = $2, paused_by = $3 WHERE job_id = $1 AND paused_at IS NULL",
                params![id, now, by],
            )?;
            if paused == 0 {
                return Ok(false);
            }
            let details = json!({ "reason": reason });
            audit::note(session, Note { kind: "job.paused", at: now, account: None, subject: &id, details })?;
            Ok(true)
        })
        .await
    }

    /// It fires again, from its next due time on; false: it was not paused.
    pub async fn resume_job(
        &self,
        id: String,
        next_due_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let resumed = session.execute(
                "UPDATE jobs SET paused_at = NULL, paused_by = NULL, next_due_at = $2
                 WHERE job_id = $1 AND paused_at IS NOT NULL",
                params![id, next_due_at],
            )?;
            if resumed == 0 {
                return Ok(false);
            }
            let details = json!({ "next_due_at": next_due_at });
            audit::note(
                session,
                Note { kind: "job.resumed", at: now, account: None, subject: &id, details },
            )?;
            Ok(true)
        })
        .await
    }
}

fn note_crash(session: &Session, firing: &JobFiring, then: &str, at: Timestamp) -> Result<(), Error> {
    let details = json!({
        "due_at": firing.due_at, "attempt": firing.attempt, "node": firing.node.map(|node| node.to_string()), "then": then,
    });
    audit::note(session, Note { kind: "job.crashed", at, account: None, subject: &firing.job, details })
}

/// The firing of a job that has not ended.
pub(super) fn open(session: &Session, job: &str) -> Result<Option<JobFiring>, Error> {
    session.row(
        concat!("SELECT ", columns!(), " FROM job_firings WHERE job_id = $1 AND ended_at IS NULL"),
        params![job],
        JobFiring::read,
    )
}

fn of_request(session: &Session, job: &str, request: &str) -> Result<Option<JobFiring>, Error> {
    session.row(
        concat!("SELECT ", columns!(), " FROM job_firings WHERE job_id = $1 AND request = $2"),
        params![job, request],
        JobFiring::read,
    )
}

/// At the first moment from now on that has no firing yet.
fn insert_asked(
    session: &Session,
    job: &str,
    by: &str,
    request: Option<&str>,
    now: Timestamp,
) -> Result<Option<JobFiring>, Error> {
    for later in 0..MOMENTS {
        let due_at = now + Duration::from_micros(later);
        let added = session.rows(
            concat!(
                "INSERT INTO job_firings (job_id, due_at, cause, state, attempt, asked_by, request)
                 VALUES ($1, $2, $3, 'waiting', 0, $4, $5)
                 ON CONFLICT (job_id, due_at) DO NOTHING RETURNING ",
                columns!()
            ),
            params![job, due_at, Cause::Manual.as_str(), by, request],
            JobFiring::read,
        )?;
        if let Some(firing) = added.into_iter().next() {
            return Ok(Some(firing));
        }
    }
    Ok(None)
}
