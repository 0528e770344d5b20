//! What an account used in a period; the same counts that plans limit.

use serde::{Deserialize, Serialize};

/// Counts over a period (a day or a billing month).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCount {
    /// Workflows that exist at the end of the period.
    pub workflows: i64,
    /// Runs accepted.
    pub runs: i64,
    /// AI credits spent.
    pub ai_credits: i64,
}
