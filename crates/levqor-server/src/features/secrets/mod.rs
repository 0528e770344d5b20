//! Secrets: set, named, deleted. A value goes in and never comes out again but into runs.

mod routes;
pub mod service;

pub use routes::api;
