//! `/api/ops/regions`: what operators see of regions, and do with them.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::snapshot;
use crate::{App, Problem, problem::Refusals};

pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(list))
}

#[derive(Debug, Serialize, ToSchema)]
struct OpsRegions {
    /// What an edge is configured with to know that a region snapshot is genuine: the Ed25519 key in Base 64.
    #[schema(example = "CIhGS7NbPK4GLQKGIWFKFXJ3vbGUkzUQfmzlMtcjDnw=")]
    snapshot_key: String,
}

/// What operators need of all regions.
#[utoipa::path(
    get,
    path = "/api/ops/regions",
    operation_id = "ops_regions",
    tag = "operations",
    responses((status = 200, body = OpsRegions), Refusals)
)]
async fn list(State(app): State<App>) -> Result<Json<OpsRegions>, Problem> {
    let snapshot_key = snapshot::public_key(&app).await?.to_string();
    Ok(Json(OpsRegions { snapshot_key }))
}

impl From<snapshot::Error> for Problem {
    fn from(error: snapshot::Error) -> Self {
        match error {
            snapshot::Error::Store(error) => error.into(),
            other => Problem::internal(other),
        }
    }
}
