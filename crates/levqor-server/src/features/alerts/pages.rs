//! `/admin/alerts` and `/admin/notifications`.

mod list;
mod messages;

use axum::{
    Router,
    routing::{get, post},
};

use crate::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/admin/alerts", get(list::page))
        .route("/admin/alerts/{id}/acknowledge", post(list::acknowledge))
        .route("/admin/alerts/silences", post(list::create_silence))
        .route("/admin/alerts/silences/{id}/end", post(list::end_silence))
        .route("/admin/notifications", get(messages::page))
        .route("/admin/notifications/{id}/retry", post(messages::retry))
        .route("/admin/notifications/{id}/dismiss", post(messages::dismiss))
}
