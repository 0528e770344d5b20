//! The status page: computed from stored evidence, `unknown` without fresh evidence, and what belongs to it.
//!
//! ```text
//! health, probes ─► samples ─► service (with voices: who is believed) ─► snapshot, in memory ─┬─► pages, charts, facts
//! operators ─────► declarations, maintenance ──────────┘                                      ├─► routes (JSON), statuspage (JSON as others have it)
//! incidents ─────► incidents ──────────────────────────┘                                      └─► feeds, badge
//! signed days, samples of today, sums ─► measured: how much of a day the bars stand for
//! samples ahead of their time ─► early            what everybody may read of a reason ─► reasons
//! samples of a day ─► uptime (signed)        subscriptions, limits, subscribe_pages        ops, admin: for operators
//! ```

mod admin;
mod badge;
mod charts;
mod declarations;
mod early;
mod facts;
mod feeds;
mod incidents;
mod limits;
mod maintenance;
mod measured;
mod ops;
mod pages;
mod parts;
mod reasons;
mod rendered;
#[cfg(test)]
mod replay;
mod routes;
pub mod service;
mod snapshot;
mod statuspage;
mod subscribe_pages;
mod subscriptions;
mod uptime;
mod voices;

use axum::{
    Router,
    routing::{get, post},
};

use crate::{App, openapi::ApiRouter};

// For the delivery of messages, which asks where they go.
pub use subscriptions::{Recipient, recipient};

pub fn api() -> ApiRouter {
    routes::api().merge(statuspage::api()).merge(ops::api())
}

pub fn routes() -> Router<App> {
    Router::new()
        .route("/status", get(pages::status))
        .route("/status/badge.svg", get(badge::badge))
        .route("/status/history.atom", get(feeds::atom))
        .route("/status/maintenance.ics", get(feeds::calendar))
        .route("/status/subscribe", get(subscribe_pages::form).post(subscribe_pages::subscribe))
        .route("/status/confirm/{token}", get(subscribe_pages::look_at_link).post(subscribe_pages::confirm))
        .route(
            "/status/unsubscribe/{token}",
            get(subscribe_pages::look_at_farewell).post(subscribe_pages::unsubscribe),
        )
        .route("/admin/status", get(admin::page))
        .route("/admin/status/declarations", post(admin::declare))
        .route("/admin/status/declarations/{id}/withdraw", post(admin::withdraw))
        .route("/admin/status/maintenance", post(admin::schedule))
        .route("/admin/status/maintenance/{id}/cancel", post(admin::cancel))
        .route("/admin/status/maintenance/{id}/end", post(admin::end))
}

/// Reads the evidence and makes what is served until the next time. The job does it each second; after the first time nobody else reads.
pub async fn keep(app: &App) {
    snapshot::keep(app).await;
}

/// Tells subscribers of maintenance that began or ended.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn tell_maintenance(app: &App) -> Result<(), levqor_store::Error> {
    maintenance::tell(app).await
}

/// Counts and signs the days that are over.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn seal_uptime(app: &App) -> Result<(), levqor_store::Error> {
    uptime::seal(app).await
}

/// Wishes to be told that nobody confirmed are forgotten after so long.
pub(crate) const UNCONFIRMED_KEPT: std::time::Duration = subscriptions::LINK_TTL;
