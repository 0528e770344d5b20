//! `/api/ops/heartbeats`.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use levqor_model::Timestamp;
use levqor_store::heartbeats::{BeatState, Heartbeat, KeptPing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service::{self, Wish};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Remembered},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub(super) fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(list, create)).routes(routes!(show, change, delete))
}

#[derive(Debug, Serialize, ToSchema)]
struct Heartbeats {
    /// By name.
    heartbeats: Vec<HeartbeatView>,
}

/// A job elsewhere, and what was heard of it.
#[derive(Debug, Serialize, ToSchema)]
struct HeartbeatView {
    #[schema(example = "nightly-backup")]
    name: String,
    /// The first characters of its token.
    #[schema(example = "Zm9vYm")]
    prefix: String,
    period_seconds: u64,
    grace_seconds: u64,
    /// `new`: never heard of; `up`; `late`: should have ended by now, and is within its grace; `down`.
    #[schema(example = "up")]
    state: &'static str,
    /// It said that it begins, and has not said that it has ended.
    running: bool,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pinged_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    /// How long it took last, when it said that it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    /// When it is down if nothing is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    deadline: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(example = "user usr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    created_by: String,
}

/// A heartbeat that was just made.
#[derive(Debug, Serialize, ToSchema)]
struct NewHeartbeatView {
    #[serde(flatten)]
    about: HeartbeatView,
    /// Where the job sends its pings. It holds the token: it is shown this once and cannot be read again; a replayed answer does not
    /// have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://levqor.example/ping/Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9")]
    url: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct HeartbeatDetail {
    #[serde(flatten)]
    about: HeartbeatView,
    /// The last ones, newest first, at most 100. Several within a second are told once.
    pings: Vec<PingView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PingView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `start`, `success` or `fail`.
    #[schema(example = "success")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// In one word.
pub(in super::super) fn word(heartbeat: &Heartbeat, now: Timestamp) -> &'static str {
    match heartbeat.state {
        BeatState::Up if heartbeat.is_late(now) => "late",
        state => state.as_str(),
    }
}

impl HeartbeatView {
    fn new(heartbeat: Heartbeat, now: Timestamp) -> Self {
        let state = word(&heartbeat, now);
        let Heartbeat {
            name,
            prefix,
            period,
            grace,
            created_at,
            created_by,
            state: _,
            since,
            reason,
            pinged_at,
            started_at,
            ended_at,
            exit_code,
            duration,
            deadline,
        } = heartbeat;
        Self {
            name,
            prefix,
            period_seconds: period.as_secs(),
            grace_seconds: grace.as_secs(),
            state,
            running: started_at.is_some(),
            since,
            reason,
            pinged_at,
            ended_at,
            exit_code,
            duration_ms: duration.map(millis),
            deadline,
            created_at,
            created_by,
        }
    }
}

impl From<KeptPing> for PingView {
    fn from(ping: KeptPing) -> Self {
        let KeptPing { at, kind, exit_code, duration } = ping;
        Self { at, kind, exit_code, duration_ms: duration.map(millis) }
    }
}

/// Outside jobs that tell of themselves.
#[utoipa::path(
    get,
    path = "/api/ops/heartbeats",
    operation_id = "list_heartbeats",
    tag = "heartbeats",
    responses((status = 200, body = Heartbeats), Refusals)
)]
async fn list(State(app): State<App>) -> Result<Json<Heartbeats>, Problem> {
    let now = app.now();
    let heartbeats = service::all(&app).await?;
    let heartbeats = heartbeats.into_iter().map(|heartbeat| HeartbeatView::new(heartbeat, now)).collect();
    Ok(Json(Heartbeats { heartbeats }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewHeartbeat {
    /// Lower case letters, digits, dashes and underscores.
    #[schema(min_length = 1, max_length = 60, example = "nightly-backup")]
    name: String,
    /// How often the job ends.
    #[schema(minimum = 10, maximum = 31_622_400, example = 86_400)]
    period_seconds: u64,
    /// How late it may be, and how long it may take; 60 when left out.
    #[schema(minimum = 10, maximum = 604_800, example = 1_800)]
    grace_seconds: Option<u64>,
}

/// What is waited for when nobody says it.
pub(in super::super) const GRACE_SECONDS: u64 = 60;

/// Make a heartbeat. Its address is in the answer, and nowhere else.
#[utoipa::path(
    post,
    path = "/api/ops/heartbeats",
    operation_id = "create_heartbeat",
    tag = "heartbeats",
    request_body = NewHeartbeat,
    responses((status = 201, body = NewHeartbeatView), Refusals)
)]
async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<NewHeartbeat>,
) -> Result<Response, Problem> {
    let NewHeartbeat { name, period_seconds, grace_seconds } = body;
    let wish = Wish { name, period_seconds, grace_seconds: grace_seconds.unwrap_or(GRACE_SECONDS) };
    let (heartbeat, token) = service::create(&app, &actor, wish).await?;
    let mut view = NewHeartbeatView { about: HeartbeatView::new(heartbeat, app.now()), url: None };
    // The idempotency store must not hold what the table of heartbeats only has a hash of.
    let remembered = serde_json::to_vec(&view).map_err(Problem::internal)?;
    view.url = Some(service::address(&app, &token));
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    response.extensions_mut().insert(Remembered(remembered));
    Ok(response)
}

/// A heartbeat, and its last pings.
#[utoipa::path(
    get,
    path = "/api/ops/heartbeats/{name}",
    operation_id = "heartbeat",
    tag = "heartbeats",
    params(("name" = String, Path, description = "The heartbeat's name")),
    responses((status = 200, body = HeartbeatDetail), Refusals)
)]
async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Json<HeartbeatDetail>, Problem> {
    let (heartbeat, pings) = service::with_pings(&app, &name).await?;
    Ok(Json(HeartbeatDetail {
        about: HeartbeatView::new(heartbeat, app.now()),
        pings: pings.into_iter().map(PingView::from).collect(),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeHeartbeat {
    /// As it is when left out.
    #[schema(minimum = 10, maximum = 31_622_400, example = 3_600)]
    period_seconds: Option<u64>,
    #[schema(minimum = 10, maximum = 604_800, example = 300)]
    grace_seconds: Option<u64>,
}

/// Expect the job at other times.
#[utoipa::path(
    patch,
    path = "/api/ops/heartbeats/{name}",
    operation_id = "change_heartbeat",
    tag = "heartbeats",
    params(("name" = String, Path, description = "The heartbeat's name")),
    request_body = ChangeHeartbeat,
    responses((status = 200, body = HeartbeatView), Refusals)
)]
async fn change(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(body): Body<ChangeHeartbeat>,
) -> Result<Json<HeartbeatView>, Problem> {
    let changed = service::change(&app, &name, body.period_seconds, body.grace_seconds).await?;
    Ok(Json(HeartbeatView::new(changed, app.now())))
}

/// Delete a heartbeat. Its address is nobody's from then on.
#[utoipa::path(
    delete,
    path = "/api/ops/heartbeats/{name}",
    operation_id = "delete_heartbeat",
    tag = "heartbeats",
    params(("name" = String, Path, description = "The heartbeat's name")),
    responses((status = 204, description = "Deleted"), Refusals)
)]
async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    service::delete(&app, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
