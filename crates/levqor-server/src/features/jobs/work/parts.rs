//! What jobs need of parts that may not be there: each answer says so when there is nobody to ask.

use levqor_model::Timestamp;
use serde_json::Value;

use super::{Context, Failure};

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

/// Sends a marked event through the error reporter. None: no DSN is configured.
pub(super) async fn send_marked_error(_context: &Context) -> Result<Option<Value>, Failure> {
    Ok(None)
}

/// How many leads were stored from `from` on. None: leads are not stored.
pub(super) async fn leads(_context: &Context, _from: Timestamp) -> Result<Option<i64>, Failure> {
    Ok(None)
}

/// When the last backup ended well. None: none is known.
pub(super) async fn last_backup(_context: &Context) -> Result<Option<Timestamp>, Failure> {
    Ok(None)
}
