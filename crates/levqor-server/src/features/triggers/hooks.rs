//! `POST /hooks/{token}`: what other systems call.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use levqor_model::ProblemCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    message,
    service::{self, Message},
    signature::Signed,
};
use crate::{
    App, Problem,
    gateway::Rates,
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub(super) fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(receive))
}

#[derive(Debug, Serialize, ToSchema)]
struct StartedView {
    #[schema(example = "run_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    run_id: String,
    /// A message with the same `webhook-id` had started this run before.
    repeated: bool,
}

/// Send a message to a webhook: it starts a run.
///
/// The run's input is `{method, query, headers, body, encoding}`. The run is durable before the answer. Messages are told
/// apart by `webhook-id`: one that comes again starts nothing more. A webhook with a secret takes only messages that are
/// signed as Standard Webhooks says (`webhook-id`, `webhook-timestamp`, `webhook-signature`).
#[utoipa::path(
    post,
    path = "/hooks/{token}",
    tag = "triggers",
    params(("token" = String, Path, description = "The webhook's token")),
    request_body(content = serde_json::Value, description = "Anything; JSON is parsed"),
    responses((status = 202, body = StartedView), Refusals)
)]
async fn receive(
    State(app): State<App>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let signed = Signed {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signature: text("webhook-signature"),
    };
    let webhook = service::admit(&app, &Message { token: &token, signed, body: &body }).await?;
    Rates::take_for(&app, webhook.account_id).await?;
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let input =
        message::input("POST", query.as_deref().unwrap_or_default(), lines, &body).map_err(|reason| {
            Problem::new(
                ProblemCode::BadRequest,
                format!("the body is said to be JSON, and is not: {reason}"),
            )
        })?;
    let (run, repeated) = service::start(&app, &webhook, signed.id, input).await?;
    Ok((StatusCode::ACCEPTED, Json(StartedView { run_id: run.to_string(), repeated })).into_response())
}
