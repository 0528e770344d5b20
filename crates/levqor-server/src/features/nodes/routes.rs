//! `GET /api/ops/nodes`.

use axum::{Json, extract::State};
use levqor_model::Timestamp;
use levqor_store::runs::Takeover;
use serde::Serialize;
use utoipa::ToSchema;

use super::service::{self, NodeNow};
use crate::{
    App, Problem,
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(list))
}

#[derive(Debug, Serialize, ToSchema)]
struct Nodes {
    /// Those that were seen in the last 30 days, newest first.
    nodes: Vec<NodeState>,
    /// Runs that changed hands, newest first, at most 50 batches.
    takeovers: Vec<TakeoverView>,
}

/// A process that serves, or served, on this database.
#[derive(Debug, Serialize, ToSchema)]
struct NodeState {
    #[schema(example = "node_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    node_id: String,
    #[schema(example = "eu-west")]
    region: String,
    version: String,
    /// Grows with every node of the database.
    epoch: i64,
    /// `live`; `late` when its lease is over and nobody has stopped it yet; `stopped`.
    #[schema(example = "live")]
    state: &'static str,
    /// `drained` by itself, `expired` for want of a sign, `replaced` by a later process, or `failed over` by an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<String>,
    /// Whether it answered this request.
    this: bool,
    /// Runs that it owns and that have not ended.
    runs: i64,
    /// Whether it found itself ready when it looked last; absent when it has not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Where edges and other nodes reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "http://10.1.0.1:8000")]
    url: Option<String>,
    /// How far its clock is ahead of the database's; absent where the database has none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ahead_ms: Option<f64>,
    /// The newest step of the schema that its build knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    migration: Option<u32>,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When its lease ends, or ended.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    stopped_at: Option<Timestamp>,
}

/// Runs of a node that was gone, taken over at once.
#[derive(Debug, Serialize, ToSchema)]
struct TakeoverView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    runs: i64,
    from_node: String,
    from_region: String,
    /// Who took them.
    node_id: String,
    region: String,
}

impl NodeState {
    fn new(app: &App, now: NodeNow) -> Self {
        let NodeNow { node, state, runs, told } = now;
        Self {
            ready: told.as_ref().map(|told| told.ready),
            url: told.as_ref().and_then(|told| told.url.clone()),
            clock_ahead_ms: told.as_ref().and_then(|told| Some(told.clock_ahead_us? as f64 / 1_000.0)),
            migration: told.as_ref().map(|told| told.migration),
            reason: told.and_then(|told| told.reason),
            this: node.id == app.node,
            node_id: node.id.to_string(),
            region: node.region.to_string(),
            version: node.version,
            epoch: node.epoch,
            state: match state {
                service::State::Live => "live",
                service::State::Late => "late",
                service::State::Stopped => "stopped",
            },
            stop_reason: node.stop_reason,
            runs,
            started_at: node.started_at,
            expires_at: node.expires_at,
            stopped_at: node.stopped_at,
        }
    }
}

impl From<Takeover> for TakeoverView {
    fn from(takeover: Takeover) -> Self {
        Self {
            at: takeover.at,
            runs: takeover.runs,
            from_node: takeover.from_node.to_string(),
            from_region: takeover.from_region.to_string(),
            node_id: takeover.node.to_string(),
            region: takeover.region.to_string(),
        }
    }
}

/// The nodes of this database, and what was taken over.
#[utoipa::path(get, path = "/api/ops/nodes", tag = "operations", responses((status = 200, body = Nodes), Refusals))]
async fn list(State(app): State<App>) -> Result<Json<Nodes>, Problem> {
    let (nodes, takeovers) = service::all(&app).await?;
    Ok(Json(Nodes {
        nodes: nodes.into_iter().map(|now| NodeState::new(&app, now)).collect(),
        takeovers: takeovers.into_iter().map(TakeoverView::from).collect(),
    }))
}
