//! AI (SPEC §7): chat and workflow drafting over the API, and the functions that workflows call.
//!
//! ```text
//! routes ────┐                     ┌─► provider, provider, … (each behind a breaker)
//!            ├─► metering, backends ┤
//! functions ─┘                     └─► builtin: rules over the text and the documentation, always there
//! ```
//!
//! `service` holds what the built-in answers are made of, `retrieval` finds sections of `library`, `routes` speaks the shape
//! that AI endpoints keep: `{success, …}` also for errors.

pub mod backend;
pub mod backends;
mod breaker;
mod builtin;
pub mod functions;
pub mod language;
mod library;
mod metering;
pub mod provider;
mod retrieval;
mod routes;
pub mod service;

pub use backends::{AiSettings, Backends};
pub use functions::Functions;
pub use routes::routes;
