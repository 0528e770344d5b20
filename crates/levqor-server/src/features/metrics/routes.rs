//! `GET /metrics` and `GET /api/metrics/app`.

use std::sync::atomic::Ordering;

use axum::{Json, extract::State, response::IntoResponse};
use http::header;
use levqor_model::{Severity, Timestamp};
use levqor_store::{ReplicaReport, runs::RunCounts};
use serde::Serialize;
use tracing::warn;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Counter,
    exposition::{CONTENT_TYPE, Gauges},
};
use crate::{
    App,
    features::{drift, jobs, tamper},
    problem::{Refusals, chain},
};

pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::default().routes(routes!(metrics)).routes(routes!(app_metrics))
}

/// What the server counts, for people and dashboards. Totals survive restarts; `last_5m` is a window that slides by the second.
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
    let runs = runs(&app).await;
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
    // Without the database no queue is reported, as no runs are.
    let queue = app.engine.queue_load().await.unwrap_or_default();
    let behind = app.engine.sink_load().await.unwrap_or_default();
    let (_, alive) = app.metrics.jobs();
    let text = app.metrics.exposition.text(runs, |gauges| {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let uptime = app.now().since(app.started_at).as_secs();
        gauges.uptime_seconds.set(i64::try_from(uptime).unwrap_or(i64::MAX));
        let load = app.engine.load();
        gauges.engine_active_runs.set(whole(load.active_runs));
        gauges.engine_effects_in_flight.set(whole(load.effects_in_flight));
        gauges.engine_timers_near.set(whole(load.timers_near));
        gauges.runs_stuck.set(whole(app.engine.stuck().runs));
        let (depth, capacity) = app.store.queue_depth();
        gauges.store_queue_depth.set(whole(depth));
        gauges.store_queue_capacity.set(whole(capacity));
        gauges.background_jobs.set(whole(alive));
        gauges.queued_runs.set(queue.queued);
        let age = queue.oldest_at.map_or(0, |oldest| app.now().since(oldest).as_secs());
        gauges.queue_age_seconds.set(i64::try_from(age).unwrap_or(i64::MAX));
        let seconds_since = |at: Option<Timestamp>| {
            i64::try_from(at.map_or(0, |at| app.now().since(at).as_secs())).unwrap_or(i64::MAX)
        };
        let sink = app.engine.sink().unwrap_or_default();
        gauges.sink_waiting_events.set(behind.waiting);
        gauges.sink_age_seconds.set(seconds_since(behind.oldest_at));
        gauges.sink_failing_seconds.set(seconds_since(sink.failing.map(|(since, _)| since)));
        gauges.sink_delivered_events.inner().store(sink.delivered, Ordering::Relaxed);
        gauges.sink_skipped_events.inner().store(sink.skipped, Ordering::Relaxed);
        if let Some(report) = drift::last(&app) {
            for severity in Severity::ALL {
                let labels = [("severity", severity.to_string())];
                let count = i64::try_from(report.counting(*severity)).unwrap_or(i64::MAX);
                gauges.drift_deviations.get_or_create(&labels).set(count);
            }
            gauges.drift_checked_seconds.get_or_create(&[]).set(report.at.as_seconds());
        }
        if let Some(ReplicaReport { near, behind, unfit, failed, .. }) = app.store.replica() {
            for (answer, reads) in
                [("replica", near), ("behind", behind), ("unfit", unfit), ("failed", failed)]
            {
                let labels = [("answer", answer.to_owned())];
                gauges.replica_reads.get_or_create(&labels).inner().store(reads, Ordering::Relaxed);
            }
        }
        set_tamper(gauges, &app);
    });
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}

/// Nothing, rather than a zero, while nothing is known.
fn set_tamper(gauges: &Gauges, app: &App) {
    let all = [&gauges.tamper_files, &gauges.tamper_age_seconds, &gauges.tamper_hears];
    gauges.tamper_findings.clear();
    all.iter().for_each(|gauge| gauge.clear());
    let Some(tamper::Gauges { findings, files, age_seconds, hears }) = tamper::gauges(app) else { return };
    for (severity, count) in findings {
        let labels = [("severity", severity.as_str().to_owned())];
        gauges.tamper_findings.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    for (gauge, value) in all.into_iter().zip([files, age_seconds, u64::from(hears)]) {
        gauge.get_or_create(&[]).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}

/// Runs by status, after the counts of earlier processes are read. Metrics answer also without the store, so its errors
/// are only logged.
async fn runs(app: &App) -> Option<RunCounts> {
    let found = async {
        app.metrics.restore(&app.store, app.now()).await?;
        app.store.run_counts(None).await
    };
    found.await.inspect_err(|error| warn!("metrics are shown without the database: {}", chain(error))).ok()
}
