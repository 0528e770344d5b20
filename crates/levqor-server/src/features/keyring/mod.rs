//! The server's own keys, for operators: what there is, rotating, revoking, and looking whether everything still opens.
//!
//! How keys work is the business of [`levqor_engine::keyring`]; here is who may do what, and what nodes do about them by themselves.

mod pages;
mod routes;
mod service;

pub use pages::routes;
pub use routes::api;
pub use service::{look, turn};
