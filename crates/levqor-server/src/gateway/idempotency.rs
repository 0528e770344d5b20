//! `Idempotency-Key`: a write that is sent again gets the first answer and does nothing.
//!
//! ```text
//! claim ─► Yours ──────► handler ─► below 500: store the answer; else release
//!      ├─► Answered ───► the same request: first answer, `Idempotent-Replayed: true`; another: 422
//!      └─► InProgress ─► 409
//! ```
//!
//! All of it runs in a task of its own, so a client that hangs up after sending does not leave a claim without an answer.
//! A handler whose work is one commit carries the claim in it ([`Claimed`]): when the process dies before the answer is
//! stored, a repeat finds what was done. Server errors are not stored: nothing is promised about them, and the client should try again.
//!
//! Source: IETF draft-ietf-httpapi-idempotency-key-header-06.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use levqor_model::{ProblemCode, limits};
use levqor_store::idempotency::{Claim, KeyClaim, StoredAnswer};
use serde_json::{Map, Value};
use tracing::Instrument;

use super::{
    ClientAddress, RequestName,
    access::{access_of, route_of},
    authenticate,
    request_fingerprint::{Asked, RequestFingerprint},
};
use crate::{App, Problem, problem::ProblemDocument};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEY_LENGTH_MAX: usize = 255;
/// Beyond the longest time that a request may take, a claim without an answer belongs to a process that is gone.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// With several nodes a repeat waits for the first request this long: longer than it takes to be sure that a node is gone.
const OTHERS_PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// When the end of a claim is written again; after that it is left to become stale.
const SETTLE_AGAIN: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// In a response's extensions: the body that repeats get, when it must not be the one that is sent now.
#[derive(Debug, Clone)]
pub(crate) struct Remembered(pub(crate) Vec<u8>);

/// The claim of this request's key, for handlers whose work must carry it; None without a key.
#[derive(Debug, Clone)]
pub(crate) struct Claimed(pub(crate) Option<KeyClaim>);

impl<S: Sync> FromRequestParts<S> for Claimed {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<KeyClaim>().cloned()))
    }
}

pub(super) async fn answer_once(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    // Messages to secret addresses have ids of their own.
    let in_api = access_of(request.method(), route_of(request.extensions())).is_api();
    let key = request.headers().get(KEY).filter(|_| writes && in_api).map(parse_key).transpose()?;
    let Some(key) = key else { return Ok(next.run(request).await) };

    let (mut parts, body) = request.into_parts();
    let scope = match authenticate::identity(&mut parts, &app).await? {
        Some(identity) => identity.actor.account_id.to_string(),
        // Strangers must not read each other's answers.
        None => format!("anonymous:{}", ClientAddress::of(&parts.extensions).network()),
    };
    let id = parts.extensions.get::<RequestName>().map(|name| name.0.to_string());
    let path = parts.uri.path().to_owned();
    let body = to_bytes(body, app.settings.body_bytes_max)
        .await
        .map_err(|_| Problem::new(ProblemCode::BadRequest, "the body broke off before its end"))?;
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
    let asked = Asked { method: parts.method.clone(), target, body: body.clone() };
    let fingerprint = asked.fingerprint(&app.keyring).await?;
    let request = Request::from_parts(parts, Body::from(body));
    let slot = Slot { scope, key, fingerprint, path };
    // From the claim on in a task of its own: a claim must not be left behind by a client that hangs up.
    match tokio::spawn(once(app, slot, asked, id, request, next).in_current_span()).await {
        Ok(result) => result,
        // The claim stays until it is stale: nobody knows how far the handler came.
        Err(failure) if failure.is_panic() => std::panic::resume_unwind(failure.into_panic()),
        Err(failure) => Err(Problem::internal(failure)),
    }
}

/// Claims the key and does the work, or gives the answer that is there.
async fn once(
    app: App,
    mut slot: Slot,
    asked: Asked,
    id: Option<String>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Some(answer) = claim(&app, &mut slot, asked).await? {
        return Ok(replay(answer, id));
    }
    request.extensions_mut().insert(KeyClaim { scope: slot.scope.clone(), key: slot.key.clone() });
    let response = next.run(request).await;
    remember(&app, slot, response).await
}

