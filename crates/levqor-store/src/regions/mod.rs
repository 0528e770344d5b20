//! Regions that are operated: what nodes found of themselves, how far regions are apart, what operators want and did.

mod acts;
mod snapshot;

pub use acts::{Act, Begun, LeftIn, MovedTo, NewAct};
pub use snapshot::{KeptSnapshot, Seen};

use std::time::Duration;

use levqor_model::{Clock, NodeId, RegionCode, Timestamp};

use crate::{Error, Row, Session, Store, params};

/// What a node found when it looked at itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    pub node: NodeId,
    /// Where edges and other nodes reach it.
    pub url: Option<String>,
    /// Names the key that its secrets are sealed with.
    pub key_id: String,
    /// The newest step of the schema that its build knows.
    pub migration: u32,
    pub ready: bool,
    pub reason: Option<String>,
    /// How far its clock is ahead of the database's, in microseconds; None where the database has none of its own.
    pub clock_ahead_us: Option<i64>,
    /// None: its version does not tell.
    pub load: Option<NodeLoad>,
    /// How old this is. Not looked at when it is written.
    pub age: Duration,
}

/// How a node gets on with its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLoad {
    /// What it does again and again, and how much of that is alive.
    pub jobs: u64,
    pub jobs_alive: u64,
    /// Writes that wait for the database, and how many may.
    pub writes_waiting: u64,
    pub writes_capacity: u64,
}

/// The median of the last round trips between a node and a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    pub from_region: RegionCode,
    pub to_region: RegionCode,
    pub median_us: i64,
    /// How many round trips.
    pub measured: i64,
    pub age: Duration,
}

/// An operator wants the region empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drain {
    pub region: RegionCode,
    pub at: Timestamp,
    pub actor: String,
    pub reason: Option<String>,
    /// Where its runs go first.
    pub target: Option<RegionCode>,
}

/// A server that follows the database's primary, as the primary sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standby {
    /// Its `application_name`.
    pub name: String,
    pub state: Option<String>,
    /// `sync`, `quorum`, `async`, `potential`.
    pub sync_state: Option<String>,
    /// What it has not replayed yet.
    pub lag_bytes: Option<i64>,
    /// None: the primary does not tell.
    pub lag_us: Option<i64>,
}

impl Drain {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            region: row.take()?,
            at: row.take()?,
            actor: row.take()?,
            reason: row.take()?,
            target: row.take()?,
        })
    }
}

impl NodeState {
    /// `now` by the database's clock.
    fn read(row: &mut Row<'_>, now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            node: row.take()?,
            age: now.since(row.take()?),
            url: row.take()?,
            key_id: row.take()?,
            migration: row.take()?,
            ready: row.take()?,
            reason: row.take()?,
            clock_ahead_us: row.take()?,
            load: NodeLoad::read(row)?,
        })
    }
}

impl NodeLoad {
    fn read(row: &mut Row<'_>) -> Result<Option<Self>, Error> {
        let (jobs, alive): (Option<u64>, Option<u64>) = (row.take()?, row.take()?);
        let (waiting, capacity): (Option<u64>, Option<u64>) = (row.take()?, row.take()?);
        let told = jobs.zip(alive).zip(waiting.zip(capacity));
        Ok(told.map(|((jobs, jobs_alive), (writes_waiting, writes_capacity))| Self {
            jobs,
            jobs_alive,
            writes_waiting,
            writes_capacity,
        }))
    }
}

