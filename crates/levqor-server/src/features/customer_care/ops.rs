//! `/api/ops/tickets`, `/api/ops/consultations`, `/api/ops/trial-feedback`, `/api/ops/people/forget`.

use axum::{Json, extract::State};
use levqor_model::{ConsultationId, ConsultationState, TicketId, TicketState, Timestamp};
use levqor_store::{
    consultations::Consultation, people::Forgotten, tickets::Ticket, trial_feedback::TrialFeedback,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::service;
use crate::{
    App, Problem,
    gateway::{Body, Cursor, Id, PageQuery, Place, Query},
    openapi::{ApiRouter, routes, vocabulary},
    problem::Refusals,
};

const TICKETS: &str = "tickets";
const CONSULTATIONS: &str = "consultations";
const FEEDBACK: &str = "trial-feedback";

pub(super) fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(tickets))
        .routes(routes!(answered))
        .routes(routes!(closed))
        .routes(routes!(reopened))
        .routes(routes!(consultations))
        .routes(routes!(held))
        .routes(routes!(cancelled))
        .routes(routes!(feedback))
        .routes(routes!(forget))
}

vocabulary! {
    /// Where a ticket is in its life.
    TicketStateName as TicketState = TicketState;
    /// Where a consultation is in its life.
    ConsultationStateName as ConsultationState = ConsultationState;
}

