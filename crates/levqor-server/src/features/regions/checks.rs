//! Whether a region could carry more than it does: one check per reason why a failover fails in practice.
//!
//! Pure. Each check is judged by what nodes told lately; what nobody told is not good, except where there is nothing to tell.

use std::{collections::BTreeSet, time::Duration};

use levqor_store::regions::Standby;

use super::service::NodeNow;
use crate::features::health::service::CLOCK_OFF_MAX;

/// A standby that is farther behind would lose that much, were the database to go with its region.
const LAG_MAX: Duration = Duration::from_secs(30);
/// A region that has not taken over runs for so long is not known to be able to.
pub(super) const DRILL_MAX: Duration = Duration::from_secs(8 * 24 * 60 * 60);
/// The check that an operator may pass over.
pub(super) const DRILL: &str = "drill";
const OPEN: &str = "open";
/// Nodes of two builds live beside each other in every upgrade: these are told, and never stand in the way.
const TOLD: [&str; 2] = ["version", "schema"];

/// One reason, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    /// What was found; when it is not good, what to do.
    pub(super) detail: String,
}

/// What a region is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    /// Those that live there.
    pub(super) nodes: &'a [NodeNow],
    /// Those that live anywhere and stay.
    pub(super) all: &'a [NodeNow],
    pub(super) drained: bool,
    pub(super) standby: Option<&'a Standby>,
    /// Since it took runs over last.
    pub(super) drilled: Option<Duration>,
}

/// What a check is about: taking over the runs of another region, or beginning to work again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    TakeOver,
    Activate,
}

impl Purpose {
    /// Whether the check stands in the way.
    pub(super) fn needs(self, check: &Check) -> bool {
        !TOLD.contains(&check.name) && (self == Purpose::TakeOver || ![DRILL, OPEN].contains(&check.name))
    }
}

pub(super) fn checks(evidence: &Evidence<'_>) -> Vec<Check> {
    vec![
        nodes(evidence),
        open(evidence),
        clock(evidence),
        same(evidence, "key", "keyring (SECURITY_HMAC_SECRET)", |node| {
            Some(node.state.as_ref()?.key_id.clone())
        }),
        same(evidence, "version", "version", |node| Some(node.node.version.clone())),
        same(evidence, "schema", "schema", |node| Some(node.state.as_ref()?.migration.to_string())),
        replication(evidence),
        drill(evidence),
    ]
}

fn check(name: &'static str, ok: bool, detail: impl Into<String>) -> Check {
    Check { name, ok, detail: detail.into() }
}

fn nodes(evidence: &Evidence<'_>) -> Check {
    let (live, ready) = (evidence.nodes.len(), evidence.nodes.iter().filter(|node| node.ready).count());
    if live == 0 {
        return check("nodes", false, "no node lives there; start one");
    }
    if ready > 0 {
        return check("nodes", true, format!("{ready} of {live} live nodes are ready"));
    }
    let reason = evidence.nodes.iter().find_map(|node| node.state.as_ref()?.reason.clone());
    let reason = reason.unwrap_or_else(|| "they have told nothing of themselves lately".to_owned());
    check("nodes", false, format!("none of {live} live nodes is ready: {reason}"))
}

fn open(evidence: &Evidence<'_>) -> Check {
    if evidence.drained {
        check(OPEN, false, "an operator drains it; activate it first")
    } else {
        check(OPEN, true, "nobody drains it")
    }
}

fn clock(evidence: &Evidence<'_>) -> Check {
    let ahead = evidence.nodes.iter().filter_map(|node| node.state.as_ref()?.clock_ahead_us);
    let Some(worst) = ahead.max_by_key(|ahead| ahead.unsigned_abs()) else {
        return check("clock", true, "the database has no clock of its own");
    };
    let seconds = worst as f64 / 1_000_000.0;
    if Duration::from_micros(worst.unsigned_abs()) > CLOCK_OFF_MAX {
        check(
            "clock",
            false,
            format!("a clock is {seconds:+.1} s off the database's; check the time services"),
        )
    } else {
        check("clock", true, format!("at most {seconds:+.3} s off the database's"))
    }
}

/// Whether all nodes that stay are alike in something.
fn same(
    evidence: &Evidence<'_>,
    name: &'static str,
    what: &str,
    of: impl Fn(&NodeNow) -> Option<String>,
) -> Check {
    let silent = evidence.nodes.iter().filter(|node| of(node).is_none()).count();
    if silent > 0 {
        return check(name, false, format!("{silent} nodes have not told their {what} lately"));
    }
    let found: BTreeSet<String> = evidence.nodes.iter().chain(evidence.all).filter_map(of).collect();
    match found.len() {
        0 => check(name, false, format!("no node has told its {what}")),
        1 => check(name, true, format!("all nodes have the same {what}")),
        _ => {
            let found: Vec<_> = found.into_iter().collect();
            check(name, false, format!("nodes differ in their {what}: {}; make them alike", found.join(", ")))
        }
    }
}

