//! Runs: start, watch, cancel, retry.

mod events;
mod routes;
pub mod service;
mod views;

pub use routes::api;
