//! Who drives a run. An epoch only grows, so what an older owner still computes can never be written.

use levqor_model::{NodeId, RunId};

use super::{Run, UnreadableRun, columns};
use crate::{Error, Store, params};

/// Runs that one transaction takes over: bounds how long other writers wait.
const TAKEN_AT_ONCE: usize = 5_000;

/// A page of the runs to load.
#[derive(Debug, Clone, PartialEq)]
pub struct RunsToDrive {
    pub runs: Vec<Run>,
    /// What stands between them and cannot be read; the log has been told.
    pub unreadable: Vec<UnreadableRun>,
    /// Where the next page begins, when there may be one.
    pub next: Option<String>,
}

impl Store {
    /// Takes the run for this node (unless a newer epoch has it) and gives its row.
    pub async fn own_run(&self, id: RunId, node: NodeId, epoch: i64) -> Result<Option<Run>, Error> {
        self.write(move |session| {
            let live = session.row(
                concat!(
                    "UPDATE runs SET owner = $2, epoch = $3 WHERE run_id = $1 AND epoch <= $3 RETURNING ",
                    columns!()
                ),
                params![id, node, epoch],
                Run::read,
            )?;
            if live.is_some() {
                return Ok(live);
            }
            session.row(
                concat!(
                    "UPDATE archived_runs SET owner = $2, epoch = $3 WHERE run_id = $1 AND epoch <= $3 RETURNING ",
                    columns!()
                ),
                params![id, node, epoch],
                Run::read,
            )
        })
        .await
    }

    /// Takes all runs that have not ended and that no newer epoch has; gives how many.
    ///
    /// In several transactions: when it fails halfway, the next call takes the rest.
    pub async fn own_live_runs(&self, node: NodeId, epoch: i64) -> Result<u64, Error> {
        let mut total = 0;
        let mut after = String::new();
        loop {
            let from = after.clone();
            let (taken, last) = self
                .write(move |session| {
                    let last: Option<Option<String>> = session.scalar(
                        "SELECT max(page.run_id) FROM
                            (SELECT run_id FROM runs WHERE ended_at IS NULL AND run_id > $1
                             ORDER BY run_id LIMIT $2) AS page",
                        params![from, TAKEN_AT_ONCE],
                    )?;
                    let Some(last) = last.flatten() else { return Ok((0, None)) };
                    let taken = session.execute(
                        "UPDATE runs SET owner = $3, epoch = $4
                         WHERE ended_at IS NULL AND run_id > $1 AND run_id <= $2
                             AND (epoch < $4 OR (epoch = $4 AND owner IS NULL))",
                        params![from, last, node, epoch],
                    )?;
                    Ok((taken, Some(last)))
                })
                .await?;
            total += taken;
            match last {
                Some(last) => after = last,
                None => return Ok(total),
            }
        }
    }

    /// Runs that are running, or pending and not queued, oldest first: the ones to load after a start. `after` is the page
    /// before's `next`.
    pub async fn runs_to_drive(&self, after: Option<String>, limit: usize) -> Result<RunsToDrive, Error> {
        let page = self
            .read(move |session| {
                let (mut unreadable, mut last, mut rows) = (Vec::new(), None, 0);
                let runs = session.some_rows(
                    concat!(
                        "SELECT ",
                        columns!(),
                        " FROM runs WHERE ended_at IS NULL AND run_id > $1
                             AND (status = 'running' OR (status = 'pending' AND NOT EXISTS
                                 (SELECT 1 FROM queued_runs WHERE queued_runs.run_id = runs.run_id)))
                         ORDER BY run_id LIMIT $2"
                    ),
                    params![after.unwrap_or_default(), limit],
                    limit,
                    |row| {
                        rows += 1;
                        last = row.first_text();
                        Run::read_or_note(row, &mut unreadable)
                    },
                )?;
                Ok(RunsToDrive { runs, unreadable, next: last.filter(|_| rows == limit) })
            })
            .await?;
        self.unreadable_told.tell(&page.unreadable);
        Ok(page)
    }
}
