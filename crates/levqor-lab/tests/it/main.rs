//! The lab's own promises: real PostgreSQL, real processes.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails them by panicking")]

mod pair;
mod warden;
