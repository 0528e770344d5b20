//! The rules of what operators see of jobs and do with them. Whoever calls these is an operator: the access table says so.

use levqor_engine::jobs::JobSpec;
use levqor_model::{Timestamp, one_line};
use levqor_store::{
    idempotency::KeyClaim,
    jobs::{Asked, JobFiring, JobNow},
};

use super::{
    conditions,
    list::{self, JOBS, Job},
    scheduler::memory,
};
use crate::{
    App, Problem,
    gateway::{Actor, Cursor, PageQuery},
};

/// What an operator may say of the reason.
const REASON_CHARS_MAX: usize = 500;
/// Due times that are told ahead.
const AHEAD: usize = 5;

/// A job as it is in the list, and as it stands.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) job: &'static Job,
    pub(super) spec: JobSpec,
    /// None: no scheduler has begun yet.
    pub(super) now: Option<JobNow>,
    /// The next due times; none while it is paused.
    pub(super) ahead: Vec<Timestamp>,
    /// Why it is late, as the end of a sentence about it; None: it is not.
    pub(super) late: Option<String>,
}

impl Standing {
    /// `active`, `paused`, or `unknown` while no scheduler has begun.
    pub(super) fn state(&self) -> &'static str {
        match &self.now {
            None => "unknown",
            Some(now) if now.job.paused_at.is_some() => "paused",
            Some(_) => "active",
        }
    }
}

/// # Errors
/// 404 with the job whose name is near.
pub(super) fn find(id: &str) -> Result<&'static Job, Problem> {
    list::find(id).ok_or_else(|| {
        let shown: String = id.chars().take(64).collect();
        let near = JOBS.iter().map(|job| job.id).find(|known| is_near(known, &shown));
        let hint = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
        Problem::not_found(format!("no job is called {shown:?}; {hint}GET /api/ops/jobs lists them"))
    })
}

/// One is in the other, or they begin alike.
fn is_near(known: &str, asked: &str) -> bool {
    let asked = asked.to_lowercase().replace('-', "_");
    let alike = known.bytes().zip(asked.bytes()).take_while(|(a, b)| a == b).count();
    asked.len() > 3 && (known.contains(&asked) || asked.contains(known) || alike * 2 > known.len())
}

fn standing(app: &App, job: &'static Job, now: Option<JobNow>) -> Result<Standing, Problem> {
    // Every job of the list has one; a test says so.
    let spec = job.spec().map_err(Problem::broken)?;
    let is_paused = now.as_ref().is_some_and(|now| now.job.paused_at.is_some());
    let ahead = if is_paused { Vec::new() } else { spec.ahead(app.now(), AHEAD) };
    let late = now.as_ref().and_then(|now| conditions::lateness(now, app.now()));
    Ok(Standing { job, spec, now, ahead, late })
}

/// All jobs, in the order of the list.
pub(super) async fn all(app: &App) -> Result<Vec<Standing>, Problem> {
    let mut rows = app.store.jobs().await?;
    let mut row_of = |id: &str| {
        let place = rows.iter().position(|row| row.job.id == id)?;
        Some(rows.swap_remove(place))
    };
    JOBS.iter().map(|job| standing(app, job, row_of(job.id))).collect()
}

pub(super) async fn one(app: &App, id: &str) -> Result<Standing, Problem> {
    let job = find(id)?;
    standing(app, job, app.store.job(job.id.to_owned()).await?)
}

/// A page of a job's firings, newest first, and where the next one begins.
pub(super) async fn history(
    app: &App,
    id: &str,
    page: PageQuery,
) -> Result<(Vec<JobFiring>, Option<Cursor>), Problem> {
    let job = find(id)?;
    let read = |before, limit| app.store.job_firings(job.id.to_owned(), before, limit);
    page.read("job-firings", read, |firing: &JobFiring| firing.due_at).await
}

/// Asks for a firing now. A request that is sent again, and one while a firing has not ended, ask for the one that is there.
pub(super) async fn run(
    app: &App,
    actor: &Actor,
    id: &str,
    claim: Option<&KeyClaim>,
) -> Result<Asked, Problem> {
    let job = find(id)?;
    let memory = memory(app);
    memory.jobs.register().await?;
    let request = claim.map(|claim| format!("{} {}", claim.scope, claim.key));
    let asked = app.store.ask_for_job(job.id.to_owned(), actor.by.words(), request, app.now()).await?;
    memory.bell.notify_one();
    asked.ok_or_else(|| Problem::broken(format!("job {} is registered and is not there", job.id)))
}

/// No due time fires until it is resumed. Paused is paused, however often it is asked for.
pub(super) async fn pause(
    app: &App,
    actor: &Actor,
    id: &str,
    reason: Option<String>,
) -> Result<Standing, Problem> {
    let job = find(id)?;
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if let Some(reason) = &reason {
        one_line(reason, REASON_CHARS_MAX)
            .map_err(|problem| Problem::field("/reason", problem.to_string()))?;
    }
    memory(app).jobs.register().await?;
    app.store.pause_job(job.id.to_owned(), actor.by.words(), reason, app.now()).await?;
    one(app, id).await
}

/// It fires again, from its next due time on.
pub(super) async fn resume(app: &App, id: &str) -> Result<Standing, Problem> {
    let job = find(id)?;
    let memory = memory(app);
    memory.jobs.register().await?;
    let next = memory.jobs.spec(job.id).and_then(|spec| spec.next(app.now()));
    let next = next.ok_or_else(|| Problem::broken(format!("job {} is never due", job.id)))?;
    app.store.resume_job(job.id.to_owned(), next, app.now()).await?;
    memory.bell.notify_one();
    one(app, id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_one_gets_a_hint() {
        let rows = [
            ("retention-aggregation", Some("retention_aggregation")),
            ("kv_cost", Some("kv_costs")),
            ("slo_watch", Some("slo_watchdog")),
            ("cooking", None),
            ("", None),
        ];
        for (asked, near) in rows {
            let problem = find(asked).unwrap_err().detail;
            match near {
                Some(near) => assert!(problem.contains(&format!("did you mean {near}?")), "{problem}"),
                None => assert!(!problem.contains("did you mean"), "{problem}"),
            }
        }
        assert_eq!(find("kv_costs").unwrap().id, "kv_costs");
    }
}
