//! What operators do with regions: an act is a row that any node goes on with, phase by phase, and its end a report.
//!
//! ```text
//! begin (wish, and fencing, in the same transaction) ─► advance … ─► end: done, failed
//! ```
//!
//! Invariant: a phase ends once. Nodes may all look at an act at the same time; the first that finds its phase over writes the
//! next one, and the others change nothing.

use levqor_model::{NodeId, RegionCode, Residency, Timestamp};

use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    nodes::fence_region,
    params,
    runs::LeftRuns,
};

/// An act that an operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAct {
    pub region: RegionCode,
    /// `drain`, `activate` or `failover`.
    pub verb: &'static str,
    pub target: Option<RegionCode>,
    pub actor: String,
    pub reason: Option<String>,
    pub phase: &'static str,
    /// Whether the region is drained from then on.
    pub drains: bool,
    /// Its nodes are stopped at once.
    pub fences: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub seq: i64,
    pub region: RegionCode,
    pub verb: String,
    pub target: Option<RegionCode>,
    pub actor: String,
    pub reason: Option<String>,
    pub began_at: Timestamp,
    pub phase: String,
    pub phase_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// `done` or `failed`.
    pub outcome: Option<String>,
    /// JSON.
    pub report: String,
}

/// What came of a wish to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The act, and the nodes that it stopped.
    Now(Act, Vec<NodeId>),
    /// Another one of the region is not over, and this one does not end it.
    Busy(Act),
    /// Nobody else lives who could take the region's runs, or the target does not, or is drained.
    NoHost,
}

/// Live runs of the nodes of a region, by home and residency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftIn {
    pub home_region: RegionCode,
    pub residency: Residency,
    /// Their node was stopped.
    pub stopped: bool,
    pub runs: i64,
}

/// Runs of one region's nodes that nodes of another took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedTo {
    pub region: RegionCode,
    pub runs: i64,
    pub last_at: Timestamp,
}

/// The columns of [`Act`], in the order in which [`Act::read`] takes them.
macro_rules! columns {
    () => {
        "act_seq, region, verb, target, actor, reason, began_at, phase, phase_at, ended_at, outcome, report"
    };
}

impl Act {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            seq: row.take()?,
            region: row.take()?,
            verb: row.take()?,
            target: row.take()?,
            actor: row.take()?,
            reason: row.take()?,
            began_at: row.take()?,
            phase: row.take()?,
            phase_at: row.take()?,
            ended_at: row.take()?,
            outcome: row.take()?,
            report: row.take()?,
        })
    }
}

/// Whether somebody lives, in a region that is not drained, who could take over what the region has.
fn has_host(session: &Session, new: &NewAct, now: Timestamp) -> Result<bool, Error> {
    let found: Option<i64> = session.scalar(
        "SELECT count(*) FROM nodes WHERE stopped_at IS NULL AND expires_at > $1 AND region <> $2 AND ($3 OR region = $4)
             AND NOT EXISTS (SELECT 1 FROM region_drains WHERE region_drains.region = nodes.region)",
        params![
            now,
            new.region,
            new.target.is_none(),
            new.target.as_ref().map(ToString::to_string).unwrap_or_default()
        ],
    )?;
    Ok(found.unwrap_or_default() > 0)
}

/// Ends an open act, whose report then says what took its place.
fn supersede(session: &Session, open: &Act, new: &NewAct, now: Timestamp) -> Result<(), Error> {
    let mut report: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&open.report).unwrap_or_default();
    let failure = match new.verb {
        "activate" => "superseded by an activation",
        _ => "superseded by a failover",
    };
    report.insert("failure".to_owned(), failure.into());
    session
        .execute(
            "UPDATE region_acts SET outcome = 'failed', ended_at = $2, report = $3
             WHERE act_seq = $1 AND ended_at IS NULL",
            params![open.seq, now, serde_json::Value::Object(report).to_string()],
        )
        .map(drop)
}

