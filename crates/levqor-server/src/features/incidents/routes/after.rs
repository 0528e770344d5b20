//! What comes after an incident: its postmortem and its action items.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use levqor_model::IncidentId;
use levqor_store::incidents::{ActionItem, ActionItems, PostmortemSummary};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::{
    actions::{self, ItemChange, NewItem},
    service,
    views::{ActionItemView, PostmortemSummaryView, PostmortemView},
    writings,
};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Cursor, Id, PageQuery, Query},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub(super) fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(postmortem, write_postmortem))
        .routes(routes!(append_postmortem))
        .routes(routes!(add_action_item))
        .routes(routes!(change_action_item))
        .routes(routes!(action_items))
        .routes(routes!(postmortems))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WritePostmortem {
    /// The version that you saw.
    #[schema(minimum = 1)]
    version: i64,
    /// Markdown, at most 256 KiB. What stands between `<!-- measured: … -->` and `<!-- /measured -->` is measured anew when more is known.
    #[schema(min_length = 1, max_length = 262_144)]
    text: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AppendPostmortem {
    /// Where: `summary`, `root_cause`, `impact`, `resolution` or `lessons`; at the end when left out.
    #[schema(example = "root_cause")]
    part: Option<String>,
    #[schema(min_length = 1, max_length = 5000)]
    text: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddActionItem {
    #[schema(min_length = 1, max_length = 500, example = "Alert before the disk is full")]
    text: String,
    /// The id or the address of a person; nobody when left out.
    #[schema(example = "ada@example.com")]
    owner: Option<String>,
    /// The last day on which it may be done.
    #[schema(example = "2026-12-24")]
    due: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeActionItem {
    /// The version that you saw; any when left out.
    #[schema(minimum = 1)]
    version: Option<i64>,
    #[schema(min_length = 1, max_length = 500)]
    text: Option<String>,
    /// The id or the address of a person; nobody when empty; as it is when left out.
    owner: Option<String>,
    /// The last day on which it may be done.
    #[schema(example = "2026-12-24")]
    due: Option<String>,
    /// Whether it is done.
    done: Option<bool>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ActionItemsQuery {
    /// Only those whose day has passed.
    #[serde(default)]
    overdue: bool,
    /// Items, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ActionItemList {
    /// Not done; what is due first comes first.
    action_items: Vec<ActionItemView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Postmortems {
    postmortems: Vec<PostmortemSummaryView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// What is written about an incident that is over.
#[utoipa::path(
    get,
    path = "/api/ops/incidents/{id}/postmortem",
    operation_id = "get_postmortem",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    responses((status = 200, body = PostmortemView), Refusals)
)]
async fn postmortem(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
) -> Result<Json<PostmortemView>, Problem> {
    Ok(Json(writings::find(&app, &actor.by.words(), id).await?.into()))
}

/// Put another text in the place of a postmortem.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/postmortem",
    operation_id = "write_postmortem",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    request_body = WritePostmortem,
    responses((status = 200, body = PostmortemView), Refusals)
)]
async fn write_postmortem(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
    Body(body): Body<WritePostmortem>,
) -> Result<Json<PostmortemView>, Problem> {
    let WritePostmortem { version, text } = body;
    Ok(Json(writings::write(&app, &actor.by.words(), id, version, &text).await?.into()))
}

/// Add words to a postmortem: in one of its parts, or at the end.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/postmortem/append",
    operation_id = "append_postmortem",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    request_body = AppendPostmortem,
    responses((status = 200, body = PostmortemView), Refusals)
)]
async fn append_postmortem(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
    Body(body): Body<AppendPostmortem>,
) -> Result<Json<PostmortemView>, Problem> {
    let part = writings::part_of(body.part.as_deref())?;
    Ok(Json(writings::append(&app, &actor.by.words(), id, part, &body.text).await?.into()))
}

async fn shown(app: &App, item: ActionItem) -> Result<ActionItemView, Problem> {
    let people = service::addresses(app, item.owner.into_iter().collect()).await?;
    Ok(ActionItemView::new(item, &people, app.now()))
}

/// Add something that is to be done after an incident.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/action-items",
    operation_id = "add_action_item",
    tag = "operations",
    params(("id" = String, Path, description = "The incident's id")),
    request_body = AddActionItem,
    responses((status = 201, description = "It is to be done", body = ActionItemView), Refusals)
)]
async fn add_action_item(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
    Body(body): Body<AddActionItem>,
) -> Result<(StatusCode, Json<ActionItemView>), Problem> {
    let AddActionItem { text, owner, due } = body;
    let item = actions::add(&app, &actor.by.words(), id, NewItem { text, owner, due }).await?;
    Ok((StatusCode::CREATED, Json(shown(&app, item).await?)))
}

/// Say that an action item is done, or change it.
#[utoipa::path(
    post,
    path = "/api/ops/incidents/{id}/action-items/{item}",
    operation_id = "change_action_item",
    tag = "operations",
    params(
        ("id" = String, Path, description = "The incident's id"),
        ("item" = String, Path, description = "The action item's id"),
    ),
    request_body = ChangeActionItem,
    responses((status = 200, body = ActionItemView), Refusals)
)]
async fn change_action_item(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<IncidentId>,
    path: Path<(String, String)>,
    Body(body): Body<ChangeActionItem>,
) -> Result<Json<ActionItemView>, Problem> {
    let ChangeActionItem { version, text, owner, due, done } = body;
    let change = ItemChange { version, text, owner, due, done };
    let item = actions::change(&app, &actor.by.words(), id, actions::item_of(&path.1)?, change).await?;
    Ok(Json(shown(&app, item).await?))
}

/// What is to be done after incidents.
#[utoipa::path(
    get,
    path = "/api/ops/action-items",
    operation_id = "list_action_items",
    tag = "operations",
    params(ActionItemsQuery),
    responses((status = 200, body = ActionItemList), Refusals)
)]
async fn action_items(
    State(app): State<App>,
    Query(query): Query<ActionItemsQuery>,
) -> Result<Json<ActionItemList>, Problem> {
    let now = app.now();
    let ActionItemsQuery { overdue, limit, cursor } = query;
    let which = if overdue { ActionItems::Overdue(now.date()) } else { ActionItems::Open };
    let (items, next_cursor) = actions::page(&app, which, PageQuery { limit, cursor }).await?;
    let people = service::addresses(&app, items.iter().filter_map(|item| item.owner).collect()).await?;
    let action_items = items.into_iter().map(|item| ActionItemView::new(item, &people, now)).collect();
    Ok(Json(ActionItemList { action_items, next_cursor }))
}

/// All postmortems, those of the newest incidents first.
#[utoipa::path(
    get,
    path = "/api/ops/postmortems",
    operation_id = "list_postmortems",
    tag = "operations",
    params(PageQuery),
    responses((status = 200, body = Postmortems), Refusals)
)]
async fn postmortems(
    State(app): State<App>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Postmortems>, Problem> {
    let store = app.store.views();
    let read = |before, limit| store.postmortems(before, limit);
    let place = |summary: &PostmortemSummary| summary.postmortem.incident;
    let (found, next_cursor) = query.read("postmortems", read, place).await?;
    Ok(Json(Postmortems { postmortems: found.into_iter().map(Into::into).collect(), next_cursor }))
}
