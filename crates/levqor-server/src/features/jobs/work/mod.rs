//! What the jobs do: a file for each, and what several of them share.
//!
//! Invariant: a body reads what is stored and writes nothing that bears no repetition: it is done again when the node that did it is gone.

pub(super) mod alert_checks;
mod anomalies;
pub(super) mod cost_collector;
pub(super) mod cost_prediction;
mod costs;
pub(super) mod daily_ops_summary;
pub(crate) mod demand;
pub(super) mod expansion_monitor;
pub(super) mod expansion_verifier;
mod facts;
mod forecast;
pub(super) mod governance_report;
pub(super) mod growth_retention;
pub(super) mod health_monitor;
pub(super) mod intelligence_monitor;
pub(super) mod kv_costs;
pub(super) mod marketing_rollup;
mod parts;
pub(super) mod retention_aggregation;
pub(super) mod scaling_check;
pub(super) mod security_tamper_check;
pub(super) mod sentry_test;
mod series;
pub(super) mod slo_watchdog;
pub(super) mod synthetic_checks;
pub(super) mod weekly_intelligence;
pub(super) mod weekly_pulse;

use std::time::Duration;

use levqor_engine::jobs::JobOutput;
use levqor_model::{Date, Timestamp};
use levqor_store::Store;
use serde_json::Value;

use crate::{App, Problem, problem::chain};

/// Accounts that are read at once.
const PAGE: usize = 500;
/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a body is given.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) app: App,
    /// The due time that it is done for, not when it is done.
    pub(super) due_at: Timestamp,
}

impl Context {
    /// For reading: what is reckoned of whole days may come from a replica.
    fn store(&self) -> Store {
        self.app.store.views()
    }

    /// The last day in UTC that was over when the job was due.
    fn day(&self) -> Date {
        self.due_at.date().plus_days(-1)
    }
}

/// Why a job gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("what is stored cannot be read")]
    Store(#[from] levqor_store::Error),
    #[error("{0}")]
    Other(String),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Failure::Other(problem.detail)
    }
}

type Done = Result<JobOutput, Failure>;

/// The failure with what is behind it, for the history.
pub(super) fn words(failure: &Failure) -> String {
    chain(failure)
}

/// Sentences, and what they are made of.
fn output(summary: impl Into<String>, data: Value) -> Done {
    Ok(JobOutput { summary: summary.into(), data })
}

/// `40 %`, rounded to whole percent; None: there is no whole.
fn percent(part: i64, whole: i64) -> Option<String> {
    let percent = part.checked_mul(200)?.checked_add(whole)?.checked_div(whole.checked_mul(2)?)?;
    (whole > 0).then(|| format!("{percent} %"))
}

/// A whole number for arithmetic with fractions. Counts of this platform are far below 2⁵³.
fn number(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_and_nothing_is_a_share_of_nothing() {
        assert_eq!(percent(1, 3).as_deref(), Some("33 %"));
        assert_eq!(percent(2, 3).as_deref(), Some("67 %"));
        assert_eq!(percent(0, 7).as_deref(), Some("0 %"));
        assert_eq!(percent(7, 7).as_deref(), Some("100 %"));
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(i64::MAX, 1), None);
    }
}
