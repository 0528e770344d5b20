//! `/api/secrets`.

use std::fmt;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use levqor_model::Timestamp;
use levqor_store::secrets::SecretName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::service;
use crate::{
    App, Problem,
    gateway::{Actor, Body, Cursor, PageQuery, Query},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(list)).routes(routes!(set, delete))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    /// Any JSON, at most 64 KiB. It can never be read again.
    #[serde(deserialize_with = "any")]
    #[schema(value_type = Value)]
    value: Value,
}

impl fmt::Debug for SecretBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBody(…)")
    }
}

/// Required, and `null` is a value, too.
fn any<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Value::deserialize(deserializer)
}

#[derive(Debug, Serialize, ToSchema)]
struct SecretView {
    #[schema(example = "stripeKey")]
    name: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its value was set last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<SecretName> for SecretView {
    fn from(secret: SecretName) -> Self {
        let SecretName { name, created_at, updated_at, version: _ } = secret;
        Self { name, created_at, updated_at }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Secrets {
    secrets: Vec<SecretView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// Names of the account's secrets, in order. Values are never shown.
#[utoipa::path(
    get,
    path = "/api/secrets",
    operation_id = "list_secrets",
    tag = "secrets",
    params(PageQuery),
    responses((status = 200, body = Secrets), Refusals)
)]
async fn list(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<PageQuery>,
) -> Result<Json<Secrets>, Problem> {
    let read = |after, limit| app.store.secrets_of(actor.account_id, after, limit);
    let (secrets, next_cursor) =
        query.read("secrets", read, |secret: &SecretName| secret.name.clone()).await?;
    Ok(Json(Secrets { secrets: secrets.into_iter().map(SecretView::from).collect(), next_cursor }))
}

/// Set a secret. Runs that begin or are retried from now on use this value.
#[utoipa::path(
    put,
    path = "/api/secrets/{name}",
    operation_id = "set_secret",
    tag = "secrets",
    params(("name" = String, Path, description = "The name, as `use.secrets` declares it", example = "stripeKey")),
    request_body = SecretBody,
    responses((status = 204, description = "Set"), Refusals)
)]
async fn set(
    State(app): State<App>,
    actor: Actor,
    Path(name): Path<String>,
    Body(body): Body<SecretBody>,
) -> Result<StatusCode, Problem> {
    service::set(&app, &actor, &name, &body.value).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a secret. Runs that began before keep what they began with.
#[utoipa::path(
    delete,
    path = "/api/secrets/{name}",
    operation_id = "delete_secret",
    tag = "secrets",
    params(("name" = String, Path, description = "The name", example = "stripeKey")),
    responses((status = 204, description = "Deleted"), Refusals)
)]
async fn delete(
    State(app): State<App>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    service::delete(&app, &actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
