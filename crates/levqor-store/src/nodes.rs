//! Nodes: the processes that share this database, and their leases.
//!
//! ```text
//! register ─► renew, renew, … ─┬─► stop (drained)
//!                              └─► lease over ─► condemn (by another node) ─► its runs are taken over
//! ```
//!
//! Invariant: a node that was stopped never comes back: its id is used once, and what it still writes as itself is refused
//! ([`Store::acting_as`]). So "stopped" is all that others need to know before they take over what it had.

use std::time::Duration;

use levqor_model::{NodeId, RegionCode, Timestamp};

use serde_json::json;

use crate::{
    Conflict, Error, Row, Session, Store,
    audit::{self, Note},
    params,
};

/// How long a node that is gone stays in the list.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    pub region: RegionCode,
    pub version: String,
    /// Fencing token: grows with every registration in the cluster.
    pub epoch: i64,
    pub started_at: Timestamp,
    pub expires_at: Timestamp,
    /// How long its lease is, as it said with its last sign. None: a build before this one does not say.
    pub lease: Option<Duration>,
    pub stopped_at: Option<Timestamp>,
    /// `drained`, `expired`, `replaced` or `failed over`.
    pub stop_reason: Option<String>,
}

/// A process that becomes a node.
#[derive(Debug, Clone)]
pub struct NewNode {
    pub id: NodeId,
    pub region: RegionCode,
    pub version: String,
    pub lease: Duration,
    /// It is the only one: all others are gone.
    pub alone: bool,
}

/// The columns of [`Node`], in the order in which [`Node::read`] takes them.
macro_rules! columns {
    () => {
        "node_id, region, version, epoch, started_at, expires_at, lease_us, stopped_at, stop_reason"
    };
}

impl Node {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            region: row.take()?,
            version: row.take()?,
            epoch: row.take()?,
            started_at: row.take()?,
            expires_at: row.take()?,
            lease: row.take::<Option<u64>>()?.map(Duration::from_micros),
            stopped_at: row.take()?,
            stop_reason: row.take()?,
        })
    }

    /// When it gave its last sign, from which on its lease counts. `usual`: the lease of one that does not say what its own is.
    pub fn heard_at(&self, usual: Duration) -> Timestamp {
        (self.expires_at - self.lease.unwrap_or(usual)).max(self.started_at)
    }

    /// Until when it is known to have lived: until it was stopped, or until its last sign when it is gone without a word.
    pub fn lived_until(&self, usual: Duration) -> Timestamp {
        match self.stopped_at {
            Some(at) if self.stop_reason.as_deref() != Some("expired") => at,
            _ => self.heard_at(usual),
        }
    }
}

fn micros(lease: Duration) -> i64 {
    i64::try_from(lease.as_micros()).unwrap_or(i64::MAX)
}

