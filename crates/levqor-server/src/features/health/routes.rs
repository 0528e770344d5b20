//! `GET /health` and `GET /ready`.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::service::{self, Failure};
use crate::{
    App,
    gateway::ByOperator,
    openapi::{ApiRouter, routes},
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(health)).routes(routes!(ready))
}

/// The process is alive.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "0.1.0")]
    version: String,
    /// A commit, or `unknown`.
    build: String,
    #[schema(example = "eu-west")]
    region: String,
    uptime_seconds: u64,
    /// Seconds since 1970.
    timestamp: i64,
}

/// Liveness: answers without touching anything.
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, body = Health)))]
async fn health(State(app): State<App>) -> Json<Health> {
    let now = app.now();
    Json(Health {
        status: "ok",
        version: app.settings.version.clone(),
        build: app.settings.build.clone(),
        region: app.region.code.to_string(),
        uptime_seconds: now.since(app.started_at).as_secs(),
        timestamp: now.as_seconds(),
    })
}

/// Whether the node can work, with a verdict for each thing that it depends on.
#[derive(Debug, Serialize, ToSchema)]
struct Ready {
    /// `ready`, `not_ready`, or `draining`: the node stops soon, or an operator drains its region.
    #[schema(example = "ready")]
    status: &'static str,
    region: String,
    /// By name: `database_read`, `database_write`, `migrations`, `disk`, `lease`, `clock`, `engine`; and `database_replica` where one is set,
    /// which the node does without when it is not good.
    checks: BTreeMap<&'static str, Verdict>,
    /// Seconds since 1970.
    timestamp: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Verdict {
    ok: bool,
    /// What is wrong; operators, who send their key or are signed in, also read what exactly and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<u64>,
}

/// Readiness: 503 when something that the node depends on is not good, or when no new requests should be sent to it.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "operations",
    responses((status = 200, body = Ready), (status = 503, description = "Not ready", body = Ready))
)]
async fn ready(State(app): State<App>, ByOperator(by_operator): ByOperator) -> (StatusCode, Json<Ready>) {
    let found = service::readiness(&app).await;
    let is_ready = found.is_ready();
    let checks = found
        .checks
        .into_iter()
        .map(|check| {
            let ok = check.failure.is_none();
            // What a driver says may name machines and people.
            let shown =
                |failure: Failure| if by_operator { failure.detail } else { failure.plain.to_owned() };
            (check.name, Verdict { ok, detail: check.failure.map(shown), latency_us: check.latency_us })
        })
        .collect();
    let draining = app.is_draining();
    let body = Ready {
        status: match (draining, is_ready) {
            (true, _) => "draining",
            (false, true) => "ready",
            (false, false) => "not_ready",
        },
        region: app.region.code.to_string(),
        checks,
        timestamp: app.now().as_seconds(),
    };
    let is_open = is_ready && !draining;
    (if is_open { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body))
}
