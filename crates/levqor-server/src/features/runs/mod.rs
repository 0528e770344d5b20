//! Runs: start, watch, cancel, retry.

mod events;
mod residency;
pub mod retention;
mod routes;
pub mod service;
mod views;

pub(crate) use events::ServerSentEvent;
pub use routes::api;
