//! What alerts are made of: one thing that should hold, and whether it does.
//!
//! Whoever knows of such things says all of them, again and again, also those that hold: an alert begins, goes on and ends by what was
//! said last, so nothing is lost when somebody says it late, twice, or after a restart.

use serde_json::Value;

use crate::Severity;

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails,
    /// It cannot be looked at: no evidence, or none that is fresh. Never taken for [`Verdict::Holds`].
    Unknown,
}

/// One thing that should hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The kind of thing, such as `jobs.active`, `tamper.files`: lower case words, divided by points.
    pub rule: String,
    /// Which one of them: a region, a job, a file; empty when there is only one.
    pub subject: String,
    pub verdict: Verdict,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// One sentence for people: what is so, and how it should be.
    pub summary: String,
    /// The measured values, as an object.
    pub details: Value,
}
