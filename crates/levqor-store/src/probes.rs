//! What probes see: what each node sees now, single results, daily sums, and what the regions think together.
//!
//! Invariant: a verdict that changes leaves a record in the evidence log, in the same transaction; the same verdict told a second
//! time (by another node) changes nothing.

use std::time::Duration;

use levqor_model::{Date, NodeId, RegionCode, Timestamp};
use serde_json::json;

use crate::{
    Error, Row, Store,
    audit::{self, Note},
    params,
};

/// Nodes, and verdicts, that are listed.
const LISTED_MAX: usize = 10_000;
/// A target at which nobody has looked on so many days is none any more.
const VERDICT_DAYS: i64 = 7;

/// What a node sees of all targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeBoard {
    pub node: NodeId,
    pub region: RegionCode,
    /// How old it is. Not looked at when it is written.
    pub age: Duration,
    /// As JSON.
    pub board: String,
}

/// One look at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    pub probe: String,
    pub target: String,
    pub region: RegionCode,
    pub node: NodeId,
    pub at: Timestamp,
    pub good: bool,
    pub latency_us: Option<i64>,
    /// Why it is not good.
    pub reason: Option<String>,
}

/// All looks of a day at one target from one region, or of a part of it that is to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeDay {
    pub probe: String,
    pub target: String,
    pub region: RegionCode,
    pub day: Date,
    pub good: i64,
    pub total: i64,
    /// Of the good ones.
    pub latency_sum_us: i64,
    pub latency_max_us: i64,
}

/// What the regions think of a target together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeVerdict {
    pub probe: String,
    pub target: String,
    /// `up`, `down` or `unknown`.
    pub state: String,
    pub since: Timestamp,
    pub reason: Option<String>,
}

/// Which results; None: any.
#[derive(Debug, Clone, Default)]
pub struct ProbeFilter {
    pub probe: String,
    pub target: Option<String>,
    pub region: Option<RegionCode>,
}

/// A result's place in the list of a probe's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbePlace {
    pub at: Timestamp,
    pub target: String,
    pub node: NodeId,
}

impl ProbeResult {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            probe: row.take()?,
            target: row.take()?,
            region: row.take()?,
            node: row.take()?,
            at: row.take()?,
            good: row.take()?,
            latency_us: row.take()?,
            reason: row.take()?,
        })
    }
}

impl ProbeVerdict {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            probe: row.take()?,
            target: row.take()?,
            state: row.take()?,
            since: row.take()?,
            reason: row.take()?,
        })
    }
}

impl Store {
    /// Keeps what a node sees, in the place of what it saw before.
    pub async fn put_probe_board(
        &self,
        node: NodeId,
        region: RegionCode,
        board: String,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(move |session| {
            session
                .execute(
                    "INSERT INTO probe_boards (node_id, region, at, board) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (node_id) DO UPDATE SET region = excluded.region, at = excluded.at,
                         board = excluded.board",
                    params![node, region, session.now(now)?, board],
                )
                .map(drop)
        })
        .await
    }

