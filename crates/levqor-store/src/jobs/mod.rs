//! Jobs of the platform: when they are due, and what came of every due time.
//!
//! ```text
//! register ─► due ─► fire ──► running ─► done, failed, timed_out
//!                     │          ├─► waiting (its node stops: given back) ─► running
//!                     │          └─► its node is gone ─► running, once more ─► crashed
//!                     └─► skipped (one is in the way)
//! ask (by hand) ─► waiting ─► running ─► …
//! ```
//!
//! Invariant: a due time is one row, made in the transaction that moves the job to its next one, so it begins once in the whole
//! cluster. Its end is written only by the attempt that runs.

mod firings;
mod lists;
mod watched;

use levqor_model::{NodeId, RegionCode, Timestamp};

pub use firings::{Asked, Ended, Fire, Fired, Taker};
pub use lists::JobNow;
pub use watched::{KeptBudget, Outbox, OutboxState};

use crate::{Error, Row, Session, Store, params};

/// Jobs that are listed.
pub(crate) const JOBS_MAX: usize = 1_000;

/// A job as a build knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlan {
    pub id: String,
    /// Cron and zone, as one text.
    pub schedule: String,
    /// The next due time by it, seen from now.
    pub next_due_at: Timestamp,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: String,
    pub next_due_at: Timestamp,
    pub paused_at: Option<Timestamp>,
    pub paused_by: Option<String>,
    pub missed: i64,
    pub skipped: i64,
}

/// Why a firing is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Schedule,
    Manual,
}

/// How far a firing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FiringState {
    /// Somebody is to begin it.
    Waiting,
    Running,
    Done,
    Failed,
    /// It took too long and was cancelled.
    TimedOut,
    /// The nodes that ran it went away, more often than it is tried.
    Crashed,
    /// One of the same job was in its way.
    Skipped,
}

/// A due time that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFiring {
    pub job: String,
    /// For one by hand, when it was asked for.
    pub due_at: Timestamp,
    pub cause: Cause,
    pub state: FiringState,
    /// How often it was begun.
    pub attempt: i64,
    pub node: Option<NodeId>,
    pub region: Option<RegionCode>,
    pub asked_by: Option<String>,
    pub began_at: Option<Timestamp>,
    pub lease_ends_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub summary: Option<String>,
    /// JSON.
    pub data: Option<String>,
    pub problem: Option<String>,
}

/// The columns of [`JobFiring`], in the order in which [`JobFiring::read`] takes them.
macro_rules! columns {
    () => {
        "job_id, due_at, cause, state, attempt, node_id, region, asked_by, began_at, lease_ends_at, ended_at, summary, data, problem"
    };
}
pub(crate) use columns;

impl Cause {
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Schedule => "schedule",
            Cause::Manual => "manual",
        }
    }

    fn parse(text: &str) -> Result<Self, Error> {
        [Cause::Schedule, Cause::Manual]
            .into_iter()
            .find(|cause| cause.as_str() == text)
            .ok_or_else(|| Error::Decode("column cause: not a cause of a firing".to_owned()))
    }
}

impl FiringState {
    const ALL: [FiringState; 7] = [
        FiringState::Waiting,
        FiringState::Running,
        FiringState::Done,
        FiringState::Failed,
        FiringState::TimedOut,
        FiringState::Crashed,
        FiringState::Skipped,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            FiringState::Waiting => "waiting",
            FiringState::Running => "running",
            FiringState::Done => "done",
            FiringState::Failed => "failed",
            FiringState::TimedOut => "timed_out",
            FiringState::Crashed => "crashed",
            FiringState::Skipped => "skipped",
        }
    }

    /// Whether the job did not do what it is for.
    pub const fn is_failure(self) -> bool {
        matches!(self, FiringState::Failed | FiringState::TimedOut | FiringState::Crashed)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::Decode("column state: not a state of a firing".to_owned()))
    }
}

impl JobFiring {
    pub(crate) fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            job: row.take()?,
            due_at: row.take()?,
            cause: Cause::parse(&row.take::<String>()?)?,
            state: FiringState::parse(&row.take::<String>()?)?,
            attempt: row.take()?,
            node: row.take()?,
            region: row.take()?,
            asked_by: row.take()?,
            began_at: row.take()?,
            lease_ends_at: row.take()?,
            ended_at: row.take()?,
            summary: row.take()?,
            data: row.take()?,
            problem: row.take()?,
        })
    }
}

impl Job {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            next_due_at: row.take()?,
            paused_at: row.take()?,
            paused_by: row.take()?,
            missed: row.take()?,
            skipped: row.take()?,
        })
    }
}

impl Store {
    /// Makes jobs known. One that is known keeps its due time, unless its schedule is another by now.
    pub async fn register_jobs(&self, plans: Vec<JobPlan>) -> Result<(), Error> {
        self.write(move |session| {
            for JobPlan { id, schedule, next_due_at } in &plans {
                session.execute(
                    "INSERT INTO jobs (job_id, schedule, next_due_at, missed, skipped) VALUES ($1, $2, $3, 0, 0)
                     ON CONFLICT (job_id) DO UPDATE SET schedule = excluded.schedule,
                         next_due_at = excluded.next_due_at
                     WHERE jobs.schedule <> excluded.schedule",
                    params![id, schedule, next_due_at],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Due at or before `now` and not paused, earliest first.
    pub async fn due_jobs(&self, now: Timestamp) -> Result<Vec<Job>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT job_id, next_due_at, paused_at, paused_by, missed, skipped FROM jobs
                 WHERE paused_at IS NULL AND next_due_at <= $1 ORDER BY next_due_at, job_id LIMIT $2",
                params![now, JOBS_MAX],
                Job::read,
            )
        })
        .await
    }
}

/// The job, if it is known.
fn job(session: &Session, id: &str) -> Result<Option<Job>, Error> {
    session.row(
        "SELECT job_id, next_due_at, paused_at, paused_by, missed, skipped FROM jobs WHERE job_id = $1",
        params![id],
        Job::read,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_is_kept_is_read_again() {
        for state in FiringState::ALL {
            assert_eq!(FiringState::parse(state.as_str()).unwrap(), state);
        }
        for cause in [Cause::Schedule, Cause::Manual] {
            assert_eq!(Cause::parse(cause.as_str()).unwrap(), cause);
        }
        assert!(FiringState::parse("").is_err() && Cause::parse("Manual").is_err());
    }
}