#[derive(Debug, Serialize, ToSchema)]
struct TicketView {
    #[schema(example = "tkt_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    /// Null: whoever asked was not signed in.
    account_id: Option<String>,
    #[schema(example = "ada@example.com")]
    email: String,
    subject: String,
    message: String,
    #[schema(value_type = TicketStateName)]
    state: TicketState,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The plan promises a first answer until then.
    #[schema(value_type = String, format = DateTime)]
    respond_by: Timestamp,
    /// Whether that passed without an answer.
    late: bool,
    /// When it was answered first.
    #[schema(value_type = Option<String>, format = DateTime)]
    answered_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl TicketView {
    fn new(ticket: Ticket, now: Timestamp) -> Self {
        let late = ticket.is_late(now);
        let Ticket {
            id,
            account,
            email,
            subject,
            message,
            created_at,
            respond_by,
            state,
            answered_at,
            ended_at,
        } = ticket;
        Self {
            id: id.to_string(),
            account_id: account.map(|id| id.to_string()),
            email,
            subject,
            message,
            state,
            created_at,
            respond_by,
            late,
            answered_at,
            ended_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Tickets {
    tickets: Vec<TicketView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichTickets {
    /// `open` when left out.
    #[param(value_type = Option<TicketStateName>)]
    state: Option<TicketState>,
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// Support requests for people, most urgent first.
#[utoipa::path(
    get,
    path = "/api/ops/tickets",
    operation_id = "ops_tickets",
    tag = "operations",
    params(WhichTickets),
    responses((status = 200, body = Tickets), Refusals)
)]
async fn tickets(
    State(app): State<App>,
    Query(asked): Query<WhichTickets>,
) -> Result<Json<Tickets>, Problem> {
    let WhichTickets { state, limit, cursor } = asked;
    let (store, state) = (app.store.views(), state.unwrap_or(TicketState::Open));
    let read = |after: Option<Place<Timestamp, TicketId>>, limit| {
        store.tickets(state, after.map(Place::parts), limit)
    };
    let place = |ticket: &Ticket| Place(ticket.respond_by, ticket.id);
    let (found, next_cursor) = PageQuery { limit, cursor }.read(TICKETS, read, place).await?;
    let now = app.now();
    Ok(Json(Tickets {
        tickets: found.into_iter().map(|ticket| TicketView::new(ticket, now)).collect(),
        next_cursor,
    }))
}

async fn moved(app: &App, id: TicketId, to: TicketState) -> Result<Json<TicketView>, Problem> {
    Ok(Json(TicketView::new(service::move_ticket(app, id, to).await?, app.now())))
}

/// A person answered the ticket by mail.
#[utoipa::path(
    post,
    path = "/api/ops/tickets/{id}/answer",
    operation_id = "ops_ticket_answered",
    tag = "operations",
    params(("id" = String, Path, description = "The ticket's id", example = "tkt_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 200, body = TicketView), Refusals)
)]
async fn answered(State(app): State<App>, Id(id): Id<TicketId>) -> Result<Json<TicketView>, Problem> {
    moved(&app, id, TicketState::Answered).await
}

/// The ticket is done with.
#[utoipa::path(
    post,
    path = "/api/ops/tickets/{id}/close",
    operation_id = "ops_ticket_closed",
    tag = "operations",
    params(("id" = String, Path, description = "The ticket's id", example = "tkt_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 200, body = TicketView), Refusals)
)]
async fn closed(State(app): State<App>, Id(id): Id<TicketId>) -> Result<Json<TicketView>, Problem> {
    moved(&app, id, TicketState::Closed).await
}

/// The ticket waits for a person again.
#[utoipa::path(
    post,
    path = "/api/ops/tickets/{id}/reopen",
    operation_id = "ops_ticket_reopened",
    tag = "operations",
    params(("id" = String, Path, description = "The ticket's id", example = "tkt_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 200, body = TicketView), Refusals)
)]
async fn reopened(State(app): State<App>, Id(id): Id<TicketId>) -> Result<Json<TicketView>, Problem> {
    moved(&app, id, TicketState::Open).await
}

#[derive(Debug, Serialize, ToSchema)]
struct ConsultationView {
    #[schema(example = "csl_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    /// Null: whoever booked it was not signed in.
    account_id: Option<String>,
    #[schema(example = "ada@example.com")]
    email: String,
    name: String,
    topic: String,
    #[schema(value_type = String, format = DateTime)]
    begins_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = ConsultationStateName)]
    state: ConsultationState,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl From<Consultation> for ConsultationView {
    fn from(found: Consultation) -> Self {
        let Consultation { id, account, email, name, topic, begins_at, created_at, state, ended_at } = found;
        let account_id = account.map(|id| id.to_string());
        Self { id: id.to_string(), account_id, email, name, topic, begins_at, created_at, state, ended_at }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Consultations {
    consultations: Vec<ConsultationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichConsultations {
    /// `booked` when left out.
    #[param(value_type = Option<ConsultationStateName>)]
    state: Option<ConsultationState>,
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

/// Consultations by when they are.
#[utoipa::path(
    get,
    path = "/api/ops/consultations",
    operation_id = "ops_consultations",
    tag = "operations",
    params(WhichConsultations),
    responses((status = 200, body = Consultations), Refusals)
)]
async fn consultations(
    State(app): State<App>,
    Query(asked): Query<WhichConsultations>,
) -> Result<Json<Consultations>, Problem> {
    let WhichConsultations { state, limit, cursor } = asked;
    let (store, state) = (app.store.views(), state.unwrap_or(ConsultationState::Booked));
    let read = |after: Option<Place<Timestamp, ConsultationId>>, limit| {
        store.consultations(state, after.map(Place::parts), limit)
    };
    let place = |one: &Consultation| Place(one.begins_at, one.id);
    let (found, next_cursor) = PageQuery { limit, cursor }.read(CONSULTATIONS, read, place).await?;
    let consultations = found.into_iter().map(ConsultationView::from).collect();
    Ok(Json(Consultations { consultations, next_cursor }))
}

/// The consultation was held.
#[utoipa::path(
    post,
    path = "/api/ops/consultations/{id}/held",
    operation_id = "ops_consultation_held",
    tag = "operations",
    params(("id" = String, Path, description = "The consultation's id", example = "csl_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 200, body = ConsultationView), Refusals)
)]
async fn held(State(app): State<App>, Id(id): Id<ConsultationId>) -> Result<Json<ConsultationView>, Problem> {
    Ok(Json(service::end_consultation(&app, id, ConsultationState::Held).await?.into()))
}

/// The consultation will not be.
#[utoipa::path(
    post,
    path = "/api/ops/consultations/{id}/cancel",
    operation_id = "ops_consultation_cancelled",
    tag = "operations",
    params(("id" = String, Path, description = "The consultation's id", example = "csl_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 200, body = ConsultationView), Refusals)
)]
async fn cancelled(
    State(app): State<App>,
    Id(id): Id<ConsultationId>,
) -> Result<Json<ConsultationView>, Problem> {
    Ok(Json(service::end_consultation(&app, id, ConsultationState::Cancelled).await?.into()))
}

#[derive(Debug, Serialize, ToSchema)]
struct FeedbackView {
    #[schema(example = "fbk_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    /// Null: whoever gave it was not signed in.
    account_id: Option<String>,
    #[schema(example = 4, minimum = 1, maximum = 5)]
    rating: u32,
    comment: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<TrialFeedback> for FeedbackView {
    fn from(found: TrialFeedback) -> Self {
        let TrialFeedback { id, account, rating, comment, created_at } = found;
        Self { id: id.to_string(), account_id: account.map(|id| id.to_string()), rating, comment, created_at }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Feedback {
    feedback: Vec<FeedbackView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// What people think of the trial, newest first.
#[utoipa::path(
    get,
    path = "/api/ops/trial-feedback",
    operation_id = "ops_trial_feedback",
    tag = "operations",
    params(PageQuery),
    responses((status = 200, body = Feedback), Refusals)
)]
async fn feedback(State(app): State<App>, Query(asked): Query<PageQuery>) -> Result<Json<Feedback>, Problem> {
    let store = app.store.views();
    let read = |before, limit| store.trial_feedback(before, limit);
    let (found, next_cursor) = asked.read(FEEDBACK, read, |one: &TrialFeedback| one.id).await?;
    Ok(Json(Feedback { feedback: found.into_iter().map(FeedbackView::from).collect(), next_cursor }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Person {
    #[schema(example = "ada@example.com", max_length = 254)]
    email: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct ForgottenView {
    leads: u64,
    tickets: u64,
    consultations: u64,
    /// What operators were told of these.
    messages: u64,
}

/// Forget what is kept of an address outside of accounts, as its owner may ask: leads, support requests, consultations.
#[utoipa::path(
    post,
    path = "/api/ops/people/forget",
    operation_id = "ops_forget_person",
    tag = "operations",
    request_body = Person,
    responses((status = 200, description = "How much was forgotten", body = ForgottenView), Refusals)
)]
async fn forget(State(app): State<App>, Body(person): Body<Person>) -> Result<Json<ForgottenView>, Problem> {
    let Forgotten { leads, tickets, consultations, messages } = service::forget(&app, &person.email).await?;
    Ok(Json(ForgottenView { leads, tickets, consultations, messages }))
}
