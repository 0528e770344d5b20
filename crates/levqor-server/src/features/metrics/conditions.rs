//! What alerts are told of the work that each node does by itself: of this one as it is now, of the others as they tell it every few
//! seconds, so that it does not depend on who looks.

use std::time::Duration;

use levqor_model::{Condition, Severity, Verdict};
use levqor_store::{Error, regions::NodeLoad};
use serde_json::json;

use crate::App;

/// What a node says of itself is fresh for this long.
const FRESH: Duration = Duration::from_secs(20);

/// How this node gets on with its own work.
pub(crate) fn load(app: &App) -> NodeLoad {
    let (jobs, jobs_alive) = app.metrics.jobs();
    let (writes_waiting, writes_capacity) = app.store.queue_depth();
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    NodeLoad {
        jobs: number(jobs),
        jobs_alive: number(jobs_alive),
        writes_waiting: number(writes_waiting),
        writes_capacity: number(writes_capacity),
    }
}

/// Whether all that each node does again and again is alive, and whether the database keeps up with it. Of at most 1,000 nodes; one
/// whose version does not tell is left out.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn conditions(app: &App) -> Result<Vec<Condition>, Error> {
    let mut found = of_node(&app.node.to_string(), &load(app), None).to_vec();
    for state in app.store.node_states(app.now()).await?.into_iter().filter(|state| state.node != app.node) {
        if let Some(load) = &state.load {
            let silent_for = (state.age > FRESH).then_some(state.age);
            found.extend(of_node(&state.node.to_string(), load, silent_for));
        }
    }
    Ok(found)
}

/// `silent_for`: it has told nothing for so long, and nothing is known of now.
fn of_node(node: &str, load: &NodeLoad, silent_for: Option<Duration>) -> [Condition; 2] {
    let NodeLoad { jobs, jobs_alive: alive, writes_waiting: waiting, writes_capacity: capacity } = *load;
    let condition = |rule: &str, fails: bool, what: String, details| Condition {
        rule: rule.to_owned(),
        subject: node.to_owned(),
        verdict: match (silent_for, fails) {
            (Some(_), _) => Verdict::Unknown,
            (None, true) => Verdict::Fails,
            (None, false) => Verdict::Holds,
        },
        severity: Severity::Major,
        summary: match silent_for {
            Some(age) => format!("{what}, as node {node} said {} s ago", age.as_secs()),
            None => what,
        },
        details,
    };
    [
        condition(
            "background.jobs",
            alive < jobs,
            format!("{alive} of {jobs} background jobs of node {node} are alive"),
            json!({ "jobs": jobs, "alive": alive }),
        ),
        condition(
            "store.queue",
            waiting.saturating_mul(5) >= capacity.saturating_mul(4),
            format!("{waiting} writes of node {node} wait for the database; {capacity} may"),
            json!({ "waiting": waiting, "capacity": capacity }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_or_does_not_keep_up_is_told_and_what_is_old_is_unknown() {
        let good = NodeLoad { jobs: 33, jobs_alive: 33, writes_waiting: 79, writes_capacity: 100 };
        let rows = [
            (good, None, [Verdict::Holds, Verdict::Holds]),
            (NodeLoad { jobs_alive: 32, ..good }, None, [Verdict::Fails, Verdict::Holds]),
            (NodeLoad { writes_waiting: 80, ..good }, None, [Verdict::Holds, Verdict::Fails]),
            (NodeLoad { jobs_alive: 0, ..good }, Some(21), [Verdict::Unknown, Verdict::Unknown]),
            (good, Some(21), [Verdict::Unknown, Verdict::Unknown]),
        ];
        for (load, silent_for, verdicts) in rows {
            let found = of_node("node_1", &load, silent_for.map(Duration::from_secs));
            assert_eq!(found.map(|one| one.verdict), verdicts, "{load:?} {silent_for:?}");
        }
        let [jobs, _] = of_node("node_1", &good, Some(FRESH));
        assert_eq!(
            jobs.summary,
            "33 of 33 background jobs of node node_1 are alive, as node node_1 said 20 s ago"
        );
    }
}
