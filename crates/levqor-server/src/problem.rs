//! Errors as the API shows them: RFC 9457 problem documents.
//!
//! A handler answers with a [`Problem`]; on its own that is a complete document. The gateway sees it again in the
//! response's extensions, writes it anew with what only the request knows (`instance`, `request_id`, the absolute
//! `type`), and logs the cause of an internal error once.

use std::{collections::BTreeMap, error::Error as StdError, sync::Arc};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use levqor_model::{IdError, ProblemCode, RegionError};
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{self, RefOr},
};

/// A field of the request that is not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer into the body, or the parameter's name.
    #[schema(example = "/input/name")]
    pub pointer: String,
    pub message: String,
}

impl FieldError {
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

/// A problem to answer with. The gateway adds `instance` and `request_id`, and logs the cause of internal ones.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: ProblemCode,
    /// Safe for the client: names the value's problem and the remedy.
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u64>,
    /// Nothing of the request was done, since the node drains: whoever stands before it may send it elsewhere.
    pub not_begun: bool,
    /// What really happened; for the log, never for the client.
    pub cause: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Problem {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            not_begun: false,
            cause: None,
        }
    }

    /// An error that is ours: the client reads "internal error", the log reads `cause` with its chain.
    pub fn internal(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(ProblemCode::Internal, "internal error").caused_by(cause)
    }

    /// An error that is ours and has no error value of its own.
    pub fn broken(what: impl Into<String>) -> Self {
        Self::internal(Broken(what.into()))
    }

    /// 404 for an address or an id that leads nowhere.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::NotFound, detail)
    }

    /// 422 about one field of the body.
    pub fn field(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let error = FieldError::new(pointer, message);
        Self::new(ProblemCode::InvalidFields, format!("{}: {}", error.pointer, error.message))
            .with_errors(vec![error])
    }

    /// 400 about one parameter of the query.
    pub fn parameter(name: impl Into<String>, message: impl Into<String>) -> Self {
        let error = FieldError::new(name, message);
        Self::new(ProblemCode::BadParameter, format!("{}: {}", error.pointer, error.message))
            .with_errors(vec![error])
    }

    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn caused_by(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The document. `public_url` has no slash at its end; empty gives a relative `type`.
    pub fn document(
        &self,
        public_url: &str,
        instance: Option<&str>,
        request_id: Option<&str>,
    ) -> ProblemDocument {
        ProblemDocument {
            kind: format!("{public_url}/docs/problems/{}", self.code.slug()),
            title: self.code.title().to_owned(),
            status: self.code.status(),
            detail: self.detail.clone(),
            instance: instance.map(str::to_owned),
            request_id: request_id.map(str::to_owned),
            errors: self.errors.clone(),
        }
    }
}

/// The error and the errors behind it, from the outside in.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(String);

/// What a client reads (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// A stable address that names the kind of problem and explains it.
    #[serde(rename = "type")]
    #[schema(example = "http://127.0.0.1:8000/docs/problems/run-not-found")]
    pub kind: String,
    #[schema(example = "The run does not exist")]
    pub title: String,
    #[schema(example = 404)]
    pub status: u16,
    /// What is wrong with this request, and what to do.
    #[schema(example = "run run_01ARZ3NDEKTSV4RRFFQ69G5FAV does not exist")]
    pub detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/api/runs/run_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub instance: Option<String>,
    /// Quote it when you ask for help; the server's log has it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "req_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub request_id: Option<String>,
    /// The fields that are not right, where fields are the problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
}

impl ProblemDocument {
    /// The content type of problem documents.
    pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

