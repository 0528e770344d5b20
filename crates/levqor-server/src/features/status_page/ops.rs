//! `/api/ops/status`, `/api/ops/maintenance`: what operators say, plan, and see of subscriptions.

use axum::{Json, extract::State};
use http::StatusCode;
use levqor_model::{DeclarationId, MaintenanceId, SubscriptionId, Timestamp};
use levqor_store::{
    declarations::{Declaration, Declared},
    maintenance::Window,
    subscriptions::Subscription,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    declarations::{self, Wish},
    maintenance::{self, Plan},
    reasons::Reader,
    routes::{DeclarationView, MaintenanceView, StatusReport},
    snapshot::{self, SHOWN},
};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Cursor, Id, PageQuery, Place, Query, cut, page_limit},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub(super) fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(show_parts))
        .routes(routes!(list_declarations))
        .routes(routes!(declare))
        .routes(routes!(withdraw))
        .routes(routes!(list_maintenance))
        .routes(routes!(schedule))
        .routes(routes!(cancel))
        .routes(routes!(end))
        .routes(routes!(list_subscriptions))
        .routes(routes!(end_subscription))
}

/// How the platform is, as `/api/status` tells everybody, and with all that was found where something is not well.
#[utoipa::path(get, path = "/api/ops/status", operation_id = "show_status_of_parts", tag = "operations",
    responses((status = 200, body = StatusReport), Refusals))]
async fn show_parts(State(app): State<App>) -> Json<StatusReport> {
    Json(StatusReport::new(&*snapshot::current(&app).await, Reader::Operator))
}

#[derive(Debug, Serialize, ToSchema)]
struct Declarations {
    /// Newest first.
    declarations: Vec<DeclarationView>,
}

impl From<Declaration> for DeclarationView {
    fn from(said: Declaration) -> Self {
        Self {
            id: said.id.to_string(),
            part: said.part,
            state: said.state.map(Declared::as_str),
            words: said.words,
            at: said.at,
            until: said.ends_at,
            by: Some(said.actor),
        }
    }
}

/// What operators say of the platform now.
#[utoipa::path(get, path = "/api/ops/status/declarations", operation_id = "list_status_declarations", tag = "operations",
    responses((status = 200, body = Declarations), Refusals))]
async fn list_declarations(State(app): State<App>) -> Result<Json<Declarations>, Problem> {
    let found = app.store.declarations(app.now()).await?;
    Ok(Json(Declarations { declarations: found.into_iter().map(DeclarationView::from).collect() }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeclareBody {
    /// `region/component`, with `*` for all of them.
    #[schema(min_length = 1, max_length = 129, example = "eu-west/api")]
    part: String,
    /// `degraded` or `down`; left out: only words. A part is never shown as better than it is measured.
    #[schema(example = "degraded")]
    state: Option<String>,
    #[schema(min_length = 1, max_length = 500, example = "some requests are slow; we look into it")]
    words: String,
    /// At most 7 days from now.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// Add words to the status page, and call a part worse than it is measured.
#[utoipa::path(post, path = "/api/ops/status/declarations", operation_id = "declare_status", tag = "operations",
    request_body = DeclareBody,
    responses((status = 201, description = "Created", body = DeclarationView), Refusals))]
async fn declare(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<DeclareBody>,
) -> Result<(StatusCode, Json<DeclarationView>), Problem> {
    let DeclareBody { part, state, words, until } = body;
    let state = declared("/state", state.as_deref())?;
    let said = declarations::declare(&app, &actor, Wish { part, state, words, until }).await?;
    Ok((StatusCode::CREATED, Json(said.into())))
}

/// What a part is called; nothing: only words.
pub(super) fn declared(pointer: &str, word: Option<&str>) -> Result<Option<Declared>, Problem> {
    let Some(word) = word.filter(|word| !word.is_empty()) else { return Ok(None) };
    let problem = match word {
        "operational" | "up" | "good" => {
            "cannot be better than measured; leave it out to add only words".to_owned()
        }
        _ => "must be degraded or down, or left out".to_owned(),
    };
    Declared::parse(word).map(Some).ok_or_else(|| Problem::field(pointer, problem))
}

/// Take back what was said, before it ends by itself.
#[utoipa::path(post, path = "/api/ops/status/declarations/{id}/withdraw", operation_id = "withdraw_status",
    tag = "operations", params(("id" = String, Path)),
    responses((status = 200, body = DeclarationView), Refusals))]
async fn withdraw(
    State(app): State<App>,
    Id(id): Id<DeclarationId>,
) -> Result<Json<DeclarationView>, Problem> {
    Ok(Json(declarations::withdraw(&app, id).await?.into()))
}

#[derive(Debug, Serialize, ToSchema)]
struct MaintenanceList {
    /// By their ends: those of the last 90 days, and all to come.
    maintenance: Vec<MaintenanceView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// When operators work on the platform.
#[utoipa::path(get, path = "/api/ops/maintenance", operation_id = "list_maintenance", tag = "operations",
    params(PageQuery),
    responses((status = 200, body = MaintenanceList), Refusals))]
