//! `/api/approvals`.

use axum::{Json, extract::State};
use levqor_model::{ApprovalId, Timestamp};
use levqor_store::approvals::Approval;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::service::{self, Answer};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Cursor, Id, PageQuery, Query},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(approve))
        .routes(routes!(reject))
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ApprovalStatus {
    /// The run waits for an answer.
    Open,
    Approved,
    Rejected,
    /// The run stopped waiting without an answer.
    Closed,
}

#[derive(Debug, Serialize, ToSchema)]
struct ApprovalView {
    #[schema(example = "apr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    status: ApprovalStatus,
    title: String,
    message: Option<String>,
    /// What the workflow hands over for the decision.
    #[schema(value_type = Option<Value>)]
    data: Option<Value>,
    #[schema(example = "run_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    run_id: String,
    /// The task that asks; empty: the run itself, before its first task.
    task: String,
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
    /// A person's address, or the id of an API key.
    decided_by: Option<String>,
    comment: Option<String>,
    /// When the run stopped waiting, with the answer or without one.
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
}

impl ApprovalView {
    fn new(approval: Approval) -> Result<Self, Problem> {
        let status = match (&approval.decision, approval.closed_at) {
            (Some(decision), _) if decision.approved => ApprovalStatus::Approved,
            (Some(_), _) => ApprovalStatus::Rejected,
            (None, Some(_)) => ApprovalStatus::Closed,
            (None, None) => ApprovalStatus::Open,
        };
        let data = approval.data.map(|data| serde_json::from_str(&data)).transpose();
        Ok(Self {
            id: approval.id.to_string(),
            status,
            title: approval.title,
            message: approval.message,
            data: data.map_err(Problem::internal)?,
            run_id: approval.run_id.to_string(),
            task: approval.task,
            requested_at: approval.requested_at,
            decided_at: approval.decision.as_ref().map(|decision| decision.at),
            decided_by: approval.decision.as_ref().map(|decision| decision.by.clone()),
            comment: approval.decision.and_then(|decision| decision.comment),
            closed_at: approval.closed_at,
        })
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Approvals {
    approvals: Vec<ApprovalView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ApprovalsQuery {
    /// Also those that were answered or closed.
    #[serde(default)]
    all: bool,
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnswerBody {
    /// At most 2,000 characters; the run gets it.
    comment: Option<String>,
}

/// Decisions that runs wait for, newest first.
#[utoipa::path(
    get,
    path = "/api/approvals",
    operation_id = "list_approvals",
    tag = "approvals",
    params(ApprovalsQuery),
    responses((status = 200, body = Approvals), Refusals)
)]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<ApprovalsQuery>,
) -> Result<Json<Approvals>, Problem> {
    let ApprovalsQuery { all, limit, cursor } = query;
    let store = app.store.views();
    let read = |before, limit| store.approvals_of(actor.account_id, !all, before, limit);
    let page = PageQuery { limit, cursor };
    let (found, next_cursor) = page.read("approvals", read, |approval: &Approval| approval.id).await?;
    let approvals = found.into_iter().map(ApprovalView::new).collect::<Result<_, _>>()?;
    Ok(Json(Approvals { approvals, next_cursor }))
}

/// One decision.
#[utoipa::path(
    get,
    path = "/api/approvals/{id}",
    operation_id = "get_approval",
    tag = "approvals",
    params(("id" = String, Path, description = "The approval's id")),
    responses((status = 200, body = ApprovalView), Refusals)
)]
async fn get(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ApprovalId>,
) -> Result<Json<ApprovalView>, Problem> {
    service::find(&app, &actor, id).await.and_then(ApprovalView::new).map(Json)
}

/// Approve; the run goes on with `approved: true`.
#[utoipa::path(
    post,
    path = "/api/approvals/{id}/approve",
    tag = "approvals",
    params(("id" = String, Path, description = "The approval's id")),
    request_body = AnswerBody,
    responses((status = 200, body = ApprovalView), Refusals)
)]
async fn approve(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ApprovalId>,
    Body(body): Body<AnswerBody>,
) -> Result<Json<ApprovalView>, Problem> {
    decide(&app, &actor, id, Answer { approved: true, comment: body.comment }).await
}

/// Reject; the run goes on with `approved: false`.
#[utoipa::path(
    post,
    path = "/api/approvals/{id}/reject",
    tag = "approvals",
    params(("id" = String, Path, description = "The approval's id")),
    request_body = AnswerBody,
    responses((status = 200, body = ApprovalView), Refusals)
)]
async fn reject(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ApprovalId>,
    Body(body): Body<AnswerBody>,
) -> Result<Json<ApprovalView>, Problem> {
    decide(&app, &actor, id, Answer { approved: false, comment: body.comment }).await
}

async fn decide(
    app: &App,
    actor: &Actor,
    id: ApprovalId,
    answer: Answer,
) -> Result<Json<ApprovalView>, Problem> {
    service::decide(app, actor, id, answer).await.and_then(ApprovalView::new).map(Json)
}
