//! What alerts are told of nodes.

use std::{collections::BTreeSet, time::Duration};

use levqor_model::{Condition, NodeId, RegionCode, Severity, Timestamp, Verdict};
use levqor_store::{Error, nodes::Node};
use serde_json::json;

use crate::{App, features::alerts::Said};

/// For how long a node that is gone is missed.
const MISSED_FOR: Duration = Duration::from_secs(10 * 60);
/// What a node says of itself is fresh for this long.
const FRESH: Duration = Duration::from_secs(20);

/// Which nodes are lost, and since when, and which are not ready.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn conditions(app: &App) -> Result<Vec<Said>, Error> {
    let now = app.now();
    let live = app.store.nodes(Some(now)).await?;
    let states = app.store.node_states(now).await?;
    let left = |region: &RegionCode| live.iter().filter(|node| node.region == *region).count();
    // What one whose build does not say it has is taken to be this node's.
    let usual = app.engine.lease();
    let said_of = |node: &Node, lost, replaced, left| {
        Said::of(of_node(node, lost, replaced, left, usual)).since(node.heard_at(usual))
    };
    let mut missed = Vec::new();
    let mut found = Vec::new();
    for node in app.store.nodes(None).await? {
        let is_live = live.iter().any(|other| other.id == node.id);
        match is_lost(&node, is_live, now) {
            Some(true) => missed.push(node),
            Some(false) => found.push(said_of(&node, false, false, left(&node.region))),
            None => {}
        }
    }
    let replaced = replaced(&missed, &live, usual);
    let of_missed = |node: &Node| said_of(node, true, replaced.contains(&node.id), left(&node.region));
    found.extend(missed.iter().map(of_missed));
    for state in &states {
        let Some(node) = live.iter().find(|node| node.id == state.node) else { continue };
        let verdict = match (state.age <= FRESH, state.ready) {
            (false, _) => Verdict::Unknown,
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::Fails,
        };
        found.push(Said::of(Condition {
            rule: "nodes.ready".to_owned(),
            subject: node.id.to_string(),
            verdict,
            severity: Severity::Major,
            summary: match (verdict, &state.reason) {
                (Verdict::Fails, Some(reason)) => {
                    format!("node {} of {} is not ready: {reason}", node.id, node.region)
                }
                (Verdict::Fails, None) => format!("node {} of {} is not ready", node.id, node.region),
                (Verdict::Unknown, _) => {
                    format!(
                        "node {} of {} has said nothing for {} s",
                        node.id,
                        node.region,
                        state.age.as_secs()
                    )
                }
                (Verdict::Holds, _) => format!("node {} of {} is ready", node.id, node.region),
            },
            details: json!({ "region": node.region, "reason": state.reason }),
        }));
    }
    Ok(found)
}

/// None: it is nobody's loss, or long ago.
fn is_lost(node: &Node, is_live: bool, now: Timestamp) -> Option<bool> {
    match (node.stopped_at, node.stop_reason.as_deref()) {
        // It will not come back under this name; after a while it is missed no more.
        (Some(at), Some("expired")) if now.since(at) <= MISSED_FOR => Some(true),
        (Some(_), _) => None,
        // Its lease is over, and nobody has stopped it yet.
        (None, _) => Some(!is_live),
    }
}

/// Those that are lost and whose place another one has taken: it lives there, and began after they were heard of last, which may be before
/// others know that they are gone. Each takes one place, so that of two that are lost one is still missed. `usual`: the lease of those that
/// do not say what theirs is.
fn replaced(lost: &[Node], live: &[Node], usual: Duration) -> BTreeSet<NodeId> {
    let mut lost: Vec<&Node> = lost.iter().collect();
    lost.sort_by_key(|node| node.heard_at(usual));
    let mut free: Vec<&Node> = live.iter().collect();
    free.sort_by_key(|node| node.started_at);
    let mut replaced = BTreeSet::new();
    for node in lost {
        let heard_at = node.heard_at(usual);
        let takes_it = |other: &&Node| other.region == node.region && other.started_at >= heard_at;
        if let Some(place) = free.iter().position(takes_it) {
            free.remove(place);
            replaced.insert(node.id);
        }
    }
    replaced
}

