//! `/api/events`.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use levqor_model::{ProblemCode, limits::EVENTS_PER_REQUEST_MAX};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    binding::{self, Refusal},
    service,
};
use crate::{
    App, Problem,
    gateway::Actor,
    openapi::{ApiRouter, routes},
    problem::{FieldError, Refusals},
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(publish))
}

#[derive(Debug, Serialize, ToSchema)]
struct AcceptedView {
    /// Events that were taken; all that were sent.
    #[schema(example = 1)]
    accepted: usize,
    /// Those among them that had been published before (same source and id): they change nothing.
    #[schema(example = 0)]
    repeated: usize,
}

/// Publish CloudEvents.
///
/// One event as `application/cloudevents+json`, up to 100 as `application/cloudevents-batch+json`, or one with its
/// attributes in `ce-` headers and its data as the body. They reach the account's runs that listen for them and start the
/// workflows that are triggered by them. They are durable before the answer.
#[utoipa::path(
    post,
    path = "/api/events",
    tag = "events",
    request_body(
        content(
            (serde_json::Value = "application/cloudevents+json"),
            (serde_json::Value = "application/cloudevents-batch+json")
        ),
        description = "A CloudEvent (1.0), or a list of them"
    ),
    responses((status = 202, body = AcceptedView), Refusals)
)]
async fn publish(
    State(app): State<App>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let events = binding::events(lines, &body, EVENTS_PER_REQUEST_MAX)?;
    let service::Accepted { accepted, repeated } = service::publish(&app, actor.account_id, events).await?;
    Ok((StatusCode::ACCEPTED, Json(AcceptedView { accepted, repeated })).into_response())
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::MediaType(_) => Problem::new(ProblemCode::UnsupportedMediaType, detail),
            Refusal::Body(_) => Problem::new(ProblemCode::BadRequest, detail),
            Refusal::TooMany { .. } => Problem::new(ProblemCode::InvalidEvent, detail),
            Refusal::Event { place, error } => {
                let batch = place.map_or_else(String::new, |place| format!("/{place}"));
                let attribute = error.attribute.replace('~', "~0").replace('/', "~1");
                let pointer = if attribute.is_empty() { batch } else { format!("{batch}/{attribute}") };
                let message = format!("{}; {}", error.problem, error.remedy);
                Problem::new(ProblemCode::InvalidEvent, detail)
                    .with_errors(vec![FieldError::new(&pointer, message)])
            }
        }
    }
}
