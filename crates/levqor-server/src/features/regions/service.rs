//! What a region is now, from what was declared and what was seen.

use std::time::Duration;

use levqor_model::{NodeId, Region, RegionCode, RegionStatus, Timestamp};
use levqor_store::{health::Sample, nodes::Node};

use crate::{App, features::health};

/// Samples are taken every 5 s; older than this, they say nothing about now.
const FRESH: Duration = Duration::from_secs(45);
/// What a node must have observed as good to count as ready.
const NEEDED: [&str; 2] = ["database", "engine"];

/// A region with its computed status.
#[derive(Debug, Clone)]
pub struct RegionNow {
    pub region: Region,
    pub status: RegionStatus,
    pub nodes: Vec<Node>,
    /// Why a region that should be active is not.
    pub reason: Option<String>,
}

/// All regions, in the operator's order.
///
/// # Errors
/// When the store cannot be read.
pub async fn all(app: &App) -> Result<Vec<RegionNow>, levqor_store::Error> {
    let now = app.now();
    let nodes = app.store.nodes(Some(now)).await?;
    let samples = app.store.latest_samples().await?;
    let this_node_ready = health::service::readiness(app).await.is_ready();
    let ready = |node: &Node| {
        if node.id == app.node { this_node_ready } else { seen_ready(node.id, &samples, now) }
    };
    Ok(app
        .regions
        .all()
        .iter()
        .map(|region| {
            let nodes: Vec<_> = nodes.iter().filter(|node| node.region == region.code).cloned().collect();
            let (status, reason) = status(region, nodes.len(), nodes.iter().any(ready));
            RegionNow { region: region.clone(), status, nodes, reason }
        })
        .collect())
}

/// One region.
///
/// # Errors
/// When the store cannot be read.
pub async fn one(app: &App, code: &RegionCode) -> Result<Option<RegionNow>, levqor_store::Error> {
    Ok(all(app).await?.into_iter().find(|now| now.region.code == *code))
}

fn seen_ready(node: NodeId, samples: &[Sample], now: Timestamp) -> bool {
    NEEDED.iter().all(|component| {
        samples.iter().any(|sample| {
            sample.node == node
                && sample.component == *component
                && sample.good
                && now.since(sample.at) <= FRESH
        })
    })
}

/// Never active without a live, ready node, whatever was declared.
fn status(region: &Region, live: usize, any_ready: bool) -> (RegionStatus, Option<String>) {
    match (region.declared, live) {
        (RegionStatus::Draining, 1..) => (RegionStatus::Draining, None),
        (_, 1..) if any_ready => (RegionStatus::Active, None),
        (_, 1..) => (RegionStatus::Down, Some("its nodes are alive but not ready".to_owned())),
        (RegionStatus::Planned, 0) => (RegionStatus::Planned, None),
        (RegionStatus::Active | RegionStatus::Draining | RegionStatus::Down, 0) => {
            (RegionStatus::Down, Some("no node is alive there".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::RegionRegistry;

    use super::*;

    #[test]
    fn green_is_earned() {
        use RegionStatus::{Active, Down, Draining, Planned};
        let rows = [
            (Active, 0, false, Down),
            (Active, 1, false, Down),
            (Active, 2, true, Active),
            (Planned, 0, false, Planned),
            (Planned, 1, true, Active),
            (Planned, 1, false, Down),
            (Draining, 1, true, Draining),
            (Draining, 0, false, Down),
            (Down, 1, true, Active),
        ];
        for (declared, live, ready, expected) in rows {
            let region = Region { declared, ..RegionRegistry::default().all()[0].clone() };
            assert_eq!(status(&region, live, ready).0, expected, "{declared:?} {live} {ready}");
        }
    }
}
