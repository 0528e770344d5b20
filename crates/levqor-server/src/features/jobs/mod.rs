//! Jobs of the platform: twenty things that are done by themselves at their times, once in the whole cluster.
//!
//! ```text
//! list ─► levqor_engine::jobs (when, by whom) ─► scheduler ─► work/* (what) ─► a row: words, and data
//!                                                                                └► pages, API, conditions
//! ```
//!
//! What a job cannot know it says so: a number that nobody has measured, and a price that nobody has set, are `unknown` and
//! `not priced`, never zero.

mod conditions;
mod glance;
mod list;
mod pages;
mod routes;
mod scheduler;
mod service;
mod settings;
mod work;

pub(crate) use conditions::conditions;
pub(crate) use glance::glance;
pub use pages::routes;
pub use routes::api;
pub(crate) use scheduler::{counts, prune, round, run};
pub use settings::{JobSettings, Price, Prices};
pub(crate) use work::demand;
