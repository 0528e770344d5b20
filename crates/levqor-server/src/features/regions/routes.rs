//! `GET /api/regions` and `GET /api/regions/{code}`.

use axum::{
    Json,
    extract::{Path, State},
};
use levqor_model::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::service::{self, RegionNow};
use crate::{App, Problem, problem::Refusals};

pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(get))
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
    replication: Replication,
    /// Round trips to other regions by code, in milliseconds; null when nothing has measured them.
    latency_ms: Option<std::collections::BTreeMap<String, f64>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct NodeView {
    #[schema(example = "node_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    version: String,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
struct Replication {
    #[schema(example = "single database")]
    mode: &'static str,
    /// Null: there is nothing that could lag.
    lag_seconds: Option<f64>,
}

impl RegionView {
    fn new(app: &App, now: RegionNow) -> Self {
        let RegionNow { region, status, nodes, reason } = now;
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
                    id: node.id.to_string(),
                    version: node.version,
                    started_at: node.started_at,
                })
                .collect(),
            replication: Replication { mode: "single database", lag_seconds: None },
            latency_ms: None,
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
