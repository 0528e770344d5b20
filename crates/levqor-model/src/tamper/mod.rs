//! Tamper detection: what was agreed on files, what is there, and which of two accounts of the agreement to believe.
//!
//! ```text
//! Baseline (agreed, signed, numbered) ──┐
//!                                       ├─► deviation ─► Deviation (severity, path, expected, found)
//! Seen (what a scanner found)  ─────────┘
//! ```
//!
//! A baseline is in three places: the file beside the data, a row of the database, and, as a number and a hash, the evidence
//! log. Whoever edits one of them, or puts it back to what it was, is contradicted by the others ([`Accounts::judge`]).
//!
//! Pure: who looks at files, and who reads the database, is elsewhere.

mod accounts;
mod baseline;
mod compare;
mod consent;
mod seen;
#[cfg(test)]
mod tests;

pub use accounts::{Accounts, Logged, Verdict};
pub use baseline::{Baseline, BaselineError, FORMAT, SignedBaseline, sha256};
pub use compare::{deviation, deviations};
pub use consent::Consent;
pub use seen::{Entry, Seen, Subject, shown};
