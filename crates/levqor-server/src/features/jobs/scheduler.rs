//! Running jobs on this node: looks every second, and does what it has begun.

use std::{sync::Arc, time::Duration};

use levqor_engine::jobs::Jobs;
use levqor_store::{
    Error,
    audit::{self, Author},
    jobs::JobFiring,
};
use tokio::{sync::Notify, task::JoinSet};
use tracing::{error, warn};

use super::{list, work::Context};
use crate::{App, app::Parts, problem::chain};

/// What others have asked for is noticed after at most this long.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Results are kept for this long,
const KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// and of each job at most so many.
const KEPT_EACH: usize = 2_000;
/// Counts of requests by country are kept for so many days.
const COUNTRIES_KEPT_DAYS: i64 = 400;

/// What the feature keeps in memory.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) jobs: Jobs,
    /// Rings when somebody has asked for a job here.
    pub(super) bell: Notify,
}

pub(super) fn memory(app: &App) -> Arc<Memory> {
    app.memory(|parts: &Parts| {
        let spec = |job: &list::Job| {
            job.spec()
                .inspect_err(|problem| error!(job = job.id, "job {} is never due: {problem}", job.id))
                .ok()
        };
        let specs = list::JOBS.iter().filter_map(spec).collect();
        let (store, region) = (parts.store.clone(), parts.region.code.clone());
        let jobs = Jobs::new(store, Arc::clone(&parts.clock), parts.node, region, specs);
        Memory { jobs, bell: Notify::new() }
    })
}

/// Runs jobs until the node stops; what runs then is given back.
///
/// # Errors
/// None: what fails is tried again.
pub(crate) async fn run(app: &App) -> Result<(), Error> {
    if !app.settings.jobs.enabled {
        app.stopping.cancelled().await;
        return Ok(());
    }
    let memory = memory(app);
    let mut running = JoinSet::new();
    while !app.stopping.is_cancelled() {
        // A region that is drained, and a node that leaves, begin nothing.
        if !app.is_draining() {
            match memory.jobs.round().await {
                Ok(begun) => {
                    for firing in begun {
                        running.spawn(perform(app.clone(), firing));
                    }
                }
                Err(failure) => warn!("jobs could not be looked at; trying again: {}", chain(&failure)),
            }
        }
        tokio::select! { biased;
            () = app.stopping.cancelled() => {}
            Some(_) = running.join_next() => {}
            () = memory.bell.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    while running.join_next().await.is_some() {}
    Ok(())
}

/// Looks once and does all that is to be done, one after the other: how many firings that were.
///
/// # Errors
/// When the store cannot be asked.
pub(crate) async fn round(app: &App) -> Result<usize, Error> {
    let begun = memory(app).jobs.round().await?;
    let count = begun.len();
    for firing in begun {
        perform(app.clone(), firing).await;
    }
    Ok(count)
}

async fn perform(app: App, firing: JobFiring) {
    let Some(job) = list::find(&firing.job) else { return };
    let context = Context { app: app.clone(), due_at: firing.due_at };
    let author = Author { name: format!("job {}", job.id), request_id: None, network: None };
    let work = audit::by(Arc::new(author), (job.work)(context));
    if let Err(failure) = memory(&app).jobs.perform(firing, work, &app.stopping).await {
        let id = job.id;
        warn!(
            job = id,
            "the end of job {id} could not be written; it will be begun again: {}",
            chain(&failure)
        );
    }
}

/// How many jobs are active, and how many firings run, in the whole cluster.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn counts(app: &App) -> Result<(i64, i64), Error> {
    app.store.job_counts().await
}

/// Forgets results that are old.
///
/// # Errors
/// When the store cannot be written.
pub(crate) async fn prune(app: &App) -> Result<(), Error> {
    let now = app.now();
    app.store.prune_job_firings(now - KEPT, KEPT_EACH).await?;
    app.store.prune_country_counts(now.date().plus_days(-COUNTRIES_KEPT_DAYS)).await
}
