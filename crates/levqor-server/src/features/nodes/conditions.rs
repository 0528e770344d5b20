//! What alerts are told of nodes.

use std::time::Duration;

use levqor_model::{Condition, RegionCode, Severity, Timestamp, Verdict};
use levqor_store::{Error, nodes::Node};
use serde_json::json;

use crate::App;

/// For how long a node that is gone is missed.
const MISSED_FOR: Duration = Duration::from_secs(10 * 60);
/// What a node says of itself is fresh for this long.
const FRESH: Duration = Duration::from_secs(20);

/// Which nodes are lost, and which are not ready.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn conditions(app: &App) -> Result<Vec<Condition>, Error> {
    let now = app.now();
    let live = app.store.nodes(Some(now)).await?;
    let states = app.store.node_states(now).await?;
    let left = |region: &RegionCode| live.iter().filter(|node| node.region == *region).count();
    let mut found: Vec<Condition> = app
        .store
        .nodes(None)
        .await?
        .iter()
        .filter_map(|node| {
            let is_live = live.iter().any(|other| other.id == node.id);
            of_node(node, is_live, left(&node.region), now)
        })
        .collect();
    for state in &states {
        let Some(node) = live.iter().find(|node| node.id == state.node) else { continue };
        let verdict = match (state.age <= FRESH, state.ready) {
            (false, _) => Verdict::Unknown,
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::Fails,
        };
        found.push(Condition {
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
        });
    }
    Ok(found)
}

/// None: it is gone, and nobody misses it.
fn of_node(node: &Node, is_live: bool, left: usize, now: Timestamp) -> Option<Condition> {
    let lost = match (node.stopped_at, node.stop_reason.as_deref()) {
        (Some(at), Some("expired")) if now.since(at) <= MISSED_FOR => true,
        (Some(_), _) => return None,
        // Its lease is over, and nobody has stopped it yet.
        (None, _) => !is_live,
    };
    Some(Condition {
        rule: "nodes.lost".to_owned(),
        subject: node.id.to_string(),
        verdict: if lost { Verdict::Fails } else { Verdict::Holds },
        severity: if left == 0 { Severity::Critical } else { Severity::Major },
        summary: if lost {
            format!("node {} of {} is lost; {left} are left there", node.id, node.region)
        } else {
            format!("node {} of {} lives", node.id, node.region)
        },
        details: json!({ "region": node.region, "left": left, "stopped_at": node.stopped_at }),
    })
}

#[cfg(test)]
mod tests {
    use levqor_model::{NodeId, SeededRandom};

    use super::*;

    #[test]
    fn a_node_that_went_by_itself_is_not_missed() {
        let now = Timestamp::from_seconds(1_795_500_000);
        let node = |stopped: Option<(u64, &str)>| Node {
            id: NodeId::new(now, &SeededRandom::new(1)),
            region: "eu-west".parse().unwrap(),
            version: String::new(),
            epoch: 1,
            started_at: now,
            expires_at: now,
            stopped_at: stopped.map(|(ago, _)| now - Duration::from_secs(ago)),
            stop_reason: stopped.map(|(_, why)| why.to_owned()),
        };
        for (stopped, is_live, left, expected) in [
            (None, true, 1, Some((Verdict::Holds, Severity::Major))),
            (None, false, 1, Some((Verdict::Fails, Severity::Major))),
            (Some((5, "expired")), false, 1, Some((Verdict::Fails, Severity::Major))),
            (Some((5, "expired")), false, 0, Some((Verdict::Fails, Severity::Critical))),
            (Some((601, "expired")), false, 0, None),
            (Some((5, "drained")), false, 0, None),
            (Some((5, "replaced")), false, 0, None),
        ] {
            let found = of_node(&node(stopped), is_live, left, now);
            let found = found.map(|condition| (condition.verdict, condition.severity));
            assert_eq!(found, expected, "{stopped:?}");
        }
    }
}
