//! Nodes: the processes that share this database, and the epochs that fence them.

use levqor_model::{NodeId, RegionCode, Timestamp};

use crate::{Error, Store};

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

impl Store {
    /// Registers with the next epoch, which is returned.
    pub async fn register_node(
        &self,
        _id: NodeId,
        _region: RegionCode,
        _version: String,
        _now: Timestamp,
        _expires_at: Timestamp,
    ) -> Result<i64, Error> {
        unimplemented!("register_node")
    }

    /// False when another registration has replaced this one.
    pub async fn renew_node(&self, _id: NodeId, _epoch: i64, _expires_at: Timestamp) -> Result<bool, Error> {
        unimplemented!("renew_node")
    }

    pub async fn stop_node(&self, _id: NodeId, _at: Timestamp) -> Result<(), Error> {
        unimplemented!("stop_node")
    }

    /// All nodes seen lately, or only those that live at a moment; newest first, at most 1,000.
    pub async fn nodes(&self, _live_at: Option<Timestamp>) -> Result<Vec<Node>, Error> {
        unimplemented!("nodes")
    }
}
