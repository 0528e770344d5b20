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
    let identity = match access_of(&parts.method, route_of(&parts.extensions)) {
        // Nobody is asked who they are, nor is a database that may be away; and what the sender of a message says of itself is
        // not meant for us.
        Access::Open | Access::Secret => None,
        // Asked before by the steps around this one, where it matters.
        _ => authenticate::identity(&mut parts, &app).await.ok().flatten(),
    };
    let author = Author {
        name: identity.map_or_else(|| VISITOR.to_owned(), |identity| identity.actor.by.words()),
        request_id: parts.extensions.get::<RequestName>().map(|name| name.0.to_string()),
        network: Some(masked_address(ClientAddress::of(&parts.extensions).0)),
    };
    audit::by(Arc::new(author), next.run(Request::from_parts(parts, body))).await
}
