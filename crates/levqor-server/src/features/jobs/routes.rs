//! `/api/ops/jobs`.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use levqor_model::Timestamp;
use levqor_store::jobs::JobFiring;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::service::{self, Standing};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Claimed, Cursor, PageQuery, Query},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(history))
        .routes(routes!(run))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

#[derive(Debug, Serialize, ToSchema)]
struct JobsView {
    /// Jobs that are neither paused nor without a scheduler.
    active: usize,
    /// Jobs that run now.
    running: usize,
    /// All of them, in the order of their times.
    jobs: Vec<JobView>,
}

/// A job of the platform, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
struct JobView {
    #[schema(example = "retention_aggregation")]
    id: &'static str,
    /// What it does.
    about: &'static str,
    #[schema(example = "5 0 * * *")]
    cron: &'static str,
    #[schema(example = "UTC")]
    zone: &'static str,
    /// The schedule in words.
    #[schema(example = "every day at 00:05 UTC")]
    schedule: String,
    /// `active`, `paused`, or `unknown` while no scheduler has begun.
    #[schema(example = "active")]
    state: &'static str,
    /// An attempt that takes longer is cancelled, and has failed.
    timeout_seconds: u64,
    /// What happens to due times that passed while nobody was there: `fire-once` begins the latest of them, `skip` none.
    #[schema(example = "fire-once")]
    misfire: &'static str,
    /// Only when it is not older than this.
    catch_up_seconds: u64,
    /// The next due times, at most 5; none while it is paused.
    next: Vec<DueView>,
    /// Left out while it is not paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<PausedView>,
    /// Why it is late, such as `was due 300 s ago and has not begun`; left out while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<String>,
    /// What runs now, or waits to.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<FiringView>,
    /// The last one that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<FiringView>,
    /// When it was done last, of the last 10 times.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<Timestamp>,
    /// How often it failed, one time after the other; at most 10 are counted.
    failures: usize,
    /// Due times that came while nobody was there and were not made up for.
    missed: i64,
    /// Due times in whose way the one before was.
    skipped: i64,
}

/// A due time.
#[derive(Debug, Serialize, ToSchema)]
struct DueView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The same on the clocks of the job's zone.
    #[schema(example = "2026-11-25 09:00 GMT")]
    local: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct PausedView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// A due time that has come, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
struct FiringView {
    /// By hand: when it was asked for.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    /// `schedule` or `manual`.
    #[schema(example = "schedule")]
    cause: &'static str,
    /// `waiting`, `running`, `done`, `failed`, `timed_out`, `crashed` or `skipped`.
    #[schema(example = "done")]
    state: &'static str,
    /// How often it was begun: once more when the node that ran it was gone.
    attempt: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// Who asked for it by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    began_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
    /// What it gave, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    /// The same for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// Why it gave nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct HistoryView {
    /// Newest first. Kept for 400 days, and of each job at most 2,000.
    firings: Vec<FiringView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AskedView {
    firing: FiringView,
    /// It was there before: the same request was sent before, or one that has not ended is in its place.
    already: bool,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    /// For the evidence log.
    #[schema(max_length = 500, example = "the provider is down for a day")]
    reason: Option<String>,
}

impl From<JobFiring> for FiringView {
    fn from(firing: JobFiring) -> Self {
        let span = |from: Timestamp, to: Timestamp| (to.as_micros() - from.as_micros()) / 1_000;
        Self {
            duration_ms: firing.began_at.zip(firing.ended_at).map(|(from, to)| span(from, to)),
            due_at: firing.due_at,
            cause: firing.cause.as_str(),
            state: firing.state.as_str(),
            attempt: firing.attempt,
            node: firing.node.map(|node| node.to_string()),
            region: firing.region.map(|region| region.to_string()),
            asked_by: firing.asked_by,
            began_at: firing.began_at,
            ended_at: firing.ended_at,
            summary: firing.summary,
            data: firing.data.and_then(|data| serde_json::from_str(&data).ok()),
            problem: firing.problem,
        }
    }
}

impl From<Standing> for JobView {
    fn from(standing: Standing) -> Self {
        let state = standing.state();
        let Standing { job, spec, now, ahead, late } = standing;
        let next = ahead.into_iter().map(|at| DueView { at, local: spec.local(at) }).collect();
        let (row, open, last, failures, done_at) = match now {
            Some(now) => (Some(now.job), now.open, now.last, now.failures, now.done_at),
            None => (None, None, None, 0, None),
        };
        let paused = row.as_ref().and_then(|row| Some((row.paused_at?, row.paused_by.clone())));
        Self {
            id: job.id,
            about: job.about,
            cron: job.cron,
            zone: job.zone,
            schedule: spec.describe(),
            state,
            timeout_seconds: spec.timeout.as_secs(),
            misfire: spec.misfire().as_str(),
            catch_up_seconds: spec.catch_up().as_secs(),
            next,
            paused: paused.map(|(at, by)| PausedView { at, by }),
            late,
            running: open.map(FiringView::from),
            last: last.map(FiringView::from),
            done_at,
            failures,
            missed: row.as_ref().map_or(0, |row| row.missed),
            skipped: row.as_ref().map_or(0, |row| row.skipped),
        }
    }
}

/// The jobs of the platform: when each is due, what came of it last.
#[utoipa::path(
    get,
    path = "/api/ops/jobs",
    operation_id = "jobs",
    tag = "operations",
    responses((status = 200, body = JobsView), Refusals)
)]
async fn list(State(app): State<App>) -> Result<Json<JobsView>, Problem> {
    let jobs: Vec<JobView> = service::all(&app).await?.into_iter().map(JobView::from).collect();
    let active = jobs.iter().filter(|job| job.state == "active").count();
    let runs = |job: &&JobView| job.running.as_ref().is_some_and(|firing| firing.state == "running");
    Ok(Json(JobsView { active, running: jobs.iter().filter(runs).count(), jobs }))
}

