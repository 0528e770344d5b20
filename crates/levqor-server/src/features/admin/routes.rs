//! `GET /api/ops/overview`.

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{facts::Overview, service};
use crate::{
    App,
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(overview))
}

/// Whether everything is all right, and if not, what and since when.
///
/// Each part is asked on its own. One that cannot be asked is `unknown` with the reason, and its facts are left out; the verdict is the
/// worst of all parts, and `unknown` is never good.
#[utoipa::path(
    get,
    path = "/api/ops/overview",
    tag = "operations",
    responses((status = 200, body = Overview), Refusals)
)]
async fn overview(State(app): State<App>) -> Json<Arc<Overview>> {
    Json(service::look_now(&app).await)
}
