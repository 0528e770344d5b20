//! `/api/status`: the verdict, the signed days, and being told.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use levqor_model::{Date, MaintenanceId, Timestamp, uptime::Observation};
use levqor_store::{maintenance::Window, subscriptions::SubscriptionKind, uptime::KeptUptime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    incidents::Disturbance,
    reasons::Reader,
    rendered::View,
    service::{ComponentReport, FRESH, Report},
    snapshot::{self, Snapshot},
    subscriptions::{self, Wish},
};
use crate::{
    App, Problem,
    features::audit,
    gateway::{Body, ClientAddress, Cursor, PageQuery, Query, cut, page_limit},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

/// Observations in one answer.
const OBSERVATIONS_MAX: usize = 5_000;

pub(super) fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(show))
        .routes(routes!(uptime_days))
        .routes(routes!(uptime_day))
        .routes(routes!(uptime_evidence))
        .routes(routes!(subscribe))
}

/// The state of the platform, computed from evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusReport {
    /// `operational`, `degraded`, `down`, or `unknown`: there is no fresh evidence.
    #[schema(example = "operational")]
    status: &'static str,
    /// When this was computed.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// When the newest evidence was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    evidence_at: Option<Timestamp>,
    /// For how many seconds evidence speaks; after that the state is unknown.
    #[schema(example = 15)]
    fresh_seconds: u64,
    /// Whether the evidence in the database could be read a moment ago. When not, only what the answering node saw itself is new.
    database_readable: bool,
    /// When it was read last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    database_read_at: Option<Timestamp>,
    regions: Vec<StatusRegion>,
    /// Each part over all regions in use.
    capabilities: Vec<StatusCapability>,
    /// What operators say now.
    declarations: Vec<DeclarationView>,
    /// Open ones, and those of the last 90 days.
    incidents: Vec<StatusIncident>,
    /// To come, in progress, and of the last 90 days.
    maintenance: Vec<MaintenanceView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatusRegion {
    #[schema(example = "eu-west")]
    code: String,
    name: String,
    #[schema(example = "operational")]
    status: &'static str,
    /// Nothing runs there yet, so there is nothing to observe.
    planned: bool,
    draining: bool,
    components: Vec<StatusComponent>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatusComponent {
    #[schema(example = "api")]
    name: String,
    title: String,
    /// As measured, or worse when an operator says so.
    #[schema(example = "operational")]
    status: &'static str,
    #[schema(example = "operational")]
    measured: &'static str,
    in_maintenance: bool,
    /// The newest sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    /// Why the newest sample is not good: of what kind it is, such as `does not answer`. Operators read at `/api/ops/status` what was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Good samples of the last 90 days, and all of them.
    good: i64,
    total: i64,
    /// Over how many seconds of those days that is reckoned: somebody's word stood. The rest is not known.
    measured_seconds: u64,
    /// False: of some of those days only sums are left, and it was measured for so long at most.
    measured_exactly: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatusCapability {
    #[schema(example = "api")]
    name: String,
    title: String,
    #[schema(example = "operational")]
    status: &'static str,
}

/// What an operator says of a part.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeclarationView {
    #[schema(example = "dcl_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    pub(super) id: String,
    #[schema(example = "eu-west/api")]
    pub(super) part: String,
    /// `degraded` or `down`; left out: only words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<&'static str>,
    pub(super) words: String,
    #[schema(value_type = String, format = DateTime)]
    pub(super) at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub(super) until: Timestamp,
    /// Who said it; only operators are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatusIncident {
    #[schema(example = "inc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    title: String,
    #[schema(example = "l2")]
    level: &'static str,
    #[schema(example = "investigating")]
    state: &'static str,
    parts: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    began_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    resolved_at: Option<Timestamp>,
    /// What was said of it in public, oldest first.
    updates: Vec<StatusUpdate>,
}

#[derive(Debug, Serialize, ToSchema)]
struct StatusUpdate {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    state: &'static str,
    text: String,
}

/// A time in which operators work on the platform.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MaintenanceView {
    #[schema(value_type = String, example = "mnt_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: MaintenanceId,
    title: String,
    words: String,
    parts: Vec<String>,
    /// `scheduled`, `in_progress`, `completed` or `cancelled`.
    #[schema(example = "scheduled")]
    status: &'static str,
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl MaintenanceView {
    pub(super) fn new(window: &Window, now: Timestamp) -> Self {
        Self {
            id: window.id,
            title: window.title.clone(),
            words: window.words.clone(),
            parts: window.parts.clone(),
            status: window.phase(now).as_str(),
            starts_at: window.starts_at,
            ends_at: window.ends_at,
            updated_at: window.updated_at,
        }
    }
}

impl StatusComponent {
    fn new(component: &ComponentReport, reader: Reader) -> Self {
        Self {
            name: component.name.clone(),
            title: component.title.clone(),
            status: component.state.as_str(),
            measured: component.measured.as_str(),
            in_maintenance: component.in_maintenance,
            at: component.at,
            latency_ms: component.latency.map(|latency| latency.as_secs_f64() * 1_000.0),
            reason: component.reason.as_deref().map(|reason| reader.reason(reason)),
            good: component.good,
            total: component.total,
            measured_seconds: component.known.span.as_secs(),
            measured_exactly: component.known.is_exact,
        }
    }
}

impl From<&Disturbance> for StatusIncident {
    fn from(one: &Disturbance) -> Self {
        let update = |update: &super::incidents::Update| StatusUpdate {
            at: update.at,
            state: update.state.as_str(),
            text: update.text.clone(),
        };
        Self {
            id: one.id.to_string(),
            title: one.title.clone(),
            level: one.level.as_str(),
            state: one.state.as_str(),
            parts: one.parts.clone(),
            began_at: one.began_at,
            resolved_at: one.resolved_at,
            updates: one.updates.iter().map(update).collect(),
        }
    }
}

impl StatusReport {
    pub(super) fn new(snapshot: &Snapshot, reader: Reader) -> Self {
        let report: &Report = &snapshot.report;
        let regions = report.regions.iter().map(|region| StatusRegion {
            code: region.code.clone(),
            name: region.name.clone(),
            status: region.state.as_str(),
            planned: region.planned,
            draining: region.draining,
            components: region.components.iter().map(|one| StatusComponent::new(one, reader)).collect(),
        });
        let capabilities = report.capabilities.iter().map(|one| StatusCapability {
            name: one.name.clone(),
            title: one.title.clone(),
            status: one.state.as_str(),
        });
        let declarations = report.declarations.iter().map(|said| DeclarationView {
            id: said.id.to_string(),
            part: said.part.clone(),
            state: said.state.map(levqor_store::declarations::Declared::as_str),
            words: said.words.clone(),
            at: said.at,
            until: said.ends_at,
            by: None,
        });
        Self {
            status: report.state.as_str(),
            at: report.at,
            evidence_at: report.newest,
            fresh_seconds: FRESH.as_secs(),
            // Before it was read for the first time, nobody knows that it can be.
            database_readable: snapshot.trouble.is_none() && snapshot.read_at.is_some(),
            database_read_at: snapshot.read_at,
            regions: regions.collect(),
            capabilities: capabilities.collect(),
            declarations: declarations.collect(),
            incidents: snapshot.disturbances.iter().map(StatusIncident::from).collect(),
            maintenance: snapshot.windows.iter().map(|one| MaintenanceView::new(one, report.at)).collect(),
        }
    }
}

/// How the platform is: computed from evidence that is at most 15 seconds old, else unknown.
#[utoipa::path(
    get,
    path = "/api/status",
    operation_id = "show_status",
    tag = "status",
    responses((status = 200, body = StatusReport)),
)]
async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let snapshot = snapshot::current(&app).await;
    // Texts and numbers always have a JSON form.
    let make = || serde_json::to_vec(&StatusReport::new(&snapshot, Reader::Everybody)).unwrap_or_default();
    snapshot.rendered.answer(View::Api, &headers, make)
}

