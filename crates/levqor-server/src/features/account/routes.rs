//! `/api/account`.

use axum::{
    Json,
    extract::State,
    response::{AppendHeaders, IntoResponse, Response},
};
use http::{StatusCode, header};
use levqor_model::{AccountId, Role, Timestamp};
use levqor_store::accounts::Account;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service;
use crate::{
    App, Problem,
    features::keys::RoleName,
    gateway::{Actor, Body, farewell, session_cookie},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(get, update))
        .routes(routes!(memberships))
        .routes(routes!(switch))
        .routes(routes!(leave))
}

#[derive(Debug, Serialize, ToSchema)]
struct AccountView {
    #[schema(example = "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    name: String,
    /// A plan's code.
    #[schema(example = "growth")]
    plan: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Yours in it.
    #[schema(value_type = RoleName)]
    role: Role,
}

impl AccountView {
    fn of(account: Account, role: Role) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name,
            plan: account.plan,
            created_at: account.created_at,
            role,
        }
    }
}

/// The account that the key or the session belongs to.
#[utoipa::path(get, path = "/api/account", tag = "account", responses((status = 200, body = AccountView), Refusals))]
async fn get(State(app): State<App>, actor: Actor) -> Result<Json<AccountView>, Problem> {
    let account = service::account(&app, &actor).await?;
    Ok(Json(AccountView::of(account, actor.role)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccountChange {
    /// 1 to 100 characters.
    #[schema(example = "Analytical Engines", max_length = 100)]
    name: Option<String>,
}

/// Change the account. The plan is changed by billing.
#[utoipa::path(
    patch,
    path = "/api/account",
    tag = "account",
    request_body = AccountChange,
    responses((status = 200, body = AccountView), Refusals)
)]
async fn update(
    State(app): State<App>,
    actor: Actor,
    Body(change): Body<AccountChange>,
) -> Result<Json<AccountView>, Problem> {
    let account = match change.name {
        Some(name) => service::rename(&app, &actor, &name).await?,
        None => service::account(&app, &actor).await?,
    };
    Ok(Json(AccountView::of(account, actor.role)))
}

#[derive(Debug, Serialize, ToSchema)]
struct MembershipView {
    #[serde(flatten)]
    account: AccountView,
    /// The session is in this one.
    current: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Memberships {
    memberships: Vec<MembershipView>,
}

/// The accounts that you belong to, oldest first. An API key belongs to one and has no list.
#[utoipa::path(
    get,
    path = "/api/account/memberships",
    tag = "account",
    responses((status = 200, body = Memberships), Refusals)
)]
async fn memberships(State(app): State<App>, actor: Actor) -> Result<Json<Memberships>, Problem> {
    let all = service::memberships(&app, &actor).await?.into_iter();
    let memberships = all.map(|(account, role)| MembershipView {
        current: account.id == actor.account_id,
        account: AccountView::of(account, role),
    });
    Ok(Json(Memberships { memberships: memberships.collect() }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SwitchBody {
    /// One of your memberships.
    #[schema(value_type = String, example = "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    account_id: AccountId,
}

#[derive(Debug, Serialize, ToSchema)]
struct Switched {
    #[schema(example = "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    account_id: String,
    /// The session has another id from now on, and another cookie, which comes with this answer.
    #[schema(example = "ses_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    session_id: String,
}

/// Go on in another of your accounts.
#[utoipa::path(
    post,
    path = "/api/account/switch",
    tag = "account",
    request_body = SwitchBody,
    responses((status = 200, body = Switched), Refusals)
)]
async fn switch(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<SwitchBody>,
) -> Result<Response, Problem> {
    let entered = service::switch(&app, &actor, body.account_id).await?;
    let cookie = session_cookie(&app, entered.token.expose(), entered.lifetime(app.now()));
    let view = Switched { account_id: entered.account.to_string(), session_id: entered.session.to_string() };
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(view)).into_response())
}

/// Leave the account. You are signed out of it.
#[utoipa::path(
    post,
    path = "/api/account/leave",
    tag = "account",
    responses((status = 204, description = "You do not belong to it any more"), Refusals)
)]
async fn leave(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    service::leave(&app, &actor).await?;
    Ok((StatusCode::NO_CONTENT, farewell(&app)).into_response())
}
