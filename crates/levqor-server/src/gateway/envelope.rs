//! What is around every answer: the request's name, the region, security headers, the log line, and the final form of
//! problems.

use std::{any::Any, time::Instant};

use axum::{
    body::to_bytes,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use levqor_model::RequestId;
use tracing::{Instrument, debug, error, info, info_span};

use super::{OwnLook, code_of};
use crate::{
    App, Problem,
    features::metrics::Counter,
    pages,
    problem::{ProblemDocument, chain},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REGION: HeaderName = HeaderName::from_static("x-levqor-region");
/// Nothing was done, and nothing more should be sent here.
const DRAINING: HeaderName = HeaderName::from_static("x-levqor-draining");

/// Pages load scripts, styles and pictures from here only, send forms here only, and stand in nobody's frame.
const CSP_PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);
/// Data is not a page: shown as one, it may do nothing.
const CSP_DATA: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// A text answer to an error longer than this is not taken over into a problem.
const TEXT_BYTES_MAX: usize = 2_048;

/// The request's id, for handlers that hand it on. In the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct RequestName(pub RequestId);

/// What is known of a request when its answer leaves.
struct Asked {
    id: RequestId,
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    /// The request's headers, when the answer should be a page.
    page_for: Option<HeaderMap>,
    /// The node asked itself.
    own: bool,
}

impl Asked {
    /// The route as written, never the path itself: paths may hold secrets.
    fn route(&self) -> &str {
        self.route.as_ref().map_or("none", MatchedPath::as_str)
    }
}

pub(super) async fn envelope(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    // Ids from outside are not taken over: a log that anybody can write into proves nothing.
    let id = RequestId::new(app.now(), &*app.random);
    request.extensions_mut().insert(RequestName(id));
    let asked = Asked {
        id,
        method: request.method().clone(),
        uri: request.uri().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        page_for: wants_page(&request).then(|| request.headers().clone()),
        own: request.extensions().get::<OwnLook>().is_some(),
    };
    let span = info_span!("request", request.id = %id, region = %app.region.code);
    let response = next.run(request).instrument(span.clone()).await;
    let response = from_text(response, &asked).await;
    let cause = response.extensions().get::<Problem>().and_then(|problem| problem.cause.clone());
    let mut response = finish_problem(&app, &asked, response);
    add_headers(&app, &asked, response.headers_mut());

    let latency = began.elapsed();
    let (status, route) = (response.status(), asked.route());
    if !asked.own {
        app.metrics.answered(app.now(), &asked.method, route, status, latency);
        app.count(Counter::Requests);
        if status.is_server_error() {
            app.count(Counter::Errors);
        }
    }
    let _inside = span.enter();
    let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let (method, code) = (&asked.method, status.as_u16());
    // Probes and scrapes ask every few seconds; their lines would hide the others.
    let probe = asked.own || matches!(route, "/health" | "/ready" | "/metrics");
    if probe && !status.is_server_error() {
        debug!(http.method = %method, http.route = route, http.status = code, latency_us, "{method} {route} {code}");
    } else {
        info!(http.method = %method, http.route = route, http.status = code, latency_us, "{method} {route} {code}");
    }
    if let Some(cause) = cause {
        error!(request.id = %id, http.route = route, http.status = code, "{method} {route} failed: {}", chain(&*cause));
    }
    response
}

/// Whether the caller is a person in front of a browser who asked for a page.
fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let data = path.starts_with("/api/")
        || matches!(path, "/api" | "/health" | "/ready" | "/metrics" | "/openapi.json");
    let accept =
        request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !data && accept.contains("text/html")
}

/// Makes a problem of an error that is only a status and a text, such as a refusal of the framework.
async fn from_text(response: Response, asked: &Asked) -> Response {
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let is_text = content_type.is_none_or(|value| value.as_bytes().starts_with(b"text/plain"));
    let is_error = status.is_client_error() || status.is_server_error();
    let mendable = asked.uri.path().starts_with("/api/") || asked.page_for.is_some();
    if !is_error || !is_text || !mendable || response.extensions().get::<Problem>().is_some() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text =
        to_bytes(body, TEXT_BYTES_MAX).await.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let problem = match text {
        Some(text) if status.is_client_error() && !text.is_empty() => Problem::new(code_of(status), text),
        Some(text) if status.is_server_error() => {
            Problem { cause: Problem::broken(text).cause, ..Problem::new(code_of(status), "internal error") }
        }
        _ => Problem::new(code_of(status), code_of(status).title()),
    };
    let mut response = problem.into_response();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            response.headers_mut().append(name, value.clone());
        }
    }
    *response.status_mut() = status;
    response
}

/// Writes the problem of an answer anew, with what only the request knows.
fn finish_problem(app: &App, asked: &Asked, mut response: Response) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let id = asked.id.to_string();
    let finished = match &asked.page_for {
        Some(headers) => pages::problem_page(&problem, headers, Some(&id)),
        None => {
            let document = problem.document(&app.settings.public_url, Some(asked.uri.path()), Some(&id));
            ([(header::CONTENT_TYPE, ProblemDocument::CONTENT_TYPE)], document.to_json()).into_response()
        }
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    if problem.not_begun {
        parts.headers.insert(DRAINING, HeaderValue::from_static("1"));
    }
    let (new, body) = finished.into_parts();
    for (name, value) in new.headers.iter() {
        parts.headers.insert(name, value.clone());
    }
    Response::from_parts(parts, body)
}

fn add_headers(app: &App, asked: &Asked, headers: &mut HeaderMap) {
    let text = |text: &str| HeaderValue::from_str(text).ok();
    for (name, value) in [(REQUEST_ID, text(&asked.id.to_string())), (REGION, text(app.region.code.as_str()))]
    {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    let is_page =
        headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let mut default = |name, value| {
        headers.entry(name).or_insert(value);
    };
    default(header::CONTENT_SECURITY_POLICY, if is_page { CSP_PAGE } else { CSP_DATA });
    default(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Other sites learn nothing of our addresses, some of which hold tokens.
    default(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    default(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    default(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    if app.settings.public_url.starts_with("https:") {
        default(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if asked.uri.path().starts_with("/api/") {
        default(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The answer to a handler that panicked.
pub(super) fn answer_to_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Problem::broken(format!("a handler panicked: {message}")).into_response()
}
