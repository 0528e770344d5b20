//! All SQL of Levqor: one file per noun, the same calls on every backend.
//!
//! Writes go through one committer that batches whatever is queued into one transaction and answers only after its
//! commit, so an answer means "durable". Reads use a small pool of read-only connections.
//!
//! Deliberately knows no rules: what may be written is the caller's business; what fits the schema is ours.
//!
//! Invariant: no caller sees a backend's types. A second backend joins behind the same methods.

mod error;

pub mod accounts;
pub mod ai_requests;
pub mod counters;
pub mod health;
pub mod idempotency;
pub mod keys;
pub mod nodes;
pub mod runs;
pub mod schedules;
pub mod sessions;
pub mod timers;
pub mod usage;
pub mod workflows;

use std::path::PathBuf;

pub use error::{Conflict, Error};

/// Where the database is, and how it is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// None: in memory, for tests.
    pub path: Option<PathBuf>,
    /// Connections that read.
    pub readers: usize,
    /// Jobs that may queue for the committer before callers wait.
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { path: None, readers: 4, queue: 4_096 }
    }
}

/// A handle to the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    _skeleton: (),
}

/// What `/ready` wants to know.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// A row was written and committed (time in microseconds), or why not.
    pub write: Result<u64, String>,
    /// A row was read (time in microseconds), or why not.
    pub read: Result<u64, String>,
    pub migration: u32,
    pub migration_expected: u32,
    /// Free bytes where the database lives, when the system tells.
    pub disk_free_bytes: Option<u64>,
}

impl Store {
    /// Opens (or creates) the database and brings its schema up to date. Blocking.
    ///
    /// # Errors
    /// Corrupt or foreign file, read-only place, full disk, a newer schema than this build knows; each says what to do.
    pub fn open(_options: Options) -> Result<Self, Error> {
        unimplemented!("Store::open")
    }

    /// Finishes what is queued, checkpoints and closes. Later calls give [`Error::Closed`].
    pub async fn close(&self) {
        unimplemented!("Store::close")
    }

    pub async fn readiness(&self) -> Readiness {
        unimplemented!("Store::readiness")
    }

    /// Jobs waiting for the committer now, and its capacity: the measure of back-pressure.
    pub fn queue_depth(&self) -> (usize, usize) {
        unimplemented!("Store::queue_depth")
    }
}
