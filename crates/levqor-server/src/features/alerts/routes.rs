//! `/api/ops/alerts`, `/api/ops/silences` and `/api/ops/notifications`.

use axum::{Json, extract::State};
use http::StatusCode;
use levqor_model::{AlertId, AlertState, NotificationId, NotificationState, Severity, SilenceId, Timestamp};
use levqor_slo::{Matcher, MatcherField, alert::escalate_after};
use levqor_store::{
    alerts::{Alert, AlertFilter, Silence},
    notifications::Notification,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::service::{self, Wanted};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Cursor, Id, PageQuery, Query},
    openapi::{ApiRouter, routes, vocabulary},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(acknowledge))
        .routes(routes!(silences, create_silence))
        .routes(routes!(silence, change_silence, end_silence))
        .routes(routes!(notifications))
        .routes(routes!(notification))
        .routes(routes!(retry))
        .routes(routes!(dismiss))
}

vocabulary! {
    AlertStateName = AlertState;
    AlertSeverity = Severity;
    NotificationStateName = NotificationState;
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AlertsQuery {
    /// In this state only.
    #[param(value_type = Option<AlertStateName>)]
    state: Option<AlertState>,
    #[param(value_type = Option<AlertSeverity>)]
    severity: Option<Severity>,
    /// Of this rule, or of all that begin with it and a point: `slo` is `slo.burn` and `slo.budget`.
    #[param(example = "slo.burn")]
    rule: Option<String>,
    /// Which one of the things that the rule is about.
    subject: Option<String>,
    /// 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Alerts {
    /// Newest first.
    alerts: Vec<AlertView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// Something that is not as it should be, or was not.
#[derive(Debug, Serialize, ToSchema)]
struct AlertView {
    #[schema(value_type = String, example = "alr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: AlertId,
    /// What kind of thing.
    #[schema(example = "slo.burn")]
    rule: String,
    /// Which one of them; empty when there is only one.
    #[schema(example = "requests")]
    subject: String,
    /// Who says whether it holds.
    #[schema(example = "slo")]
    source: String,
    #[schema(value_type = AlertSeverity)]
    severity: Severity,
    #[schema(value_type = AlertStateName)]
    state: AlertState,
    summary: String,
    /// The measured values.
    #[schema(value_type = Object)]
    details: Value,
    /// When it was seen first.
    #[schema(value_type = String, format = DateTime)]
    began_at: Timestamp,
    /// When it had been so for long enough to tell somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    firing_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// Why it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<String>,
    /// How often it came back soon after it was over.
    flaps: u32,
    /// Whether a message was made that it fires.
    told: bool,
    /// The silence by which nobody is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    silence: Option<SilenceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged: Option<AcknowledgedView>,
    /// When it should be taken further, unless somebody acknowledges it: a hint for whoever deals with incidents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    escalate_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertAcknowledged)]
struct AcknowledgedView {
    by: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> Self {
        let waits = alert.state == AlertState::Firing && alert.acknowledged.is_none();
        let escalate_at =
            alert.firing_at.filter(|_| waits).and_then(|at| Some(at + escalate_after(alert.severity)?));
        Self {
            id: alert.id,
            rule: alert.rule,
            subject: alert.subject,
            source: alert.source,
            severity: alert.severity,
            state: alert.state,
            summary: alert.summary,
            details: alert.details,
            began_at: alert.began_at,
            firing_at: alert.firing_at,
            ended_at: alert.ended_at,
            ending: alert.ending,
            flaps: alert.flaps,
            told: alert.heard,
            silence: alert.silence,
            acknowledged: alert.acknowledged.map(|given| AcknowledgedView {
                by: given.by,
                at: given.at,
                note: given.note,
            }),
            escalate_at,
        }
    }
}

/// What is not as it should be, and what was not.
#[utoipa::path(
    get,
    path = "/api/ops/alerts",
    operation_id = "list_alerts",
    tag = "operations",
    params(AlertsQuery),
    responses((status = 200, body = Alerts), Refusals)
)]
async fn list(State(app): State<App>, Query(query): Query<AlertsQuery>) -> Result<Json<Alerts>, Problem> {
    let AlertsQuery { state, severity, rule, subject, limit, cursor } = query;
    let filter = AlertFilter { state, severity, rule, subject };
    let (alerts, next_cursor) = service::alerts(&app, filter, PageQuery { limit, cursor }).await?;
    Ok(Json(Alerts { alerts: alerts.into_iter().map(AlertView::from).collect(), next_cursor }))
}

/// One alert.
#[utoipa::path(
    get,
    path = "/api/ops/alerts/{id}",
    operation_id = "get_alert",
    tag = "operations",
    params(("id" = String, Path, description = "The alert's id")),
    responses((status = 200, body = AlertView), Refusals)
)]
async fn show(State(app): State<App>, Id(id): Id<AlertId>) -> Result<Json<AlertView>, Problem> {
    Ok(Json(service::alert(&app, id).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcknowledgeAlertBody {
    #[schema(max_length = 500, example = "looking at it")]
    note: Option<String>,
}

/// Take an alert on: it goes on firing, and nobody else needs to be called.
#[utoipa::path(
    post,
    path = "/api/ops/alerts/{id}/acknowledge",
    operation_id = "acknowledge_alert",
    tag = "operations",
    params(("id" = String, Path, description = "The alert's id")),
    request_body = AcknowledgeAlertBody,
    responses((status = 200, body = AlertView), Refusals)
)]
async fn acknowledge(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<AlertId>,
    Body(body): Body<AcknowledgeAlertBody>,
) -> Result<Json<AlertView>, Problem> {
    Ok(Json(service::acknowledge(&app, &actor, id, body.note).await?.into()))
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SilenceMatcher)]
struct MatcherView {
    #[schema(value_type = MatcherFieldName)]
    field: MatcherField,
    /// `*` stands for any letters.
    #[schema(min_length = 1, max_length = 200, example = "slo.*")]
    pattern: String,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes `MatcherField` to the API's readers")]
enum MatcherFieldName {
    Rule,
    Subject,
    Severity,
}

#[derive(Debug, Serialize, ToSchema)]
struct Silences {
    /// Those that are not over; the one that ends first comes first.
    silences: Vec<SilenceView>,
}

/// A time in which alerts of a kind tell nobody. They are kept as others are.
#[derive(Debug, Serialize, ToSchema)]
struct SilenceView {
    #[schema(value_type = String, example = "sil_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: SilenceId,
    /// All of them match the alerts that it is about.
    matchers: Vec<MatcherView>,
    reason: String,
    created_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    begins_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
}

impl From<Silence> for SilenceView {
    fn from(silence: Silence) -> Self {
        let matchers: Vec<Matcher> = serde_json::from_value(silence.matchers).unwrap_or_default();
        Self {
            id: silence.id,
            matchers: matchers
                .into_iter()
                .map(|matcher| MatcherView { field: matcher.field, pattern: matcher.pattern })
                .collect(),
            reason: silence.reason,
            created_by: silence.created_by,
            created_at: silence.created_at,
            begins_at: silence.begins_at,
            ends_at: silence.ends_at,
        }
    }
}

/// The silences that are not over.
#[utoipa::path(
    get,
    path = "/api/ops/silences",
    operation_id = "list_silences",
    tag = "operations",
    responses((status = 200, body = Silences), Refusals)
)]
async fn silences(State(app): State<App>) -> Result<Json<Silences>, Problem> {
    let silences = service::silences(&app).await?;
    Ok(Json(Silences { silences: silences.into_iter().map(SilenceView::from).collect() }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateSilenceBody {
    /// One to eight; an alert must match all of them.
    #[schema(min_items = 1, max_items = 8)]
    matchers: Vec<MatcherView>,
    #[schema(min_length = 1, max_length = 500, example = "work on the rack")]
    reason: String,
    /// Now, when left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    begins_at: Option<Timestamp>,
    /// At most 30 days from the beginning.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
}

/// Have alerts of a kind tell nobody for a while.
#[utoipa::path(
    post,
    path = "/api/ops/silences",
    operation_id = "create_silence",
    tag = "operations",
    request_body = CreateSilenceBody,
    responses((status = 201, body = SilenceView), Refusals)
)]
async fn create_silence(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<CreateSilenceBody>,
) -> Result<(StatusCode, Json<SilenceView>), Problem> {
    let matchers =
        body.matchers.into_iter().map(|it| Matcher { field: it.field, pattern: it.pattern }).collect();
    let wanted = Wanted { matchers, reason: body.reason, begins_at: body.begins_at, ends_at: body.ends_at };
    let silence = service::create_silence(&app, &actor, wanted).await?;
    Ok((StatusCode::CREATED, Json(silence.into())))
}

/// One silence, also one that is over.
#[utoipa::path(
    get,
    path = "/api/ops/silences/{id}",
    operation_id = "get_silence",
    tag = "operations",
    params(("id" = String, Path, description = "The silence's id")),
    responses((status = 200, body = SilenceView), Refusals)
)]
async fn silence(State(app): State<App>, Id(id): Id<SilenceId>) -> Result<Json<SilenceView>, Problem> {
    Ok(Json(service::silence(&app, id).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeSilenceBody {
    /// At most 30 days from now.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// Give a silence that is not over another end, or another reason.
#[utoipa::path(
    patch,
    path = "/api/ops/silences/{id}",
    operation_id = "change_silence",
    tag = "operations",
    params(("id" = String, Path, description = "The silence's id")),
    request_body = ChangeSilenceBody,
    responses((status = 200, body = SilenceView), Refusals)
)]
async fn change_silence(
    State(app): State<App>,
    Id(id): Id<SilenceId>,
    Body(body): Body<ChangeSilenceBody>,
) -> Result<Json<SilenceView>, Problem> {
    Ok(Json(service::change_silence(&app, id, body.ends_at, body.reason).await?.into()))
}

/// End a silence now: what still fires is told.
#[utoipa::path(
    delete,
    path = "/api/ops/silences/{id}",
    operation_id = "end_silence",
    tag = "operations",
    params(("id" = String, Path, description = "The silence's id")),
    responses((status = 204, description = "It is over"), Refusals)
)]
async fn end_silence(State(app): State<App>, Id(id): Id<SilenceId>) -> Result<StatusCode, Problem> {
    service::end_silence(&app, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct NotificationsQuery {
    /// In this state only.
    #[param(value_type = Option<NotificationStateName>)]
    state: Option<NotificationState>,
    /// 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Notifications {
    /// Newest first.
    notifications: Vec<NotificationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// A message to people or to another system, and where it is.
#[derive(Debug, Serialize, ToSchema)]
struct NotificationView {
    #[schema(value_type = String, example = "ntf_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: NotificationId,
    /// `delivered`: whoever it goes to has taken it. `split`: it goes out as copies. `undeliverable`: nobody is named to whom it could go.
    /// `dead`: it was tried often enough.
    #[schema(value_type = NotificationStateName)]
    state: NotificationState,
    /// The route, the destination, or the subscription.
    #[schema(example = "route:critical")]
    target: String,
    /// The name of the destination that it went to, or was tried to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "pager")]
    destination: Option<String>,
    #[schema(value_type = AlertSeverity)]
    severity: Severity,
    subject: String,
    body: String,
    #[schema(value_type = Object)]
    data: Value,
    attempts: u32,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// The message of which this is the copy for one destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    copy_of: Option<NotificationId>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    attempted_at: Option<Timestamp>,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl From<Notification> for NotificationView {
    fn from(message: Notification) -> Self {
        let target = message.target.words();
        Self {
            id: message.id,
            state: message.state,
            target,
            destination: message.destination,
            severity: message.severity,
            subject: message.subject,
            body: message.body,
            data: message.data,
            attempts: message.attempts,
            problem: message.problem,
            copy_of: message.copy_of,
            created_at: message.created_at,
            attempted_at: message.attempted_at,
            next_at: message.next_at,
            ended_at: message.ended_at,
        }
    }
}

/// Messages to people and to other systems: what was delivered, what waits, and what was given up.
#[utoipa::path(
    get,
    path = "/api/ops/notifications",
    operation_id = "list_notifications",
    tag = "operations",
    params(NotificationsQuery),
    responses((status = 200, body = Notifications), Refusals)
)]
async fn notifications(
    State(app): State<App>,
    Query(query): Query<NotificationsQuery>,
) -> Result<Json<Notifications>, Problem> {
    let NotificationsQuery { state, limit, cursor } = query;
    let (found, next_cursor) = service::notifications(&app, state, PageQuery { limit, cursor }).await?;
    let notifications = found.into_iter().map(NotificationView::from).collect();
    Ok(Json(Notifications { notifications, next_cursor }))
}

/// One message.
#[utoipa::path(
    get,
    path = "/api/ops/notifications/{id}",
    operation_id = "get_notification",
    tag = "operations",
    params(("id" = String, Path, description = "The message's id")),
    responses((status = 200, body = NotificationView), Refusals)
)]
async fn notification(
    State(app): State<App>,
    Id(id): Id<NotificationId>,
) -> Result<Json<NotificationView>, Problem> {
    Ok(Json(service::notification(&app, id).await?.into()))
}

/// Have a message tried anew that was given up.
#[utoipa::path(
    post,
    path = "/api/ops/notifications/{id}/retry",
    operation_id = "retry_notification",
    tag = "operations",
    params(("id" = String, Path, description = "The message's id")),
    responses((status = 200, body = NotificationView), Refusals)
)]
async fn retry(
    State(app): State<App>,
    Id(id): Id<NotificationId>,
) -> Result<Json<NotificationView>, Problem> {
    Ok(Json(service::retry(&app, id).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DismissBody {
    #[schema(min_length = 1, max_length = 500, example = "told them by telephone")]
    reason: String,
}

/// Say that it was seen that a message was not delivered: it is no reason for an alert any more.
#[utoipa::path(
    post,
    path = "/api/ops/notifications/{id}/dismiss",
    operation_id = "dismiss_notification",
    tag = "operations",
    params(("id" = String, Path, description = "The message's id")),
    request_body = DismissBody,
    responses((status = 200, body = NotificationView), Refusals)
)]
async fn dismiss(
    State(app): State<App>,
    Id(id): Id<NotificationId>,
    Body(body): Body<DismissBody>,
) -> Result<Json<NotificationView>, Problem> {
    Ok(Json(service::dismiss(&app, id, body.reason).await?.into()))
}