/// One job.
#[utoipa::path(
    get,
    path = "/api/ops/jobs/{id}",
    operation_id = "job",
    tag = "operations",
    params(("id" = String, Path, description = "The job's id", example = "kv_costs", pattern = "^[a-z][a-z_]{1,63}$")),
    responses((status = 200, body = JobView), Refusals)
)]
async fn get(State(app): State<App>, Path(id): Path<String>) -> Result<Json<JobView>, Problem> {
    Ok(Json(service::one(&app, &id).await?.into()))
}

/// What came of a job's due times, newest first.
#[utoipa::path(
    get,
    path = "/api/ops/jobs/{id}/history",
    operation_id = "job_history",
    tag = "operations",
    params(
        ("id" = String, Path, description = "The job's id", example = "kv_costs", pattern = "^[a-z][a-z_]{1,63}$"),
        PageQuery
    ),
    responses((status = 200, body = HistoryView), Refusals)
)]
async fn history(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<HistoryView>, Problem> {
    let (firings, next_cursor) = service::history(&app, &id, page).await?;
    Ok(Json(HistoryView { firings: firings.into_iter().map(FiringView::from).collect(), next_cursor }))
}

/// Run a job now, besides its schedule; one that has not ended yet is the one that runs.
#[utoipa::path(
    post,
    path = "/api/ops/jobs/{id}/run",
    operation_id = "run_job",
    tag = "operations",
    params(("id" = String, Path, description = "The job's id", example = "kv_costs", pattern = "^[a-z][a-z_]{1,63}$")),
    responses((status = 202, description = "A node will run it within a second", body = AskedView), Refusals)
)]
async fn run(
    State(app): State<App>,
    actor: Actor,
    Claimed(claim): Claimed,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<AskedView>), Problem> {
    let asked = service::run(&app, &actor, &id, claim.as_ref()).await?;
    Ok((StatusCode::ACCEPTED, Json(AskedView { firing: asked.firing.into(), already: asked.already })))
}

/// Have no due time of a job fire until it is resumed.
#[utoipa::path(
    post,
    path = "/api/ops/jobs/{id}/pause",
    operation_id = "pause_job",
    tag = "operations",
    params(("id" = String, Path, description = "The job's id", example = "kv_costs", pattern = "^[a-z][a-z_]{1,63}$")),
    request_body = PauseBody,
    responses((status = 200, description = "It is paused", body = JobView), Refusals)
)]
async fn pause(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<String>,
    Body(body): Body<PauseBody>,
) -> Result<Json<JobView>, Problem> {
    Ok(Json(service::pause(&app, &actor, &id, body.reason).await?.into()))
}

/// Have a job fire again, from its next due time on.
#[utoipa::path(
    post,
    path = "/api/ops/jobs/{id}/resume",
    operation_id = "resume_job",
    tag = "operations",
    params(("id" = String, Path, description = "The job's id", example = "kv_costs", pattern = "^[a-z][a-z_]{1,63}$")),
    responses((status = 200, description = "It is active", body = JobView), Refusals)
)]
async fn resume(State(app): State<App>, Path(id): Path<String>) -> Result<Json<JobView>, Problem> {
    Ok(Json(service::resume(&app, &id).await?.into()))
}
