//! What alerts are told of the server's own files.

use levqor_model::{Condition, Severity, Verdict as Says};
use levqor_store::Error;
use serde_json::json;

use super::service::{self, Verdict};
use crate::App;

/// Paths that one alert names.
const NAMED: usize = 10;

/// Whether the files of each machine are as agreed. Of a server that guards none, nothing is said.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn conditions(app: &App) -> Result<Vec<Condition>, Error> {
    let places = service::places(app).await?;
    let found = places.into_iter().map(|place| {
        let paths: Vec<&str> =
            place.findings.iter().map(|finding| finding.deviation.place.as_str()).take(NAMED).collect();
        let worst = place.findings.iter().map(|finding| finding.deviation.severity).min();
        let name = &place.kept.state.place;
        Condition {
            rule: "tamper.files".to_owned(),
            subject: name.clone(),
            verdict: match place.verdict {
                Verdict::Untouched => Says::Holds,
                Verdict::Changed => Says::Fails,
                Verdict::Unknown => Says::Unknown,
            },
            severity: worst.unwrap_or(Severity::Critical),
            summary: match place.verdict {
                Verdict::Untouched => format!("the files of {name} are as agreed"),
                Verdict::Changed => format!(
                    "{} of the server's own files on {name} are not as agreed: {}",
                    place.findings.len(),
                    paths.join(", ")
                ),
                Verdict::Unknown => format!("nobody has looked at the files of {name} lately"),
            },
            details: json!({ "region": place.kept.state.region, "findings": place.findings.len(), "paths": paths }),
        }
    });
    Ok(found.collect())
}