async fn list_maintenance(
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> Result<Json<MaintenanceList>, Problem> {
    let now = app.now();
    let read = |behind: Option<Place<Timestamp, MaintenanceId>>, limit| {
        app.store.maintenance_behind(now - SHOWN, behind.map(Place::parts), limit)
    };
    let place = |window: &Window| Place(window.ends_at, window.id);
    let (found, next_cursor) = query.read("maintenance", read, place).await?;
    let maintenance = found.iter().map(|one| MaintenanceView::new(one, now)).collect();
    Ok(Json(MaintenanceList { maintenance, next_cursor }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleBody {
    #[schema(min_length = 1, max_length = 120, example = "A new disk for the database")]
    title: String,
    #[serde(default)]
    #[schema(required = false, max_length = 2000, example = "Runs wait for some minutes and then go on.")]
    words: String,
    /// `region/component`, with `*` for all of them.
    #[schema(min_items = 1, max_items = 50)]
    parts: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    starts_at: Timestamp,
    /// At most 30 days after the beginning.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
}

/// Schedule maintenance; subscribers are told now, when it begins and when it is over. It hides no outage.
#[utoipa::path(post, path = "/api/ops/maintenance", operation_id = "schedule_maintenance", tag = "operations",
    request_body = ScheduleBody,
    responses((status = 201, description = "Created", body = MaintenanceView), Refusals))]
async fn schedule(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<ScheduleBody>,
) -> Result<(StatusCode, Json<MaintenanceView>), Problem> {
    let ScheduleBody { title, words, parts, starts_at, ends_at } = body;
    let window =
        maintenance::schedule(&app, &actor, Plan { title, words, parts, starts_at, ends_at }).await?;
    Ok((StatusCode::CREATED, Json(MaintenanceView::new(&window, app.now()))))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelBody {
    #[schema(min_length = 1, max_length = 500, example = "the disk has not arrived")]
    reason: String,
}

/// Cancel maintenance that has not begun.
#[utoipa::path(post, path = "/api/ops/maintenance/{id}/cancel", operation_id = "cancel_maintenance", tag = "operations",
    params(("id" = String, Path)), request_body = CancelBody,
    responses((status = 200, body = MaintenanceView), Refusals))]
async fn cancel(
    State(app): State<App>,
    Id(id): Id<MaintenanceId>,
    Body(body): Body<CancelBody>,
) -> Result<Json<MaintenanceView>, Problem> {
    let window = maintenance::cancel(&app, id, &body.reason).await?;
    Ok(Json(MaintenanceView::new(&window, app.now())))
}

/// End maintenance before its time.
#[utoipa::path(post, path = "/api/ops/maintenance/{id}/end", operation_id = "end_maintenance", tag = "operations",
    params(("id" = String, Path)),
    responses((status = 200, body = MaintenanceView), Refusals))]
async fn end(State(app): State<App>, Id(id): Id<MaintenanceId>) -> Result<Json<MaintenanceView>, Problem> {
    let window = maintenance::end(&app, id).await?;
    Ok(Json(MaintenanceView::new(&window, app.now())))
}

#[derive(Debug, Serialize, ToSchema)]
struct Subscriptions {
    /// Oldest first.
    subscriptions: Vec<SubscriptionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SubscriptionView {
    #[schema(example = "sub_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    /// `email` or `webhook`.
    #[schema(example = "email")]
    kind: &'static str,
    /// Masked: operators need not know whom they tell.
    #[schema(example = "a…@example.com")]
    address: String,
    /// Empty: of all parts.
    parts: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Left out: nobody has confirmed it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    confirmed_at: Option<Timestamp>,
}

impl From<Subscription> for SubscriptionView {
    fn from(found: Subscription) -> Self {
        Self {
            id: found.id.to_string(),
            kind: found.kind.as_str(),
            address: found.masked(),
            parts: found.parts,
            created_at: found.created_at,
            confirmed_at: found.confirmed_at,
        }
    }
}

/// Who is told of incidents and maintenance.
#[utoipa::path(get, path = "/api/ops/status/subscriptions", operation_id = "list_status_subscriptions", tag = "operations",
    params(PageQuery),
    responses((status = 200, body = Subscriptions), Refusals))]
async fn list_subscriptions(
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Subscriptions>, Problem> {
    let limit = page_limit(query.limit)?;
    let after = query.cursor.map(|cursor| cursor.last::<SubscriptionId>("subscriptions")).transpose()?;
    let found = app.store.subscriptions(after, limit + 1).await?;
    let (found, next_cursor) = cut(found, limit, "subscriptions", |one| one.id);
    let subscriptions = found.into_iter().map(SubscriptionView::from).collect();
    Ok(Json(Subscriptions { subscriptions, next_cursor }))
}

/// End a subscription; its address is forgotten.
#[utoipa::path(delete, path = "/api/ops/status/subscriptions/{id}", operation_id = "end_status_subscription",
    tag = "operations", params(("id" = String, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn end_subscription(State(app): State<App>, Id(id): Id<SubscriptionId>) -> Result<StatusCode, Problem> {
    let gone = app.store.end_subscription(id, app.now()).await?;
    gone.ok_or_else(|| Problem::not_found(format!("subscription {id} does not exist")))?;
    Ok(StatusCode::NO_CONTENT)
}
