//! What a node tells of all nodes.

use std::time::{Duration, Instant};

use anyhow::ensure;
use levqor_testkit::Client;
use serde_json::Value;

use crate::checker::get;

/// What is watched is looked at so often: figures are as exact as that.
pub const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Longer than any fault takes to be over.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The nodes as that server tells them.
pub async fn nodes(client: &Client) -> anyhow::Result<Value> {
    get(client, "/api/ops/nodes").await
}

pub fn find(nodes: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    nodes["nodes"].as_array().into_iter().flatten().find(|node| wanted(node)).cloned().unwrap_or_default()
}

/// The newest node of the region.
pub async fn node_in(client: &Client, region: &str) -> anyhow::Result<Value> {
    Ok(find(&nodes(client).await?, |node| node["region"] == region))
}

pub async fn node_called(client: &Client, id: &str) -> anyhow::Result<Value> {
    Ok(find(&nodes(client).await?, |node| node["node_id"] == id))
}

/// Runs that were taken over from the node.
pub async fn taken_from(client: &Client, id: &str) -> anyhow::Result<i64> {
    let all = nodes(client).await?;
    let from =
        all["takeovers"].as_array().into_iter().flatten().filter(|takeover| takeover["from_node"] == id);
    Ok(from.filter_map(|takeover| takeover["runs"].as_i64()).sum())
}

/// How long after `begun` the node is seen to be so.
pub async fn until(
    client: &Client,
    node: &str,
    begun: Instant,
    is_so: impl Fn(&Value) -> bool,
) -> anyhow::Result<Duration> {
    loop {
        if is_so(&node_called(client, node).await?) {
            return Ok(begun.elapsed());
        }
        ensure!(begun.elapsed() < PATIENCE, "node {node} is not seen to be gone");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
