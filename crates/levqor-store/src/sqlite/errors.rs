//! What SQLite says, in our words. The one place that knows its codes.

use rusqlite::ErrorCode;

use crate::{Conflict, Error};

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(code, message) = &error else {
            // The rest is about texts and types of our own statements or of stored rows.
            return Error::Decode(error.to_string());
        };
        let message = message.clone().unwrap_or_else(|| code.to_string());
        match code.code {
            ErrorCode::DiskFull => Error::DiskFull,
            ErrorCode::ReadOnly => Error::ReadOnly(message),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt(message),
            ErrorCode::ConstraintViolation => Error::Conflict(conflict(&message)),
            _ => Error::Unavailable(message),
        }
    }
}

/// SQLite names the columns of the constraint, not the constraint itself.
fn conflict(message: &str) -> Conflict {
    match message.strip_prefix("UNIQUE constraint failed: ") {
        Some("workflows.account_id, workflows.namespace, workflows.name") => Conflict::WorkflowName,
        Some("workflow_versions.workflow_id, workflow_versions.version") => Conflict::WorkflowVersion,
        Some("users.email") => Conflict::UserEmail,
        _ => Conflict::Other,
    }
}
