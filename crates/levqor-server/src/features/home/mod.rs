//! The front page, and drafting without an account.

mod pages;
mod plans;
pub mod service;

use axum::{Router, routing::get};

use crate::App;

pub fn routes() -> Router<App> {
    Router::new().route("/", get(pages::home)).route("/draft", get(pages::draft_form).post(pages::draft))
}
