//! The pages of operators: `/admin`, and what its other pages share.
//!
//! Each of these pages stands in the folder of its feature (`audit/pages.rs`, `keyring/pages.rs`, …); here are the first one, the list of
//! accounts, and the way from one to the other. The gateway lets operators in and nobody else.
//!
//! ```text
//! features (regions, slo, alerts, …) ─► service (asks each on its own) ─► rules (what matters) ─► verdict (the worst)
//!                                                  └► page, GET /api/ops/overview, /admin/events
//! ```

mod accounts;
mod cards;
mod events;
mod facts;
mod overview;
mod routes;
mod rules;
mod service;
mod together;
mod verdict;

use axum::{
    Router,
    routing::{get, post},
};
use url::form_urlencoded::Serializer;

use super::{alerts, audit, customer_care, drift, incidents, jobs, keyring, probes, slo, tamper};
use crate::{App, pages::uncached};

pub use routes::api;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/admin", get(overview::page))
        .route("/admin/accounts", get(accounts::page))
        .route("/admin/accounts/sign-out", post(accounts::sign_out))
        .route("/admin/events", get(events::stream))
        .merge(alerts::routes())
        .merge(audit::routes())
        .merge(customer_care::admin_routes())
        .merge(drift::routes())
        .merge(jobs::routes())
        .merge(incidents::routes())
        .merge(keyring::routes())
        .merge(probes::routes())
        .merge(slo::routes())
        .merge(tamper::routes())
        .layer(axum::middleware::map_response(uncached))
}

/// The address of a list with these filters.
pub(super) fn query_of<const N: usize>(path: &str, fields: [(&str, Option<&str>); N]) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in fields {
        if let Some(text) = value.filter(|text| !text.is_empty()) {
            query.append_pair(name, text);
        }
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}
