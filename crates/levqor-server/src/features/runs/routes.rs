//! `/api/runs` and `/api/workflows/{id}/runs`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use levqor_engine::Changes;
use levqor_model::{AccountId, RunId, WorkflowId};
use levqor_store::runs::{Run, RunFilter};

use super::{
    ServerSentEvent, events, retention, service,
    views::{
        EmptyBody, RetryBody, RunItem, RunStatusName, RunView, Runs, RunsQuery, StartBody, TaskStatusName,
        TaskView, Tasks, TriggerName,
    },
};
use crate::{
    App, Problem,
    features::workflows,
    gateway::{Actor, Body, Claimed, Id, PageQuery, Query, cut, page_limit},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

/// Names of types that only describe others, for the document.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(RunStatusName, TaskStatusName, TriggerName)))]
struct Names;

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .described(|document| document.merge(<Names as utoipa::OpenApi>::openapi()))
        .routes(routes!(start, list_of_workflow))
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(tasks))
        .routes(routes!(events))
        .routes(routes!(cancel))
        .routes(routes!(suspend))
        .routes(routes!(resume))
        .routes(routes!(retry))
}

/// Start a run. It is durable when the answer comes: 202, or 200 when it ended within `wait_seconds`.
#[utoipa::path(
    post,
    path = "/api/workflows/{id}/runs",
    tag = "runs",
    params(("id" = String, Path, description = "The workflow's id")),
    request_body = StartBody,
    responses(
        (status = 200, description = "Ended within `wait_seconds`", body = RunView),
        (status = 202, description = "Accepted", body = RunView),
        Refusals
    )
)]
async fn start(
    State(app): State<App>,
    actor: Actor,
    Id(workflow): Id<WorkflowId>,
    Claimed(claim): Claimed,
    Body(body): Body<StartBody>,
) -> Result<Response, Problem> {
    let regions_are_the_list = body.residency.as_ref().is_some_and(|body| body.is_list);
    let wish = service::Wish {
        input: body.input,
        version: body.version,
        region: body.region,
        residency: body.residency.map(|body| body.residency),
        regions_are_the_list,
        wait_seconds: body.wait_seconds.unwrap_or(0),
        claim,
    };
    let waits = wish.wait_seconds > 0;
    let detail = service::start(&app, actor.account_id, workflow, wish).await?;
    let ended = waits && detail.run.status.is_ended();
    let location = format!("/api/runs/{}", detail.run.id);
    let status = if ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, [(header::LOCATION, location)], Json(RunView::from(detail))).into_response())
}

/// Runs of a workflow, newest first.
#[utoipa::path(
    get,
    path = "/api/workflows/{id}/runs",
    tag = "runs",
    params(("id" = String, Path, description = "The workflow's id"), PageQuery),
    responses((status = 200, body = Runs), Refusals)
)]
async fn list_of_workflow(
    State(app): State<App>,
    actor: Actor,
    Id(workflow): Id<WorkflowId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Runs>, Problem> {
    workflows::service::find(&app, actor.account_id, workflow).await?;
    let filter = RunFilter { workflow_id: Some(workflow), ..RunFilter::default() };
    page(&app, actor.account_id, filter, query).await
}

/// Runs of the account, newest first.
#[utoipa::path(
    get,
    path = "/api/runs",
    tag = "runs",
    params(RunsQuery),
    responses((status = 200, body = Runs), Refusals)
)]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<RunsQuery>,
) -> Result<Json<Runs>, Problem> {
    let region = query
        .region
        .map(|code| app.regions.find(&code).map(|region| region.code.clone()))
        .transpose()
        .map_err(|error| Problem::parameter("region", error.to_string()))?;
    if let (Some(from), Some(to)) = (query.from, query.to)
        && from > to
    {
        return Err(Problem::parameter("from", format!("{from} is later than to ({to})")));
    }
    let filter = RunFilter {
        workflow_id: query.workflow,
        status: query.status,
        region,
        created_from: query.from,
        created_until: query.to,
    };
    page(&app, actor.account_id, filter, PageQuery { limit: query.limit, cursor: query.cursor }).await
}

async fn page(
    app: &App,
    account: AccountId,
    filter: RunFilter,
    page: PageQuery,
) -> Result<Json<Runs>, Problem> {
    let store = app.store.views();
    let read = |before, limit| store.runs_of(Some(account), filter, before, limit);
    let (found, next_cursor) = page.read("runs", read, |run: &Run| run.id).await?;
    Ok(Json(Runs { runs: found.into_iter().map(RunItem::from).collect(), next_cursor }))
}

