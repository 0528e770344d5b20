//! `GET /api/regions`, `GET /api/regions/{code}` and `GET /api/regions/snapshot`.

use axum::{
    Json,
    extract::{Path, State},
};
use levqor_model::{SignedSnapshot, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    service::{self, RegionNow},
    snapshot,
};
use crate::{
    App, Problem,
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(list)).routes(routes!(get)).routes(routes!(signed))
}

#[derive(Debug, Serialize, ToSchema)]
struct Regions {
    /// The region that answered.
    #[schema(example = "eu-west")]
    current: String,
    regions: Vec<RegionView>,
}

/// A region: what is declared, and what is so now.
#[derive(Debug, Serialize, ToSchema)]
struct RegionView {
    #[schema(example = "eu-west")]
    code: String,
    name: String,
    description: String,
    /// `planned`, `active`, `draining` or `down`: computed from live nodes, never active without a ready one.
    #[schema(example = "active")]
    status: &'static str,
    /// Why it is not as declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What the operator declared.
    declared: &'static str,
    jurisdiction: String,
    /// Whether it answered this request.
    current: bool,
    /// Nodes alive now.
    nodes: Vec<NodeView>,
    nodes_live: usize,
    /// Live runs that these nodes drive.
    runs: i64,
    /// Since when an operator drains the region: nothing begins there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    drained_since: Option<Timestamp>,
    replication: Replication,
    /// Round trips to other regions by code, in milliseconds: the middle of the last ones. Null when nothing has measured them.
    latency_ms: Option<std::collections::BTreeMap<String, f64>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct NodeView {
    #[schema(example = "node_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    version: String,
    /// Whether it found itself ready lately.
    ready: bool,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
struct Replication {
    /// `single database`, or `standby`: the database has one that is named after the region.
    #[schema(example = "single database")]
    mode: &'static str,
    /// How far the standby is behind the primary. Null: there is none, or the primary does not tell.
    lag_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_bytes: Option<i64>,
    /// `sync`, `quorum`, `async` or `potential`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_state: Option<String>,
}

/// What edges are told, signed.
#[derive(Debug, Serialize, ToSchema)]
struct SignedSnapshotView {
    /// JSON text with the regions, where they are reached, and in which order.
    document: String,
    /// Base 64 of the Ed25519 signature of the text; `GET /api/ops/regions` has the key.
    signature: String,
}

impl RegionView {
    fn new(app: &App, now: RegionNow) -> Self {
        let RegionNow { region, status, reason, nodes, drain, runs, latency_ms, standby } = now;
        Self {
            current: region.code == app.region.code,
            code: region.code.to_string(),
            name: region.name,
            description: region.description,
            status: status.as_str(),
            reason,
            declared: region.declared.as_str(),
            jurisdiction: region.jurisdiction,
            nodes_live: nodes.len(),
            nodes: nodes
                .into_iter()
                .map(|node| NodeView {
                    id: node.node.id.to_string(),
                    version: node.node.version,
                    ready: node.ready,
                    started_at: node.node.started_at,
                })
                .collect(),
            runs,
            drained_since: drain.map(|drain| drain.at),
            replication: match standby {
                None => Replication {
                    mode: "single database",
                    lag_seconds: None,
                    lag_bytes: None,
                    sync_state: None,
                },
                Some(standby) => Replication {
                    mode: "standby",
                    lag_seconds: standby.lag_us.map(|micros| micros as f64 / 1_000_000.0),
                    lag_bytes: standby.lag_bytes,
                    sync_state: standby.sync_state,
                },
            },
            latency_ms: Some(latency_ms)
                .filter(|found| !found.is_empty())
                .map(|found| found.into_iter().map(|(code, ms)| (code.to_string(), ms)).collect()),
        }
    }
}

/// All regions with their live status.
#[utoipa::path(get, path = "/api/regions", tag = "regions", responses((status = 200, body = Regions), Refusals))]
async fn list(State(app): State<App>) -> Result<Json<Regions>, Problem> {
    let regions = service::all(&app).await?;
    Ok(Json(Regions {
        current: app.region.code.to_string(),
        regions: regions.into_iter().map(|now| RegionView::new(&app, now)).collect(),
    }))
}

/// One region with its live status.
#[utoipa::path(
    get,
    path = "/api/regions/{code}",
    tag = "regions",
    params(("code" = String, Path, description = "The region's code", example = "eu-west")),
    responses(
        (status = 200, body = RegionView),
        Refusals,
    )
)]
async fn get(State(app): State<App>, Path(code): Path<String>) -> Result<Json<RegionView>, Problem> {
    let region = app.regions.find(&code)?;
    let now = service::one(&app, &region.code).await?;
    let now = now.ok_or_else(|| Problem::broken("a region of the registry is missing from its own list"))?;
    Ok(Json(RegionView::new(&app, now)))
}

/// What edges route by: regions, where they are reached, and in which order, signed.
#[utoipa::path(
    get,
    path = "/api/regions/snapshot",
    operation_id = "region_snapshot",
    tag = "regions",
    responses((status = 200, body = SignedSnapshotView), Refusals)
)]
async fn signed(State(app): State<App>) -> Result<Json<SignedSnapshotView>, Problem> {
    let SignedSnapshot { document, signature } = snapshot::signed(&app).await?;
    Ok(Json(SignedSnapshotView { document, signature }))
}
