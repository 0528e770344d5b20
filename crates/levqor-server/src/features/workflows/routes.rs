//! `/api/workflows`.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use levqor_flow::document::Fetched;
use levqor_model::{Timestamp, WorkflowId};
use levqor_store::workflows::Workflow;

use super::{
    service,
    views::{
        DefinitionBody, SavedView, ScheduleView, Validity, VersionItem, VersionView, Versions, WorkflowItem,
        WorkflowView, Workflows,
    },
};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Id, PageQuery, Query, cut, page_limit},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(validate))
        .routes(routes!(get, update, delete))
        .routes(routes!(versions))
        .routes(routes!(version))
}

/// Save a new workflow.
#[utoipa::path(
    post,
    path = "/api/workflows",
    tag = "workflows",
    request_body = DefinitionBody,
    responses((status = 201, body = SavedView), Refusals)
)]
async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<DefinitionBody>,
) -> Result<Response, Problem> {
    let saved = service::create(&app, actor.account_id, body.definition).await?;
    let location = format!("/api/workflows/{}", saved.workflow.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(SavedView::from(saved))).into_response())
}

/// Workflows of the account, newest first.
#[utoipa::path(
    get,
    path = "/api/workflows",
    tag = "workflows",
    params(PageQuery),
    responses((status = 200, body = Workflows), Refusals)
)]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<PageQuery>,
) -> Result<Json<Workflows>, Problem> {
    let store = app.store.views();
    let read = |before, limit| store.workflows_of(actor.account_id, before, limit);
    let (found, next_cursor) = query.read("workflows", read, |workflow: &Workflow| workflow.id).await?;
    Ok(Json(Workflows { workflows: found.into_iter().map(WorkflowItem::from).collect(), next_cursor }))
}

/// Check a document without saving it.
#[utoipa::path(
    post,
    path = "/api/workflows/validate",
    tag = "workflows",
    request_body = DefinitionBody,
    responses((status = 200, body = Validity), Refusals)
)]
async fn validate(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<DefinitionBody>,
) -> Result<Json<Validity>, Problem> {
    let draft = service::check(&app, actor.account_id, body.definition, Fetched::default()).await?;
    Ok(Json(Validity::new(&draft, app.now())))
}

/// A workflow with its current definition and its schedule.
#[utoipa::path(
    get,
    path = "/api/workflows/{id}",
    tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id")),
    responses((status = 200, body = WorkflowView), Refusals)
)]
async fn get(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<WorkflowId>,
) -> Result<Json<WorkflowView>, Problem> {
    let workflow = service::find(&app, actor.account_id, id).await?;
    let version = service::find_version(&app, actor.account_id, id, &workflow.version).await?;
    let compiled = service::compiled(&app, &version).await?;
    let checked = compiled.as_deref();
    let schedule = match checked.and_then(|checked| Some((checked.schedule.as_ref()?, checked))) {
        Some((schedule, checked)) => {
            let state = app.store.schedule_state(id).await?;
            Some(ScheduleView::in_force(schedule, &checked.policy.schedule, state, app.now()))
        }
        None => None,
    };
    Ok(Json(WorkflowView {
        about: workflow.into(),
        summary: checked.and_then(|checked| checked.summary.clone()),
        definition: serde_json::from_str(&version.definition).map_err(Problem::internal)?,
        source: version.source,
        schedule,
    }))
}

/// Save a new version. The content that is there already changes nothing; runs in progress keep their version.
#[utoipa::path(
    put,
    path = "/api/workflows/{id}",
    tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id")),
    request_body = DefinitionBody,
    responses((status = 200, body = SavedView), Refusals)
)]
async fn update(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<WorkflowId>,
    Body(body): Body<DefinitionBody>,
) -> Result<Json<SavedView>, Problem> {
    let saved = service::update(&app, actor.account_id, id, body.definition).await?;
    Ok(Json(saved.into()))
}

/// Delete a workflow and its schedule. Its runs go on and stay readable.
#[utoipa::path(
    delete,
    path = "/api/workflows/{id}",
    tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id")),
    responses((status = 204, description = "Deleted"), Refusals)
)]
async fn delete(State(app): State<App>, actor: Actor, Id(id): Id<WorkflowId>) -> Result<StatusCode, Problem> {
    service::delete(&app, actor.account_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Versions of a workflow, newest first.
#[utoipa::path(
    get,
    path = "/api/workflows/{id}/versions",
    tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id"), PageQuery),
    responses((status = 200, body = Versions), Refusals)
)]
async fn versions(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<WorkflowId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Versions>, Problem> {
    let limit = page_limit(query.limit)?;
    service::find(&app, actor.account_id, id).await?;
    let before: Option<Timestamp> = query.cursor.map(|cursor| cursor.last("versions")).transpose()?;
    let found = app.store.views().versions_of(actor.account_id, id, before, limit + 1).await?;
    let (found, next_cursor) = cut(found, limit, "versions", |version| version.created_at);
    Ok(Json(Versions { versions: found.iter().map(VersionItem::from).collect(), next_cursor }))
}

/// One version with its definition.
#[utoipa::path(
    get,
    path = "/api/workflows/{id}/versions/{version}",
    tag = "workflows",
    params(
        ("id" = String, Path, description = "The workflow's id"),
        ("version" = String, Path, description = "The document's version", example = "0.1.0"),
    ),
    responses((status = 200, body = VersionView), Refusals)
)]
async fn version(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<WorkflowId>,
    Path(place): Path<(String, String)>,
) -> Result<Json<VersionView>, Problem> {
    let version = service::find_version(&app, actor.account_id, id, &place.1).await?;
    VersionView::new(version).map(Json)
}
