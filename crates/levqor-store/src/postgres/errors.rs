//! What PostgreSQL says, in our words. The one place that knows its codes.

use tokio_postgres::error::{DbError, SqlState};

use crate::{Conflict, Error};

/// What was asked of a server was not done, or is not known to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Said(#[from] tokio_postgres::Error),
    /// `host:port`, which gives no sign of life.
    #[error("{0} says nothing")]
    Silent(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Said(error) => error.into(),
            silent @ Failure::Silent(_) => Error::Unavailable(silent.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(said) => of_server(said),
            None => {
                let reason = std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
                // Values that do not fit a parameter are ours; everything else is the way to the server.
                if reason.contains("serializing parameter") {
                    Error::Decode(reason)
                } else {
                    Error::Unavailable(reason)
                }
            }
        }
    }
}

/// True when the connection is of no use any more: it ends, or leads to a server that only reads.
pub(super) fn is_lost(failure: &Failure) -> bool {
    let Failure::Said(error) = failure else { return true };
    match error.code() {
        None => error.is_closed() || error.as_db_error().is_none(),
        Some(code) => {
            [&SqlState::READ_ONLY_SQL_TRANSACTION, &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT]
                .contains(&code)
                || code.code().starts_with("57P")
                || code.code().starts_with("08")
        }
    }
}

fn of_server(said: &DbError) -> Error {
    let code = said.code();
    let reason = said.message().to_owned();
    match code.code() {
        "53100" => Error::DiskFull,
        "23505" => Error::Conflict(match said.constraint() {
            Some("workflows_name_unique") => Conflict::WorkflowName,
            Some("workflow_versions_pk") => Conflict::WorkflowVersion,
            Some("users_email_unique") => Conflict::UserEmail,
            _ => Conflict::Other,
        }),
        code if code.starts_with("23") => Error::Conflict(Conflict::Other),
        code if code.starts_with("XX001") || code.starts_with("XX002") => Error::Corrupt(reason),
        // Texts and types of our own statements, or a value that a column does not take.
        code if code.starts_with("42") || code.starts_with("22") => {
            Error::Decode(format!("{reason} ({code})"))
        }
        code => Error::Unavailable(format!("{reason} ({code})")),
    }
}