    pub fn to_json(&self) -> Vec<u8> {
        // Texts and numbers always serialise; an empty body is the honest answer should that ever change.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// For the description of the API: every operation may answer with a problem.
#[derive(Debug, Clone, Copy)]
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let schema = openapi::Ref::from_schema_name("Problem");
        let content = openapi::ContentBuilder::new().schema(Some(schema)).build();
        let response = openapi::ResponseBuilder::new()
            .description("A problem (RFC 9457); its `type` is the address of a page that explains it")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.document("", None, None).to_json();
        let mut response =
            (self.status(), [(header::CONTENT_TYPE, ProblemDocument::CONTENT_TYPE)], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == ProblemCode::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// An id in the address that is not an id: nothing can be there, so 404 rather than 400.
impl From<IdError> for Problem {
    fn from(error: IdError) -> Self {
        Problem::not_found(error.to_string())
    }
}

impl From<RegionError> for Problem {
    fn from(error: RegionError) -> Self {
        Problem::new(ProblemCode::RegionNotFound, error.to_string())
    }
}

impl From<levqor_store::Error> for Problem {
    fn from(error: levqor_store::Error) -> Self {
        use levqor_store::{Conflict, Error};
        let unavailable = |detail: &str| Problem::new(ProblemCode::StorageUnavailable, detail);
        match &error {
            Error::DiskFull => unavailable(
                "the disk of the database is full; nothing was changed and nothing that was acknowledged is lost",
            )
            .retry_after(30)
            .caused_by(error),
            Error::Unavailable(_) => {
                unavailable("the database did not answer; try again").retry_after(1).caused_by(error)
            }
            Error::ReadOnly(_) => {
                unavailable("the database takes no writes now").retry_after(30).caused_by(error)
            }
            Error::Closed => {
                Problem::new(ProblemCode::Draining, "the node is shutting down; try again").retry_after(2)
            }
            Error::Fenced(_) => Problem::new(
                ProblemCode::Draining,
                "this node has lost its lease and comes back as a new one; try again",
            )
            .retry_after(2),
            Error::Stale(run) => unavailable(&format!(
                "run {run} was just taken over by another node; try again"
            ))
            .retry_after(1),
            Error::Conflict(Conflict::WorkflowName) => Problem::new(
                ProblemCode::NameTaken,
                "a workflow of that namespace and name exists already; choose another name or update that one",
            ),
            Error::Conflict(Conflict::WorkflowVersion) => Problem::new(
                ProblemCode::VersionTaken,
                "that version exists already with other content; raise document.version",
            ),
            Error::Conflict(
                Conflict::UserEmail
                | Conflict::AlertMoved
                | Conflict::TriggerMoved
                | Conflict::WorkflowMoved
                | Conflict::Other,
            )
            | Error::Corrupt(_)
            | Error::Open { .. }
            | Error::Newer { .. }
            | Error::MigrationChanged { .. }
            | Error::Decode(_) => Problem::internal(error),
        }
    }
}

impl From<levqor_engine::Error> for Problem {
    fn from(error: levqor_engine::Error) -> Self {
        use levqor_engine::Error;
        let detail = error.to_string();
        match error {
            Error::RunNotFound(_) => Problem::new(ProblemCode::RunNotFound, detail),
            Error::WorkflowNotFound(_) => Problem::new(ProblemCode::WorkflowNotFound, detail),
            Error::VersionNotFound { .. } => Problem::field("/version", detail),
            Error::RunEnded { .. } | Error::SecretsForgotten(_) => {
                Problem::new(ProblemCode::RunEnded, detail)
            }
            Error::NoHost(_) => Problem::new(ProblemCode::RunStuck, detail),
            Error::Stuck { .. } => Problem::new(ProblemCode::RunStuck, detail),
            Error::OtherVersion { .. } => Problem::new(ProblemCode::VersionDiffers, detail),
            Error::InputKept => Problem::field("/input", detail),
            Error::NoEntry { .. } | Error::NeverBegan { .. } => Problem::field("/from", detail),
            Error::JournalTooLarge { .. } | Error::JournalTooSlow { .. } => {
                Problem::new(ProblemCode::TasksUnavailable, detail)
            }
            Error::NotFaulted { status, .. } if status.is_ended() => {
                Problem::new(ProblemCode::RunEnded, detail)
            }
            Error::NotFaulted { .. } | Error::NotEnded { .. } => {
                Problem::new(ProblemCode::RunNotEnded, detail)
            }
            Error::InputTooLarge { .. } | Error::InputTooDeep(_) => Problem::field("/input", detail),
            Error::Overloaded { retry_after } => {
                Problem::new(ProblemCode::Overloaded, "the engine has too much work; try again later")
                    .retry_after(retry_after.as_secs().max(1))
            }
            Error::QueueFull { in_account, retry_after, .. } => {
                let code = if in_account { ProblemCode::RateLimited } else { ProblemCode::Overloaded };
                Problem::new(code, detail).retry_after(retry_after.as_secs().max(1))
            }
            Error::ConcurrencyKey(_) => Problem::field("/input", detail),
            Error::Draining => Problem {
                not_begun: true,
                ..Problem::new(ProblemCode::Draining, "the node is shutting down; try again").retry_after(2)
            },
            Error::Store(inner) => inner.into(),
            Error::TooManyEvents { .. } => Problem::new(ProblemCode::InvalidEvent, detail),
            Error::TooManyRuns { .. } => Problem::new(ProblemCode::PlanLimit, detail),
            Error::NoSuchWorkflow { .. } => Problem::new(ProblemCode::WorkflowNotFound, detail),
            Error::TooDeep { .. } => Problem::new(ProblemCode::InvalidFields, detail),
            Error::Keyring(inner) => inner.into(),
            error @ (Error::Definition { .. } | Error::Journal { .. } | Error::Threads(_)) => {
                Problem::internal(error)
            }
        }
    }
}

impl From<levqor_engine::keyring::Error> for Problem {
    fn from(error: levqor_engine::keyring::Error) -> Self {
        use levqor_engine::keyring::Error;
        let detail = error.to_string();
        match error {
            Error::Store(inner) => inner.into(),
            Error::Missing(_) => Problem::not_found(detail),
            Error::InUse { .. } | Error::Seals(_) | Error::Full(_) => {
                Problem::new(ProblemCode::KeyInUse, detail)
            }
            Error::OtherRoot
            | Error::Damaged(_)
            | Error::NoKey(_)
            | Error::Opens
            | Error::Lives(_)
            | Error::Fixed => Problem::internal(error),
        }
    }
}
