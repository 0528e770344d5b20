//! Why an installation was not moved, and what to do.

use std::path::PathBuf;

use crate::Error;

/// Whatever it is, the source is as it was and nothing was written to the target, unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error(
        "{} is not a database of Levqor: {reason}; name the data directory of an installation, or the levqor.db in it",
        path.display()
    )]
    NotOurs { path: PathBuf, reason: String },
    #[error("the source cannot be read: {0}")]
    Source(Error),
    #[error("the target {place}: {error}")]
    Target { place: String, error: Error },
    #[error(
        "the target {place} has tables of another application ({tables}); make a database of its own: \
         CREATE DATABASE levqor ENCODING 'UTF8' TEMPLATE template0"
    )]
    Foreign { place: String, tables: String },
    #[error(
        "the target {place} is not empty: {tables}; make a new database and name that one. If an earlier move was cut off \
         while it ended, --verify tells whether all of it is there"
    )]
    NotEmpty { place: String, tables: String },
    #[error("the target {place} has no tables of Levqor: nothing was moved there")]
    NothingThere { place: String },
    #[error("the schemas differ: {0}; run one build of levqor on both, and change no table by hand")]
    SchemasDiffer(String),
    #[error(
        "table {table}, row {key}: column {column} {problem}, which PostgreSQL cannot hold; nothing was written. {remedy}"
    )]
    Unfit { table: String, key: String, column: String, problem: String, remedy: &'static str },
    #[error("the target does not take table {table}: {error}; nothing was written")]
    Refused { table: String, error: Error },
    #[error("table {table} of the target cannot be read back: {error}")]
    Unread { table: String, error: Error },
    #[error("table {table}: {problem}; the copy is not the source")]
    Differs { table: String, problem: String },
    /// The caller's own step before the commit failed.
    #[error("{0}; nothing was written")]
    Mark(String),
    #[error(
        "whether the target was committed is not known: {0}; run the same command with --verify, which tells and ends the move"
    )]
    OutcomeUnknown(String),
}

impl Failure {
    /// Whether it was refused before anything was copied: wrong use, or the wrong place.
    pub fn is_refusal(&self) -> bool {
        match self {
            Failure::NotOurs { .. }
            | Failure::Source(_)
            | Failure::Target { .. }
            | Failure::Foreign { .. }
            | Failure::NotEmpty { .. }
            | Failure::NothingThere { .. }
            | Failure::SchemasDiffer(_) => true,
            Failure::Unfit { .. }
            | Failure::Refused { .. }
            | Failure::Unread { .. }
            | Failure::Differs { .. }
            | Failure::Mark(_)
            | Failure::OutcomeUnknown(_) => false,
        }
    }
}
