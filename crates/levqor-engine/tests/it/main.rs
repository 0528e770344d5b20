//! The engine as its callers and callees see it: one binary, a module per noun.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod allowed;
mod authentication;
mod cancel;
mod catalogs;
mod crash;
mod egress;
mod event_triggers;
mod events;
mod handlers;
mod jobs;
mod lifecycle;
mod measures;
mod nodes;
mod openapi;
mod overlap;
mod ownership;
mod processes;
mod queue;
mod retry;
mod runs;
mod schedules;
mod secrets;
mod services;
mod sink;
mod sub_runs;
mod suspend;
mod sweep;
mod timers;
mod watch;
mod world;
