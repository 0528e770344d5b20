//! API keys: made, listed, given another secret, revoked. A secret is shown once; only its hash is stored.

mod routes;
pub mod service;

pub(crate) use routes::RoleName;
pub use routes::api;
