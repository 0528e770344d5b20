//! `/api/ops/regions`: what operators see of regions, and do with them.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use levqor_model::{ProblemCode, Timestamp};
use levqor_store::regions::Act;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    acts::{self, Report},
    checks::Check,
    service, snapshot,
};
use crate::{
    App, Problem, agreed_key,
    gateway::{Actor, Body},
    openapi::{ApiRouter, routes},
    problem::{FieldError, Refusals},
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(drain))
        .routes(routes!(activate))
        .routes(routes!(failover))
}

#[derive(Debug, Serialize, ToSchema)]
struct OpsRegions {
    /// What an edge is configured with to know that a region snapshot is genuine: the Ed25519 key in Base 64.
    #[schema(example = "CIhGS7NbPK4GLQKGIWFKFXJ3vbGUkzUQfmzlMtcjDnw=")]
    snapshot_key: String,
}

/// A region as operators need to know it.
#[derive(Debug, Serialize, ToSchema)]
struct OpsRegion {
    #[schema(example = "us-east")]
    code: String,
    /// `planned`, `active`, `draining` or `down`.
    #[schema(example = "active")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    drained: Option<DrainView>,
    /// Whether it could take over the runs of another region, check by check.
    checks: Vec<CheckView>,
    /// What is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<ActView>,
    /// How far that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<StandingView>,
    /// What was done before, newest first, at most 20.
    reports: Vec<ActView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DrainView {
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Where its runs go first.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CheckView {
    /// `nodes`, `open`, `clock`, `key`, `version`, `schema`, `replication`, `drill`.
    #[schema(example = "nodes")]
    name: &'static str,
    ok: bool,
    /// What was found.
    detail: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct StandingView {
    /// Runs that may leave, and that nobody has taken yet.
    leaving_runs: i64,
    /// Runs that may be nowhere else.
    pinned_runs: i64,
}

/// Something that an operator does, or did, with a region.
#[derive(Debug, Serialize, ToSchema)]
struct ActView {
    /// Numbers the acts.
    id: i64,
    #[schema(example = "us-east")]
    region: String,
    /// `drain`, `activate` or `failover`.
    #[schema(example = "drain")]
    verb: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    began_at: Timestamp,
    /// `fencing`, `handing_over`, `verifying` or `opening`: the one that it is in, or ended in.
    #[schema(example = "handing_over")]
    phase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// `done` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    report: Report,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhyBody {
    /// Words for whoever looks at it later, at most 500 characters.
    reason: Option<String>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FailoverBody {
    /// Where the runs go; the first ready region in the operator's order when it is left out.
    #[schema(example = "eu-west")]
    to: Option<String>,
    /// The target need not have taken runs over in the last 8 days.
    #[serde(default)]
    unrehearsed: bool,
    /// Words for whoever looks at it later, at most 500 characters.
    reason: Option<String>,
}

impl From<Act> for ActView {
    fn from(act: Act) -> Self {
        Self {
            id: act.seq,
            report: Report::of(&act),
            region: act.region.to_string(),
            verb: act.verb,
            target: act.target.map(|target| target.to_string()),
            by: act.actor,
            reason: act.reason,
            began_at: act.began_at,
            phase: act.phase,
            ended_at: act.ended_at,
            outcome: act.outcome,
        }
    }
}

impl From<Check> for CheckView {
    fn from(Check { name, ok, detail }: Check) -> Self {
        Self { name, ok, detail }
    }
}

impl From<snapshot::Error> for Problem {
    fn from(error: snapshot::Error) -> Self {
        match error {
            snapshot::Error::Store(error) => error.into(),
            snapshot::Error::Key(agreed_key::Error::Store(error)) => error.into(),
            snapshot::Error::Key(agreed_key::Error::Keyring(error)) => error.into(),
            other => Problem::internal(other),
        }
    }
}

impl From<acts::Error> for Problem {
    fn from(error: acts::Error) -> Self {
        let detail = error.to_string();
        match error {
            acts::Error::Store(error) => error.into(),
            acts::Error::Region(error) => error.into(),
            acts::Error::Itself(_) => Problem::field("/to", detail),
            acts::Error::Reason => Problem::field("/reason", detail),
            acts::Error::Busy(_) => Problem::new(ProblemCode::RegionBusy, detail),
            acts::Error::NotDrained(_) | acts::Error::NoHost { .. } => {
                Problem::new(ProblemCode::RegionNotReady, detail)
            }
            acts::Error::NotReady { failed, .. } => {
                let errors = failed
                    .into_iter()
                    .map(|(region, check)| FieldError::new(format!("{region}/{}", check.name), check.detail));
                Problem::new(ProblemCode::RegionNotReady, detail).with_errors(errors.collect())
            }
        }
    }
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

/// A region with its checks, what is under way, and what was done before.
#[utoipa::path(
    get,
    path = "/api/ops/regions/{code}",
    operation_id = "ops_region",
    tag = "operations",
    params(("code" = String, Path, description = "The region's code", example = "eu-west")),
    responses((status = 200, body = OpsRegion), Refusals)
)]
async fn get(State(app): State<App>, Path(code): Path<String>) -> Result<Json<OpsRegion>, Problem> {
    let found = acts::overview(&app, &code).await?;
    let region = app.regions.find(&code)?;
    let now = service::one(&app, &region.code).await?;
    let now = now.ok_or_else(|| Problem::broken("a region of the registry is missing from its own list"))?;
    let (open, ended): (Vec<_>, Vec<_>) = found.acts.into_iter().partition(|act| act.ended_at.is_none());
    Ok(Json(OpsRegion {
        code,
        status: now.status.as_str(),
        drained: now.drain.map(|drain| DrainView {
            since: drain.at,
            by: drain.actor,
            reason: drain.reason,
            target: drain.target.map(|target| target.to_string()),
        }),
        checks: found.checks.into_iter().map(CheckView::from).collect(),
        act: open.into_iter().next().map(ActView::from),
        standing: found.standing.map(|standing| StandingView {
            leaving_runs: standing.leaving,
            pinned_runs: standing.pinned.iter().map(|left| left.runs).sum(),
        }),
        reports: ended.into_iter().map(ActView::from).collect(),
    }))
}

/// Drains a region: nothing begins there, and other regions take what may leave.
#[utoipa::path(
    post,
    path = "/api/ops/regions/{code}/drain",
    operation_id = "drain_region",
    tag = "operations",
    params(("code" = String, Path, description = "The region's code", example = "us-east")),
    request_body = WhyBody,
    responses((status = 202, description = "It has begun", body = ActView), Refusals)
)]
async fn drain(
    State(app): State<App>,
    Path(code): Path<String>,
    actor: Actor,
    Body(body): Body<WhyBody>,
) -> Result<(StatusCode, Json<ActView>), Problem> {
    let act = acts::drain(&app, &code, actor.by.words(), body.reason).await?;
    Ok((StatusCode::ACCEPTED, Json(act.into())))
}

/// Ends a drain: the region works again.
#[utoipa::path(
    post,
    path = "/api/ops/regions/{code}/activate",
    operation_id = "activate_region",
    tag = "operations",
    params(("code" = String, Path, description = "The region's code", example = "us-east")),
    request_body = WhyBody,
    responses((status = 202, description = "It has begun", body = ActView), Refusals)
)]
async fn activate(
    State(app): State<App>,
    Path(code): Path<String>,
    actor: Actor,
    Body(body): Body<WhyBody>,
) -> Result<(StatusCode, Json<ActView>), Problem> {
    let act = acts::activate(&app, &code, actor.by.words(), body.reason).await?;
    Ok((StatusCode::ACCEPTED, Json(act.into())))
}

/// Gives a region up that is dead or sick: stops its nodes at once, drains it, and hands its runs to another region.
#[utoipa::path(
    post,
    path = "/api/ops/regions/{code}/failover",
    operation_id = "failover_region",
    tag = "operations",
    params(("code" = String, Path, description = "The region's code", example = "us-east")),
    request_body = FailoverBody,
    responses((status = 202, description = "It has begun", body = ActView), Refusals)
)]
async fn failover(
    State(app): State<App>,
    Path(code): Path<String>,
    actor: Actor,
    Body(body): Body<FailoverBody>,
) -> Result<(StatusCode, Json<ActView>), Problem> {
    let FailoverBody { to, unrehearsed, reason } = body;
    let act = acts::failover(&app, &code, to.as_deref(), unrehearsed, actor.by.words(), reason).await?;
    Ok((StatusCode::ACCEPTED, Json(act.into())))
}
