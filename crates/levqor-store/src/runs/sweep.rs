//! Live runs with what may move them, page by page, for whoever looks for those that nothing moves.

use levqor_model::Timestamp;

use super::{Run, UnreadableRun, columns};
use crate::{Error, Store, params};

/// A run that has not ended, and what the database knows of what will move it.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRun {
    pub run: Run,
    /// When its next timer is due.
    pub next_timer: Option<Timestamp>,
    /// A sub-run of it has not ended.
    pub has_live_child: bool,
    /// It waits for events.
    pub has_listener: bool,
    /// It waits for its turn.
    pub is_queued: bool,
    /// It waits for the answer of a person.
    pub has_question: bool,
}

/// A page of [`LiveRun`]s.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRuns {
    pub runs: Vec<LiveRun>,
    /// What stands between them and cannot be read; the log has been told.
    pub unreadable: Vec<UnreadableRun>,
    /// Where the next page begins, when there may be one.
    pub next: Option<String>,
}

impl Store {
    /// Runs that have not ended, oldest first. `after` is the page before's `next`. Only its own, for a node among several.
    pub async fn live_runs(&self, after: Option<String>, limit: usize) -> Result<LiveRuns, Error> {
        let node = self.node;
        let page = self
            .read(move |session| {
                let (mut unreadable, mut last, mut rows) = (Vec::new(), None, 0);
                let runs = session.some_rows(
                    concat!(
                        "SELECT ",
                        columns!(),
                        ", (SELECT min(timers.due_at) FROM timers WHERE timers.run_id = runs.run_id),
                         EXISTS (SELECT 1 FROM runs AS child WHERE child.parent_run_id IS NOT NULL
                             AND child.parent_run_id = runs.run_id AND child.ended_at IS NULL),
                         EXISTS (SELECT 1 FROM listeners WHERE listeners.run_id = runs.run_id),
                         EXISTS (SELECT 1 FROM queued_runs WHERE queued_runs.run_id = runs.run_id),
                         EXISTS (SELECT 1 FROM approvals WHERE approvals.run_id = runs.run_id
                             AND decided_at IS NULL AND closed_at IS NULL)
                         FROM runs WHERE ended_at IS NULL AND run_id > $1 AND (CAST($3 AS text) IS NULL OR owner = $3)
                         ORDER BY run_id LIMIT $2"
                    ),
                    params![after.unwrap_or_default(), limit, node],
                    limit,
                    |row| {
                        rows += 1;
                        last = row.first_text();
                        let Some(run) = Run::read_or_note(row, &mut unreadable)? else { return Ok(None) };
                        Ok(Some(LiveRun {
                            run,
                            next_timer: row.take()?,
                            has_live_child: row.take()?,
                            has_listener: row.take()?,
                            is_queued: row.take()?,
                            has_question: row.take()?,
                        }))
                    },
                )?;
                Ok(LiveRuns { runs, unreadable, next: last.filter(|_| rows == limit) })
            })
            .await?;
        self.unreadable_told.tell(&page.unreadable);
        Ok(page)
    }
}
