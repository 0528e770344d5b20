//! The features, and the one list of all their routes.
//!
//! A feature of the API gives an `ApiRouter` (`api()`), so that its routes and their description cannot part; a
//! feature of pages gives a plain router.

use axum::Router;

use crate::{
    App,
    openapi::{self, ApiRouter},
    pages,
};

pub mod account;
pub mod admin;
pub mod ai;
pub mod alerts;
pub mod approvals;
pub mod audit;
pub mod customer_care;
pub mod dashboard;
pub mod docs;
pub mod drift;
pub mod events;
pub mod health;
pub mod home;
pub mod incidents;
pub mod invitations;
pub mod jobs;
pub mod keyring;
pub mod keys;
pub mod marketing;
pub mod members;
pub mod metrics;
pub mod nodes;
pub mod oidc;
pub mod plans;
pub mod policies;
pub mod probes;
pub mod regions;
pub mod reputation;
pub mod runs;
pub mod secrets;
pub mod sessions;
pub mod sign_in;
pub mod site;
pub mod slo;
pub mod status_page;
pub mod tamper;
pub mod triggers;
pub mod usage;
pub mod workflows;

/// Every route of every feature.
pub fn routes() -> Router<App> {
    api()
        .into_routes()
        .merge(openapi::routes())
        .merge(admin::routes())
        .merge(ai::routes())
        .merge(customer_care::routes())
        .merge(dashboard::routes())
        .merge(docs::routes())
        .merge(home::routes())
        .merge(invitations::routes())
        .merge(marketing::routes())
        .merge(oidc::routes())
        .merge(pages::routes())
        .merge(policies::routes())
        .merge(sign_in::routes())
        .merge(site::routes())
        .merge(status_page::routes())
}

/// The routes of the API, with what describes them.
pub fn api() -> ApiRouter {
    ApiRouter::default()
        .merge(health::api())
        .merge(metrics::api())
        .merge(regions::api())
        .merge(nodes::api())
        .merge(admin::api())
        .merge(keyring::api())
        .merge(reputation::api())
        .merge(plans::api())
        .merge(usage::api())
        .merge(keys::api())
        .merge(account::api())
        .merge(members::api())
        .merge(invitations::api())
        .merge(sessions::api())
        .merge(secrets::api())
        .merge(workflows::api())
        .merge(runs::api())
        .merge(triggers::api())
        .merge(events::api())
        .merge(approvals::api())
        .merge(marketing::api())
        .merge(customer_care::api())
        .merge(audit::api())
        .merge(tamper::api())
        .merge(drift::api())
        .merge(jobs::api())
        .merge(probes::api())
        .merge(slo::api())
        .merge(alerts::api())
        .merge(incidents::api())
        .merge(status_page::api())
}