#[derive(Debug, Serialize, ToSchema)]
struct UptimeDays {
    /// Newest first.
    days: Vec<UptimeDayView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
    /// Who signs: an Ed25519 key in Base 64. Keep a copy elsewhere.
    #[schema(example = "CIhGS7NbPK4GLQKGIWFKFXJ3vbGUkzUQfmzlMtcjDnw=")]
    public_key: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct UptimeDayView {
    #[schema(value_type = String, format = Date, example = "2026-11-24")]
    day: Date,
    /// SHA-256 of the record, which the next one holds.
    sha256: String,
    #[schema(value_type = String, format = DateTime)]
    sealed_at: Timestamp,
}

/// The days whose uptime is counted and signed.
#[utoipa::path(
    get,
    path = "/api/status/uptime",
    operation_id = "list_uptime_records",
    tag = "status",
    params(PageQuery),
    responses((status = 200, body = UptimeDays), Refusals),
)]
async fn uptime_days(
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> Result<Json<UptimeDays>, Problem> {
    let limit = page_limit(query.limit)?;
    let before = query.cursor.map(|cursor| cursor.last::<Date>("uptime")).transpose()?;
    let found = app.store.views().uptime_records(before, limit + 1).await?;
    let (found, next_cursor) = cut(found, limit, "uptime", |kept| kept.day);
    let day = |kept: KeptUptime| UptimeDayView {
        day: kept.day,
        sha256: kept.signed.sha256,
        sealed_at: kept.sealed_at,
    };
    let public_key = audit::signing_key(&app).await?.public_key().to_string();
    Ok(Json(UptimeDays { days: found.into_iter().map(day).collect(), next_cursor, public_key }))
}

/// What was measured of a day, signed.
#[derive(Debug, Serialize, ToSchema)]
struct UptimeDay {
    #[schema(value_type = String, format = Date, example = "2026-11-24")]
    day: Date,
    /// The record, to be read.
    #[schema(value_type = Object)]
    record: Value,
    /// The same as it was signed, byte for byte: canonical JSON.
    text: String,
    /// SHA-256 of the text; the record of the next day has it as `previous`.
    sha256: String,
    /// Ed25519 over the line `levqor uptime record 1` and the text, in Base 64.
    signature: String,
    public_key: String,
    #[schema(value_type = String, format = DateTime)]
    sealed_at: Timestamp,
}

/// The signed record of a day: for each part the samples, and for how long it was good, bad, or not known.
#[utoipa::path(
    get,
    path = "/api/status/uptime/{date}",
    operation_id = "show_uptime_record",
    tag = "status",
    params(("date" = String, Path, format = Date, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", example = "2026-11-24")),
    responses((status = 200, body = UptimeDay), Refusals),
)]
async fn uptime_day(State(app): State<App>, Path(date): Path<String>) -> Result<Json<UptimeDay>, Problem> {
    let day = day(&date)?;
    let kept = app.store.uptime_record(day).await?.ok_or_else(|| {
        Problem::not_found(format!(
            "there is no record of {day}; a day is counted an hour after its end, and /api/status/uptime lists all"
        ))
    })?;
    let signed = kept.signed;
    Ok(Json(UptimeDay {
        day,
        record: serde_json::from_str(&signed.text).unwrap_or_default(),
        text: signed.text,
        sha256: signed.sha256,
        signature: signed.signature,
        public_key: signed.key,
        sealed_at: kept.sealed_at,
    }))
}

fn day(text: &str) -> Result<Date, Problem> {
    text.parse().map_err(|error: levqor_model::TimeError| Problem::not_found(error.to_string()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EvidenceQuery {
    /// Observations in the answer, 1 to 5,000; all of them when left out.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
struct UptimeEvidence {
    /// In the order of time, region, component and observer.
    observations: Vec<ObservationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// What a node saw of a part.
#[derive(Debug, Serialize, ToSchema)]
struct ObservationView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(example = "eu-west")]
    region: String,
    #[schema(example = "api")]
    component: String,
    #[schema(example = "node_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    node: String,
    good: bool,
}

/// A place in the list of observations. The component comes last, since its name may have spaces.
struct Place(Observation);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Observation { region, component, at, node, good: _ } = &self.0;
        write!(f, "{} {region} {node} {component}", at.as_micros())
    }
}

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(4, ' ');
        let mut next = || parts.next().map(str::to_owned).ok_or(());
        let (at, region, node, component) = (next()?, next()?, next()?, next()?);
        let at = at.parse().map(Timestamp::from_micros).map_err(drop)?;
        Ok(Self(Observation { region, component, at, node, good: false }))
    }
}