impl Store {
    /// Notes what a node has found of itself. Of one that is not registered nothing is kept.
    pub async fn note_node_state(&self, state: NodeState, now: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            let NodeState { node, url, key_id, migration, ready, reason, clock_ahead_us, load, age: _ } = state;
            session.execute(
                "DELETE FROM node_states WHERE NOT EXISTS
                    (SELECT 1 FROM nodes WHERE nodes.node_id = node_states.node_id AND stopped_at IS NULL)",
                &[],
            )?;
            session
                .execute(
                    "INSERT INTO node_states (node_id, at, url, key_id, migration, ready, reason, clock_ahead_us, jobs,
                         jobs_alive, writes_waiting, writes_capacity)
                     SELECT node_id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM nodes
                         WHERE node_id = $1 AND stopped_at IS NULL
                     ON CONFLICT (node_id) DO UPDATE SET at = excluded.at, url = excluded.url,
                         key_id = excluded.key_id, migration = excluded.migration, ready = excluded.ready,
                         reason = excluded.reason, clock_ahead_us = excluded.clock_ahead_us, jobs = excluded.jobs,
                         jobs_alive = excluded.jobs_alive, writes_waiting = excluded.writes_waiting,
                         writes_capacity = excluded.writes_capacity",
                    params![
                        node,
                        session.now(now)?,
                        url,
                        key_id,
                        migration,
                        ready,
                        reason,
                        clock_ahead_us,
                        load.map(|load| load.jobs),
                        load.map(|load| load.jobs_alive),
                        load.map(|load| load.writes_waiting),
                        load.map(|load| load.writes_capacity),
                    ],
                )
                .map(drop)
        })
        .await
    }

    /// What the nodes that live found of themselves; at most 1,000.
    pub async fn node_states(&self, now: Timestamp) -> Result<Vec<NodeState>, Error> {
        self.read(move |session| {
            let now = session.now(now)?;
            states(session, now)
        })
        .await
    }

    /// Notes the round trips of a node to other regions, in the place of what was noted before.
    pub async fn note_latencies(
        &self,
        node: NodeId,
        found: Vec<(RegionCode, i64, i64)>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            session.execute(
                "DELETE FROM region_latencies WHERE node_id = $1 OR NOT EXISTS
                    (SELECT 1 FROM nodes WHERE nodes.node_id = region_latencies.node_id AND stopped_at IS NULL)",
                params![node],
            )?;
            for (to, median_us, measured) in &found {
                session.execute(
                    "INSERT INTO region_latencies (node_id, to_region, at, median_us, measured)
                     VALUES ($1, $2, $3, $4, $5)",
                    params![node, to, now, median_us, measured],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// What the nodes that live have measured; at most 10,000.
    pub async fn latencies(&self, now: Timestamp) -> Result<Vec<Latency>, Error> {
        self.read(move |session| {
            let now = session.now(now)?;
            session.rows(
                "SELECT nodes.region, to_region, median_us, measured, region_latencies.at
                 FROM region_latencies JOIN nodes ON nodes.node_id = region_latencies.node_id
                 WHERE stopped_at IS NULL ORDER BY nodes.region, to_region, median_us LIMIT 10000",
                &[],
                |row| {
                    Ok(Latency {
                        from_region: row.take()?,
                        to_region: row.take()?,
                        median_us: row.take()?,
                        measured: row.take()?,
                        age: now.since(row.take()?),
                    })
                },
            )
        })
        .await
    }

    /// Regions that an operator wants empty; at most 1,000.
    pub async fn drains(&self) -> Result<Vec<Drain>, Error> {
        self.read(drains).await
    }

    /// How far the caller's clock is ahead of the primary's, in microseconds, give or take half of the time that asking took,
    /// which is the second value. None: the database has no clock of its own.
    pub async fn clock_ahead(&self, clock: &dyn Clock) -> Result<Option<(i64, i64)>, Error> {
        let before = clock.now();
        let Some(theirs) = self.database.write_beside(|session| session.own_clock()).await? else {
            return Ok(None);
        };
        let after = clock.now();
        let took = after.as_micros() - before.as_micros();
        Ok(Some((before.as_micros() + took / 2 - theirs.as_micros(), took)))
    }

    /// Who follows the primary; none on SQLite. What the role may not see is absent.
    pub async fn standbys(&self) -> Result<Vec<Standby>, Error> {
        if self.database.is_file() {
            return Ok(Vec::new());
        }
        self.database
            .write_beside(|session| {
                session.rows(
                    "SELECT coalesce(application_name, ''), state, sync_state,
                         CAST(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS bigint),
                         CAST(extract(epoch FROM CASE WHEN replay_lsn >= pg_current_wal_lsn() THEN interval '0'
                             ELSE replay_lag END) * 1000000 AS bigint)
                     FROM pg_stat_replication WHERE NOT pg_is_in_recovery() ORDER BY 1 LIMIT 100",
                    &[],
                    |row| {
                        Ok(Standby {
                            name: row.take()?,
                            state: row.take()?,
                            sync_state: row.take()?,
                            lag_bytes: row.take()?,
                            lag_us: row.take()?,
                        })
                    },
                )
            })
            .await
    }
}

fn drains(session: &Session) -> Result<Vec<Drain>, Error> {
    session.rows(
        "SELECT region, at, actor, reason, target FROM region_drains ORDER BY region LIMIT 1000",
        &[],
        Drain::read,
    )
}

fn states(session: &Session, now: Timestamp) -> Result<Vec<NodeState>, Error> {
    session.rows(
        "SELECT node_states.node_id, node_states.at, url, key_id, migration, ready, reason, clock_ahead_us, jobs, jobs_alive,
             writes_waiting, writes_capacity
         FROM node_states JOIN nodes ON nodes.node_id = node_states.node_id
         WHERE stopped_at IS NULL AND expires_at > $1 ORDER BY nodes.epoch DESC LIMIT 1000",
        params![now],
        |row| NodeState::read(row, now),
    )
}
