//! `/api/members`.

use axum::{
    Json,
    extract::State,
    response::{AppendHeaders, IntoResponse, Response},
};
use http::{StatusCode, header};
use levqor_model::{Role, Timestamp, UserId};
use levqor_store::members::Member;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service;
use crate::{
    App, Problem,
    features::keys::RoleName,
    gateway::{Actor, Body, Cursor, Id, PageQuery, Query, session_cookie},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(list)).routes(routes!(update, remove)).routes(routes!(sign_out))
}

#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    #[schema(example = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(value_type = RoleName)]
    role: Role,
    #[schema(value_type = Option<String>, format = DateTime)]
    added_at: Option<Timestamp>,
    /// When they last did something in this account, as far as their sessions are still kept.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Timestamp>,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            id: member.user_id.to_string(),
            email: member.email,
            role: member.role,
            added_at: member.added_at,
            last_seen_at: member.last_seen_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Members {
    members: Vec<MemberView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// Who belongs to the account.
#[utoipa::path(
    get,
    path = "/api/members",
    tag = "members",
    params(PageQuery),
    responses((status = 200, body = Members), Refusals)
)]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<PageQuery>,
) -> Result<Json<Members>, Problem> {
    let read = |after, limit| app.store.members_of(actor.account_id, after, limit);
    let (members, next_cursor) = query.read("members", read, |member: &Member| member.user_id).await?;
    Ok(Json(Members { members: members.into_iter().map(MemberView::from).collect(), next_cursor }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberChange {
    /// Not above your own.
    #[schema(value_type = RoleName)]
    role: Role,
}

/// Change a member's role. They are signed out of the account and sign in again with the new one.
#[utoipa::path(
    patch,
    path = "/api/members/{id}",
    tag = "members",
    params(("id" = String, Path, description = "The member's id", example = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    request_body = MemberChange,
    responses((status = 200, body = MemberView), Refusals)
)]
async fn update(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<UserId>,
    Body(change): Body<MemberChange>,
) -> Result<Response, Problem> {
    let (member, renewed) = service::change_role(&app, &actor, id, change.role).await?;
    let view = Json(MemberView::from(member));
    Ok(match renewed {
        Some(entered) => {
            let cookie = session_cookie(&app, entered.token.expose(), entered.lifetime(app.now()));
            (AppendHeaders([(header::SET_COOKIE, cookie)]), view).into_response()
        }
        None => view.into_response(),
    })
}

/// Take a member out of the account.
#[utoipa::path(
    delete,
    path = "/api/members/{id}",
    tag = "members",
    params(("id" = String, Path, description = "The member's id", example = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 204, description = "No member any more"), Refusals)
)]
async fn remove(State(app): State<App>, actor: Actor, Id(id): Id<UserId>) -> Result<StatusCode, Problem> {
    service::remove(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, ToSchema)]
struct SignedOut {
    /// How many sessions ended.
    ended: usize,
}

/// End all sessions that a member has in the account.
#[utoipa::path(
    post,
    path = "/api/members/{id}/sign-out",
    tag = "members",
    params(("id" = String, Path, description = "The member's id", example = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 200, body = SignedOut), Refusals)
)]
async fn sign_out(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<UserId>,
) -> Result<Json<SignedOut>, Problem> {
    Ok(Json(SignedOut { ended: service::sign_out(&app, &actor, id).await? }))
}
