//! Approvals: decisions of people that runs wait for.

mod routes;
pub mod service;

pub use routes::api;
