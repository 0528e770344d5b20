//! `/api/ops/incidents`, `/api/ops/action-items` and `/api/ops/postmortems`.

mod after;

use axum::{Json, extract::State};
use http::StatusCode;
use levqor_model::{IncidentId, IncidentLevel, IncidentRole, IncidentState, Timestamp};
use levqor_store::incidents::{ActionItems, Incident};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    hand::Update,
    service::{self, Opening, Words},
    views::{
        ActionItemView, IncidentDetail, IncidentLevelName, IncidentLineView, IncidentRoleName,
        IncidentStateName, IncidentView,
    },
};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Cursor, Id, PageQuery, Query},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

/// Action items of one incident.
const ITEMS_MAX: usize = 200;

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(list, open))
        .routes(routes!(get))
        .routes(routes!(update))
        .routes(routes!(note))
        .routes(routes!(acknowledge))
        .routes(routes!(assign))
        .routes(routes!(resolve))
        .routes(routes!(reopen))
        .routes(routes!(timeline))
        .merge(after::api())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct IncidentsQuery {
    /// Also those that are over.
    #[serde(default)]
    all: bool,
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Incidents {
    incidents: Vec<IncidentView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OpenIncident {
    /// In a few words; everybody may read it when it is public.
    #[schema(min_length = 1, max_length = 200, example = "Payments fail")]
    title: String,
    #[schema(value_type = IncidentLevelName)]
    level: IncidentLevel,
    /// How it stands.
    #[serde(default)]
    #[schema(max_length = 5000)]
    text: String,
    /// Whether everybody is told; it needs a text.
    #[serde(default)]
    public: bool,
    /// What it is about: `region/component`, or only one of the two.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["eu-west/hooks"]))]
    components: Vec<String>,
    /// When the disturbance began, if anybody knows; within the last 30 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    began_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateIncident {
    /// The version that you saw.
    #[schema(minimum = 1)]
    version: i64,
    /// How it stands.
    #[serde(default)]
    #[schema(max_length = 5000)]
    text: String,
    /// `investigating`, `identified` or `monitoring`; as it is when left out.
    #[schema(value_type = Option<IncidentStateName>)]
    state: Option<IncidentState>,
    #[schema(value_type = Option<IncidentLevelName>)]
    level: Option<IncidentLevel>,
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// In the place of those that are there.
    #[schema(max_items = 50)]
    components: Option<Vec<String>>,
    /// Whether everybody is told; it needs a text.
    #[serde(default)]
    public: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NoteIncident {
    #[schema(min_length = 1, max_length = 5000)]
    text: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssignIncident {
    /// The version that you saw.
    #[schema(minimum = 1)]
    version: i64,
    #[schema(value_type = IncidentRoleName)]
    role: IncidentRole,
    /// The id or the address of an operator; nobody when left out.
    #[schema(example = "ada@example.com")]
    user: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResolveIncident {
    /// The version that you saw.
    #[schema(minimum = 1)]
    version: i64,
    /// What ended it.
    #[serde(default)]
    #[schema(max_length = 5000)]
    text: String,
    /// Whether everybody is told; it needs a text.
    #[serde(default)]
    public: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReopenIncident {
    /// The version that you saw.
    #[schema(minimum = 1)]
    version: i64,
    /// Why it is not over.
    #[schema(min_length = 1, max_length = 5000)]
    text: String,
    /// Whether everybody is told.
    #[serde(default)]
    public: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct IncidentTimeline {
    /// In order, from half an hour before the beginning on.
    timeline: Vec<IncidentLineView>,
    /// More was done by operators and nodes than fits; the evidence log has all of it.
    cut: bool,
}

async fn shown(app: &App, incident: Incident) -> Result<Json<IncidentView>, Problem> {
    let people = service::addresses(app, roles(&incident)).await?;
    Ok(Json(IncidentView::new(incident, &people)))
}

fn roles(incident: &Incident) -> Vec<levqor_model::UserId> {
    IncidentRole::ALL.iter().filter_map(|role| incident.role(*role)).collect()
}

/// Incidents that are not over, or all; newest first.
#[utoipa::path(
    get,
    path = "/api/ops/incidents",
    operation_id = "list_incidents",
    tag = "operations",
    params(IncidentsQuery),
    responses((status = 200, body = Incidents), Refusals)
)]
async fn list(
    State(app): State<App>,
    Query(query): Query<IncidentsQuery>,
) -> Result<Json<Incidents>, Problem> {
    let IncidentsQuery { all, limit, cursor } = query;
    let store = app.store.views();
    let read = |before, limit| store.incidents(!all, before, limit);
    let page = PageQuery { limit, cursor };
    let (found, next_cursor) = page.read("incidents", read, |incident: &Incident| incident.id).await?;
    let people = service::addresses(&app, found.iter().flat_map(roles).collect()).await?;
    let incidents = found.into_iter().map(|incident| IncidentView::new(incident, &people)).collect();
    Ok(Json(Incidents { incidents, next_cursor }))
}

/// Open an incident: the people of its severity are told, and others when nobody acknowledges it in time.
#[utoipa::path(
    post,
    path = "/api/ops/incidents",
    operation_id = "open_incident",
    tag = "operations",
    request_body = OpenIncident,
    responses((status = 201, description = "It is open", body = IncidentView), Refusals)
)]
async fn open(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<OpenIncident>,
) -> Result<(StatusCode, Json<IncidentView>), Problem> {
    let OpenIncident { title, level, text, public, components, began_at } = body;
    let opening = Opening { title, level, components, text, public, began_at };
    let incident = service::open(&app, &actor.by.words(), opening).await?;
    Ok((StatusCode::CREATED, shown(&app, incident).await?))
}

/// One incident, with its alerts, updates and action items.
#[utoipa::path(
    get,
    path = "/api/ops/incidents/{id}",
    operation_id = "get_incident",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    responses((status = 200, body = IncidentDetail), Refusals)
)]
async fn get(State(app): State<App>, Id(id): Id<IncidentId>) -> Result<Json<IncidentDetail>, Problem> {
    let incident = service::find(&app, id).await?;
    let items = app.store.action_items(ActionItems::Of(id), ITEMS_MAX).await?;
    let ids = roles(&incident).into_iter().chain(items.iter().filter_map(|item| item.owner));
    let people = service::addresses(&app, ids.collect()).await?;
    let now = app.now();
    Ok(Json(IncidentDetail {
        alerts: app.store.incident_alerts(id).await?.into_iter().map(Into::into).collect(),
        updates: app.store.incident_updates(id).await?.into_iter().map(Into::into).collect(),
        action_items: items.into_iter().map(|item| ActionItemView::new(item, &people, now)).collect(),
        incident: IncidentView::new(incident, &people),
    }))
}

/// Say how an incident stands, and change its state, level, title or parts. Who does it has acknowledged it.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/updates",
    operation_id = "update_incident",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    request_body = UpdateIncident,
    responses((status = 200, body = IncidentView), Refusals)
)]
async fn update(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
    Body(body): Body<UpdateIncident>,
) -> Result<Json<IncidentView>, Problem> {
    let UpdateIncident { version, text, state, level, title, components, public } = body;
    let update = Update { text, state, level, title, components, public };
    shown(&app, service::update(&app, &actor.by.words(), id, version, update).await?).await
}

