//! `/api/workflows/{id}/triggers` and `/hooks/{token}`.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use levqor_model::{Timestamp, WebhookId, WorkflowId};
use levqor_store::webhooks::Webhook;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    hooks,
    service::{self, Made, Triggers},
};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Id, Remembered},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(delete))
        .routes(routes!(rotate))
        .merge(hooks::api())
}

#[derive(Debug, Serialize, ToSchema)]
struct TriggersView {
    /// Anyone who may change workflows can start it, by the console or `POST …/runs`.
    manual: bool,
    schedule: Option<ScheduleTriggerView>,
    events: Option<EventTriggerView>,
    webhooks: Vec<WebhookView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ScheduleTriggerView {
    #[schema(example = "every day at 09:00 (Europe/London)")]
    text: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_due_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
struct EventTriggerView {
    /// Types of events that it looks at; `null` among them is any type.
    #[schema(example = json!(["order.paid"]))]
    types: Vec<Option<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct WebhookView {
    #[schema(example = "whk_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    name: String,
    /// Messages must be signed.
    signed: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its token and secret were made anew.
    #[schema(value_type = Option<String>, format = DateTime)]
    rotated_at: Option<Timestamp>,
    /// To the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
struct NewWebhookView {
    #[serde(flatten)]
    about: WebhookView,
    /// Where to send messages. It holds the token: it is shown this once and cannot be read again; a replayed answer does
    /// not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://levqor.example/hooks/Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9")]
    url: Option<String>,
    /// The last part of `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// What messages are signed with (Standard Webhooks). Shown this once too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: Option<String>,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            name: webhook.name,
            signed: webhook.signed,
            created_at: webhook.created_at,
            rotated_at: webhook.rotated_at,
            last_used_at: webhook.last_used_at,
        }
    }
}

impl From<Triggers> for TriggersView {
    fn from(triggers: Triggers) -> Self {
        Self {
            manual: true,
            schedule: triggers
                .schedule
                .filter(|(schedule, _)| {
                    schedule.every.is_some() || schedule.cron.is_some() || schedule.after.is_some()
                })
                .map(|(schedule, next_due_at)| ScheduleTriggerView {
                    text: schedule.describe(),
                    next_due_at,
                }),
            events: triggers.events.map(|types| EventTriggerView { types }),
            webhooks: triggers.webhooks.into_iter().map(WebhookView::from).collect(),
        }
    }
}

/// What starts the workflow: people, its schedule, events, webhooks.
#[utoipa::path(
    get,
    path = "/api/workflows/{id}/triggers",
    tag = "triggers",
    params(("id" = String, Path, description = "The workflow's id")),
    responses((status = 200, body = TriggersView), Refusals)
)]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<WorkflowId>,
) -> Result<Json<TriggersView>, Problem> {
    Ok(Json(service::list(&app, &actor, id).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWebhookBody {
    /// 1 to 100 characters.
    #[schema(example = "orders of the shop", max_length = 100)]
    name: String,
    /// Whether messages must be signed; they should, so that is what it is when left out.
    #[serde(default = "yes")]
    #[schema(default = true)]
    signed: bool,
}

const fn yes() -> bool {
    true
}

/// Make a webhook. Its address and its secret are shown this once.
#[utoipa::path(
    post,
    path = "/api/workflows/{id}/triggers",
    tag = "triggers",
    params(("id" = String, Path, description = "The workflow's id")),
    request_body = NewWebhookBody,
    responses((status = 201, body = NewWebhookView), Refusals)
)]
async fn create(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<WorkflowId>,
    Body(body): Body<NewWebhookBody>,
) -> Result<Response, Problem> {
    let made = service::create(&app, &actor, id, &body.name, body.signed).await?;
    Ok(answer(&app, StatusCode::CREATED, made))
}

/// Make a webhook's address and secret anew. The old ones end now.
#[utoipa::path(
    post,
    path = "/api/workflows/{id}/triggers/{webhook}/rotate",
    tag = "triggers",
    params(
        ("id" = String, Path, description = "The workflow's id"),
        ("webhook" = String, Path, description = "The webhook's id")
    ),
    responses((status = 200, body = NewWebhookView), Refusals)
)]
async fn rotate(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<WorkflowId>,
    path: Path<(String, String)>,
) -> Result<Response, Problem> {
    let made = service::rotate(&app, &actor, id, webhook_id(&path.1)?).await?;
    Ok(answer(&app, StatusCode::OK, made))
}

/// Delete a webhook. Its address ends now.
#[utoipa::path(
    delete,
    path = "/api/workflows/{id}/triggers/{webhook}",
    tag = "triggers",
    params(
        ("id" = String, Path, description = "The workflow's id"),
        ("webhook" = String, Path, description = "The webhook's id")
    ),
    responses((status = 204, description = "Deleted"), Refusals)
)]
async fn delete(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<WorkflowId>,
    path: Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    service::delete(&app, &actor, id, webhook_id(&path.1)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn webhook_id(text: &str) -> Result<WebhookId, Problem> {
    let shown: String = text.chars().take(64).collect();
    text.parse().map_err(|error| Problem::not_found(format!("{shown:?} is not the id of a webhook: {error}")))
}

/// What repeats of the request get has no secrets: it is stored.
fn answer(app: &App, status: StatusCode, made: Made) -> Response {
    let url = service::address(app, &made);
    let mut view = NewWebhookView {
        about: made.webhook.into(),
        url: Some(url),
        token: Some(made.token.expose().to_owned()),
        secret: made.secret.map(|secret| secret.expose().to_owned()),
    };
    let mut response = (status, Json(&view)).into_response();
    (view.url, view.token, view.secret) = (None, None, None);
    let remembered = serde_json::to_vec(&view).unwrap_or_default();
    response.extensions_mut().insert(Remembered(remembered));
    response
}
