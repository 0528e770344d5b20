//! Incidents: disturbances that people deal with, from the alert or the person that opens one to the action items of its postmortem.
//!
//! ```text
//! alerts ─► on_alert ─┐                           ┌► levqor_store: incident, entries, evidence log, messages
//! people: API, pages ─┼─► hand (rules, no I/O) ───┤    in one transaction
//! jobs: time-outs ────┘                           └► resolved ─► postmortem ─► file
//! ```
//!
//! The rules stand in `hand`: what each act makes of an incident, and which message goes to whom. They run within the transaction
//! that writes what they say, so that of two who act at once the second one sees what the first has done.
//!
//! What is told of the past (`timeline`, `impact`) is put together from what is stored whenever somebody asks; nothing of it is written
//! twice, and nothing is estimated.

mod actions;
mod files;
mod hand;
mod impact;
mod jobs;
mod pages;
mod policy;
mod postmortem;
mod routes;
mod service;
mod timeline;
mod views;
mod writings;

pub use pages::routes;
pub use policy::{AlertRule, IncidentSettings, LevelTimes};
pub use routes::api;

pub(crate) use jobs::{look_after, match_alerts, on_alert};
