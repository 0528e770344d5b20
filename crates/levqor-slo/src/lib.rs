//! Service level objectives as documents, how fast their budgets are spent, and when somebody is to be told.
//!
//! ```text
//! OpenSLO v1 ─► document ─► Objective ─┐
//! counts of good and all ─► Ledger ────┴─► judge ─► Condition ─► alert (pending, firing, resolved) ─► who is told
//! ```
//!
//! Deliberately knows no async, SQL, HTTP or clock: values in, values out, so that a thousand histories are replayed in a test.
//!
//! Invariants: without fresh evidence nothing holds, it is unknown; an alert is over when something has held for a while, never because
//! nobody looked.

pub mod alert;
mod burn;
mod document;
mod ledger;
mod silence;

pub use burn::{
    Budget, Judgement, MINIMUM_BAD, Tier, TierKind, Trouble, Window, budget, judge, judge_policy, tiers,
};
pub use document::{
    Catalogue, FILE_BYTES_MAX, FILES_MAX, Indicator, Issue, OBJECTIVES_MAX, Objective, Part, Policy, Source,
    Threshold, read,
};
pub use ledger::{Count, GRAINS, Grain, Ledger};
pub use silence::{Matcher, MatcherField, SilenceError, Silencing};
