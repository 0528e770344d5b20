//! `GET /api/usage/summary` and `GET /api/usage/export`.

use std::fmt::Write;

use axum::{Json, extract::State, response::IntoResponse};
use http::header;
use levqor_model::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::service;
use crate::{
    App, Problem,
    features::plans::Limits,
    gateway::{OptionalActor, Query},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

/// Days in an export when nothing is asked.
const DAYS_DEFAULT: i64 = 30;
/// Days in an export at most.
const DAYS_MAX: usize = 366;

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(summary)).routes(routes!(export))
}

/// What was used this month: by the account with a key or a session, by the whole platform without.
#[derive(Debug, Serialize, ToSchema)]
struct Summary {
    #[schema(example = "ok")]
    status: &'static str,
    /// Workflows that exist now.
    workflows: i64,
    runs: i64,
    ai_credits: i64,
    #[schema(example = "database")]
    source: &'static str,
    period: Period,
    /// The account's plan; only with a key or a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanUsed>,
    /// What holds for the account beside its plan; only with a key or a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    fair_use: Option<AccountFairUse>,
}

/// Days, both included, in UTC.
#[derive(Debug, Serialize, ToSchema)]
struct Period {
    #[schema(value_type = String, format = Date, example = "2026-11-01")]
    from: Date,
    #[schema(value_type = String, format = Date, example = "2026-11-24")]
    to: Date,
}

#[derive(Debug, Serialize, ToSchema)]
struct PlanUsed {
    #[schema(example = "growth")]
    code: String,
    name: String,
    limits: Limits,
}

/// The limits that this node enforces for an account.
#[derive(Debug, Serialize, ToSchema)]
struct AccountFairUse {
    /// Null: no limit.
    #[schema(example = 1000)]
    requests_per_minute: Option<u32>,
    /// Runs that run at the same time; more are queued.
    #[schema(example = 50)]
    concurrent_runs: i64,
}

/// Usage of the current month.
#[utoipa::path(
    get,
    path = "/api/usage/summary",
    tag = "usage",
    responses((status = 200, body = Summary), Refusals)
)]
async fn summary(
    State(app): State<App>,
    OptionalActor(actor): OptionalActor,
) -> Result<Json<Summary>, Problem> {
    let today = app.now().date();
    let from = today.month_start();
    let account = actor.map(|actor| actor.account_id);
    let used = app.store.views().usage(account, from, today).await?;
    let plan = match account {
        Some(id) => app.store.account(id).await?.map(|account| account.plan),
        None => None,
    };
    let plan = plan.and_then(|code| app.blueprint.plan(&code)).map(|plan| PlanUsed {
        code: plan.code.clone(),
        name: plan.name.clone(),
        limits: plan.into(),
    });
    Ok(Json(Summary {
        status: "ok",
        workflows: used.workflows,
        runs: used.runs,
        ai_credits: used.ai_credits,
        source: "database",
        period: Period { from, to: today },
        plan,
        fair_use: account.map(|_| AccountFairUse {
            requests_per_minute: app.rates.of_accounts(),
            concurrent_runs: app.engine.concurrent_runs(),
        }),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// The first day; 29 days before `to` when left out.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    from: Option<Date>,
    /// The last day; today when left out.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-24")]
    to: Option<Date>,
}

/// Usage by day as CSV: `date,workflows,runs,ai_credits`.
#[utoipa::path(
    get,
    path = "/api/usage/export",
    tag = "usage",
    params(ExportQuery),
    responses((status = 200, description = "A row a day, oldest first", body = String, content_type = "text/csv"), Refusals)
)]
async fn export(
    State(app): State<App>,
    OptionalActor(actor): OptionalActor,
    Query(query): Query<ExportQuery>,
) -> Result<impl IntoResponse, Problem> {
    let to = query.to.unwrap_or_else(|| app.now().date());
    let from = query.from.unwrap_or_else(|| to.plus_days(1 - DAYS_DEFAULT));
    if from > to {
        return Err(Problem::parameter("from", format!("{from} is later than to ({to})")));
    }
    if from.plus_days(DAYS_MAX as i64) <= to {
        return Err(Problem::parameter("from", format!("at most {DAYS_MAX} days can be exported at once")));
    }
    let days = service::days(&app, actor.map(|actor| actor.account_id), from, to).await?;
    // Dates and whole numbers only: no cell can begin with a character that spreadsheets take for a formula, save the
    // minus of a number, and counts are not negative.
    let mut csv = String::from("date,workflows,runs,ai_credits\r\n");
    for day in days {
        let count = day.count;
        // Writing to a string cannot fail.
        let _ = write!(csv, "{},{},{},{}\r\n", day.day, count.workflows, count.runs, count.ai_credits);
    }
    let disposition = format!("attachment; filename=\"levqor-usage-{from}-{to}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, csv))
}
