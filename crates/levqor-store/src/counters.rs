//! Totals that survive restarts, and the buckets behind sliding windows.

use levqor_model::Timestamp;

use crate::{Error, Store};

/// An increment of a named total within the second that starts at `at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    pub name: &'static str,
    pub at: Timestamp,
    pub by: i64,
}

impl Store {
    /// Adds to totals and to per-second buckets.
    pub async fn add_counts(&self, _increments: Vec<Increment>) -> Result<(), Error> {
        unimplemented!("add_counts")
    }

    pub async fn totals(&self) -> Result<Vec<(String, i64)>, Error> {
        unimplemented!("totals")
    }

    /// Buckets that start at or after `at`, oldest first.
    pub async fn buckets_since(&self, _at: Timestamp) -> Result<Vec<(String, Timestamp, i64)>, Error> {
        unimplemented!("buckets_since")
    }

    pub async fn prune_buckets(&self, _before: Timestamp) -> Result<(), Error> {
        unimplemented!("prune_buckets")
    }
}