impl Store {
    /// Begins an act, and does at once what it wants: the region is drained or not, its nodes are stopped. To activate and to fail over
    /// end an open act of another verb: when that cannot come to its end, they are the cure.
    ///
    /// One begins at a time, of all regions: two drains must not leave nobody.
    pub async fn begin_act(&self, new: NewAct, now: Timestamp) -> Result<Begun, Error> {
        self.write(move |session| {
            // The row's lock: whoever is second sees what the first has done.
            session.execute(
                "INSERT INTO sequences (name, value) VALUES ('region_acts', 1)
                 ON CONFLICT (name) DO UPDATE SET value = sequences.value + 1",
                &[],
            )?;
            let open = session.row(
                concat!("SELECT ", columns!(), " FROM region_acts WHERE region = $1 AND ended_at IS NULL"),
                params![new.region],
                Act::read,
            )?;
            let now = session.now(now)?;
            if let Some(open) = &open
                && (new.verb == "drain" || new.verb == open.verb)
            {
                return Ok(Begun::Busy(open.clone()));
            }
            if new.drains && !has_host(session, &new, now)? {
                return Ok(Begun::NoHost);
            }
            if let Some(open) = open {
                supersede(session, &open, &new, now)?;
            }
            let fenced = if new.fences { fence_region(session, &new.region, now)? } else { Vec::new() };
            if new.drains {
                session.execute(
                    "INSERT INTO region_drains (region, at, actor, reason, target) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (region) DO UPDATE SET at = excluded.at, actor = excluded.actor,
                         reason = excluded.reason, target = excluded.target",
                    params![new.region, now, new.actor, new.reason, new.target],
                )?;
            } else {
                session.execute("DELETE FROM region_drains WHERE region = $1", params![new.region])?;
            }
            let act = session.row(
                concat!(
                    "INSERT INTO region_acts (region, verb, target, actor, reason, began_at, phase, phase_at, report)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $6, '{}') RETURNING ",
                    columns!()
                ),
                params![new.region, new.verb, new.target, new.actor, new.reason, now, new.phase],
                Act::read,
            )?;
            let act = act.ok_or(Error::Conflict(crate::Conflict::Other))?;
            audit::note(
                session,
                Note {
                    kind: "region.act_began",
                    at: now,
                    account: None,
                    subject: new.region.as_str(),
                    details: json!({ "verb": new.verb, "target": act.target, "reason": act.reason, "act": act.seq, "nodes_stopped": fenced.len() }),
                },
            )?;
            Ok(Begun::Now(act, fenced))
        })
        .await
    }

