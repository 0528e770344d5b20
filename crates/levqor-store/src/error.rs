//! What can go wrong with the database, as callers can act on it.

use levqor_model::{NodeId, RunId};

/// A rule of the schema that a write would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// A live workflow of this account has that namespace and name.
    WorkflowName,
    /// That workflow has that version already.
    WorkflowVersion,
    /// What was taken for granted of the run's workflow is not so: it has another version by now, or is gone.
    WorkflowMoved,
    UserEmail,
    /// The trigger is not where it was read any more: somebody else has moved it on, or the workflow was saved anew.
    TriggerMoved,
    /// The alert is not as it was read any more: somebody else has moved it on.
    AlertMoved,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "the database file is damaged or is not a Levqor database: {0}; restore a backup or move the file away to start afresh"
    )]
    Corrupt(String),
    #[error("the database cannot be opened at {path}: {reason}")]
    Open { path: String, reason: String },
    #[error("the database has schema {found}, newer than the {known} of this build; run the newer levqor")]
    Newer { found: u32, known: u32 },
    #[error(
        "migration {name} was changed after it was applied; run the levqor build that belongs to this database"
    )]
    MigrationChanged { name: String },
    #[error("the disk is full: free some space; nothing that was acknowledged is lost")]
    DiskFull,
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    #[error("the database did not answer: {0}")]
    Unavailable(String),
    #[error("the database is closed")]
    Closed,
    /// Another owner wrote to the run since; what was computed here must be thrown away.
    #[error("run {0} belongs to a newer owner or has moved on")]
    Stale(RunId),
    /// Others may have taken over what it had.
    #[error("node {0} was stopped and may write no more")]
    Fenced(NodeId),
    #[error("the write conflicts with what is there: {0:?}")]
    Conflict(Conflict),
    #[error("stored data cannot be read: {0}")]
    Decode(String),
}

impl Error {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::DiskFull | Error::Unavailable(_) => true,
            Error::Corrupt(_)
            | Error::Open { .. }
            | Error::Newer { .. }
            | Error::MigrationChanged { .. }
            | Error::ReadOnly(_)
            | Error::Closed
            | Error::Stale(_)
            | Error::Fenced(_)
            | Error::Conflict(_)
            | Error::Decode(_) => false,
        }
    }
}
