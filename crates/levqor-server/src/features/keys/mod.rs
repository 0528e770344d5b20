//! API keys: made, listed, revoked. The key itself is shown once; only its hash is stored.

mod routes;
pub mod service;

pub use routes::api;
