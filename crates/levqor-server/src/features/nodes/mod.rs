//! The processes that share the database, for operators.

mod conditions;
mod routes;
mod service;

pub(crate) use conditions::conditions;
pub use routes::api;
