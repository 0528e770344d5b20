//! Which sites' pages may call the API from a browser: none, but those that the operator names.
//!
//! Written here because the ready-made layer answers every OPTIONS, also those that are no preflight and those of pages. Pages of
//! other sites call with an API key; cookies are never let in, so no site can act as its visitor.
//!
//! Source: WHATWG Fetch, "HTTP extensions: CORS protocol".

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::App;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, last-event-id");
/// What a page may read of an answer, besides what it always may.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-levqor-region, ratelimit, ratelimit-policy, retry-after, location, idempotent-replayed, www-authenticate",
);
/// Seconds that a browser remembers the answer to a preflight.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const PREFLIGHT_VARY: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
const VARY: HeaderValue = HeaderValue::from_static("Origin");

pub(super) async fn allow(State(app): State<App>, request: Request, next: Next) -> Response {
    let origins = &app.settings.gateway.cors_origins;
    if origins.is_empty() || !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let origin = named(request.headers(), origins);
    let mut response = match &origin {
        Some(_) if asks => preflight(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    // Whatever the answer is, for another origin it would be another one.
    headers.append(header::VARY, if asks { PREFLIGHT_VARY } else { VARY });
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !asks {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        }
    }
    response
}

/// The request's origin, when it is one of those; two origins are none.
fn named(headers: &HeaderMap, origins: &[HeaderValue]) -> Option<HeaderValue> {
    let mut said = headers.get_all(header::ORIGIN).iter();
    let origin = said.next().filter(|origin| origins.contains(origin))?;
    said.next().is_none().then(|| origin.clone())
}

/// The same for every route: whether it takes the method is said when it is called.
fn preflight() -> Response {
    let rows: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    (StatusCode::NO_CONTENT, rows).into_response()
}
