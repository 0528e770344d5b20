//! What is around every answer: the request's name, the caller as it shows, the log line, the final form of problems.

use std::{
    any::Any,
    error::Error as StdError,
    time::{Duration, Instant},
};

use axum::{
    body::to_bytes,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use levqor_model::RequestId;
use tracing::{Instrument, debug, error, field, info, info_span};

use super::{Client, Country, OwnLook, code_of, headers};
use crate::{
    App, Problem,
    features::{jobs::demand, metrics::Counter},
    pages,
    problem::{ProblemDocument, chain},
};

/// Nothing was done, and nothing more should be sent here.
const DRAINING: HeaderName = HeaderName::from_static("x-levqor-draining");

/// The trace that a request belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A text answer to an error longer than this is not taken over into a problem.
const TEXT_BYTES_MAX: usize = 2_048;

/// Why a request failed.
type Cause = dyn StdError + Send + Sync;

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
    /// It came with a key or a session.
    with_credentials: bool,
    client: Client,
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
    let settings = &app.settings.gateway;
    let client = Client::of(request.extensions(), request.headers(), settings, &app.keyring, app.now());
    request.extensions_mut().insert(client);
    let asked = Asked {
        id,
        client,
        with_credentials: headers::has_credentials(request.headers()),
        method: request.method().clone(),
        uri: request.uri().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        page_for: wants_page(&request).then(|| request.headers().clone()),
        own: request.extensions().get::<OwnLook>().is_some(),
    };
    let span = info_span!(
        "request", request.id = %id, region = %app.region.code,
        otel.name = field::Empty, otel.kind = field::Empty, otel.traceparent = field::Empty,
        http.response.status_code = field::Empty
    );
    let is_traced = app.settings.telemetry.is_some() && !asked.own;
    if is_traced {
        span.record("otel.kind", "server");
        if let Some(text) = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
            span.record("otel.traceparent", text);
        }
    }
    let response = next.run(request).instrument(span.clone()).await;
    let response = from_text(response, &asked).await;
    let cause = response.extensions().get::<Problem>().and_then(|problem| problem.cause.clone());
    let mut response = finish_problem(&app, &asked, response);
    let answered = headers::Answered {
        id: &asked.id.to_string(),
        is_api: asked.uri.path().starts_with("/api/"),
        with_credentials: asked.with_credentials,
    };
    headers::add(&app, &answered, response.headers_mut());

    let latency = began.elapsed();
    let status = response.status();
    if is_traced {
        span.record("otel.name", format!("{} {}", asked.method, asked.route()).as_str());
        span.record("http.response.status_code", status.as_u16());
    }
    if !asked.own {
        app.metrics.answered(app.now(), &asked.method, asked.route(), status, latency);
        app.count(Counter::Requests);
        if status.is_server_error() {
            app.count(Counter::Errors);
        }
        if let Some(country) = &asked.client.country {
            demand::asked_from(&app, country.as_str());
        }
    }
    span.in_scope(|| tell(&asked, response.status(), latency, cause.as_deref()));
    response
}

/// The access log. Addresses are masked: who reads a log need not know who somebody is.
fn tell(asked: &Asked, status: StatusCode, latency: Duration, cause: Option<&Cause>) {
    let (method, route, code) = (&asked.method, asked.route(), status.as_u16());
    let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let Client { address, country, fingerprint } = asked.client;
    let (network, country) = (address.masked(), country.as_ref().map(Country::as_str));
    // Probes, scrapes and open status pages ask every few seconds; their lines would hide the others.
    let probe = asked.own
        || matches!(
            route,
            "/health" | "/ready" | "/metrics" | "/status" | "/status/badge.svg" | "/api/status"
        )
        || route.starts_with("/api/v2/");
    if probe && !status.is_server_error() {
        debug!(http.method = %method, http.route = route, http.status = code, latency_us, "{method} {route} {code}");
    } else {
        info!(
            http.method = %method, http.route = route, http.status = code, latency_us,
            client.network = %network, client.country = country, client.fingerprint = %fingerprint,
            "{method} {route} {code}"
        );
    }
    if let Some(cause) = cause {
        error!(request.id = %asked.id, http.route = route, http.status = code, "{method} {route} failed: {}", chain(cause));
    }
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

/// The answer to a handler that panicked.
pub(super) fn answer_to_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Problem::broken(format!("a handler panicked: {message}")).into_response()
}
