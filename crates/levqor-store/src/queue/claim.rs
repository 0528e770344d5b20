//! Taking runs out of the queue, fairly.

use levqor_model::{AccountId, NodeId, RegionCode, RunId, RunStatus, Timestamp};

use super::{PRESENT, URGENT, take_out};
use crate::{Error, Row, Session, Store, params, runs::counts};

/// Who takes runs out of the queue.
#[derive(Debug, Clone)]
pub struct Claimer {
    pub node: NodeId,
    pub epoch: i64,
    pub region: RegionCode,
    /// It is the only node: what those before it have left is its own.
    pub alone: bool,
    /// Its region is drained: only runs that have begun go on here.
    pub begun_only: bool,
}

/// Accounts that one claim looks at without finding a run: they are looked at again when one of their runs stops running.
const LOOKS_MAX: usize = 256;

impl Store {
    /// Takes up to `limit` runs whose turn it is: they are running and the node's when this returns.
    ///
    /// A run that was accepted in another region begins there: it is taken over like any other when nobody is left there.
    pub async fn claim_runs(
        &self,
        claimer: Claimer,
        limit: usize,
        running_max: i64,
        now: Timestamp,
    ) -> Result<Vec<RunId>, Error> {
        self.write(move |session| {
            let mut claimed = Vec::new();
            let mut passed = None;
            for _ in 0..limit.saturating_add(LOOKS_MAX) {
                if claimed.len() == limit {
                    break;
                }
                match serve_next(session, &claimer, running_max, now, passed)? {
                    Served::Nobody => break,
                    Served::Nothing => {}
                    Served::NotOurs(turn) => passed = Some(turn),
                    Served::Run(run) => claimed.push(run),
                }
            }
            Ok(claimed)
        })
        .await
    }
}

enum Served {
    Run(RunId),
    /// The account whose turn it was can have no more now.
    Nothing,
    /// All that the account has ready begins in other regions. Its place among the accounts.
    NotOurs((i64, AccountId)),
    Nobody,
}

/// Runs of the account that are running.
pub(super) fn running(session: &Session, account: AccountId) -> Result<i64, Error> {
    let running = session.scalar(
        "SELECT runs FROM run_counts WHERE account_id = $1 AND status = 'running'",
        params![account],
    )?;
    Ok(running.unwrap_or_default())
}

fn serve_next(
    session: &Session,
    claimer: &Claimer,
    running_max: i64,
    now: Timestamp,
    passed: Option<(i64, AccountId)>,
) -> Result<Served, Error> {
    let read = |row: &mut Row<'_>| Ok((row.take::<AccountId>()?, row.take::<i64>()?, row.take::<i64>()?));
    let next = match passed {
        None => session.row(
            "SELECT account_id, pass, stride FROM queue_accounts WHERE ready > 0 AND NOT at_limit
             ORDER BY pass, account_id LIMIT 1",
            &[],
            read,
        )?,
        Some((pass, account)) => session.row(
            "SELECT account_id, pass, stride FROM queue_accounts
             WHERE ready > 0 AND NOT at_limit AND (pass, account_id) > ($1, $2)
             ORDER BY pass, account_id LIMIT 1",
            params![pass, account],
            read,
        )?,
    };
    let Some((account, pass, stride)) = next else { return Ok(Served::Nobody) };
    let head = session.row(
        "SELECT queued_runs.run_id, rank FROM queued_runs JOIN runs ON runs.run_id = queued_runs.run_id
         WHERE NOT held AND queued_runs.account_id = $1
             AND (owner = $2 OR (owner IS NULL AND home_region = $3)
                 OR EXISTS (SELECT 1 FROM nodes WHERE nodes.node_id = runs.owner AND nodes.region = $3)
                 OR ($4 AND NOT EXISTS
                     (SELECT 1 FROM nodes WHERE nodes.node_id = runs.owner AND stopped_at IS NULL)))
             AND (NOT $5 OR runs.started_at IS NOT NULL)
         ORDER BY rank, place LIMIT 1",
        params![account, claimer.node, claimer.region, claimer.alone, claimer.begun_only],
        |row| Ok((row.take::<RunId>()?, row.take::<i64>()?)),
    )?;
    let Some((run, rank)) = head else {
        let others: Option<i64> = session.scalar(
            "SELECT place FROM queued_runs WHERE NOT held AND account_id = $1 ORDER BY rank, place LIMIT 1",
            params![account],
        )?;
        if others.is_some() {
            return Ok(Served::NotOurs((pass, account)));
        }
        // Cannot be, but must not stop the others.
        session.execute("UPDATE queue_accounts SET ready = 0 WHERE account_id = $1", params![account])?;
        return Ok(Served::Nothing);
    };
    if rank > URGENT && running(session, account)? >= running_max {
        session
            .execute("UPDATE queue_accounts SET at_limit = true WHERE account_id = $1", params![account])?;
        return Ok(Served::Nothing);
    }
    let begun = session.execute(
        "UPDATE runs SET status = 'running', owner = $2,
             epoch = CASE WHEN owner = $2 THEN epoch WHEN epoch < $3 THEN $3 ELSE epoch + 1 END,
             region = $4, waiting_for = NULL, started_at = coalesce(started_at, $5)
         WHERE run_id = $1 AND status = 'pending'",
        params![run, claimer.node, claimer.epoch, claimer.region, now],
    )?;
    if begun == 0 {
        take_out(session, run)?;
        return Ok(Served::Nothing);
    }
    counts::move_one(session, account, RunStatus::Pending, RunStatus::Running)?;
    session.execute(
        "UPDATE queue_accounts SET pass = pass + $2 WHERE account_id = $1",
        params![account, stride],
    )?;
    session.execute(
        "INSERT INTO sequences (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE sequences.value < excluded.value",
        params![PRESENT, pass],
    )?;
    take_out(session, run)?;
    Ok(Served::Run(run))
}
