//! `/api/ops/keyring`. Keys themselves are in no answer.

use axum::{Json, extract::State};
use levqor_engine::keyring::{Check, Fault};
use levqor_model::{KeyPurpose, KeyState, RingKeyId, Timestamp};
use levqor_store::keyring::KeptKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service;
use crate::{
    App, Problem,
    gateway::{Body, Id},
    openapi::{ApiRouter, routes, vocabulary},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(rotate))
        .routes(routes!(verify))
        .routes(routes!(revoke))
}

vocabulary! {
    /// What a key is for.
    PurposeName = KeyPurpose;
    /// How far a key has come.
    StateName = KeyState;
}

/// A key of the server, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
struct RingKeyView {
    #[schema(example = "rky_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    #[schema(value_type = PurposeName)]
    purpose: KeyPurpose,
    #[schema(value_type = StateName)]
    state: KeyState,
    /// What tokens and sealed values name it by.
    #[schema(example = "9f86d081884c7d65")]
    tag: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it becomes active at the earliest; later, when it did.
    #[schema(value_type = String, format = DateTime)]
    activates_at: Timestamp,
    /// When what was signed with it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    retires_at: Option<Timestamp>,
    /// When it was retired or revoked, and destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// A key, and how much needs it.
#[derive(Debug, Serialize, ToSchema)]
struct ListedKey {
    #[serde(flatten)]
    about: RingKeyView,
    /// Values that are sealed under it, or signed webhooks whose secrets are derived from it.
    uses: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct KeyringView {
    /// Newest first, at most 1,000; those that are gone are kept for 400 days.
    keys: Vec<ListedKey>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotatePurposeBody {
    #[schema(value_type = PurposeName)]
    purpose: KeyPurpose,
}

#[derive(Debug, Serialize, ToSchema)]
struct RotationView {
    key: RingKeyView,
    /// It was published before this request: one rotation of a purpose at a time.
    already: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct RevocationView {
    key: RingKeyView,
    /// What took its place at once, when it was the active key.
    #[serde(skip_serializing_if = "Option::is_none")]
    successor: Option<RingKeyView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CheckedRing {
    /// Whether everything opens and holds.
    ok: bool,
    /// Keys that were opened and tried.
    keys: u64,
    /// Values that were to be opened.
    sealed: u64,
    /// Signed webhooks whose key was looked for.
    webhooks: u64,
    /// How many things do not open or hold.
    faults_total: u64,
    /// The first hundred of them.
    faults: Vec<FaultView>,
}

/// Something that does not open or hold.
#[derive(Debug, Serialize, ToSchema)]
struct FaultView {
    #[schema(example = "key rky_01ARZ3NDEKTSV4RRFFQ69G5FAV for sealing")]
    what: String,
    problem: String,
}

impl From<KeptKey> for RingKeyView {
    fn from(key: KeptKey) -> Self {
        let KeptKey { id, purpose, state, tag, sealed: _, created_at, activates_at, retires_at, ended_at } =
            key;
        Self { id: id.to_string(), purpose, state, tag, created_at, activates_at, retires_at, ended_at }
    }
}

impl From<Check> for CheckedRing {
    fn from(check: Check) -> Self {
        Self {
            ok: check.is_good(),
            keys: check.keys,
            sealed: check.sealed,
            webhooks: check.webhooks,
            faults_total: check.faults_total,
            faults: check
                .faults
                .into_iter()
                .map(|Fault { what, problem }| FaultView { what, problem })
                .collect(),
        }
    }
}

/// The server's own keys.
#[utoipa::path(
    get,
    path = "/api/ops/keyring",
    operation_id = "keyring",
    tag = "operations",
    responses((status = 200, body = KeyringView), Refusals)
)]
async fn list(State(app): State<App>) -> Result<Json<KeyringView>, Problem> {
    let keys = service::list(&app).await?;
    Ok(Json(KeyringView {
        keys: keys.into_iter().map(|(key, uses)| ListedKey { about: key.into(), uses }).collect(),
    }))
}

/// Publish a new key, which becomes active when all nodes know it.
#[utoipa::path(
    post,
    path = "/api/ops/keyring/rotate",
    operation_id = "rotate_keyring",
    tag = "operations",
    request_body = RotatePurposeBody,
    responses((status = 200, description = "Published; it becomes active by itself", body = RotationView), Refusals)
)]
async fn rotate(
    State(app): State<App>,
    Body(body): Body<RotatePurposeBody>,
) -> Result<Json<RotationView>, Problem> {
    let rotation = service::rotate(&app, body.purpose).await?;
    Ok(Json(RotationView { key: rotation.key.into(), already: rotation.already }))
}

/// Open everything that is sealed, try every key, and say what does not hold.
#[utoipa::path(
    post,
    path = "/api/ops/keyring/verify",
    operation_id = "verify_keyring",
    tag = "operations",
    responses((status = 200, description = "What was found", body = CheckedRing), Refusals)
)]
async fn verify(State(app): State<App>) -> Result<Json<CheckedRing>, Problem> {
    Ok(Json(service::verify(&app).await?.into()))
}

/// Destroy a key now: nothing that was made with it holds any more.
#[utoipa::path(
    post,
    path = "/api/ops/keyring/{id}/revoke",
    operation_id = "revoke_ring_key",
    tag = "operations",
    params(("id" = String, Path, description = "The key's id", example = "rky_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 200, description = "It is gone", body = RevocationView), Refusals)
)]
async fn revoke(State(app): State<App>, Id(id): Id<RingKeyId>) -> Result<Json<RevocationView>, Problem> {
    let revocation = service::revoke(&app, id).await?;
    Ok(Json(RevocationView {
        key: revocation.key.into(),
        successor: revocation.successor.map(RingKeyView::from),
    }))
}
