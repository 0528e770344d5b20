//! Workflows and their versions.

mod routes;
pub mod service;
mod views;

pub use routes::api;
