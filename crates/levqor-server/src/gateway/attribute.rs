//! Who makes a request, for the records of the evidence log that it leads to.
//!
//! The innermost step, so that it is within the task in which the handler runs.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use levqor_model::audit::masked_address;
use levqor_store::audit::{self, Author};

use super::{
    Access, ClientAddress, RequestName,
    access::{access_of, route_of},
    authenticate,
};
use crate::App;

/// Who has no key and no session.
const VISITOR: &str = "visitor";

pub(super) async fn attribute(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let open = access_of(&parts.method, route_of(&parts.extensions)) == Access::Open;
    // Asked before by the steps around this one, where it matters. What is open to all changes nothing, and must not wait for a
    // database that may be away.
    let identity = if open { None } else { authenticate::identity(&mut parts, &app).await.ok().flatten() };
    let author = Author {
        name: identity.map_or_else(|| VISITOR.to_owned(), |identity| identity.actor.by.words()),
        request_id: parts.extensions.get::<RequestName>().map(|name| name.0.to_string()),
        network: Some(masked_address(ClientAddress::of(&parts.extensions).0)),
    };
    audit::by(Arc::new(author), next.run(Request::from_parts(parts, body))).await
}
