//! Chat and workflow drafting (SPEC §7).

use axum::Router;

use crate::App;

pub fn routes() -> Router<App> {
    Router::new()
}
