//! What starts a workflow: people, its schedule, events, and webhooks, which are made and taken away here.
//!
//! ```text
//! POST /hooks/{token} ─► hash of the token ─► webhook ─► signature (when it asks for one) ─► run, durable ─► 202
//! ```
//!
//! Of a token only the hash is stored. The secret that signs messages is made from the server's own secret, the webhook's
//! id and its generation whenever it is needed, so that it is nowhere to be read.

mod hooks;
pub mod message;
mod routes;
pub mod service;
pub mod signature;

pub use routes::api;
