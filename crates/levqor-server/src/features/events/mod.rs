//! Publishing: CloudEvents come in over HTTP and go to the runs and workflows that wait for them.

pub mod binding;
mod conditions;
mod routes;
pub mod service;

pub(crate) use conditions::conditions;
pub use routes::api;
