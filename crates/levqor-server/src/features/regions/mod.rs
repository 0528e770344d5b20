//! Where Levqor runs, and how it is there.

use axum::Router;

use crate::App;

pub fn routes() -> Router<App> {
    Router::new()
}
