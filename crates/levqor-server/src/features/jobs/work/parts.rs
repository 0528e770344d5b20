//! What jobs need of parts that may not be there: each answer says so when there is nobody to ask.

use std::collections::BTreeMap;

use levqor_model::Timestamp;
use serde_json::{Value, json};

use super::{Context, Failure};
use crate::error_reporter::Occurrence;

/// How an objective stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Budget {
    pub(super) objective: String,
    pub(super) at: Timestamp,
    /// What is left of the error budget, in parts per million of it; None: it is not known.
    pub(super) left_ppm: Option<i64>,
    /// How fast it is spent, in thousandths of what the objective allows; None: it is not known.
    pub(super) burn_milli: Option<i64>,
}

/// The last that is known of each objective, by name. Empty: nobody has evaluated any.
pub(super) async fn budgets(context: &Context) -> Result<Vec<Budget>, Failure> {
    let rows = context.app.store.last_budgets().await?;
    Ok(rows
        .into_iter()
        .map(|(objective, at, left_ppm, burn_milli)| Budget { objective, at, left_ppm, burn_milli })
        .collect())
}

/// Sends a marked event through the error reporter, and waits for the collector's answer. None: no DSN is configured.
pub(super) async fn send_marked_error(context: &Context) -> Result<Option<Value>, Failure> {
    let Some(reporter) = &context.app.settings.error_reporter else { return Ok(None) };
    let event = Occurrence {
        at: context.app.now(),
        message: "This is a test of the error reporter; nothing is wrong.".to_owned(),
        logger: "levqor.sentry_test".to_owned(),
        is_error: false,
        tags: BTreeMap::from([("test".to_owned(), "yes".to_owned())]),
    };
    let id = reporter.confirm(&event).await.map_err(|problem| Failure::Other(problem.to_string()))?;
    let told = reporter.told();
    Ok(Some(json!({
        "event": id, "collector": reporter.host(),
        "since_start": { "delivered": told.delivered, "failed": told.failed, "dropped": told.dropped },
    })))
}

/// How many leads were stored from `from` on, and by which source.
pub(super) async fn leads(context: &Context, from: Timestamp) -> Result<Vec<(String, i64)>, Failure> {
    Ok(context.store().lead_sources(from, context.app.now()).await?)
}

/// When the last backup ended well. None: none is known.
pub(super) async fn last_backup(_context: &Context) -> Result<Option<Timestamp>, Failure> {
    Ok(None)
}
