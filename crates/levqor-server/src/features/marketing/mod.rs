//! Who wants to hear of Levqor, and what is looked at and clicked: leads, and counts of a day without anybody in them.
//!
//! ```text
//! page (script), form ─► routes ─► service ─► store: leads, page_events ─► marketing_rollup, business metrics
//! ```
//!
//! Invariant: nothing is kept of a visitor who only looks. No cookie, no address, no browser; a browser that asks not to be followed sends
//! nothing at all.

mod form;
mod ops;
mod routes;
pub(crate) mod service;

use axum::Router;

use crate::{App, openapi::ApiRouter};

pub fn api() -> ApiRouter {
    routes::api().merge(ops::api())
}

/// The form for people, and its thanks.
pub fn routes() -> Router<App> {
    form::routes()
}

pub(in crate::features) use form::lead_form;
