//! What every request passes: id, time, size and rate limits, authentication, the access log, common headers.

mod actor;

use axum::Router;

pub use actor::{Actor, OptionalActor, PageActor};

use crate::App;

/// Puts the whole gateway around `routes`.
pub fn wrap(routes: Router<App>, app: App) -> Router {
    routes.with_state(app)
}
