//! `/api/ops/slos`.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State},
};
use levqor_model::Timestamp;
use levqor_store::slo::{HISTORY_STEP, SloMoment};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{report::Report, service};
use crate::{
    App, Problem,
    gateway::Query,
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

/// Days that a history shows when nobody says it.
const DAYS: u64 = 30;
/// Points of one answer.
const POINTS_MAX: u64 = 2_000;

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(list)).routes(routes!(history))
}

#[derive(Debug, Serialize, ToSchema)]
struct Slos {
    /// By name.
    slos: Vec<Report>,
}

/// All objectives, what is left of their budgets, and how fast they are spent.
#[utoipa::path(
    get,
    path = "/api/ops/slos",
    operation_id = "list_slos",
    tag = "operations",
    responses((status = 200, body = Slos), Refusals)
)]
async fn list(State(app): State<App>) -> Result<Json<Slos>, Problem> {
    Ok(Json(Slos { slos: service::reports(&app).await? }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// From this moment on; when left out, 30 days ago, or as far back as 2,000 points reach.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before this moment; now when left out.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Seconds from one point to the next, a multiple of 600; 3600 when left out.
    #[param(minimum = 600, maximum = 86400)]
    step: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct BudgetHistory {
    #[schema(example = "requests")]
    name: String,
    /// Oldest first. A time in which nobody judged has no point.
    points: Vec<BudgetPoint>,
}

/// How a budget stood.
#[derive(Debug, Serialize, ToSchema)]
struct BudgetPoint {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    total: u64,
    bad: u64,
    /// Below zero: more than all of it was spent. Left out: it was not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_percent: Option<f64>,
    /// How fast it was spent in the hour before. Left out: it was not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    burn: Option<f64>,
}

impl From<SloMoment> for BudgetPoint {
    fn from(moment: SloMoment) -> Self {
        Self {
            at: moment.at,
            total: moment.total,
            bad: moment.total.saturating_sub(moment.good),
            left_percent: moment.left_ppm.map(|ppm| ppm as f64 / 10_000.0),
            burn: moment.burn_milli.map(|milli| milli as f64 / 1_000.0),
        }
    }
}

/// How the budget of an objective went.
#[utoipa::path(
    get,
    path = "/api/ops/slos/{name}/history",
    operation_id = "slo_history",
    tag = "operations",
    params(("name" = String, Path, description = "The objective's name", example = "requests"), HistoryQuery),
    responses((status = 200, body = BudgetHistory), Refusals)
)]
async fn history(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<BudgetHistory>, Problem> {
    let now = app.now();
    let to = query.to.unwrap_or(now);
    let step = query.step.unwrap_or(3_600);
    // As far back as there may be points.
    let back = (DAYS * 86_400).min(step.saturating_mul(POINTS_MAX));
    let from = query.from.unwrap_or(to - Duration::from_secs(back));
    if !(600..=86_400).contains(&step) || step % HISTORY_STEP.as_secs() != 0 {
        return Err(Problem::parameter("step", format!("{step} is no multiple of 600 from 600 to 86400")));
    }
    if from >= to {
        return Err(Problem::parameter("from", format!("{from} is not before {to}; give an earlier moment")));
    }
    if to.since(from).as_secs() / step > POINTS_MAX {
        return Err(Problem::parameter(
            "step",
            format!("there would be more than {POINTS_MAX} points; take a longer step or a shorter time"),
        ));
    }
    let limit = usize::try_from(POINTS_MAX).unwrap_or(usize::MAX) + 1;
    let found = service::history(&app, &name, (from, to), Duration::from_secs(step), limit).await?;
    let points = found.ok_or_else(|| {
        Problem::not_found("there is no objective of that name; GET /api/ops/slos lists all")
    })?;
    Ok(Json(BudgetHistory { name, points: points.into_iter().map(BudgetPoint::from).collect() }))
}
