//! What people ask of us: support requests, consultations, and what they think of the trial.
//!
//! ```text
//! form, API ─► routes ─► service ─┬─► the assistant answers from the documentation
//!                                 └─► ticket (the plan says until when) ─► notification to the route `support` ─► operators
//! ```
//!
//! Invariant: whoever asks for a person gets one: a request that the assistant cannot answer is kept, and people are told of it, in one
//! transaction.

mod conditions;
mod form;
mod ops;
mod pages;
mod routes;
pub(crate) mod service;

use axum::Router;

use crate::{App, openapi::ApiRouter};

pub fn api() -> ApiRouter {
    routes::api().merge(ops::api())
}

/// The forms of the page about support.
pub fn routes() -> Router<App> {
    form::routes()
}

/// The page of operators.
pub(super) fn admin_routes() -> Router<App> {
    pages::routes()
}

pub(in crate::features) use conditions::conditions;
pub(in crate::features) use form::{Typed, consultation_form, support_form};
