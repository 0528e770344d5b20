//! Which nodes there are, what each drives, and which runs changed hands.

use std::collections::HashMap;

use levqor_model::NodeId;
use levqor_store::{Error, nodes::Node, regions::NodeState, runs::Takeover};

use crate::App;

/// Takeovers that are shown.
const TAKEOVERS_SHOWN: usize = 50;

/// What a node is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Its lease is over, and nobody has stopped it yet.
    Late,
    Stopped,
}

pub(super) struct NodeNow {
    pub(super) node: Node,
    pub(super) state: State,
    /// Live runs that it owns.
    pub(super) runs: i64,
    /// What it told of itself last.
    pub(super) told: Option<NodeState>,
}

/// All nodes seen lately, newest first, and the latest takeovers.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn all(app: &App) -> Result<(Vec<NodeNow>, Vec<Takeover>), Error> {
    let live: Vec<NodeId> = app.store.nodes(Some(app.now())).await?.into_iter().map(|node| node.id).collect();
    let owned: HashMap<NodeId, i64> = app.store.owned_runs().await?.into_iter().collect();
    let mut told: HashMap<NodeId, NodeState> =
        app.store.node_states(app.now()).await?.into_iter().map(|state| (state.node, state)).collect();
    let nodes = app.store.nodes(None).await?.into_iter().map(|node| NodeNow {
        state: match node.stopped_at {
            Some(_) => State::Stopped,
            None if live.contains(&node.id) => State::Live,
            None => State::Late,
        },
        told: told.remove(&node.id),
        runs: owned.get(&node.id).copied().unwrap_or_default(),
        node,
    });
    Ok((nodes.collect(), app.store.views().takeovers(TAKEOVERS_SHOWN).await?))
}
