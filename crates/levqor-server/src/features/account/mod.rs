//! The account of whoever asks, and the other accounts that they belong to.

mod routes;
pub mod service;

pub use routes::api;
