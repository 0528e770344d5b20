//! Runs: start, watch, cancel, retry.

mod events;
pub(crate) mod retention;
mod routes;
pub mod service;
mod views;

pub use routes::api;
