//! Chat and workflow drafting (SPEC §7): the built-in backend, which needs no key and no network.
//!
//! `service` holds the rules (lengths, credits, what an answer is made of), `retrieval` finds sections of `library`,
//! `routes` speaks the shape that AI endpoints keep: `{success, …}` also for errors.

pub mod language;
mod library;
mod retrieval;
mod routes;
pub mod service;

pub use routes::routes;
