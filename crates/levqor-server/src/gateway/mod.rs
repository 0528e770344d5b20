//! What every request passes: id, time, size and rate limits, authentication, the access log, common headers.

mod actor;
mod authenticate;
mod tokens;

use axum::Router;

pub use actor::{ActedBy, Actor, OptionalActor, PageActor};
pub(crate) use authenticate::Callers;
pub use authenticate::{SESSION_COOKIE, no_session_cookie, session_cookie};
pub use tokens::{KEY_PREFIX, NewKey, new_key, new_token, token_hash};

use crate::App;

/// Puts the whole gateway around `routes`.
pub fn wrap(routes: Router<App>, app: App) -> Router {
    routes.with_state(app)
}
