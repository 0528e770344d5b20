//! Errors as the API shows them: RFC 9457 problem documents.

use axum::response::{IntoResponse, Response};
use levqor_model::ProblemCode;
use serde::Serialize;

/// A field of the request that is not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON Pointer into the body, or the parameter's name.
    pub pointer: String,
    pub message: String,
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
}

impl Problem {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        unimplemented!("Problem::into_response")
    }
}
