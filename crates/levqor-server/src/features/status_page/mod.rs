//! The status page: computed from stored samples, `unknown` without fresh ones.

mod pages;
pub mod service;

use axum::{Router, routing::get};

use crate::App;

pub fn routes() -> Router<App> {
    Router::new().route("/status", get(pages::status))
}
