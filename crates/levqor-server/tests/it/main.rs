//! The server as its callers meet it, through the whole gateway.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails as they do")]

mod access;
mod ai;
mod approvals;
mod audit;
mod catalogs;
mod described;
mod drift;
mod events;
mod gateway;
mod health;
mod idempotency;
mod keyring;
mod keys;
mod metrics;
mod openapi;
mod pages;
mod problems;
mod rates;
mod region_acts;
mod regions;
mod retention;
mod runs;
mod secrets;
mod serve;
mod support;
mod triggers;
mod usage;
mod workflows;
