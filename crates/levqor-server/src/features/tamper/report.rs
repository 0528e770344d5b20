//! How a node says that it finds its files, as it is kept in the database.

use levqor_model::Timestamp;
use serde::{Deserialize, Serialize};

/// What may come from a node of another version: what is missing is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Report {
    /// Everything was looked at, and it is known what was agreed.
    pub(super) known: bool,
    /// The number of the baseline.
    pub(super) sequence: Option<u64>,
    pub(super) agreed_at: Option<Timestamp>,
    pub(super) public_key: Option<String>,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) findings_total: u64,
    pub(super) heard: Heard,
    /// How often everything was hashed anew since the start.
    pub(super) rehashes: u64,
    /// How far that is, while it is under way.
    pub(super) bytes_done: Option<u64>,
    pub(super) bytes_total: Option<u64>,
    /// The last wish for new hashes that was done.
    pub(super) verified: Option<String>,
    /// When the evidence log was verified, and whether it was whole.
    pub(super) evidence_at: Option<Timestamp>,
    pub(super) evidence_whole: Option<bool>,
    /// Whose signatures of before were agreed to.
    pub(super) evidence_remark: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Heard {
    pub(super) events: bool,
    pub(super) paths_only_looked_at: u64,
    pub(super) watchers_that_died: u64,
    pub(super) overflows: u64,
}
