//! `GET /metrics` and `GET /api/metrics/app`.

use axum::{Json, extract::State, response::IntoResponse};
use http::header;
use levqor_store::runs::RunCounts;
use serde::Serialize;
use tracing::warn;
use utoipa::ToSchema;

use super::{
    Counter,
    exposition::{CONTENT_TYPE, Exposition},
    level,
    record::absorb,
    series,
};
use crate::{
    App,
    features::jobs,
    openapi::{ApiRouter, routes},
    problem::{Refusals, chain},
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(metrics)).routes(routes!(app_metrics)).merge(series::api())
}

/// What the server counts, for people and dashboards. Totals are those of all nodes and survive restarts; `last_5m` is a window that slides by the second.
#[derive(Debug, Serialize, ToSchema)]
struct AppMetrics {
    /// `ok`, or `degraded` when the database did not answer; `runs` is null then.
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "eu-west")]
    region: String,
    uptime_seconds: u64,
    ai_requests_total: i64,
    ai_requests_last_5m: i64,
    /// Answers with a status of 500 or more.
    errors_total: i64,
    errors_last_5m: i64,
    ai_openai_calls_total: i64,
    ai_openai_calls_last_5m: i64,
    ai_openai_errors_total: i64,
    ai_openai_errors_last_5m: i64,
    requests_total: i64,
    latency_ms: LatencyMs,
    /// Runs of all accounts by status.
    runs: Option<RunsByStatus>,
    business_metrics: BusinessMetrics,
    #[schema(example = "persistent")]
    metrics_type: &'static str,
    scheduler: Scheduler,
}

/// Time to the head of the answer over the last minutes; null without a request.
#[derive(Debug, Serialize, ToSchema)]
struct LatencyMs {
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RunsByStatus {
    pending: i64,
    running: i64,
    waiting: i64,
    suspended: i64,
    completed: i64,
    faulted: i64,
    cancelled: i64,
    /// Live runs that nothing moves, as this node found them.
    stuck: usize,
}

impl RunsByStatus {
    fn new(counts: RunCounts, stuck: usize) -> Self {
        let RunCounts { pending, running, waiting, suspended, completed, faulted, cancelled } = counts;
        Self { pending, running, waiting, suspended, completed, faulted, cancelled, stuck }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct BusinessMetrics {
    consultations_booked: i64,
    consultations_run: i64,
    support_auto_requests: i64,
    support_auto_escalations: i64,
    lifecycle_ticks: i64,
    pricing_cta_clicks: i64,
    trial_feedback_submissions: i64,
}

/// The jobs of the platform, in the whole cluster. Null when the database did not answer.
#[derive(Debug, Serialize, ToSchema)]
struct Scheduler {
    /// Jobs that are not paused.
    jobs: Option<i64>,
    /// Jobs that run now.
    running: Option<i64>,
}

/// Counters for dashboards.
#[utoipa::path(get, path = "/api/metrics/app", tag = "operations", responses((status = 200, body = AppMetrics), Refusals))]
async fn app_metrics(State(app): State<App>) -> Json<AppMetrics> {
    let now = app.now();
    let is_whole = app.metrics.refresh(&app.store, now).await.inspect_err(told).is_ok();
    let runs = if is_whole { runs(&app).await } else { None };
    absorb(&app);
    let metrics = &app.metrics;
    let total = |counter| metrics.total(counter);
    let last_5m = |counter| metrics.last_5m(counter, now);
    let latency = metrics.percentiles(now);
    let scheduled = jobs::counts(&app).await.ok();
    Json(AppMetrics {
        status: if runs.is_some() { "ok" } else { "degraded" },
        region: app.region.code.to_string(),
        uptime_seconds: now.since(app.started_at).as_secs(),
        ai_requests_total: total(Counter::AiRequests),
        ai_requests_last_5m: last_5m(Counter::AiRequests),
        errors_total: total(Counter::Errors),
        errors_last_5m: last_5m(Counter::Errors),
        ai_openai_calls_total: total(Counter::AiOpenaiCalls),
        ai_openai_calls_last_5m: last_5m(Counter::AiOpenaiCalls),
        ai_openai_errors_total: total(Counter::AiOpenaiErrors),
        ai_openai_errors_last_5m: last_5m(Counter::AiOpenaiErrors),
        requests_total: total(Counter::Requests),
        latency_ms: LatencyMs { p50: latency.p50, p95: latency.p95, p99: latency.p99 },
        runs: runs.map(|counts| RunsByStatus::new(counts, app.engine.stuck().runs)),
        business_metrics: BusinessMetrics {
            consultations_booked: total(Counter::ConsultationsBooked),
            consultations_run: total(Counter::ConsultationsRun),
            support_auto_requests: total(Counter::SupportAutoRequests),
            support_auto_escalations: total(Counter::SupportAutoEscalations),
            lifecycle_ticks: total(Counter::LifecycleTicks),
            pricing_cta_clicks: total(Counter::PricingCtaClicks),
            trial_feedback_submissions: total(Counter::TrialFeedbackSubmissions),
        },
        metrics_type: "persistent",
        scheduler: Scheduler {
            jobs: scheduled.map(|(jobs, _)| jobs),
            running: scheduled.map(|(_, running)| running),
        },
    })
}

/// Counters for Prometheus, as OpenMetrics text.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"), Refusals)
)]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let runs = runs(&app).await;
    absorb(&app);
    let looks = level::around(&app, runs).await;
    let totals = Counter::ALL.iter().map(|counter| (*counter, app.metrics.own(*counter))).collect();
    let text = Exposition { answers: app.metrics.answers(), looks, totals }.text(&app);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}

/// Runs by status. Metrics answer also without the store, so its errors are only logged.
async fn runs(app: &App) -> Option<RunCounts> {
    app.store.run_counts(None).await.inspect_err(told).ok()
}

fn told(error: &levqor_store::Error) {
    warn!("metrics are shown without the database: {}", chain(error));
}
