//! The HTTP face of Levqor: the JSON API, the console and the public pages.
//!
//! A feature is a folder under `features/`: `routes` (JSON: parse, call, render), `pages` (HTML), `service` (rules;
//! knows nothing of HTTP). Siblings call each other only through `service`. SQL lives in `levqor-store`.
//!
//! A process makes an [`App`] and hands it to [`serve()`], which returns when the last request is answered and the counts are
//! written.

mod agreed_key;
pub mod app;
mod background;
pub mod error_reporter;
pub mod features;
pub mod gateway;
pub mod mail;
pub mod openapi;
pub mod otlp;
mod outgoing;
pub mod pages;
pub mod problem;
mod serve;
mod site;

pub use app::{App, Environment, Parts, Settings, StripeAccess};
pub use problem::Problem;
pub use serve::serve;
pub use site::Site;

/// Every route, behind the gateway.
pub fn router(app: App) -> axum::Router {
    gateway::wrap(features::routes(), app)
}
