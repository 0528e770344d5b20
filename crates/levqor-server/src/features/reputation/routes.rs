//! `/api/ops/reputation`.

use std::net::IpAddr;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use levqor_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::service;
use crate::{
    App, Problem,
    gateway::{Cursor, ERRORS_MAX, Query, Suspect, WINDOW, cut, page_limit},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

/// The name of the list in cursors.
const LIST: &str = "reputation";

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(list)).routes(routes!(forgive))
}

#[derive(Debug, Serialize, ToSchema)]
struct ReputationView {
    #[schema(example = "eu-west")]
    region: String,
    /// Whether suspicious addresses are refused, and not only told of in the log.
    blocking: bool,
    /// So many errors within `window_seconds` make an address suspicious.
    #[schema(example = 50)]
    errors_max: u32,
    #[schema(example = 300)]
    window_seconds: u64,
    /// Suspicious addresses, as this node knows them.
    addresses: Vec<SuspectView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// An address, or of IPv6 the first one of its /64, in full: whoever is to act on it must know it.
#[derive(Debug, Serialize, ToSchema)]
struct SuspectView {
    #[schema(example = "192.0.2.7")]
    address: String,
    /// Errors that count now.
    #[schema(example = 64)]
    errors: u32,
    /// When it is suspicious no more, if no further errors come.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

impl From<Suspect> for SuspectView {
    fn from(suspect: Suspect) -> Self {
        Self { address: suspect.network.to_string(), errors: suspect.errors, until: suspect.until }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Addresses on a page, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// Addresses that made too many errors in this region, by address.
#[utoipa::path(
    get,
    path = "/api/ops/reputation",
    operation_id = "ops_reputation",
    tag = "operations",
    params(Asked),
    responses((status = 200, body = ReputationView), Refusals)
)]
async fn list(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Json<ReputationView>, Problem> {
    let limit = page_limit(asked.limit)?;
    let after: Option<IpAddr> = asked.cursor.as_ref().map(|cursor| cursor.last(LIST)).transpose()?;
    let suspects = service::suspects(&app, after, limit + 1);
    let (suspects, next_cursor) = cut(suspects, limit, LIST, |suspect| suspect.network);
    Ok(Json(ReputationView {
        region: app.region.code.to_string(),
        blocking: app.settings.gateway.block_high_risk,
        errors_max: ERRORS_MAX,
        window_seconds: WINDOW.as_secs(),
        addresses: suspects.into_iter().map(SuspectView::from).collect(),
        next_cursor,
    }))
}

/// Forgive an address: its errors so far count no more, in all regions.
///
/// Of IPv6 the whole /64 is forgiven. It is no error when nothing is known of the address.
#[utoipa::path(
    delete,
    path = "/api/ops/reputation/{address}",
    operation_id = "ops_forgive_address",
    tag = "operations",
    params(("address" = String, Path, description = "An IPv4 or IPv6 address", example = "192.0.2.7")),
    responses((status = 204, description = "It is forgiven"), Refusals)
)]
async fn forgive(State(app): State<App>, Path(address): Path<String>) -> Result<StatusCode, Problem> {
    let address: IpAddr = address.parse().map_err(|_| {
        let shown: String = address.chars().take(64).collect();
        Problem::parameter(
            "address",
            format!("{shown:?} is no address; write one like 192.0.2.7 or 2001:db8::1"),
        )
    })?;
    service::forgive(&app, address).await?;
    Ok(StatusCode::NO_CONTENT)
}
