//! Drift, as a node sees it on itself: every hour, soon after its start, and when an operator asks.
//!
//! ```text
//! job, POST …/check ─► service ─► levqor_drift::check ─► own router (no socket), Stripe
//!                         └► store: result, evidence log      └► /metrics, GET /api/ops/drift
//! ```
//!
//! The files are read anew each time, so that a blueprint or a lock that was changed under a running server is seen: it still serves
//! the old one.

mod conditions;
mod own;
mod pages;
mod routes;
mod service;

pub(crate) use conditions::conditions;
pub use pages::routes;
pub use routes::api;
pub(crate) use service::{EVERY, Standing, last, look_at_itself, silent_regions, standings};