/// The observations that a day's record is counted from, as long as they are kept: seven days.
#[utoipa::path(
    get,
    path = "/api/status/uptime/{date}/evidence",
    operation_id = "list_uptime_evidence",
    tag = "status",
    params(
        ("date" = String, Path, format = Date, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", example = "2026-11-24"),
        EvidenceQuery,
    ),
    responses((status = 200, body = UptimeEvidence), Refusals),
)]
async fn uptime_evidence(
    State(app): State<App>,
    Path(date): Path<String>,
    Query(query): Query<EvidenceQuery>,
) -> Result<Json<UptimeEvidence>, Problem> {
    let day = day(&date)?;
    let limit = match query.limit {
        None => OBSERVATIONS_MAX,
        Some(limit) if (1..=OBSERVATIONS_MAX).contains(&limit) => limit,
        Some(limit) => {
            return Err(Problem::parameter("limit", format!("{limit} is not from 1 to {OBSERVATIONS_MAX}")));
        }
    };
    let after = query.cursor.map(|cursor| cursor.last::<Place>("evidence")).transpose()?;
    let found = app.store.views().observations(day, after.map(|place| place.0), limit + 1).await?;
    let (found, next_cursor) = cut(found, limit, "evidence", |seen| Place(seen.clone()));
    let view = |seen: Observation| {
        let Observation { region, component, at, node, good } = seen;
        ObservationView { at, region, component, node, good }
    };
    Ok(Json(UptimeEvidence { observations: found.into_iter().map(view).collect(), next_cursor }))
}

