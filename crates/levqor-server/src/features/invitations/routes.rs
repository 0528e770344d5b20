//! `/api/members/invitations`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use levqor_model::{InvitationId, Role, Timestamp};
use levqor_store::invitations::Invitation;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::service::{self, Made};
use crate::{
    App, Problem,
    features::keys::RoleName,
    gateway::{Actor, Body, Cursor, Id, PageQuery, Query, Remembered},
    openapi::{ApiRouter, routes},
    problem::Refusals,
};

pub fn api() -> ApiRouter {
    ApiRouter::default().routes(routes!(invite, invitations)).routes(routes!(revoke_invitation))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InvitationBody {
    #[schema(example = "grace@example.com")]
    email: String,
    /// Not above your own.
    #[schema(value_type = RoleName)]
    role: Role,
}

#[derive(Debug, Serialize, ToSchema)]
struct InvitationView {
    #[schema(example = "inv_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    id: String,
    email: String,
    #[schema(value_type = RoleName)]
    role: Role,
    /// The user or the API key that invites.
    #[schema(example = "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV")]
    invited_by: String,
    /// The link went by mail; otherwise whoever made the invitation was given it.
    mailed: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            email: invitation.email,
            role: invitation.role,
            invited_by: invitation.invited_by,
            mailed: invitation.mailed,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct NewInvitationView {
    #[serde(flatten)]
    about: InvitationView,
    /// The link to hand over, on servers that send no mail. It is shown this once; a replayed answer does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// Invite somebody. The answer is the same whether they have an account here or not.
#[utoipa::path(
    post,
    path = "/api/members/invitations",
    tag = "members",
    request_body = InvitationBody,
    responses((status = 201, body = NewInvitationView), Refusals)
)]
async fn invite(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<InvitationBody>,
) -> Result<Response, Problem> {
    let Made { invitation, link } = service::invite(&app, &actor, &body.email, body.role).await?;
    let mut view = NewInvitationView { about: invitation.into(), link: None };
    // Only a hash of the link is kept anywhere.
    let remembered = serde_json::to_vec(&view).map_err(Problem::internal)?;
    view.link = link.map(|link| link.expose().to_owned());
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    response.extensions_mut().insert(Remembered(remembered));
    Ok(response)
}

#[derive(Debug, Serialize, ToSchema)]
struct Invitations {
    invitations: Vec<InvitationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<Cursor>,
}

/// Invitations that were neither accepted nor taken back, oldest first.
#[utoipa::path(
    get,
    path = "/api/members/invitations",
    tag = "members",
    params(PageQuery),
    responses((status = 200, body = Invitations), Refusals)
)]
async fn invitations(
    State(app): State<App>,
    actor: Actor,
    Query(query): Query<PageQuery>,
) -> Result<Json<Invitations>, Problem> {
    let read = |after, limit| app.store.invitations_of(actor.account_id, after, limit);
    let (found, next_cursor) = query.read("invitations", read, |one: &Invitation| one.id).await?;
    Ok(Json(Invitations { invitations: found.into_iter().map(InvitationView::from).collect(), next_cursor }))
}

/// Take an invitation back. Its link opens nothing any more.
#[utoipa::path(
    delete,
    path = "/api/members/invitations/{id}",
    tag = "members",
    params(("id" = String, Path, description = "The invitation's id", example = "inv_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    responses((status = 204, description = "Taken back"), Refusals)
)]
async fn revoke_invitation(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<InvitationId>,
) -> Result<StatusCode, Problem> {
    service::revoke(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