/// `left`: nodes that live in its region.
fn of_node(node: &Node, lost: bool, replaced: bool, left: usize, usual: Duration) -> Condition {
    Condition {
        rule: "nodes.lost".to_owned(),
        subject: node.id.to_string(),
        verdict: if lost && !replaced { Verdict::Fails } else { Verdict::Holds },
        severity: if left == 0 { Severity::Critical } else { Severity::Major },
        summary: match (lost, replaced) {
            (true, true) => {
                format!("node {} of {} is lost, and another took its place", node.id, node.region)
            }
            (true, false) => format!("node {} of {} is lost; {left} are left there", node.id, node.region),
            (false, _) => format!("node {} of {} lives", node.id, node.region),
        },
        details: json!({
            "region": node.region, "left": left, "heard_at": node.heard_at(usual), "stopped_at": node.stopped_at,
        }),
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;

    use super::*;

    const LEASE: Duration = Duration::from_secs(6);

    fn now() -> Timestamp {
        Timestamp::from_seconds(1_795_500_000)
    }

    /// Heard of last and begun so many seconds ago.
    fn node(number: u64, region: &str, begun: u64, heard_of: u64) -> Node {
        Node {
            id: NodeId::new(now(), &SeededRandom::new(number)),
            region: region.parse().unwrap(),
            version: String::new(),
            epoch: 1,
            started_at: now() - Duration::from_secs(begun),
            expires_at: now() - Duration::from_secs(heard_of) + LEASE,
            lease: Some(LEASE),
            stopped_at: None,
            stop_reason: None,
        }
    }

    #[test]
    fn a_node_that_went_by_itself_is_not_missed() {
        for (stopped, is_live, left, expected) in [
            (None, true, 1, Some((Verdict::Holds, Severity::Major))),
            (None, false, 1, Some((Verdict::Fails, Severity::Major))),
            (Some((5, "expired")), false, 1, Some((Verdict::Fails, Severity::Major))),
            (Some((5, "expired")), false, 0, Some((Verdict::Fails, Severity::Critical))),
            (Some((601, "expired")), false, 0, None),
            (Some((5, "drained")), false, 0, None),
            (Some((5, "replaced")), false, 0, None),
        ] {
            let node = Node {
                stopped_at: stopped.map(|(ago, _)| now() - Duration::from_secs(ago)),
                stop_reason: stopped.map(|(_, why)| why.to_owned()),
                ..node(1, "eu-west", 600, 11)
            };
            let found = is_lost(&node, is_live, now()).map(|lost| of_node(&node, lost, false, left, LEASE));
            let found = found.map(|condition| (condition.verdict, condition.severity));
            assert_eq!(found, expected, "{stopped:?}");
        }
    }

    #[test]
    fn a_node_whose_place_another_one_took_is_not_missed() {
        let lost = [node(1, "eu-west", 600, 30), node(2, "eu-west", 600, 20)];
        let (first, second) = (lost[0].id, lost[1].id);
        type Row<'a> = (&'a [(&'a str, u64)], &'a [NodeId]);
        let rows: &[Row<'_>] = &[
            (&[], &[]),
            // It lived there all the time, or lives elsewhere.
            (&[("eu-west", 300), ("us-east", 5)], &[]),
            // Before the lease was over, and after it.
            (&[("eu-west", 29)], &[first]),
            (&[("eu-west", 5)], &[first]),
            (&[("eu-west", 29), ("eu-west", 19)], &[first, second]),
            (&[("eu-west", 29), ("eu-west", 25)], &[first]),
        ];
        for (live, expected) in rows {
            let live: Vec<_> =
                (3..).zip(*live).map(|(n, (region, begun))| node(n, region, *begun, 1)).collect();
            let expected: BTreeSet<_> = expected.iter().copied().collect();
            assert_eq!(replaced(&lost, &live, LEASE * 100), expected, "{live:?}");
            // As it was with a build that did not say it; and each with a lease of its own, whatever this node's is.
            let unsaid = lost.clone().map(|node| Node { lease: None, ..node });
            assert_eq!(replaced(&unsaid, &live, LEASE), expected, "{live:?}");
            let long = LEASE * 50;
            let longer = lost.clone().map(|node| Node {
                expires_at: node.expires_at - LEASE + long,
                lease: Some(long),
                ..node
            });
            assert_eq!(replaced(&longer, &live, LEASE), expected, "{live:?}");
        }
        let holds = of_node(&lost[0], true, true, 1, LEASE);
        assert_eq!(holds.verdict, Verdict::Holds);
        assert!(holds.summary.ends_with("is lost, and another took its place"), "{}", holds.summary);
    }
}
