//! What every request passes: id, time, size and rate limits, authentication, the access log, common headers.
//!
//! ```text
//!            compress ─► envelope ─► doubt ─► panics ─► cors ─► bounds ─► reputation ─► rate ─► access ─► body ─► idempotency ─► attribute ─► handler
//! request ──►                                                                                                                                    │
//! answer  ◄── gzip ◄─ region, id, ◄─ 400 ◄── 500 ◄─ preflight ◄─ 503 ◄── 403 ◄───── 429 ◄─ 401, 403 ◄─ 408, 413 ◄─ first answer ◄─────────────────┘
//!                     headers, log                                                                                  again
//! ```
//!
//! Invariant: whatever goes wrong at a step, the answer is a problem document (a page for browsers) with the region's
//! and the request's names, because `envelope` is around all of them.

mod access;
mod actor;
mod allowances;
mod attribute;
mod authenticate;
mod body;
mod bounds;
mod client;
mod cors;
mod crowd;
mod cursor;
mod doubt;
mod envelope;
mod extract;
mod headers;
mod idempotency;
mod mailboxes;
mod origin;
mod own;
mod page_access;
mod place;
mod rate;
mod reputation;
mod request_fingerprint;
mod settings;
mod tokens;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
};
use http::StatusCode;
use levqor_model::ProblemCode;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{NotForContentType, Predicate, SizeAbove},
    },
};

pub use access::{Access, ApiRule, RULES, Rule};
pub(crate) use actor::unauthenticated;
pub use actor::{ActedBy, Actor, ByOperator, OptionalActor, PageActor};
pub(crate) use allowances::{Allowance, Allowances};
pub(crate) use authenticate::{Callers, log_refused};
pub use authenticate::{HOST_SESSION_COOKIE, SESSION_COOKIE, SESSION_IDLE_MAX, farewell, session_cookie};
pub(crate) use bounds::{Bounds, StreamPlace};
pub use client::{Client, ClientAddress, ClientFingerprint, Country, ForwardedHeader, Networks, NotANetwork};
pub(crate) use crowd::Crowd;
pub(crate) use cursor::{Cursor, PageQuery, cut};
pub(crate) use doubt::Doubt;
pub use envelope::RequestName;
pub(crate) use extract::page_limit;
pub use extract::{Body, Id, Query};
pub(crate) use idempotency::{Claimed, Remembered};
pub(crate) use mailboxes::Mailboxes;
pub(crate) use own::OwnLook;
pub use page_access::PAGES;
pub(crate) use place::Place;
pub(crate) use rate::Rates;
pub(crate) use reputation::{ERRORS_MAX, Reputation, Suspect, WINDOW};
pub use settings::GatewaySettings;
pub use tokens::{KEY_PREFIX, NewKey, new_key, new_token, token_hash};

use crate::{App, Problem};

/// Answers below this size are not worth compressing.
const COMPRESS_ABOVE: u64 = 1_024;

/// Puts the whole gateway around `routes`.
pub fn wrap(routes: Router<App>, app: App) -> Router {
    let worth_compressing = SizeAbove::new(COMPRESS_ABOVE)
        // A compressor holds small events back until it has enough of them.
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES);
    let steps = ServiceBuilder::new()
        .layer(CompressionLayer::new().gzip(true).compress_when(worth_compressing))
        .layer(from_fn_with_state(app.clone(), envelope::envelope))
        .layer(from_fn(doubt::refuse))
        .layer(CatchPanicLayer::custom(envelope::answer_to_panic))
        .layer(from_fn_with_state(app.clone(), cors::allow))
        .layer(from_fn_with_state(app.clone(), bounds::bound))
        .layer(from_fn_with_state(app.clone(), reputation::watch))
        // Before the check of credentials, so that guesses are limited, too.
        .layer(from_fn_with_state(app.clone(), rate::limit))
        .layer(from_fn_with_state(app.clone(), access::check))
        .layer(from_fn_with_state(app.clone(), body::collect))
        .layer(from_fn_with_state(app.clone(), idempotency::answer_once))
        .layer(from_fn_with_state(app.clone(), attribute::attribute))
        // `body::collect` has the one limit.
        .layer(DefaultBodyLimit::disable());
    routes.fallback(nothing_here).method_not_allowed_fallback(other_method).layer(steps).with_state(app)
}

async fn nothing_here() -> Problem {
    Problem::not_found("there is nothing at this address; /openapi.json lists every address of the API")
}

async fn other_method() -> Problem {
    Problem::new(
        ProblemCode::MethodNotAllowed,
        "this address does not take that method; the header Allow lists those that it takes",
    )
}

/// The code for an answer that is only a status.
fn code_of(status: StatusCode) -> ProblemCode {
    match status.as_u16() {
        401 => ProblemCode::Unauthenticated,
        403 => ProblemCode::Forbidden,
        404 => ProblemCode::NotFound,
        405 => ProblemCode::MethodNotAllowed,
        408 => ProblemCode::RequestTimeout,
        413 => ProblemCode::BodyTooLarge,
        415 => ProblemCode::UnsupportedMediaType,
        422 => ProblemCode::InvalidFields,
        429 => ProblemCode::RateLimited,
        503 => ProblemCode::Overloaded,
        400..500 => ProblemCode::BadRequest,
        _ => ProblemCode::Internal,
    }
}
