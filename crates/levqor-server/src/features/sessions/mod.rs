//! Where somebody is signed in: the list, and its ends.
//!
//! A session ends 14 days after it began however it is used, and when nobody has used it for a day. Its token is another one after
//! each signing in, and after each change of the account or of the person's own role; the old one opens nothing from then on.

mod browser;
mod routes;
pub mod service;

pub use routes::api;
