//! Service level objectives: read from OpenSLO documents, measured by stored series and evidence, judged every few seconds by one node.
//!
//! ```text
//! files ─► catalogue        store: series, samples ─► reading ─► ledger ─► levqor_slo::judge ─► conditions ─► alerts
//!                                                                               └► slo_states, slo_history ─► API, pages
//! ```
//!
//! What pages and the API show is what that node has written, with its age: when it is too old, nothing is known.

mod charts;
mod files;
mod glance;
mod pages;
mod reading;
mod report;
mod routes;
mod service;

pub use files::{catalogue, catalogue_of};
pub(crate) use glance::{Glance, glance, judged_lately};
pub use pages::routes;
pub use routes::api;
pub(crate) use service::{judge_all, prune};
