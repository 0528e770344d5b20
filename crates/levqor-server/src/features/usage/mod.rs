//! What an account used.

mod routes;
pub mod service;

pub use routes::api;
