//! `/api/keys`.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use levqor_model::{KeyId, Role, Scope, Scopes, Secret, Timestamp};
use levqor_store::keys::ApiKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service::{self, Wish};
use crate::{
    App, Problem,
    gateway::{Actor, Body, Cursor, Id, PageQuery, Query, Remembered},
    openapi::{ApiRouter, routes, vocabulary},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(create, list)).routes(routes!(revoke)).routes(routes!(rotate))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeyBody {
    /// 1 to 100 characters.
    #[schema(example = "deploy pipeline", max_length = 100)]
    name: String,
    /// Not above your own.
    #[schema(value_type = RoleName)]
    role: Role,
    /// Without it the key lives until it is revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// What the key is limited to, within its role. Without it the key may all that its role may.
    #[schema(value_type = Option<Vec<ScopeName>>, min_items = 1)]
    scopes: Option<Vec<String>>,
}

vocabulary! {
    /// A part of the API. Whoever may write may read.
    ScopeName = Scope;
    /// What a caller may do: each role may what the ones before it may.
    pub(crate) RoleName = Role;
}

#[derive(Debug, Serialize, ToSchema)]
struct KeyView {
    #[schema(example = "key_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    name: String,
    /// The first characters, to recognise it by.
    #[schema(example = "lvq_Zm9vYm")]
    prefix: String,
    #[schema(value_type = RoleName)]
    role: Role,
    /// May do what operators of the platform may.
    operator: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Noted every few seconds.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// What it is limited to; null: all that its role may.
    #[schema(value_type = Option<Vec<ScopeName>>)]
    scopes: Option<Vec<&'static str>>,
    /// When it was given its secret, if not at its making.
    #[schema(value_type = Option<String>, format = DateTime)]
    rotated_at: Option<Timestamp>,
    /// Until when the secret before that opens, too.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_ends_at: Option<Timestamp>,
    /// The user or the key that made it, where that was noted.
    #[schema(example = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    created_by: Option<String>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            prefix: key.prefix,
            role: key.role,
            operator: key.operator,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            scopes: key.scopes.map(Scopes::names),
            rotated_at: key.rotated_at,
            previous_ends_at: key.previous.map(|previous| previous.ends_at),
            created_by: key.created_by,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct NewKeyView {
    #[serde(flatten)]
    about: KeyView,
    /// The key. It is shown this once and cannot be read again; a replayed answer does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "lvq_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG")]
    key: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Keys {
    keys: Vec<KeyView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// Make an API key.
#[utoipa::path(
    post,
    path = "/api/keys",
    tag = "keys",
    request_body = NewKeyBody,
    responses((status = 201, body = NewKeyView), Refusals)
)]
async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<NewKeyBody>,
) -> Result<Response, Problem> {
    let wish = Wish {
        name: body.name,
        role: body.role,
        expires_at: body.expires_at,
        scopes: body.scopes.as_deref().map(service::scopes).transpose()?,
    };
    let (key, secret) = service::create(&app, &actor, wish).await?;
    shown_once(StatusCode::CREATED, key, &secret)
}

/// The key with its secret, which is in this answer and in no other, not even in a replay of it.
fn shown_once(status: StatusCode, key: ApiKey, secret: &Secret) -> Result<Response, Problem> {
    let mut view = NewKeyView { about: key.into(), key: None };
    // The idempotency store must not hold what the key table only has a hash of.
    let remembered = serde_json::to_vec(&view).map_err(Problem::internal)?;
    view.key = Some(secret.expose().to_owned());
    let mut response = (status, Json(view)).into_response();
    response.extensions_mut().insert(Remembered(remembered));
    Ok(response)
}

/// API keys of the account, oldest first; revoked ones too.
#[utoipa::path(
    get,
    path = "/api/keys",
    tag = "keys",
    params(PageQuery),
    responses((status = 200, body = Keys), Refusals)
)]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<PageQuery>,
) -> Result<Json<Keys>, Problem> {
    let read = |after, limit| app.store.keys_of(actor.account_id, after, limit);
    let (keys, next_cursor) = query.read("keys", read, |key: &ApiKey| key.id).await?;
    Ok(Json(Keys { keys: keys.into_iter().map(KeyView::from).collect(), next_cursor }))
}

/// Revoke an API key.
#[utoipa::path(
    delete,
    path = "/api/keys/{id}",
    tag = "keys",
    params(("id" = String, Path, description = "The key's id", example = "key_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 204, description = "Revoked"), Refusals)
)]
async fn revoke(State(app): State<App>, actor: Actor, Id(id): Id<KeyId>) -> Result<StatusCode, Problem> {
    service::revoke(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    /// How long the old secret goes on working, in seconds; 86400 (a day) when left out, 0 for not at all.
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_seconds: Option<u64>,
}

/// Give a key another secret. The old one goes on working for a while, so that programs can be given the new one in their own time.
#[utoipa::path(
    post,
    path = "/api/keys/{id}/rotate",
    tag = "keys",
    params(("id" = String, Path, description = "The key's id", example = "key_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    request_body = RotateBody,
    responses((status = 200, body = NewKeyView), Refusals)
)]
async fn rotate(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<KeyId>,
    Body(body): Body<RotateBody>,
) -> Result<Response, Problem> {
    let overlap = body.overlap_seconds.map(Duration::from_secs);
    let (key, secret) = service::rotate(&app, &actor, id, overlap).await?;
    shown_once(StatusCode::OK, key, &secret)
}
