//! How long runs that have ended are kept, and what is said about those that are not kept any more.
//!
//! A workflow says it in days (`document.metadata.levqor.retention`); for others the operator's setting holds. Only runs are deleted:
//! what they were counted for stays.

use std::time::Duration;

use levqor_engine::Error;
use levqor_model::{AccountId, ProblemCode, RunId, Timestamp};
use levqor_store::runs::Deleted;
use tracing::info;

use crate::{App, Problem};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Workflows that are read at once.
const PAGE: usize = 200;

/// Deletes the runs whose time is over, and gives the disk space back.
///
/// # Errors
/// The store's. What was deleted by then stays deleted; the next sweep goes on.
pub async fn sweep(app: &App) -> Result<(), levqor_store::Error> {
    let (mut deleted, mut after) = (0, None);
    loop {
        let page = app.store.retention_by_workflow(after, PAGE).await?;
        for kept in &page {
            if app.stopping.is_cancelled() {
                return Ok(());
            }
            let days = kept.days.and_then(|days| u32::try_from(days).ok()).filter(|days| *days > 0);
            if let Some(before) = end_of_time(app, days) {
                deleted += app.store.prune_runs(kept.workflow_id, before).await?;
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.workflow_id),
            _ => break,
        }
    }
    app.store.delete_leftovers().await?;
    app.store.release_disk().await?;
    if deleted > 0 {
        info!(runs = deleted, "{deleted} runs that had ended long enough ago were deleted");
    }
    Ok(())
}

/// Runs that ended before this are not kept. `days`: what their workflow says.
fn end_of_time(app: &App, days: Option<u32>) -> Option<Timestamp> {
    days.or(app.settings.runs_kept_days).map(|days| app.now() - DAY * days)
}

/// Deletes a run that has ended.
///
/// # Errors
/// 404 or 410 when it is not there, 409 when it or the run that started it has not ended.
pub async fn delete(app: &App, account: AccountId, id: RunId) -> Result<(), Problem> {
    match app.store.delete_run(account, id, app.now()).await? {
        Deleted::Yes => Ok(()),
        Deleted::Missing => Err(explained(app, account, Error::RunNotFound(id)).await),
        Deleted::Lives(status) => Err(Problem::new(
            ProblemCode::RunNotEnded,
            format!(
                "run {id} is {status}; only a run that has ended can be deleted: cancel it or wait for its end"
            ),
        )),
        Deleted::NeededBy(parent) => Err(Problem::new(
            ProblemCode::RunNotEnded,
            format!("run {parent} started run {id} and has not ended; it needs this run until then"),
        )),
    }
}

/// The problem of an error. Of a run that is not there it says when retention may be the reason.
pub(crate) async fn explained(app: &App, account: AccountId, error: Error) -> Problem {
    let Error::RunNotFound(id) = error else { return error.into() };
    match app.store.newest_pruned_run(account).await {
        Ok(Some(newest)) if id <= newest => Problem::new(
            ProblemCode::RunDeleted,
            format!(
                "run {id} is not there; runs as old as it that had ended were deleted because their retention time was over"
            ),
        ),
        _ => error.into(),
    }
}
