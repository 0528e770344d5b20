//! One suite over [`levqor_store::Store`], a module per noun. It knows no backend, so that every backend runs it: SQLite here,
//! PostgreSQL in `tests/postgres`. What only SQLite can do wrong (files, locks, full disks) is in `files.rs` and beside the code.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

mod backend;
mod support;

mod accounts;
mod alerts;
mod archive;
mod audit;
mod business;
mod drift;
mod events;
mod files;
mod health;
mod heartbeats;
mod idempotency;
mod incidents;
mod invitations;
mod jobs;
mod keyring;
mod members;
mod metrics;
mod model;
mod nodes;
mod probes;
mod queue;
mod rates;
mod regions;
mod reputation;
mod retention;
mod runs;
mod schedules;
mod secrets;
mod sink;
mod status;
mod stress;
mod tamper;
mod timers;
mod usage;
mod webhooks;
mod workflows;
