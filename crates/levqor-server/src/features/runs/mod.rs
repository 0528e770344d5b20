//! Runs: start, watch, cancel, retry.

mod events;
pub mod retention;
mod routes;
pub mod service;
mod views;

pub use routes::api;
