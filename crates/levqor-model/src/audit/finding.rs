//! What can be wrong with an evidence log.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// The record's fields do not have its hash.
    Edited { chain: String, seq: u64 },
    /// The record does not hold the hash of the one before it: either of the two was replaced.
    Unlinked { chain: String, seq: u64 },
    /// Records `from` to `to` are not there.
    Missing { chain: String, from: u64, to: u64 },
    /// The record comes a second time, or behind later ones.
    Reordered { chain: String, seq: u64 },
    /// Something that was signed names another record in this place.
    Rewritten { chain: String, seq: u64, named_by: String },
    /// The chain ends before a record that something that was signed names.
    RolledBack { chain: String, last: u64, expected: u64, named_by: String },
    /// Something that was signed names a chain of which nothing is there.
    ChainMissing { chain: String, expected: u64, named_by: String },
    /// A checkpoint that none of the trusted keys signed, or that cannot be read.
    Forged { chain: String, seq: u64 },
    /// Somebody says that a key was agreed to, and none of the trusted keys signed it.
    ForgedAcceptance { chain: String, seq: u64 },
    /// What a key signed is not what was agreed to when it was given up.
    NotAsAccepted { key: String },
    /// A record whose number is none of a chain's: what counts from 1 does not meet it.
    Stray { chain: String, seq: i64 },
    /// A record after that one is not of a record's form. What comes behind it was not looked at.
    Unreadable { chain: String, after: u64, problem: String },
    /// A list of ends that none of the trusted keys signed, or that cannot be read.
    ForgedHeads { named_by: String },
}

impl Finding {
    /// The chain it is about, and the records: first and last.
    pub fn place(&self) -> Option<(&str, u64, u64)> {
        Some(match self {
            Finding::Edited { chain, seq }
            | Finding::Reordered { chain, seq }
            | Finding::Rewritten { chain, seq, .. }
            | Finding::Forged { chain, seq }
            | Finding::ForgedAcceptance { chain, seq } => (chain, *seq, *seq),
            Finding::Unlinked { chain, seq } => (chain, seq.saturating_sub(1), *seq),
            Finding::Missing { chain, from, to } => (chain, *from, *to),
            Finding::RolledBack { chain, last, expected, .. } => (chain, last.saturating_add(1), *expected),
            Finding::ChainMissing { chain, expected, .. } => (chain, 1, *expected),
            Finding::Unreadable { chain, after, .. } => {
                (chain, after.saturating_add(1), after.saturating_add(1))
            }
            Finding::Stray { chain, .. } => (chain, 0, 0),
            Finding::ForgedHeads { .. } | Finding::NotAsAccepted { .. } => return None,
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Edited { chain, seq } => write!(f, "record {seq} of {chain} was edited"),
            Finding::Unlinked { chain, seq } => {
                write!(
                    f,
                    "record {seq} of {chain} does not follow from the one before it: one of the two was replaced"
                )
            }
            Finding::Missing { chain, from, to } if from == to => {
                write!(f, "record {from} of {chain} was removed")
            }
            Finding::Missing { chain, from, to } => {
                write!(f, "records {from} to {to} of {chain} were removed")
            }
            Finding::Reordered { chain, seq } => {
                write!(f, "record {seq} of {chain} is not in its place: it comes twice, or behind later ones")
            }
            Finding::Rewritten { chain, seq, named_by } => {
                write!(
                    f,
                    "record {seq} of {chain} is not the one that {named_by} names: it, or one before it, was rewritten"
                )
            }
            Finding::RolledBack { chain, last, expected, named_by } => {
                write!(
                    f,
                    "{chain} ends with record {last}, but {named_by} names record {expected}: the end was cut off"
                )
            }
            Finding::ChainMissing { chain, expected, named_by } => {
                write!(f, "nothing of {chain} is there, but {named_by} names its record {expected}")
            }
            Finding::Forged { chain, seq } => {
                write!(f, "the checkpoint {seq} of {chain} is not signed by a trusted key")
            }
            Finding::ForgedAcceptance { chain, seq } => {
                write!(
                    f,
                    "record {seq} of {chain} says that a key was agreed to, and is not signed by a trusted key"
                )
            }
            Finding::NotAsAccepted { key } => {
                write!(
                    f,
                    "what the abandoned key {key} signed is not what was agreed to: some of it was removed, or more was put in"
                )
            }
            Finding::Stray { chain, seq } => {
                write!(f, "a record of {chain} has the number {seq}, which is none: it was put in")
            }
            Finding::Unreadable { chain, after, problem } => {
                write!(
                    f,
                    "a record of {chain} after record {after} cannot be read, and what comes behind it was not looked at: {problem}"
                )
            }
            Finding::ForgedHeads { named_by } => {
                write!(f, "what {named_by} says is not signed by a trusted key")
            }
        }
    }
}
