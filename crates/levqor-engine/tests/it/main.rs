//! The engine as its callers and callees see it: one binary, a module per noun.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod cancel;
mod crash;
mod egress;
mod ownership;
mod retry;
mod runs;
mod schedules;
mod sub_runs;
mod suspend;
mod sweep;
mod timers;
mod watch;
mod world;
