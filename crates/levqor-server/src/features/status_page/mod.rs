//! The status page, computed from stored samples.

use axum::Router;

use crate::App;

pub fn routes() -> Router<App> {
    Router::new()
}
