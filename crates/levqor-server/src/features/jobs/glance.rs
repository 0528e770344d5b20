//! How it stands with all jobs, for whoever only reports it.

use levqor_model::{Severity, Timestamp};
use levqor_store::{Error, jobs::FiringState};

use super::{conditions, list::JOBS};
use crate::App;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glance {
    pub(crate) id: &'static str,
    /// How bad it is when it fails again and again.
    pub(crate) severity: Severity,
    /// Whether any scheduler has begun.
    pub(crate) known: bool,
    pub(crate) paused_at: Option<Timestamp>,
    pub(crate) running_since: Option<Timestamp>,
    /// How often it failed, one time after the other.
    pub(crate) failures: usize,
    /// Why it is late; None: it is not.
    pub(crate) late: Option<String>,
    /// How the last time ended, when, and what it gave or why it gave nothing.
    pub(crate) last: Option<(FiringState, Option<Timestamp>, Option<String>)>,
    /// None: it is paused, or never due.
    pub(crate) next_at: Option<Timestamp>,
}

/// All jobs, in the order of the list.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn glance(app: &App) -> Result<Vec<Glance>, Error> {
    let rows = app.store.jobs().await?;
    let now = app.now();
    let of = |job: &'static super::list::Job| {
        let row = rows.iter().find(|row| row.job.id == job.id);
        let last = row.and_then(|row| row.last.as_ref());
        let open = row.and_then(|row| row.open.as_ref());
        let paused_at = row.and_then(|row| row.job.paused_at);
        Glance {
            id: job.id,
            severity: job.severity,
            known: row.is_some(),
            paused_at,
            running_since: open.and_then(|open| open.began_at),
            failures: row.map_or(0, |row| row.failures),
            late: row
                .and_then(|row| conditions::lateness(row, now))
                .map(|why| format!("job {} {why}", job.id)),
            last: last.map(|last| {
                let words = last.summary.as_ref().or(last.problem.as_ref()).cloned();
                (last.state, last.ended_at, words)
            }),
            next_at: row.filter(|_| paused_at.is_none()).map(|row| row.job.next_due_at),
        }
    };
    Ok(JOBS.iter().map(of).collect())
}
