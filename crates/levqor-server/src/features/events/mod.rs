//! Publishing: CloudEvents come in over HTTP and go to the runs and workflows that wait for them.

pub mod binding;
mod routes;
pub mod service;

pub use routes::api;
