//! Nodes: the processes that share this database, and the epochs that fence them.

use std::time::Duration;

use levqor_model::{NodeId, RegionCode, Timestamp};

use crate::{Conflict, Error, Row, Store, params};

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
    pub stopped_at: Option<Timestamp>,
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
            stopped_at: row.take()?,
        })
    }
}

impl Store {
    /// Registers with the next epoch, which is returned. Forgets nodes that have been gone for 30 days.
    pub async fn register_node(
        &self,
        id: NodeId,
        region: RegionCode,
        version: String,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<i64, Error> {
        self.write(move |session| {
            session.execute("DELETE FROM nodes WHERE expires_at < $1", params![now - KEPT])?;
            // A number of its own, not the highest of the rows: those are forgotten, and an epoch must never come back.
            let epoch: Option<i64> = session.scalar(
                "INSERT INTO sequences (name, value) VALUES ('node_epoch', 1)
                 ON CONFLICT (name) DO UPDATE SET value = sequences.value + 1
                 RETURNING value",
                &[],
            )?;
            let epoch = epoch.ok_or(Error::Conflict(Conflict::Other))?;
            session.execute(
                "INSERT INTO nodes (node_id, region, version, epoch, started_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (node_id) DO UPDATE SET region = excluded.region, version = excluded.version,
                     epoch = excluded.epoch, started_at = excluded.started_at, expires_at = excluded.expires_at,
                     stopped_at = NULL",
                params![id, region, version, epoch, now, expires_at],
            )?;
            Ok(epoch)
        })
        .await
    }

    /// False when another registration has replaced this one, or the node was stopped.
    pub async fn renew_node(&self, id: NodeId, epoch: i64, expires_at: Timestamp) -> Result<bool, Error> {
        self.write(move |session| {
            let renewed = session.execute(
                "UPDATE nodes SET expires_at = $3 WHERE node_id = $1 AND epoch = $2 AND stopped_at IS NULL",
                params![id, epoch, expires_at],
            )?;
            Ok(renewed > 0)
        })
        .await
    }

    pub async fn stop_node(&self, id: NodeId, at: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            session
                .execute(
                    "UPDATE nodes SET stopped_at = $2 WHERE node_id = $1 AND stopped_at IS NULL",
                    params![id, at],
                )
                .map(drop)
        })
        .await
    }

    /// All nodes seen lately, or only those that live at a moment; newest first, at most 1,000.
    pub async fn nodes(&self, live_at: Option<Timestamp>) -> Result<Vec<Node>, Error> {
        self.read(move |session| match live_at {
            Some(at) => session.rows(
                "SELECT node_id, region, version, epoch, started_at, expires_at, stopped_at FROM nodes
                 WHERE stopped_at IS NULL AND expires_at > $1 ORDER BY epoch DESC LIMIT 1000",
                params![at],
                Node::read,
            ),
            None => session.rows(
                "SELECT node_id, region, version, epoch, started_at, expires_at, stopped_at FROM nodes
                 ORDER BY epoch DESC LIMIT 1000",
                &[],
                Node::read,
            ),
        })
        .await
    }
}
