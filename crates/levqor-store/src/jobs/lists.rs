//! Jobs and their firings, as they are looked at; and forgetting what is old.

use levqor_model::Timestamp;

use super::{FiringState, JOBS_MAX, Job, JobFiring, columns, firings};
use crate::{Error, Session, Store, params, prune::BATCH};

/// Ends that are looked at to see how often a job failed in a row.
const ENDS_LOOKED_AT: usize = 10;

/// A job, what runs of it, and what came last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobNow {
    pub job: Job,
    /// The firing that has not ended.
    pub open: Option<JobFiring>,
    /// The last firing that ended and was not skipped.
    pub last: Option<JobFiring>,
    /// How many of the last ones failed, one after the other; at most 10 are counted.
    pub failures: usize,
    /// When it was done last, of the last 10.
    pub done_at: Option<Timestamp>,
}

impl Store {
    /// All jobs, by their ids.
    pub async fn jobs(&self) -> Result<Vec<JobNow>, Error> {
        self.read(|session| {
            session.snapshot(|| {
                let jobs = session.rows(
                    "SELECT job_id, next_due_at, paused_at, paused_by, missed, skipped FROM jobs ORDER BY job_id LIMIT $1",
                    params![JOBS_MAX],
                    Job::read,
                )?;
                jobs.into_iter().map(|job| now(session, job)).collect()
            })
        })
        .await
    }

    pub async fn job(&self, id: String) -> Result<Option<JobNow>, Error> {
        self.read(move |session| {
            session.snapshot(|| super::job(session, &id)?.map(|job| now(session, job)).transpose())
        })
        .await
    }

    /// How many jobs are not paused, and how many firings run.
    pub async fn job_counts(&self) -> Result<(i64, i64), Error> {
        self.read(|session| {
            let active: Option<i64> =
                session.scalar("SELECT count(*) FROM jobs WHERE paused_at IS NULL", &[])?;
            let running: Option<i64> = session.scalar(
                "SELECT count(*) FROM job_firings WHERE ended_at IS NULL AND state = 'running'",
                &[],
            )?;
            Ok((active.unwrap_or_default(), running.unwrap_or_default()))
        })
        .await
    }

    /// The firings of a job, newest first, those due before `before`.
    pub async fn job_firings(
        &self,
        job: String,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<JobFiring>, Error> {
        let before = before.map_or(i64::MAX, Timestamp::as_micros);
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM job_firings WHERE job_id = $1 AND due_at < $2 ORDER BY due_at DESC LIMIT $3"
                ),
                params![job, before, limit],
                JobFiring::read,
            )
        })
        .await
    }

    /// Firings that ended from a moment on, newest first, without what they gave: that may be large, and they may be many.
    pub async fn firings_ended_since(&self, at: Timestamp, limit: usize) -> Result<Vec<JobFiring>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT job_id, due_at, cause, state, attempt, node_id, region, asked_by, began_at, lease_ends_at, ended_at,
                     CAST(NULL AS text), CAST(NULL AS text), problem
                 FROM job_firings WHERE ended_at IS NOT NULL AND ended_at >= $1
                 ORDER BY ended_at DESC, job_id DESC, due_at DESC LIMIT $2",
                params![at, limit],
                JobFiring::read,
            )
        })
        .await
    }

    /// Forgets firings that ended before a moment, and of each job those behind the newest `each`.
    pub async fn prune_job_firings(&self, before: Timestamp, each: usize) -> Result<(), Error> {
        self.prune(
            "DELETE FROM job_firings WHERE (job_id, due_at) IN
                (SELECT job_id, due_at FROM job_firings WHERE ended_at IS NOT NULL AND ended_at < $1
                 ORDER BY ended_at, job_id, due_at LIMIT $2)",
            before,
        )
        .await?;
        for job in self.jobs().await?.into_iter().map(|now| now.job.id) {
            while self.prune_behind(job.clone(), each).await? == BATCH as u64 {}
        }
        Ok(())
    }

    async fn prune_behind(&self, job: String, each: usize) -> Result<u64, Error> {
        self.write(move |session| {
            let last: Option<Timestamp> = session.scalar(
                "SELECT due_at FROM job_firings WHERE job_id = $1 ORDER BY due_at DESC LIMIT 1 OFFSET $2",
                params![job, each],
            )?;
            let Some(last) = last else { return Ok(0) };
            session.execute(
                "DELETE FROM job_firings WHERE (job_id, due_at) IN
                    (SELECT job_id, due_at FROM job_firings WHERE job_id = $1 AND due_at <= $2 AND ended_at IS NOT NULL
                     ORDER BY due_at LIMIT $3)",
                params![job, last, BATCH],
            )
        })
        .await
    }
}

fn now(session: &Session, job: Job) -> Result<JobNow, Error> {
    let open = firings::open(session, &job.id)?;
    let last = session.row(
        concat!(
            "SELECT ",
            columns!(),
            " FROM job_firings WHERE job_id = $1 AND ended_at IS NOT NULL AND state <> 'skipped' ORDER BY due_at DESC LIMIT 1"
        ),
        params![job.id],
        JobFiring::read,
    )?;
    let ends: Vec<(String, Option<Timestamp>)> = session.rows(
        "SELECT state, ended_at FROM job_firings WHERE job_id = $1 AND ended_at IS NOT NULL AND state <> 'skipped'
         ORDER BY due_at DESC LIMIT $2",
        params![job.id, ENDS_LOOKED_AT],
        |row| Ok((row.take()?, row.take()?)),
    )?;
    let is_done = |(state, _): &&(String, Option<Timestamp>)| state == FiringState::Done.as_str();
    let failures = ends.iter().take_while(|end| !is_done(end)).count();
    let done_at = ends.iter().find(is_done).and_then(|(_, at)| *at);
    Ok(JobNow { job, open, last, failures, done_at })
}
