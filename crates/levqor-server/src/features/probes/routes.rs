//! `/api/ops/probes`.

use axum::{
    Json,
    extract::{Path, State},
};
use levqor_model::{Date, RegionCode, Severity, Timestamp};
use levqor_store::probes::{ProbeDay, ProbeFilter, ProbeResult, ProbeVerdict};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    board::Seen,
    heartbeats,
    judge::{RegionView, Verdict},
    look::Step,
    service::{self, Asked, Known},
    verdict::State as ProbeState,
};
use crate::{
    App, Problem,
    gateway::{Body, Cursor, Query, page_limit},
    openapi::{ApiRouter, routes, vocabulary},
    problem::Refusals,
};

/// Looks of this node at each target that the list has.
const LOOKS: usize = 10;

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(results))
        .routes(routes!(run))
        .merge(heartbeats::api())
}

vocabulary! { ProbeSeverity = Severity; }

#[derive(Debug, Serialize, ToSchema)]
struct Probes {
    /// `up` when all targets of all probes are, `down` when one is, else `unknown`.
    state: ProbeState,
    probes: Vec<ProbeView>,
}

/// What is looked at, and what is known of it.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeView {
    #[schema(example = "reach")]
    name: String,
    /// `http`, `tcp`, `dns`, `tls`, `database` or `journey`.
    #[schema(example = "http")]
    kind: &'static str,
    /// What the status page calls it; left out when it is not shown there.
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    /// Left out: only when somebody asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    every_ms: Option<u64>,
    timeout_ms: u64,
    #[schema(value_type = ProbeSeverity)]
    severity: Severity,
    targets: Vec<ProbeTargetView>,
}