/// A run.
#[utoipa::path(
    get,
    path = "/api/runs/{id}",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id")),
    responses((status = 200, body = RunView), Refusals)
)]
async fn get(State(app): State<App>, actor: Actor, Id(id): Id<RunId>) -> Result<Json<RunView>, Problem> {
    let detail = service::find(&app, actor.account_id, id).await?;
    Ok(Json(detail.into()))
}

/// Delete a run that has ended, with its tasks. What it was counted for stays counted.
#[utoipa::path(
    delete,
    path = "/api/runs/{id}",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id")),
    responses((status = 204, description = "Deleted"), Refusals)
)]
async fn delete(State(app): State<App>, actor: Actor, Id(id): Id<RunId>) -> Result<StatusCode, Problem> {
    retention::delete(&app, actor.account_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The run's result, or a problem that says when the run may have been deleted because of its age.
async fn or_explained<T>(
    app: &App,
    actor: &Actor,
    result: Result<T, levqor_engine::Error>,
) -> Result<T, Problem> {
    match result {
        Ok(found) => Ok(found),
        Err(error) => Err(retention::explained(app, actor.account_id, error).await),
    }
}

/// What the run's tasks did, in the order in which they began.
#[utoipa::path(
    get,
    path = "/api/runs/{id}/tasks",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id"), PageQuery),
    responses((status = 200, body = Tasks), Refusals)
)]
async fn tasks(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<RunId>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Tasks>, Problem> {
    let limit = page_limit(query.limit)?;
    let after: Option<u64> = query.cursor.map(|cursor| cursor.last("tasks")).transpose()?;
    let found = app.engine.tasks(actor.account_id, id, after, limit + 1).await;
    let found = or_explained(&app, &actor, found).await?;
    let (found, next_cursor) = cut(found, limit, "tasks", |record| record.task);
    Ok(Json(Tasks { tasks: found.into_iter().map(TaskView::from).collect(), next_cursor }))
}

/// The run live, as server-sent events: `run` and `task` with the same shapes as elsewhere, first as they are now, then as
/// they change; `gap` when a slow reader missed some; `end` when the run has ended and the stream with it.
///
/// A stream that ends without `end`, as each does after ten minutes, can be asked for again.
#[utoipa::path(
    get,
    path = "/api/runs/{id}/events",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id")),
    responses((status = 200, description = "Events", body = ServerSentEvent, content_type = "text/event-stream"), Refusals)
)]
async fn events(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<RunId>,
) -> Result<impl IntoResponse, Problem> {
    events::stream(app, actor.account_id, id).await
}

/// Cancel a run, its sub-runs and its calls.
#[utoipa::path(
    post,
    path = "/api/runs/{id}/cancel",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id")),
    responses((status = 200, body = RunView), Refusals)
)]
async fn cancel(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<RunId>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Result<Json<RunView>, Problem> {
    let detail = app.engine.cancel(actor.account_id, id).await;
    let detail = or_explained(&app, &actor, detail).await?;
    Ok(Json(detail.into()))
}

/// Suspend a run: no task begins and no timer fires until it is resumed; what was called goes on and is kept. Sub-runs go
/// on, too. A run that is suspended already stays as it is.
#[utoipa::path(
    post,
    path = "/api/runs/{id}/suspend",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id")),
    responses((status = 200, body = RunView), Refusals)
)]
async fn suspend(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<RunId>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Result<Json<RunView>, Problem> {
    let detail = app.engine.suspend(actor.account_id, id, &actor.by.words()).await;
    let detail = or_explained(&app, &actor, detail).await?;
    Ok(Json(detail.into()))
}

/// Let a suspended run go on. A run that is not suspended stays as it is.
#[utoipa::path(
    post,
    path = "/api/runs/{id}/resume",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id")),
    responses((status = 200, body = RunView), Refusals)
)]
async fn resume(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<RunId>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Result<Json<RunView>, Problem> {
    let detail = app.engine.resume(actor.account_id, id).await;
    let detail = or_explained(&app, &actor, detail).await?;
    Ok(Json(detail.into()))
}

/// Run again: the same run from the task that failed, or a new run from the start or from a task.
#[utoipa::path(
    post,
    path = "/api/runs/{id}/retry",
    tag = "runs",
    params(("id" = String, Path, description = "The run's id")),
    request_body = RetryBody,
    responses((status = 200, body = RunView), Refusals)
)]
async fn retry(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<RunId>,
    Claimed(claim): Claimed,
    Body(body): Body<RetryBody>,
) -> Result<Json<RunView>, Problem> {
    let from = service::retry_from(body.from.as_deref())?;
    let changes = Changes { input: body.input, version: body.version, claim };
    let detail = service::retry(&app, actor.account_id, id, from, changes).await?;
    Ok(Json(detail.into()))
}
