//! What alerts are told of promises.

use levqor_drift::Finding;
use levqor_model::{Condition, Severity, Verdict};
use levqor_store::Error;
use serde_json::json;

use super::service::{self, FRESH};
use crate::App;

/// Places that one alert names.
const NAMED: usize = 5;

/// Whether what each live node serves is what was agreed.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn conditions(app: &App) -> Result<Vec<Condition>, Error> {
    let now = app.now();
    let results = app.store.drift_results().await?;
    let live = app.store.nodes(Some(now)).await?;
    let found = live.iter().map(|node| {
        let result = results.iter().find(|result| result.node == node.id);
        let counting: Vec<Finding> = result
            .and_then(service::report_of)
            .map(|report| report.findings)
            .unwrap_or_default()
            .into_iter()
            .filter(|finding| finding.acknowledged.is_none())
            .collect();
        let worst = counting.iter().map(|finding| finding.deviation.severity).min();
        let places: Vec<&str> =
            counting.iter().map(|finding| finding.deviation.place.as_str()).take(NAMED).collect();
        let verdict = match result {
            Some(result) if now.since(result.at) > FRESH => Verdict::Unknown,
            Some(result) if result.pass => Verdict::Holds,
            Some(_) => Verdict::Fails,
            None => Verdict::Unknown,
        };
        Condition {
            rule: "drift.promises".to_owned(),
            subject: node.id.to_string(),
            verdict,
            severity: worst.unwrap_or(Severity::Major),
            summary: match verdict {
                Verdict::Holds => format!("node {} of {} serves what was agreed", node.id, node.region),
                Verdict::Fails => format!(
                    "node {} of {} does not serve what was agreed: {}",
                    node.id,
                    node.region,
                    places.join(", ")
                ),
                Verdict::Unknown => {
                    format!("node {} of {} has not looked at itself lately", node.id, node.region)
                }
            },
            details: json!({ "region": node.region, "findings": counting.len(), "places": places }),
        }
    });
    Ok(found.collect())
}
