//! What alerts are told of what this process counts of itself.

use levqor_model::{Condition, Severity, Verdict};
use levqor_store::Error;
use serde_json::json;

use crate::App;

/// Whether all that a node does again and again is alive, and whether the database keeps up with it.
///
/// # Errors
/// None; the form is that of all sources.
pub(crate) async fn conditions(app: &App) -> Result<Vec<Condition>, Error> {
    let (jobs, alive) = app.metrics.jobs();
    let (depth, capacity) = app.store.queue_depth();
    let node = app.node.to_string();
    Ok(vec![
        Condition {
            rule: "background.jobs".to_owned(),
            subject: node.clone(),
            verdict: if alive < jobs { Verdict::Fails } else { Verdict::Holds },
            severity: Severity::Major,
            summary: format!("{alive} of {jobs} background jobs of node {node} are alive"),
            details: json!({ "jobs": jobs, "alive": alive }),
        },
        Condition {
            rule: "store.queue".to_owned(),
            subject: node.clone(),
            verdict: if depth * 5 >= capacity * 4 { Verdict::Fails } else { Verdict::Holds },
            severity: Severity::Major,
            summary: format!("{depth} writes of node {node} wait for the database; {capacity} may"),
            details: json!({ "waiting": depth, "capacity": capacity }),
        },
    ])
}
