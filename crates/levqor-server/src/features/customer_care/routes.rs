//! `POST /api/support`, `POST /api/consultations`, `POST /api/feedback/trial`.

use axum::{Json, extract::State};
use http::StatusCode;
use levqor_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service::{self, Asker, Booking, Outcome, Request};
use crate::{
    App, Problem,
    features::marketing::service::refuse_programs,
    gateway::{Body, ClientAddress, OptionalActor},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub(super) fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(support)).routes(routes!(consultation)).routes(routes!(feedback))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SupportRequest {
    /// Where a person answers. Only a request that the assistant can answer does without.
    #[schema(example = "ada@example.com", max_length = 254)]
    email: Option<String>,
    #[schema(example = "A run waits", max_length = 200)]
    subject: Option<String>,
    #[schema(example = "My run waits for an approval that nobody sees.", min_length = 3, max_length = 5000)]
    message: String,
    /// A language tag, such as `en`.
    language: Option<String>,
    /// A person is to answer, and not the assistant.
    #[serde(default)]
    want_person: bool,
    /// Must be empty or left out: programs that fill in every field show themselves by it.
    website: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SupportAnswer {
    #[schema(example = true)]
    success: bool,
    /// Whether the assistant answered.
    answered: bool,
    /// A sentence for people.
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// Where that stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceView>,
    /// What a person will answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<TicketNumber>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SourceView {
    title: String,
    url: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct TicketNumber {
    #[schema(example = "tkt_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    /// The first answer comes at the latest then, as the plan promises.
    #[schema(value_type = String, format = DateTime)]
    respond_by: Timestamp,
}

/// Ask for help. The assistant answers when the documentation does; else a person does, within the plan's time.
#[utoipa::path(
    post,
    path = "/api/support",
    operation_id = "ask_support",
    tag = "business",
    request_body = SupportRequest,
    responses((status = 200, body = SupportAnswer), Refusals)
)]
async fn support(
    State(app): State<App>,
    client: ClientAddress,
    OptionalActor(actor): OptionalActor,
    Body(asked): Body<SupportRequest>,
) -> Result<Json<SupportAnswer>, Problem> {
    refuse_programs(asked.website.as_deref())?;
    let request = Request {
        email: asked.email.as_deref(),
        subject: asked.subject.as_deref(),
        message: &asked.message,
        language: asked.language.as_deref(),
        wants_person: asked.want_person,
    };
    Ok(Json(match service::ask(&app, Asker { client, actor: actor.as_ref() }, request).await? {
        Outcome::Answered(answer) => SupportAnswer {
            success: true,
            answered: true,
            message: "The documentation says this. Send want_person: true for a person to answer.".to_owned(),
            answer: Some(answer.answer),
            sources: answer
                .sources
                .into_iter()
                .map(|source| SourceView { title: source.title, url: source.url })
                .collect(),
            ticket: None,
        },
        Outcome::Escalated(ticket) => SupportAnswer {
            success: true,
            answered: false,
            message: format!("A person answers by {} at the latest.", ticket.respond_by),
            answer: None,
            sources: Vec::new(),
            ticket: Some(TicketNumber { id: ticket.id.to_string(), respond_by: ticket.respond_by }),
        },
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConsultation {
    #[schema(example = "ada@example.com", max_length = 254)]
    email: String,
    #[schema(example = "Ada", min_length = 1, max_length = 100)]
    name: String,
    #[schema(example = "Moving our nightly imports to Levqor", min_length = 3, max_length = 1000)]
    topic: String,
    /// From an hour to 90 days from now.
    #[schema(value_type = String, format = DateTime)]
    begins_at: Timestamp,
    /// Must be empty or left out: programs that fill in every field show themselves by it.
    website: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct BookedConsultation {
    #[schema(example = true)]
    success: bool,
    /// A sentence for people.
    message: String,
    #[schema(example = "csl_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    #[schema(value_type = String, format = DateTime)]
    begins_at: Timestamp,
}

/// Book a consultation.
#[utoipa::path(
    post,
    path = "/api/consultations",
    operation_id = "book_consultation",
    tag = "business",
    request_body = NewConsultation,
    responses((status = 201, body = BookedConsultation), Refusals)
)]
async fn consultation(
    State(app): State<App>,
    client: ClientAddress,
    OptionalActor(actor): OptionalActor,
    Body(new): Body<NewConsultation>,
) -> Result<(StatusCode, Json<BookedConsultation>), Problem> {
    refuse_programs(new.website.as_deref())?;
    let booking = Booking { email: &new.email, name: &new.name, topic: &new.topic, begins_at: new.begins_at };
    let booked = service::book(&app, Asker { client, actor: actor.as_ref() }, booking).await?;
    let view = BookedConsultation {
        success: true,
        message: format!("The consultation is booked for {}.", booked.begins_at),
        id: booked.id.to_string(),
        begins_at: booked.begins_at,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewFeedback {
    /// 1 (bad) to 5 (good).
    #[schema(example = 4, minimum = 1, maximum = 5)]
    rating: i64,
    #[schema(max_length = 2000)]
    #[serde(default)]
    comment: String,
    /// Must be empty or left out: programs that fill in every field show themselves by it.
    website: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct KeptFeedback {
    #[schema(example = true)]
    success: bool,
    /// A sentence for people.
    message: String,
    #[schema(example = "fbk_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
}

/// Say what you think of the trial.
#[utoipa::path(
    post,
    path = "/api/feedback/trial",
    operation_id = "give_trial_feedback",
    tag = "business",
    request_body = NewFeedback,
    responses((status = 201, body = KeptFeedback), Refusals)
)]
async fn feedback(
    State(app): State<App>,
    client: ClientAddress,
    OptionalActor(actor): OptionalActor,
    Body(new): Body<NewFeedback>,
) -> Result<(StatusCode, Json<KeptFeedback>), Problem> {
    refuse_programs(new.website.as_deref())?;
    let asker = Asker { client, actor: actor.as_ref() };
    let kept = service::keep_feedback(&app, asker, new.rating, &new.comment).await?;
    let view = KeptFeedback {
        success: true,
        message: "Thank you. It is read by people.".to_owned(),
        id: kept.id.to_string(),
    };
    Ok((StatusCode::CREATED, Json(view)))
}