    /// Goes on to the next phase; false when the act is not in that phase any more.
    pub async fn advance_act(
        &self,
        act: i64,
        from: String,
        to: &'static str,
        report: String,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let advanced = session.execute(
                "UPDATE region_acts SET phase = $3, phase_at = $4, report = $5
                 WHERE act_seq = $1 AND phase = $2 AND ended_at IS NULL",
                params![act, from, to, session.now(now)?, report],
            )?;
            Ok(advanced > 0)
        })
        .await
    }

    /// Ends the act; false when it is not in that phase any more. Regions that took runs over have had a drill.
    pub async fn end_act(
        &self,
        act: i64,
        from: String,
        outcome: &'static str,
        report: String,
        drilled: Vec<(RegionCode, i64)>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            let ended = session.execute(
                "UPDATE region_acts SET outcome = $3, ended_at = $4, report = $5
                 WHERE act_seq = $1 AND phase = $2 AND ended_at IS NULL",
                params![act, from, outcome, now, report],
            )?;
            if ended == 0 {
                return Ok(false);
            }
            let subject: Option<String> =
                session.scalar("SELECT region FROM region_acts WHERE act_seq = $1", params![act])?;
            audit::note(
                session,
                Note {
                    kind: "region.act_ended",
                    at: now,
                    account: None,
                    subject: &subject.unwrap_or_default(),
                    details: json!({ "act": act, "outcome": outcome }),
                },
            )?;
            for (region, runs) in &drilled {
                session.execute(
                    "INSERT INTO region_drills (region, act_seq, at, runs) VALUES ($1, $2, $3, $4)",
                    params![region, act, now, runs],
                )?;
            }
            Ok(true)
        })
        .await
    }

    /// Acts that have not ended, oldest first; at most 1,000, which is more than there are regions.
    pub async fn open_acts(&self) -> Result<Vec<Act>, Error> {
        self.read(|session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM region_acts WHERE ended_at IS NULL ORDER BY act_seq LIMIT 1000"
                ),
                &[],
                Act::read,
            )
        })
        .await
    }

    /// The latest acts of a region, newest first.
    pub async fn acts_of(&self, region: RegionCode, limit: usize) -> Result<Vec<Act>, Error> {
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM region_acts WHERE region = $1 ORDER BY act_seq DESC LIMIT $2"
                ),
                params![region, limit],
                Act::read,
            )
        })
        .await
    }

    /// When each region took runs over last in an act that ended well; how long ago.
    pub async fn last_drills(&self, now: Timestamp) -> Result<Vec<(RegionCode, std::time::Duration)>, Error> {
        self.read(move |session| {
            let now = session.now(now)?;
            session.rows(
                "SELECT region, max(at) FROM region_drills GROUP BY region ORDER BY region LIMIT 1000",
                &[],
                |row| Ok((row.take()?, now.since(row.take()?))),
            )
        })
        .await
    }

    /// Live runs that nodes of the region own, by home, residency, and whether their node was stopped.
    pub async fn left_in(&self, region: RegionCode) -> Result<Vec<LeftIn>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT home_region, residency, stopped_at IS NOT NULL, count(*)
                 FROM nodes JOIN runs ON runs.owner = nodes.node_id
                 WHERE nodes.region = $1 AND emptied_at IS NULL AND ended_at IS NULL
                 GROUP BY home_region, residency, stopped_at IS NOT NULL
                 ORDER BY home_region, residency LIMIT 1000",
                params![region],
                |row| {
                    Ok(LeftIn {
                        home_region: row.take()?,
                        residency: row.take()?,
                        stopped: row.take()?,
                        runs: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// What was taken over from nodes of the region since then, by the region that took it.
    pub async fn moved_from(&self, region: RegionCode, since: Timestamp) -> Result<Vec<MovedTo>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT region, CAST(sum(runs) AS bigint), max(at) FROM takeovers
                 WHERE at >= $2 AND from_region = $1 AND runs > 0 GROUP BY region ORDER BY region LIMIT 1000",
                params![region, since],
                |row| Ok(MovedTo { region: row.take()?, runs: row.take()?, last_at: row.take()? }),
            )
        })
        .await
    }

    /// What nodes that live in drained regions own, by node, home and residency. Those that rest may be taken at any time: what
    /// their owner still does is refused before it is done.
    pub async fn drained_runs(&self) -> Result<Vec<LeftRuns>, Error> {
        self.read(|session| {
            session.rows(
                "SELECT nodes.node_id, nodes.region, home_region, residency, count(*)
                 FROM region_drains JOIN nodes ON nodes.region = region_drains.region
                     JOIN runs ON runs.owner = nodes.node_id
                 WHERE stopped_at IS NULL AND ended_at IS NULL
                 GROUP BY nodes.node_id, nodes.region, home_region, residency
                 ORDER BY nodes.node_id, home_region, residency LIMIT 1000",
                &[],
                |row| {
                    Ok(LeftRuns {
                        node: row.take()?,
                        region: row.take()?,
                        home_region: row.take()?,
                        residency: row.take()?,
                        runs: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// Forgets acts that ended before, and drills of that age.
    pub async fn prune_acts(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM region_acts WHERE act_seq IN (SELECT act_seq FROM region_acts WHERE ended_at < $1 LIMIT $2)",
            before,
        )
        .await?;
        self.prune(
            "DELETE FROM region_drills WHERE (region, act_seq) IN
                (SELECT region, act_seq FROM region_drills WHERE at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