/// The answer that is there; None when the work is the caller's to do.
async fn claim(app: &App, slot: &mut Slot, asked: Asked) -> Result<Option<StoredAnswer>, Problem> {
    let now = app.now();
    let longest = app.settings.request_timeout + Duration::from_secs(limits::WAIT_SECONDS_MAX);
    let stale_before = now - (longest + STALE_AFTER);
    let deadline = tokio::time::Instant::now() + OTHERS_PATIENCE;
    loop {
        let (scope, key) = (slot.scope.clone(), slot.key.clone());
        let claim =
            app.store.claim_idempotency(app.node, scope, key, slot.fingerprint, now, stale_before).await?;
        let first = match &claim {
            Claim::Yours => return Ok(None),
            Claim::InProgress { request_hash } => *request_hash,
            Claim::Answered(answer) => answer.request_hash,
        };
        let is_known = first == slot.fingerprint;
        if !is_known && !asked.is(first, &app.keyring).await? {
            return Err(Problem::new(
                ProblemCode::IdempotencyMismatch,
                "this Idempotency-Key was sent before with another method, path or body; use a new key for a new request",
            ));
        }
        if let Claim::Answered(answer) = claim {
            return Ok(Some(answer));
        }
        if !is_known {
            // Made by another key of the ring. The claim knows the request by this one.
            slot.fingerprint = first;
            continue;
        }
        // A repeat that came by way of another node may find the first one gone: it is the first then, as soon as that is sure.
        if !app.store.is_shared() || tokio::time::Instant::now() >= deadline {
            return Err(Problem::new(
                ProblemCode::IdempotencyConflict,
                "the first request with this Idempotency-Key is still in progress; try again in a moment",
            )
            .retry_after(1));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// # Errors
/// 400 unless the key has 1 to 255 visible ASCII characters.
fn parse_key(value: &HeaderValue) -> Result<String, Problem> {
    value
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|key| (1..=KEY_LENGTH_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()))
        .map(str::to_owned)
        .ok_or_else(|| {
            Problem::new(
                ProblemCode::BadIdempotencyKey,
                format!(
                    "Idempotency-Key must have 1 to {KEY_LENGTH_MAX} visible ASCII characters, such as a UUID"
                ),
            )
        })
}

/// What the store knows an answer by.
struct Slot {
    scope: String,
    key: String,
    fingerprint: RequestFingerprint,
    path: String,
}

async fn remember(app: &App, slot: Slot, response: Response) -> Result<Response, Problem> {
    let Slot { scope, key, fingerprint, path } = slot;
    let status = response.status();
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let settled = !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS;
    if !settled || content_type.starts_with("text/event-stream") {
        settle(app, scope, key, None).await;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(|error| Problem::broken(format!("an answer could not be read: {error}")))?;
    let remembered = if let Some(Remembered(other)) = parts.extensions.get() {
        other.clone()
    } else if let Some(problem) = parts.extensions.get::<Problem>() {
        // The gateway completes it on the way out; a replay must be as complete, but for the request's own id.
        problem.document(&app.settings.public_url, Some(&path), None).to_json()
    } else {
        body.to_vec()
    };
    let answer =
        StoredAnswer { request_hash: fingerprint, status: status.as_u16(), content_type, body: remembered };
    settle(app, scope, key, Some(answer)).await;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// Writes the end of a claim: its answer, or that it is free again. What was done is done, so a store that takes no writes just now
/// changes nothing about the answer; it is tried again in the background, since repeats wait for it.
async fn settle(app: &App, scope: String, key: String, answer: Option<StoredAnswer>) {
    let store = app.store.clone();
    let write = move || {
        let (store, scope, key, answer) = (store.clone(), scope.clone(), key.clone(), answer.clone());
        async move {
            match answer {
                Some(answer) => store.finish_idempotency(scope, key, answer).await,
                None => store.release_idempotency(scope, key).await,
            }
        }
    };
    let Err(reason) = write().await else { return };
    tracing::warn!(error = %reason, "the end of a request with an Idempotency-Key could not be written; trying again");
    let stopping = app.stopping.clone();
    tokio::spawn(async move {
        for pause in SETTLE_AGAIN {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            match write().await {
                Err(reason) if reason.is_retryable() => {}
                _ => return,
            }
        }
    });
}

/// `id` is that of the request that is answered now.
fn replay(answer: StoredAnswer, id: Option<String>) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let is_problem = answer.content_type.as_bytes() == ProblemDocument::CONTENT_TYPE.as_bytes();
    let body = match serde_json::from_slice::<Map<String, Value>>(&answer.body) {
        Ok(mut document) if is_problem => {
            document.insert("request_id".to_owned(), id.into());
            serde_json::to_vec(&document).unwrap_or(answer.body)
        }
        _ => answer.body,
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Ok(content_type) = HeaderValue::from_str(&answer.content_type)
        && !answer.content_type.is_empty()
    {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        let long = "k".repeat(256);
        let rows =
            [("8e03978e-40d5-43dd-bc93-6894a57f9324", true), ("", false), ("a b", false), (&long, false)];
        for (text, good) in rows {
            assert_eq!(parse_key(&HeaderValue::from_str(text).unwrap()).is_ok(), good, "{text:?}");
        }
        assert!(parse_key(&HeaderValue::from_bytes(b"caf\xc3\xa9").unwrap()).is_err());
    }
}
