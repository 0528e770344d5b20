//! Runs by status, kept beside the runs so that a million ended ones cost nothing to count.

use levqor_model::{AccountId, RunStatus};

use super::RunCounts;
use crate::{Error, Row, Session, Store, params};

impl Store {
    pub async fn run_counts(&self, account: Option<AccountId>) -> Result<RunCounts, Error> {
        self.read(move |session| {
            let read = |row: &mut Row<'_>| Ok((row.take::<RunStatus>()?, row.take::<i64>()?));
            let rows = match account {
                Some(account) => session.rows(
                    "SELECT status, runs FROM run_counts WHERE account_id = $1 ORDER BY status LIMIT 100",
                    params![account],
                    read,
                )?,
                None => session.rows(
                    "SELECT status, CAST(sum(runs) AS bigint) FROM run_counts GROUP BY status
                     ORDER BY status LIMIT 100",
                    &[],
                    read,
                )?,
            };
            let mut counts = RunCounts::default();
            for (status, runs) in rows {
                *counts.of(status) = runs;
            }
            Ok(counts)
        })
        .await
    }

    /// Runs that have not ended.
    pub async fn live_runs_count(&self, account: AccountId) -> Result<i64, Error> {
        let counts = self.run_counts(Some(account)).await?;
        Ok(counts.pending + counts.running + counts.waiting + counts.suspended)
    }
}

impl RunCounts {
    fn of(&mut self, status: RunStatus) -> &mut i64 {
        match status {
            RunStatus::Pending => &mut self.pending,
            RunStatus::Running => &mut self.running,
            RunStatus::Waiting => &mut self.waiting,
            RunStatus::Suspended => &mut self.suspended,
            RunStatus::Completed => &mut self.completed,
            RunStatus::Faulted => &mut self.faulted,
            RunStatus::Cancelled => &mut self.cancelled,
        }
    }
}

pub(crate) fn move_one(
    session: &Session,
    account: AccountId,
    from: RunStatus,
    to: RunStatus,
) -> Result<(), Error> {
    add(session, account, from, -1)?;
    add(session, account, to, 1)
}

pub(super) fn add(
    session: &Session,
    account: AccountId,
    status: RunStatus,
    change: i64,
) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO run_counts (account_id, status, runs) VALUES ($1, $2, $3)
             ON CONFLICT (account_id, status) DO UPDATE SET runs = run_counts.runs + excluded.runs",
            params![account, status, change],
        )
        .map(drop)
}
