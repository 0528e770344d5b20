//! Who drives a run.
//!
//! A run is its owner's while that node lives. Another node may take it only when the owner was stopped, and then its epoch
//! grows, so what an older owner still computes can never be written.

use levqor_model::{NodeId, RunId, Timestamp};

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
    /// Takes a live run for this node, unless another one has it that was not stopped, and gives its row. A node that was
    /// stopped itself takes nothing.
    pub async fn own_run(&self, id: RunId, node: NodeId, epoch: i64) -> Result<Option<Run>, Error> {
        self.write(move |session| {
            session.row(
                concat!(
                    "UPDATE runs SET owner = $2,
                         epoch = CASE WHEN owner = $2 THEN epoch WHEN epoch < $3 THEN $3 ELSE epoch + 1 END
                     WHERE run_id = $1 AND ended_at IS NULL
                         AND (owner = $2 OR
                             (NOT EXISTS (SELECT 1 FROM nodes WHERE node_id = $2 AND stopped_at IS NOT NULL)
                              AND (owner IS NULL OR NOT EXISTS
                                  (SELECT 1 FROM nodes WHERE nodes.node_id = runs.owner AND stopped_at IS NULL))))
                     RETURNING ",
                    columns!()
                ),
                params![id, node, epoch],
                Run::read,
            )
        })
        .await
    }

    /// Takes all live runs that no other living node has; gives how many. For a node that is alone.
    ///
    /// In several transactions: when it fails halfway, the next call takes the rest.
    pub async fn own_live_runs(&self, node: NodeId, epoch: i64, now: Timestamp) -> Result<u64, Error> {
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
                        "UPDATE runs SET owner = $3, epoch = CASE WHEN epoch < $4 THEN $4 ELSE epoch + 1 END
                         WHERE ended_at IS NULL AND run_id > $1 AND run_id <= $2
                             AND NOT EXISTS (SELECT 1 FROM nodes WHERE node_id = $3 AND stopped_at IS NOT NULL)
                             AND (owner IS NULL OR (owner <> $3 AND NOT EXISTS
                                 (SELECT 1 FROM nodes WHERE nodes.node_id = runs.owner AND stopped_at IS NULL)))",
                        params![from, last, node, epoch],
                    )?;
                    Ok((taken, Some(last)))
                })
                .await?;
            total += taken;
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        self.write(move |session| {
            session
                .execute(
                    "UPDATE nodes SET emptied_at = $1 WHERE stopped_at IS NOT NULL AND emptied_at IS NULL",
                    params![now],
                )
                .map(drop)
        })
        .await?;
        Ok(total)
    }

    /// Runs that are running, or pending and not queued, oldest first: the ones to load after a start. `after` is the page
    /// before's `next`. Only its own, for a node among several.
    pub async fn runs_to_drive(&self, after: Option<String>, limit: usize) -> Result<RunsToDrive, Error> {
        let node = self.node;
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
                             AND (CAST($3 AS text) IS NULL OR owner = $3)
                         ORDER BY run_id LIMIT $2"
                    ),
                    params![after.unwrap_or_default(), limit, node],
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