impl Store {
    /// Registers with the next epoch, which is returned. Forgets nodes that have been gone for 30 days.
    ///
    /// Leases count by the database's clock where it has one of its own, so that nodes need not agree about the time; `now` is
    /// the caller's.
    pub async fn register_node(&self, new: NewNode, now: Timestamp) -> Result<i64, Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            session.execute(
                "DELETE FROM nodes WHERE expires_at < $1 AND emptied_at IS NOT NULL",
                params![now - KEPT],
            )?;
            if new.alone {
                session.execute(
                    "UPDATE nodes SET stopped_at = $2, stop_reason = 'replaced'
                     WHERE node_id <> $1 AND stopped_at IS NULL",
                    params![new.id, now],
                )?;
            }
            // A number of its own, not the highest of the rows: those are forgotten, and an epoch must never come back.
            let epoch: Option<i64> = session.scalar(
                "INSERT INTO sequences (name, value) VALUES ('node_epoch', 1)
                 ON CONFLICT (name) DO UPDATE SET value = sequences.value + 1
                 RETURNING value",
                &[],
            )?;
            let epoch = epoch.ok_or(Error::Conflict(Conflict::Other))?;
            session.execute(
                "INSERT INTO nodes (node_id, region, version, epoch, started_at, expires_at, lease_us)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (node_id) DO UPDATE SET region = excluded.region, version = excluded.version,
                     epoch = excluded.epoch, started_at = excluded.started_at, expires_at = excluded.expires_at,
                     lease_us = excluded.lease_us, stopped_at = NULL, stop_reason = NULL, emptied_at = NULL",
                params![new.id, new.region, new.version, epoch, now, now + new.lease, micros(new.lease)],
            )?;
            audit::note(
                session,
                Note {
                    kind: "node.joined",
                    at: now,
                    account: None,
                    subject: &new.id.to_string(),
                    details: json!({ "region": new.region.as_str(), "version": new.version, "epoch": epoch }),
                },
            )?;
            Ok(epoch)
        })
        .await
    }

    /// False when another registration has replaced this one, or the node was stopped. Waits for no other writer.
    pub async fn renew_node(
        &self,
        id: NodeId,
        epoch: i64,
        now: Timestamp,
        lease: Duration,
    ) -> Result<bool, Error> {
        self.database
            .write_beside(move |session| {
                let renewed = session.execute(
                    "UPDATE nodes SET expires_at = $3, lease_us = $4
                     WHERE node_id = $1 AND epoch = $2 AND stopped_at IS NULL",
                    params![id, epoch, session.now(now)? + lease, micros(lease)],
                )?;
                Ok(renewed > 0)
            })
            .await
    }

    /// The node ends by itself: others may take over what it had.
    pub async fn stop_node(&self, id: NodeId, now: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            let stopped = session.execute(
                "UPDATE nodes SET stopped_at = $2, stop_reason = 'drained' WHERE node_id = $1 AND stopped_at IS NULL",
                params![id, now],
            )?;
            if stopped == 0 {
                return Ok(());
            }
            note_stopped(session, id, "drained", now)
        })
        .await
    }

    /// Stops the nodes whose leases are over, except the one that asks; the ones that this call has stopped.
    pub async fn condemn_nodes(&self, by: NodeId, now: Timestamp) -> Result<Vec<Node>, Error> {
        // Asked first: nearly always there are none, and writers wait for each other.
        let expired = self
            .read(move |session| {
                session.scalar::<i64>(
                    "SELECT count(*) FROM nodes WHERE stopped_at IS NULL AND expires_at < $1 AND node_id <> $2",
                    params![session.now(now)?, by],
                )
            })
            .await?;
        if expired.unwrap_or_default() == 0 {
            return Ok(Vec::new());
        }
        self.write(move |session| {
            let now = session.now(now)?;
            let condemned = session.rows(
                concat!(
                    "UPDATE nodes SET stopped_at = $1, stop_reason = 'expired'
                     WHERE stopped_at IS NULL AND expires_at < $1 AND node_id <> $2 RETURNING ",
                    columns!()
                ),
                params![now, by],
                Node::read,
            )?;
            for node in &condemned {
                note_stopped(session, node.id, "expired", now)?;
            }
            Ok(condemned)
        })
        .await
    }

    /// All nodes seen lately, or only those that live now; newest first, at most 1,000.
    pub async fn nodes(&self, live_at: Option<Timestamp>) -> Result<Vec<Node>, Error> {
        self.read(move |session| match live_at {
            Some(at) => live(session, session.now(at)?),
            None => session.rows(
                concat!("SELECT ", columns!(), " FROM nodes ORDER BY epoch DESC LIMIT 1000"),
                &[],
                Node::read,
            ),
        })
        .await
    }

    /// Takes a duty that only one node at a time has, when nobody has it who is not stopped. Whether it is this node's.
    pub async fn take_duty(&self, duty: &'static str, node: NodeId, now: Timestamp) -> Result<bool, Error> {
        let holder = self
            .read(move |session| {
                session.scalar::<NodeId>(
                    "SELECT node_id FROM duties WHERE duty = $1
                         AND EXISTS (SELECT 1 FROM nodes WHERE nodes.node_id = duties.node_id AND stopped_at IS NULL)",
                    params![duty],
                )
            })
            .await?;
        if let Some(holder) = holder {
            return Ok(holder == node);
        }
        self.write(move |session| {
            let taken = session.execute(
                "INSERT INTO duties (duty, node_id, since) VALUES ($1, $2, $3)
                 ON CONFLICT (duty) DO UPDATE SET node_id = excluded.node_id, since = excluded.since
                 WHERE NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.node_id = duties.node_id AND stopped_at IS NULL)",
                params![duty, node, now],
            )?;
            Ok(taken > 0)
        })
        .await
    }
}

impl Store {
    /// What all nodes must agree on: the value that is kept under the name, which is the caller's when there was none.
    pub async fn agree(&self, name: &'static str, value: String) -> Result<String, Error> {
        self.write(move |session| agree(session, name, &value)).await
    }
}

pub(crate) fn agree(session: &Session, name: &str, value: &str) -> Result<String, Error> {
    session.execute(
        "INSERT INTO agreements (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        params![name, value],
    )?;
    let kept = session.scalar("SELECT value FROM agreements WHERE name = $1", params![name])?;
    Ok(kept.unwrap_or_else(|| value.to_owned()))
}

/// Those that live; `now` by the database's clock.
pub(crate) fn live(session: &Session, now: Timestamp) -> Result<Vec<Node>, Error> {
    session.rows(
        concat!(
            "SELECT ",
            columns!(),
            " FROM nodes WHERE stopped_at IS NULL AND expires_at > $1 ORDER BY epoch DESC LIMIT 1000"
        ),
        params![now],
        Node::read,
    )
}

/// Stops all nodes of the region now, whether or not their leases are over; which they were.
pub(crate) fn fence_region(
    session: &Session,
    region: &RegionCode,
    now: Timestamp,
) -> Result<Vec<NodeId>, Error> {
    let fenced: Vec<NodeId> = session.rows(
        "UPDATE nodes SET stopped_at = $2, stop_reason = 'failed over' WHERE region = $1 AND stopped_at IS NULL
         RETURNING node_id",
        params![region, now],
        |row| row.take(),
    )?;
    for node in &fenced {
        note_stopped(session, *node, "failed over", now)?;
    }
    Ok(fenced)
}

fn note_stopped(session: &Session, id: NodeId, reason: &str, at: Timestamp) -> Result<(), Error> {
    let (subject, details) = (id.to_string(), json!({ "reason": reason }));
    audit::note(session, Note { kind: "node.stopped", at, account: None, subject: &subject, details })
}

/// Refuses a node that was stopped.
///
/// # Errors
/// [`Error::Fenced`].
pub(crate) fn must_live(session: &Session, id: NodeId) -> Result<(), Error> {
    let lives: Option<i64> =
        session.scalar("SELECT epoch FROM nodes WHERE node_id = $1 AND stopped_at IS NULL", params![id])?;
    lives.map(drop).ok_or(Error::Fenced(id))
}
