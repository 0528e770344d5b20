//! Totals that survive restarts, and the buckets behind sliding windows.

use levqor_model::Timestamp;

use crate::{Error, Store, params};

/// An increment of a named total within the second that starts at `at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    pub name: &'static str,
    pub at: Timestamp,
    pub by: i64,
}

impl Store {
    /// Adds to totals and to per-second buckets.
    pub async fn add_counts(&self, increments: Vec<Increment>) -> Result<(), Error> {
        self.write(move |session| {
            for Increment { name, at, by } in &increments {
                session.execute(
                    "INSERT INTO totals (name, value) VALUES ($1, $2)
                     ON CONFLICT (name) DO UPDATE SET value = totals.value + excluded.value",
                    params![name, by],
                )?;
                session.execute(
                    "INSERT INTO buckets (at, name, value) VALUES ($1, $2, $3)
                     ON CONFLICT (at, name) DO UPDATE SET value = buckets.value + excluded.value",
                    params![Timestamp::from_seconds(at.as_seconds()), name, by],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// By name.
    pub async fn totals(&self) -> Result<Vec<(String, i64)>, Error> {
        self.read(|session| {
            session.rows("SELECT name, value FROM totals ORDER BY name LIMIT 10000", &[], |row| {
                Ok((row.take()?, row.take()?))
            })
        })
        .await
    }

    /// Buckets that start at or after `at`, oldest first. At most 100,000: enough for a window of minutes.
    pub async fn buckets_since(&self, at: Timestamp) -> Result<Vec<(String, Timestamp, i64)>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT name, at, value FROM buckets WHERE at >= $1 ORDER BY at, name LIMIT 100000",
                params![at],
                |row| Ok((row.take()?, row.take()?, row.take()?)),
            )
        })
        .await
    }

    pub async fn prune_buckets(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM buckets WHERE (at, name) IN (SELECT at, name FROM buckets WHERE at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}