/// Give one of `email` and `url`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubscribeBody {
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    /// Where messages are posted to, signed as Standard Webhooks are.
    #[schema(max_length = 2000, example = "https://example.com/hooks/levqor")]
    url: Option<String>,
    /// Only of these parts: `region/component`, with `*` for all of them; all when left out.
    #[serde(default)]
    #[schema(required = false, max_items = 20)]
    parts: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SubscribeAnswer {
    /// `accepted`, whether the address was known or not.
    #[schema(example = "accepted")]
    status: &'static str,
    message: &'static str,
}

/// Ask to be told of incidents and maintenance. A message with a link comes first; nothing else does before somebody has opened it.
#[utoipa::path(
    post,
    path = "/api/status/subscriptions",
    operation_id = "subscribe_to_status",
    tag = "status",
    request_body = SubscribeBody,
    responses((status = 202, description = "Accepted", body = SubscribeAnswer), Refusals),
)]
async fn subscribe(
    State(app): State<App>,
    client: ClientAddress,
    Body(body): Body<SubscribeBody>,
) -> Result<(StatusCode, Json<SubscribeAnswer>), Problem> {
    let (kind, address) = match (body.email, body.url) {
        (Some(email), None) => (SubscriptionKind::Email, email),
        (None, Some(url)) => (SubscriptionKind::Webhook, url),
        _ => return Err(Problem::field("/email", "give one of email and url, and not both")),
    };
    subscriptions::subscribe(&app, client.network(), Wish { kind, address, parts: body.parts }).await?;
    let message = "a message with a link that confirms it is on its way; the link works for 24 hours";
    Ok((StatusCode::ACCEPTED, Json(SubscribeAnswer { status: "accepted", message })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_text() {
        let place = Place(Observation {
            region: "eu-west".to_owned(),
            component: "a b".to_owned(),
            at: Timestamp::from_micros(17),
            node: "node_1".to_owned(),
            good: false,
        });
        let again: Place = place.to_string().parse().unwrap_or_else(|()| panic!("{place}"));
        assert_eq!(again.0, place.0);
        assert!("17 eu-west".parse::<Place>().is_err() && "x a b c".parse::<Place>().is_err());
    }
}
