//! The processes that share the database, for operators.

mod routes;
mod service;

pub use routes::api;
