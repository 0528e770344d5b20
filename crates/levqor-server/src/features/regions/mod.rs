//! Where Levqor runs, and how it is there.

mod routes;
pub mod service;

pub use routes::api;
