//! What a region is now, from what was declared, what operators want and what was seen.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{NodeId, Region, RegionCode, RegionStatus};
use levqor_store::{
    nodes::Node,
    regions::{Drain, Latency, NodeState, Seen, Standby},
};

use super::measure;
use crate::{App, features::health};

/// Nodes look at themselves every 5 s; what is older than this says nothing about now.
pub(super) const FRESH: Duration = Duration::from_secs(45);

/// A region with its computed status.
#[derive(Debug, Clone)]
pub struct RegionNow {
    pub region: Region,
    pub status: RegionStatus,
    /// Why a region that should be active is not.
    pub reason: Option<String>,
    /// Those that live.
    pub nodes: Vec<NodeNow>,
    /// Since when, and by whom, it is drained.
    pub drain: Option<Drain>,
    /// Live runs that nodes own which live there.
    pub runs: i64,
    /// Round trips to other regions, in milliseconds; what nobody has measured lately is not there.
    pub latency_ms: BTreeMap<RegionCode, f64>,
    /// A standby of the database that is named after the region.
    pub standby: Option<Standby>,
}

/// A node that lives, and what it found of itself.
#[derive(Debug, Clone)]
pub struct NodeNow {
    pub node: Node,
    pub ready: bool,
    /// None: it has not told yet, or long ago.
    pub state: Option<NodeState>,
}

/// All regions, in the operator's order.
///
/// # Errors
/// When the store cannot be read.
pub async fn all(app: &App) -> Result<Vec<RegionNow>, levqor_store::Error> {
    let now = app.now();
    let seen = app.store.seen_of_regions(now).await?;
    let latencies = app.store.latencies(now).await?;
    let owned: BTreeMap<NodeId, i64> = measure::owned_runs(app).await?.into_iter().collect();
    let standbys = measure::standbys(app);
    let this_node_ready = health::service::readiness(app).await.is_ready();
    Ok(app
        .regions
        .all()
        .iter()
        .map(|region| {
            let mut nodes = nodes_of(&seen, &region.code);
            for node in &mut nodes {
                if node.node.id == app.node {
                    node.ready = this_node_ready;
                }
            }
            let drain = seen.drains.iter().find(|drain| drain.region == region.code).cloned();
            let ready = nodes.iter().any(|node| node.ready);
            let (status, reason) = status(region, drain.is_some(), nodes.len(), ready);
            RegionNow {
                status,
                reason,
                drain,
                runs: nodes.iter().filter_map(|node| owned.get(&node.node.id)).sum(),
                latency_ms: latency_of(&latencies, &region.code),
                standby: standbys.iter().find(|standby| is_named_after(&standby.name, &region.code)).cloned(),
                region: region.clone(),
                nodes,
            }
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

/// The nodes that live in the region, newest first, as they told of themselves.
pub(super) fn nodes_of(seen: &Seen, code: &RegionCode) -> Vec<NodeNow> {
    let with_state = |node: &Node| {
        let state = seen.states.iter().find(|state| state.node == node.id && state.age <= FRESH).cloned();
        NodeNow { node: node.clone(), ready: state.as_ref().is_some_and(|state| state.ready), state }
    };
    seen.nodes.iter().filter(|node| node.region == *code).map(with_state).collect()
}

/// Never active without a live, ready node, whatever was declared.
pub(super) fn status(
    region: &Region,
    drained: bool,
    live: usize,
    any_ready: bool,
) -> (RegionStatus, Option<String>) {
    match (region.declared, live) {
        (_, 1..) if !any_ready => (RegionStatus::Down, Some("its nodes are alive but not ready".to_owned())),
        (_, 1..) if drained => (RegionStatus::Draining, Some("an operator drains it".to_owned())),
        (RegionStatus::Draining, 1..) => (RegionStatus::Draining, None),
        (_, 1..) => (RegionStatus::Active, None),
        (RegionStatus::Planned, 0) if !drained => (RegionStatus::Planned, None),
        (_, 0) => (RegionStatus::Down, Some("no node is alive there".to_owned())),
    }
}

/// The middle of what the region's nodes have measured, to each other region.
fn latency_of(latencies: &[Latency], from: &RegionCode) -> BTreeMap<RegionCode, f64> {
    let mut found: BTreeMap<RegionCode, Vec<i64>> = BTreeMap::new();
    for latency in latencies.iter().filter(|latency| latency.from_region == *from && latency.age <= FRESH) {
        found.entry(latency.to_region.clone()).or_default().push(latency.median_us);
    }
    found
        .into_iter()
        .filter_map(|(to, mut all)| Some((to, measure::median(&mut all)? as f64 / 1_000.0)))
        .collect()
}

/// Whether a standby is the region's by its name: the code, alone or with more after a dash or an underscore.
pub(super) fn is_named_after(standby: &str, code: &RegionCode) -> bool {
    standby.strip_prefix(code.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use levqor_model::RegionRegistry;

    use super::*;

    #[test]
    fn green_is_earned() {
        use RegionStatus::{Active, Down, Draining, Planned};
        let rows = [
            (Active, false, 0, false, Down),
            (Active, false, 1, false, Down),
            (Active, false, 2, true, Active),
            (Planned, false, 0, false, Planned),
            (Planned, false, 1, true, Active),
            (Planned, false, 1, false, Down),
            (Draining, false, 1, true, Draining),
            (Draining, false, 0, false, Down),
            (Down, false, 1, true, Active),
            (Active, true, 1, true, Draining),
            (Active, true, 1, false, Down),
            (Active, true, 0, false, Down),
            (Planned, true, 0, false, Down),
        ];
        for (declared, drained, live, ready, expected) in rows {
            let region = Region { declared, ..RegionRegistry::default().all()[0].clone() };
            let found = status(&region, drained, live, ready).0;
            assert_eq!(found, expected, "{declared:?} {drained} {live} {ready}");
        }
    }

    #[test]
    fn distances_are_the_middle_of_fresh_ones() {
        let code = |text: &str| text.parse::<RegionCode>().unwrap();
        let row = |to: &str, median_us, age| Latency {
            from_region: code("eu-west"),
            to_region: code(to),
            median_us,
            measured: 5,
            age: Duration::from_secs(age),
        };
        let rows = [
            row("us-east", 80_000, 1),
            row("us-east", 90_000, 2),
            row("us-east", 70_000, 3),
            row("ap-south", 1, 46),
        ];
        assert_eq!(latency_of(&rows, &code("eu-west")), BTreeMap::from([(code("us-east"), 80.0)]));
        assert_eq!(latency_of(&rows, &code("us-east")), BTreeMap::new(), "nobody has measured");
    }

    #[test]
    fn standbys_are_known_by_name() {
        let code: RegionCode = "us-east".parse().unwrap();
        for (name, is) in
            [("us-east", true), ("us-east-1", true), ("us-east_b", true), ("us-eastern", false), ("", false)]
        {
            assert_eq!(is_named_after(name, &code), is, "{name}");
        }
    }
}