    /// What nodes have seen within `fresh`, the newest first; at most 1,000.
    pub async fn probe_boards(&self, fresh: Duration, now: Timestamp) -> Result<Vec<ProbeBoard>, Error> {
        self.read(move |session| {
            let now = session.now(now)?;
            session.rows(
                "SELECT node_id, region, at, board FROM probe_boards WHERE at >= $1
                 ORDER BY at DESC, node_id DESC LIMIT 1000",
                params![now - fresh],
                |row| {
                    Ok(ProbeBoard {
                        node: row.take()?,
                        region: row.take()?,
                        age: now.since(row.take()?),
                        board: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// Adds results, and what all results add to their days.
    pub async fn add_probe_results(
        &self,
        results: Vec<ProbeResult>,
        days: Vec<ProbeDay>,
    ) -> Result<(), Error> {
        self.write(move |session| {
            for result in &results {
                let ProbeResult { probe, target, region, node, at, good, latency_us, reason } = result;
                session.execute(
                    "INSERT INTO probe_results (probe, at, target, node_id, region, good, latency_us, reason)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (probe, at, target, node_id) DO NOTHING",
                    params![probe, at, target, node, region, good, latency_us, reason],
                )?;
            }
            for one in &days {
                let ProbeDay { probe, target, region, day, good, total, latency_sum_us, latency_max_us } = one;
                session.execute(
                    "INSERT INTO probe_days (probe, day, target, region, good, total, latency_sum_us, latency_max_us)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                     ON CONFLICT (probe, day, target, region) DO UPDATE SET good = probe_days.good + excluded.good,
                         total = probe_days.total + excluded.total,
                         latency_sum_us = probe_days.latency_sum_us + excluded.latency_sum_us,
                         latency_max_us = CASE WHEN excluded.latency_max_us > probe_days.latency_max_us
                             THEN excluded.latency_max_us ELSE probe_days.latency_max_us END",
                    params![probe, day, target, region, good, total, latency_sum_us, latency_max_us],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Newest first, those before `before`.
    pub async fn probe_results(
        &self,
        filter: ProbeFilter,
        before: Option<ProbePlace>,
        limit: usize,
    ) -> Result<Vec<ProbeResult>, Error> {
        let ProbeFilter { probe, target, region } = filter;
        // No target's name is empty, so nothing is before a place with an empty one but what is older.
        let (at, place, node) = before.map_or((i64::MAX, String::new(), String::new()), |place| {
            (place.at.as_micros(), place.target, place.node.to_string())
        });
        self.view(move |session| {
            session.rows(
                "SELECT probe, target, region, node_id, at, good, latency_us, reason FROM probe_results
                 WHERE probe = $1 AND (at, target, node_id) < ($2, $3, $4)
                     AND (CAST($5 AS text) IS NULL OR target = $5)
                     AND (CAST($6 AS text) IS NULL OR region = $6)
                 ORDER BY at DESC, target DESC, node_id DESC LIMIT $7",
                params![probe, at, place, node, target, region, limit],
                ProbeResult::read,
            )
        })
        .await
    }

    /// Sums per day from that day on, oldest first; at most 10,000.
    pub async fn probe_days(&self, probe: String, from: Date) -> Result<Vec<ProbeDay>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT probe, target, region, day, good, total, latency_sum_us, latency_max_us FROM probe_days
                 WHERE probe = $1 AND day >= $2 ORDER BY day, target, region LIMIT $3",
                params![probe, from, LISTED_MAX],
                |row| {
                    Ok(ProbeDay {
                        probe: row.take()?,
                        target: row.take()?,
                        region: row.take()?,
                        day: row.take()?,
                        good: row.take()?,
                        total: row.take()?,
                        latency_sum_us: row.take()?,
                        latency_max_us: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// Keeps what the regions think of a target now; false: that is what they thought already.
    pub async fn note_probe_verdict(&self, verdict: ProbeVerdict) -> Result<bool, Error> {
        self.write(move |session| {
            let ProbeVerdict { probe, target, state, since, reason } = &verdict;
            let changed = session.execute(
                "INSERT INTO probe_verdicts (probe, target, state, since, reason) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (probe, target) DO UPDATE SET state = excluded.state, since = excluded.since,
                     reason = excluded.reason WHERE probe_verdicts.state <> excluded.state",
                params![probe, target, state, since, reason],
            )?;
            if changed == 0 {
                return Ok(false);
            }
            session.execute(
                "INSERT INTO probe_changes (probe, at, target, state, reason) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (probe, at, target) DO NOTHING",
                params![probe, since, target, state, reason],
            )?;
            let details = json!({ "target": target, "state": state, "reason": reason });
            audit::note(
                session,
                Note { kind: "probe.verdict", at: *since, account: None, subject: probe, details },
            )?;
            Ok(true)
        })
        .await
    }

    /// What the regions think of all targets, as it was noted last.
    pub async fn probe_verdicts(&self) -> Result<Vec<ProbeVerdict>, Error> {
        self.read(|session| {
            session.rows(
                "SELECT probe, target, state, since, reason FROM probe_verdicts ORDER BY probe, target LIMIT $1",
                params![LISTED_MAX],
                ProbeVerdict::read,
            )
        })
        .await
    }

    /// What they thought of a probe's targets, newest first.
    pub async fn probe_changes(&self, probe: String, limit: usize) -> Result<Vec<ProbeVerdict>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT probe, target, state, at, reason FROM probe_changes WHERE probe = $1
                 ORDER BY at DESC, target DESC LIMIT $2",
                params![probe, limit],
                ProbeVerdict::read,
            )
        })
        .await
    }

    /// Forgets single results of before one moment, days and changes of before another, and verdicts on what nobody looks at any more.
    pub async fn prune_probes(&self, results: Timestamp, history: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM probe_results WHERE (at, probe, target, node_id) IN
                (SELECT at, probe, target, node_id FROM probe_results WHERE at < $1 LIMIT $2)",
            results,
        )
        .await?;
        self.prune(
            "DELETE FROM probe_boards WHERE node_id IN
                (SELECT node_id FROM probe_boards WHERE at < $1 ORDER BY at, node_id LIMIT $2)",
            results,
        )
        .await?;
        self.prune(
            "DELETE FROM probe_changes WHERE (at, probe, target) IN
                (SELECT at, probe, target FROM probe_changes WHERE at < $1 LIMIT $2)",
            history,
        )
        .await?;
        let (day, looked) = (history.date(), results.date().plus_days(1 - VERDICT_DAYS));
        self.write(move |session| {
            session.execute(
                "DELETE FROM probe_verdicts WHERE NOT EXISTS
                    (SELECT 1 FROM probe_days WHERE probe_days.probe = probe_verdicts.probe AND probe_days.day >= $1
                         AND probe_days.target = probe_verdicts.target)",
                params![looked],
            )?;
            session
                .execute(
                    "DELETE FROM probe_days WHERE (day, probe, target, region) IN
                        (SELECT day, probe, target, region FROM probe_days WHERE day < $1 LIMIT 10000)",
                    params![day],
                )
                .map(drop)
        })
        .await
    }
}
