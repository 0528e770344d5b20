//! `/api/sessions`, and `/api/ops/people/sign-out`.

use axum::{Json, extract::State};
use http::StatusCode;
use levqor_model::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service::{self, Seen};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Id},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(revoke))
        .routes(routes!(revoke_others))
        .routes(routes!(sign_out))
}

#[derive(Debug, Serialize, ToSchema)]
struct SessionView {
    #[schema(example = "ses_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    /// It is the session that asks.
    current: bool,
    /// Which account it is in.
    #[schema(example = "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    account_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<String>,
    /// Where it began: the network, not the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "192.0.2.0/24")]
    network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Firefox on Linux")]
    browser: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Noted every minute.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// It ends then, and earlier when it is not used for a day.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<Seen> for SessionView {
    fn from(seen: Seen) -> Self {
        let session = seen.session;
        Self {
            id: session.id.to_string(),
            current: seen.current,
            account_id: session.account_id.to_string(),
            account_name: seen.account.map(|account| account.name),
            network: session.network,
            browser: session.browser,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Sessions {
    sessions: Vec<SessionView>,
}

/// Your sessions in all your accounts, newest first, at most 50. API keys have none.
#[utoipa::path(get, path = "/api/sessions", tag = "sessions", responses((status = 200, body = Sessions), Refusals))]
async fn list(State(app): State<App>, actor: Actor) -> Result<Json<Sessions>, Problem> {
    let sessions = service::list(&app, &actor).await?;
    Ok(Json(Sessions { sessions: sessions.into_iter().map(SessionView::from).collect() }))
}

/// End one of your sessions.
#[utoipa::path(
    delete,
    path = "/api/sessions/{id}",
    tag = "sessions",
    params(("id" = String, Path, description = "The session's id", example = "ses_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 204, description = "Ended"), Refusals)
)]
async fn revoke(State(app): State<App>, actor: Actor, Id(id): Id<SessionId>) -> Result<StatusCode, Problem> {
    service::revoke(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, ToSchema)]
struct Ended {
    /// How many.
    ended: usize,
}

/// End all your sessions but this one.
#[utoipa::path(post, path = "/api/sessions/revoke-others", tag = "sessions", responses((status = 200, body = Ended), Refusals))]
async fn revoke_others(State(app): State<App>, actor: Actor) -> Result<Json<Ended>, Problem> {
    Ok(Json(Ended { ended: service::revoke_others(&app, &actor).await? }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhoseSessions {
    /// Whose sessions end, in all their accounts.
    #[schema(example = "ada@example.com", max_length = 254)]
    email: Option<String>,
    /// Instead of an address: those of everybody, operators too, but for the one that asks.
    #[serde(default)]
    everybody: bool,
}

/// Sign somebody out everywhere, or everybody: when a browser or a mailbox was stolen. API keys stay.
#[utoipa::path(
    post,
    path = "/api/ops/people/sign-out",
    operation_id = "ops_sign_out",
    tag = "operations",
    request_body = WhoseSessions,
    responses((status = 200, body = Ended), Refusals)
)]
async fn sign_out(
    State(app): State<App>,
    actor: Actor,
    Body(whose): Body<WhoseSessions>,
) -> Result<Json<Ended>, Problem> {
    let ended = service::sign_out(&app, &actor, whose.email.as_deref(), whose.everybody).await?;
    Ok(Json(Ended { ended }))
}
