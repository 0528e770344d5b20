//! Liveness and readiness, and the samples that the status page is computed from.
//!
//! `service` judges, `probe` asks this node over its own socket, `routes` answers.

mod conditions;
mod memory;
mod probe;
mod routes;
pub mod service;

pub(crate) use conditions::conditions;
pub(crate) use memory::Memory;
pub use routes::api;
