//! The features, and the one list of all their routes.

use axum::Router;

use crate::App;

pub mod ai;
pub mod dashboard;
pub mod docs;
pub mod health;
pub mod home;
pub mod keys;
pub mod metrics;
pub mod regions;
pub mod runs;
pub mod sign_in;
pub mod status_page;
pub mod usage;
pub mod workflows;

/// Every route of every feature.
pub fn routes() -> Router<App> {
    Router::new()
        .merge(ai::routes())
        .merge(dashboard::routes())
        .merge(docs::routes())
        .merge(health::routes())
        .merge(home::routes())
        .merge(keys::routes())
        .merge(metrics::routes())
        .merge(regions::routes())
        .merge(runs::routes())
        .merge(sign_in::routes())
        .merge(status_page::routes())
        .merge(usage::routes())
        .merge(workflows::routes())
}
