//! Addresses that made many errors, for operators: who they are, and how they are forgiven.

mod routes;
mod service;

pub use routes::api;