fn replication(evidence: &Evidence<'_>) -> Check {
    let Some(standby) = evidence.standby else {
        return check("replication", true, "the primary tells of no standby there");
    };
    match standby.lag_us.map(|lag| Duration::from_micros(lag.unsigned_abs())) {
        None => check("replication", true, "the primary does not tell how far the standby is behind"),
        Some(lag) if lag > LAG_MAX => check(
            "replication",
            false,
            format!("the standby is {:.1} s behind, more than {} s", lag.as_secs_f64(), LAG_MAX.as_secs()),
        ),
        Some(lag) => check("replication", true, format!("the standby is {:.1} s behind", lag.as_secs_f64())),
    }
}

fn drill(evidence: &Evidence<'_>) -> Check {
    let days = |span: Duration| span.as_secs() / (24 * 60 * 60);
    match evidence.drilled {
        Some(ago) if ago <= DRILL_MAX => {
            check(DRILL, true, format!("it took runs over {} days ago", days(ago)))
        }
        Some(ago) => check(
            DRILL,
            false,
            format!("it took runs over {} days ago, more than {}", days(ago), days(DRILL_MAX)),
        ),
        None => check(DRILL, false, "it has never taken runs over"),
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::{NodeId, SeededRandom, Timestamp};
    use levqor_store::{nodes::Node, regions::NodeState};

    use super::*;

    fn node() -> NodeNow {
        let at = Timestamp::from_seconds(1_795_503_701);
        let id = NodeId::new(at, &SeededRandom::new(1));
        NodeNow {
            node: Node {
                id,
                region: "us-east".parse().unwrap(),
                version: "1.0.0".to_owned(),
                epoch: 1,
                started_at: at,
                expires_at: at,
                lease: None,
                stopped_at: None,
                stop_reason: None,
            },
            ready: true,
            state: Some(NodeState {
                node: id,
                url: None,
                key_id: "k".to_owned(),
                migration: 18,
                ready: true,
                reason: None,
                clock_ahead_us: Some(1_000),
                load: None,
                age: Duration::ZERO,
            }),
        }
    }

    /// Names of the checks that fail.
    fn failing(evidence: &Evidence<'_>) -> Vec<&'static str> {
        checks(evidence).into_iter().filter(|check| !check.ok).map(|check| check.name).collect()
    }

    #[test]
    fn each_reason_is_found_out() {
        let well = [node()];
        let standby = |lag_us| Standby {
            name: "us-east".to_owned(),
            state: None,
            sync_state: None,
            lag_bytes: None,
            lag_us,
        };
        let good =
            Evidence { nodes: &well, all: &well, drained: false, standby: None, drilled: Some(DRILL_MAX) };
        assert_eq!(failing(&good), [""; 0]);
        assert_eq!(failing(&Evidence { nodes: &[], ..good }), ["nodes"]);
        assert_eq!(failing(&Evidence { drained: true, ..good }), ["open"]);
        assert_eq!(failing(&Evidence { drilled: None, ..good }), ["drill"]);
        assert_eq!(failing(&Evidence { drilled: Some(DRILL_MAX + LAG_MAX), ..good }), ["drill"]);
        let (near, far, untold) = (standby(Some(2_000_000)), standby(Some(31_000_000)), standby(None));
        assert_eq!(failing(&Evidence { standby: Some(&near), ..good }), [""; 0]);
        assert_eq!(failing(&Evidence { standby: Some(&untold), ..good }), [""; 0], "nothing is invented");
        assert_eq!(failing(&Evidence { standby: Some(&far), ..good }), ["replication"]);
        let change = |change: &dyn Fn(&mut NodeNow)| {
            let mut one = node();
            change(&mut one);
            [one]
        };
        let state = |change_state: fn(&mut NodeState)| {
            change(&|node: &mut NodeNow| change_state(node.state.as_mut().unwrap()))
        };
        for (others, expected) in [
            (state(|state| "other".clone_into(&mut state.key_id)), "key"),
            (state(|state| state.migration = 17), "schema"),
            (change(&|node| "0.9.0".clone_into(&mut node.node.version)), "version"),
        ] {
            assert_eq!(failing(&Evidence { all: &others, ..good }), [expected]);
        }
        let off = state(|state| state.clock_ahead_us = Some(-10_000_001));
        assert_eq!(failing(&Evidence { nodes: &off, ..good }), ["clock"]);
        let sick = change(&|node| node.ready = false);
        assert_eq!(failing(&Evidence { nodes: &sick, ..good }), ["nodes"]);
        let silent = change(&|node| (node.ready, node.state) = (false, None));
        assert_eq!(failing(&Evidence { nodes: &silent, all: &[], ..good }), ["nodes", "key", "schema"]);
    }

    #[test]
    fn a_region_may_be_activated_without_a_drill_and_differ_in_an_upgrade() {
        let rows = [
            (DRILL, true, false),
            (OPEN, true, false),
            ("nodes", true, true),
            ("key", true, true),
            ("version", false, false),
            ("schema", false, false),
        ];
        for (name, take_over, activate) in rows {
            let check = check(name, false, "");
            assert_eq!(Purpose::TakeOver.needs(&check), take_over);
            assert_eq!(Purpose::Activate.needs(&check), activate, "{name}");
        }
    }
}
