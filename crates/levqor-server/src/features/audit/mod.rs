//! The evidence log, for operators: what was done and by whom, whether all of it is still there, and a copy to take away.

mod accept;
mod export;
mod list;
mod pages;
mod routes;
mod service;
mod witness;

pub use pages::routes;
pub use routes::api;
pub(crate) use service::{Verdict, seal, signing_key, verify};
pub(crate) use witness::witness;
