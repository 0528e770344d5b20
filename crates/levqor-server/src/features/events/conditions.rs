//! What alerts are told of the event sink.

use std::time::Duration;

use levqor_model::{Condition, Severity, Verdict};
use levqor_store::Error;
use serde_json::json;

use crate::App;

/// An event that waits for longer than this is late.
const LATE_AFTER: Duration = Duration::from_secs(5 * 60);

/// Whether the sink takes what it is told. Without a sink nothing is said.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn conditions(app: &App) -> Result<Vec<Condition>, Error> {
    let Some(state) = app.engine.sink() else { return Ok(Vec::new()) };
    let load = app.store.sink_load().await?;
    let late = load.oldest_at.map(|at| app.now().since(at)).filter(|age| *age > LATE_AFTER);
    // Only the node that delivers knows why.
    let why = state.failing.map(|(_, why)| why);
    Ok(vec![Condition {
        rule: "events.sink".to_owned(),
        subject: String::new(),
        verdict: if late.is_some() { Verdict::Fails } else { Verdict::Holds },
        severity: Severity::Major,
        summary: match (late, &why) {
            (Some(age), Some(why)) => {
                format!("{} events wait for the event sink, for {} s: {why}", load.waiting, age.as_secs())
            }
            (Some(age), None) => {
                format!("{} events wait for the event sink, for {} s", load.waiting, age.as_secs())
            }
            (None, _) => "the event sink takes what it is told".to_owned(),
        },
        details: json!({ "waiting": load.waiting, "oldest_at": load.oldest_at, "problem": why }),
    }])
}