/// Note something for those who work on an incident.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/notes",
    operation_id = "note_incident",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    request_body = NoteIncident,
    responses((status = 200, body = IncidentView), Refusals)
)]
async fn note(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
    Body(body): Body<NoteIncident>,
) -> Result<Json<IncidentView>, Problem> {
    shown(&app, service::note(&app, &actor.by.words(), id, &body.text).await?).await
}

/// Say that you deal with an incident: from then on it waits for updates. A second time it is as it was.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/acknowledge",
    operation_id = "acknowledge_incident",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    responses((status = 200, body = IncidentView), Refusals)
)]
async fn acknowledge(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
) -> Result<Json<IncidentView>, Problem> {
    shown(&app, service::acknowledge(&app, &actor.by.words(), id).await?).await
}

/// Give an operator a part in an incident.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/assign",
    operation_id = "assign_incident",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    request_body = AssignIncident,
    responses((status = 200, body = IncidentView), Refusals)
)]
async fn assign(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
    Body(body): Body<AssignIncident>,
) -> Result<Json<IncidentView>, Problem> {
    let AssignIncident { version, role, user } = body;
    let by = actor.by.words();
    shown(&app, service::assign(&app, &by, id, version, role, user.as_deref()).await?).await
}

/// Say that an incident is over. It is not while one of its alerts goes on. Its postmortem begins with what was measured.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/resolve",
    operation_id = "resolve_incident",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    request_body = ResolveIncident,
    responses((status = 200, body = IncidentView), Refusals)
)]
async fn resolve(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
    Body(body): Body<ResolveIncident>,
) -> Result<Json<IncidentView>, Problem> {
    let ResolveIncident { version, text, public } = body;
    shown(&app, service::resolve(&app, &actor.by.words(), id, Words { version, text, public }).await?).await
}

/// Say that an incident was not over.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/reopen",
    operation_id = "reopen_incident",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    request_body = ReopenIncident,
    responses((status = 200, body = IncidentView), Refusals)
)]
async fn reopen(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
    Body(body): Body<ReopenIncident>,
) -> Result<Json<IncidentView>, Problem> {
    let ReopenIncident { version, text, public } = body;
    shown(&app, service::reopen(&app, &actor.by.words(), id, Words { version, text, public }).await?).await
}

/// What happened: what was said, what alerts did, and what operators and nodes did meanwhile.
#[utoipa::path(
    get,
    path = "/api/ops/incidents/{id}/timeline",
    operation_id = "incident_timeline",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    responses((status = 200, body = IncidentTimeline), Refusals)
)]
async fn timeline(State(app): State<App>, Id(id): Id<IncidentId>) -> Result<Json<IncidentTimeline>, Problem> {
    let incident = service::find(&app, id).await?;
    let (lines, cut) = service::timeline(&app, &incident).await?;
    Ok(Json(IncidentTimeline { timeline: lines.into_iter().map(Into::into).collect(), cut }))
}