/// A region or another target.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeTargetView {
    /// A region's code, or a host.
    #[schema(example = "us-east")]
    target: String,
    state: ProbeState,
    /// Since when it is up or down.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Some regions reach it and others do not.
    disputed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    certificate_ends_at: Option<Timestamp>,
    /// What the nodes of each region see.
    regions: Vec<ProbeRegionView>,
    /// The last looks of the node that answers, newest first.
    looks: Vec<ProbeLookView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProbeRegionView {
    #[schema(example = "eu-west")]
    region: String,
    state: ProbeState,
    /// How many nodes look.
    nodes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// Of the newest look; left out when that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// One look.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeLookView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    good: bool,
    latency_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of a journey.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<ProbeStepView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProbeStepView {
    #[schema(example = "signInPage")]
    name: String,
    #[schema(example = "completed")]
    status: String,
    latency_us: i64,
}

impl From<RegionView> for ProbeRegionView {
    fn from(view: RegionView) -> Self {
        let RegionView { region, state, nodes, at, latency_us, reason, certificate: _ } = view;
        Self { region, state, nodes, at, latency_us, reason }
    }
}

impl From<Seen> for ProbeLookView {
    fn from(seen: Seen) -> Self {
        let Seen { at, latency_us, fault, certificate: _, steps } = seen;
        Self { at, good: fault.is_none(), latency_us, reason: fault, steps: steps_of(steps) }
    }
}

fn steps_of(steps: Vec<Step>) -> Vec<ProbeStepView> {
    let view = |Step { name, status, latency_us }| ProbeStepView { name, status, latency_us };
    steps.into_iter().map(view).collect()
}

impl ProbeTargetView {
    fn new(target: String, verdict: Option<Verdict>, looks: Vec<Seen>) -> Self {
        let looks = looks.into_iter().take(LOOKS).map(ProbeLookView::from).collect();
        let Some(verdict) = verdict else {
            return Self {
                target,
                state: ProbeState::Unknown,
                since: None,
                reason: Some("nobody has looked at it yet".to_owned()),
                disputed: false,
                certificate_ends_at: None,
                regions: Vec::new(),
                looks,
            };
        };
        Self {
            target,
            state: verdict.state,
            since: verdict.since,
            disputed: verdict.is_disputed(),
            certificate_ends_at: verdict.certificate(),
            reason: verdict.reason,
            regions: verdict.regions.into_iter().map(ProbeRegionView::from).collect(),
            looks,
        }
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl From<Known> for ProbeView {
    fn from(known: Known) -> Self {
        let Known { definition, targets } = known;
        Self {
            name: definition.name.clone(),
            kind: definition.kind.as_str(),
            component: definition.component.clone(),
            every_ms: definition.every.map(millis),
            timeout_ms: millis(definition.timeout),
            severity: definition.severity,
            targets: targets
                .into_iter()
                .map(|(target, verdict, looks)| ProbeTargetView::new(target, verdict, looks))
                .collect(),
        }
    }
}

/// The worst of all: what is unknown is never taken for good.
fn overall(probes: &[ProbeView]) -> ProbeState {
    let mut states = probes.iter().flat_map(|probe| &probe.targets).map(|target| target.state).peekable();
    if states.peek().is_none() {
        return ProbeState::Unknown;
    }
    let mut worst = ProbeState::Up;
    for state in states {
        match state {
            ProbeState::Down => return ProbeState::Down,
            ProbeState::Unknown => worst = ProbeState::Unknown,
            ProbeState::Up => {}
        }
    }
    worst
}

/// What is looked at, from which regions, and what is known of it now.
#[utoipa::path(
    get,
    path = "/api/ops/probes",
    operation_id = "list_probes",
    tag = "operations",
    responses((status = 200, body = Probes), Refusals)
)]
async fn list(State(app): State<App>) -> Json<Probes> {
    let probes: Vec<_> = service::all(&app).into_iter().map(ProbeView::from).collect();
    Json(Probes { state: overall(&probes), probes })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ResultsQuery {
    /// Of this target only.
    #[param(example = "us-east")]
    target: Option<String>,
    /// As seen from this region only.
    #[param(value_type = Option<String>, example = "eu-west")]
    region: Option<RegionCode>,
    /// 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// What was seen, as far as it is kept.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeResults {
    /// Newest first: looks that differ from the one before, and one in 30 s of the others. Kept for a day.
    results: Vec<ProbeResultView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
    /// All looks, summed by day, oldest first; the last 90 days.
    days: Vec<ProbeDayView>,
    /// When the verdict changed, newest first, at most 50 times.
    changes: Vec<ProbeChangeView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProbeResultView {
    #[schema(example = "us-east")]
    target: String,
    #[schema(example = "eu-west")]
    region: String,
    #[schema(example = "node_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    node: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProbeDayView {
    #[schema(value_type = String, format = Date)]
    day: Date,
    #[schema(example = "us-east")]
    target: String,
    #[schema(example = "eu-west")]
    region: String,
    good: i64,
    total: i64,
    /// Of the good ones; left out when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_mean_us: Option<i64>,
    latency_max_us: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProbeChangeView {
    #[schema(example = "us-east")]
    target: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `up` or `down`.
    #[schema(example = "down")]
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<ProbeResult> for ProbeResultView {
    fn from(result: ProbeResult) -> Self {
        let ProbeResult { probe: _, target, region, node, at, good, latency_us, reason } = result;
        Self { target, region: region.to_string(), node: node.to_string(), at, good, latency_us, reason }
    }
}

impl From<ProbeDay> for ProbeDayView {
    fn from(of: ProbeDay) -> Self {
        let ProbeDay { probe: _, target, region, day, good, total, latency_sum_us, latency_max_us } = of;
        let latency_mean_us = latency_sum_us.checked_div(good);
        Self { day, target, region: region.to_string(), good, total, latency_mean_us, latency_max_us }
    }
}

impl From<ProbeVerdict> for ProbeChangeView {
    fn from(verdict: ProbeVerdict) -> Self {
        let ProbeVerdict { probe: _, target, state, since, reason } = verdict;
        Self { target, at: since, state, reason }
    }
}

/// What a probe has seen.
#[utoipa::path(
    get,
    path = "/api/ops/probes/{name}/results",
    operation_id = "list_probe_results",
    tag = "operations",
    params(("name" = String, Path, description = "The probe's name"), ResultsQuery),
    responses((status = 200, body = ProbeResults), Refusals)
)]
async fn results(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<ResultsQuery>,
) -> Result<Json<ProbeResults>, Problem> {
    let limit = page_limit(query.limit)?;
    let definition = service::find(&app, &name)?;
    let filter = ProbeFilter { probe: definition.name.clone(), target: query.target, region: query.region };
    let (days, changes) = service::history(&app, &filter).await?;
    let (found, next_cursor) = service::results(&app, filter, query.cursor, limit).await?;
    Ok(Json(ProbeResults {
        results: found.into_iter().map(ProbeResultView::from).collect(),
        next_cursor,
        days: days.into_iter().map(ProbeDayView::from).collect(),
        changes: changes.into_iter().map(ProbeChangeView::from).collect(),
    }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunProbe {
    /// Only at this target; at all of them when left out.
    #[schema(example = "us-east")]
    target: Option<String>,
}

/// What the node that answers has seen just now.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeRun {
    /// Whether all looks were good; false when there was nothing to look at.
    good: bool,
    looks: Vec<ProbeRunLook>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ProbeRunLook {
    #[schema(example = "us-east")]
    target: String,
    #[serde(flatten)]
    look: ProbeLookView,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    certificate_ends_at: Option<Timestamp>,
}

impl ProbeRunLook {
    fn new(asked: Asked, now: Timestamp) -> Self {
        let Asked { target, look } = asked;
        let Some(look) = look else {
            let reason = Some("this process stood still meanwhile, so nothing was seen".to_owned());
            let look = ProbeLookView { at: now, good: false, latency_us: 0, reason, steps: Vec::new() };
            return Self { target, look, certificate_ends_at: None };
        };
        let certificate_ends_at = look.certificate;
        let look = ProbeLookView {
            at: look.at,
            good: look.is_good(),
            latency_us: service::micros(&look),
            reason: look.fault,
            steps: steps_of(look.steps),
        };
        Self { target, look, certificate_ends_at }
    }
}

/// Look now, from the node that answers. It counts like every other look.
#[utoipa::path(
    post,
    path = "/api/ops/probes/{name}/run",
    operation_id = "run_probe",
    tag = "operations",
    params(("name" = String, Path, description = "The probe's name")),
    request_body = RunProbe,
    responses((status = 200, body = ProbeRun), Refusals)
)]
async fn run(
    State(app): State<App>,
    Path(name): Path<String>,
    Body(body): Body<RunProbe>,
) -> Result<Json<ProbeRun>, Problem> {
    let definition = service::find(&app, &name)?;
    let asked = service::run_now(&app, &definition, body.target.as_deref()).await?;
    let now = app.now();
    let looks: Vec<_> = asked.into_iter().map(|asked| ProbeRunLook::new(asked, now)).collect();
    Ok(Json(ProbeRun { good: !looks.is_empty() && looks.iter().all(|one| one.look.good), looks }))
}
