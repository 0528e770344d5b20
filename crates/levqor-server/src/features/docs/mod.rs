//! Documentation: guides, problem pages, the API reader.

mod api;
mod pages;
mod reference;
pub mod service;

use axum::{Router, routing::get};

use crate::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/docs", get(pages::index))
        .route("/docs/api", get(pages::api))
        .route("/docs/problems", get(pages::problems))
        .route("/docs/problems/{slug}", get(pages::problem))
        .route("/docs/{slug}", get(pages::guide))
}
