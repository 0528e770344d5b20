//! Alerts: what is not as it should be, since when, who was told, and the way of the messages to whoever is to be told.
//!
//! ```text
//! slo, health, nodes, tamper, drift, … ─► sources ─► plan ─► store: alert, record, message in one transaction
//!   (conditions, again and again)                     ▲          └► hooks (incidents)      └► delivery ─► mail, webhook, chat
//!                                       silences, open alerts
//! ```
//!
//! One node looks, every two seconds; whichever it is finds in the store what the one before it knew. A message is delivered by whichever
//! node claims it.
//!
//! Invariant: without a route that is configured a message is undeliverable, and is shown as that.

pub mod delivery;
mod evaluator;
mod hooks;
mod messages;
mod pages;
mod plan;
mod routes;
mod rules;
mod said;
mod service;
mod settings;
mod sources;

pub use evaluator::look;
pub(in crate::features) use messages::WHAT_TO_DO;
pub use pages::routes;
pub use routes::api;
pub(crate) use said::Said;
pub(crate) use service::prune;
pub use settings::{AlertSettings, Destination, DestinationKind, SloSettings};
pub(crate) use sources::{Conditions, conditions};
