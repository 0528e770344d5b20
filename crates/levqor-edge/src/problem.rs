//! The edge's own answers: RFC 9457 problems with the codes of the product.

use http::{HeaderValue, Response, StatusCode, Version, header};
use levqor_model::{ProblemCode, RequestId};
use serde_json::json;

use crate::{answer::AnswerBody, forward};

/// A refusal, before it knows the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: ProblemCode,
    pub detail: String,
    /// Seconds.
    pub retry_after: Option<u64>,
    /// What follows on this connection cannot be trusted.
    pub close: bool,
}

impl Problem {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, close: false }
    }

    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub fn and_close(self) -> Self {
        Self { close: true, ..self }
    }

    /// The answer. `region` is where the edge stands, when it knows.
    pub fn answer(
        &self,
        path: &str,
        id: RequestId,
        version: Version,
        edge: &str,
        region: Option<&str>,
    ) -> Response<AnswerBody> {
        let id = id.to_string();
        let document = json!({
            "type": format!("/docs/problems/{}", self.code.slug()),
            "title": self.code.title(),
            "status": self.code.status(),
            "detail": self.detail,
            "instance": path,
            "request_id": id,
        });
        let mut response = Response::new(AnswerBody::full(document.to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let own = [(header::VIA, format!("1.1 {edge}")), (http::HeaderName::from_static("x-request-id"), id)];
        let region = region.map(|region| (forward::REGION, region.to_owned()));
        let retry_after = self.retry_after.map(|seconds| (header::RETRY_AFTER, seconds.to_string()));
        for (name, text) in own.into_iter().chain(region).chain(retry_after) {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
        if self.close && version != Version::HTTP_2 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
