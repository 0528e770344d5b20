//! Whether a transaction was written whose commit got no answer.
//!
//! ```text
//! BEGIN; lock; commits[writer] = n ─► … ─► COMMIT ─✕ no answer
//!                                            └─► ask whoever takes writes now: commits[writer] = n ? written : not written
//! ```
//!
//! The row travels with the transaction, so the answer is exact, also when a standby has taken over meanwhile. Numbers of
//! transactions that the server gives are not: a new primary gives those again that it has not seen.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

use super::connect::Way;
use crate::Error;

/// How long a primary is waited for before the caller is told that it is not known.
const PATIENCE: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Rows of writers that have written nothing for so long are removed.
const KEPT_DAYS: u32 = 7;

/// Microseconds by the server's clock.
const NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)";

/// The writer's row, and the number that it gets next.
#[derive(Debug)]
pub(super) struct Doubt {
    writer: String,
    number: Cell<i64>,
}

impl Doubt {
    /// Needs the table.
    pub(super) fn new(client: &mut postgres::Client) -> Result<Self, Error> {
        client.batch_execute(&format!(
            "DELETE FROM commits WHERE at < {NOW} - {KEPT_DAYS} * 86400 * CAST(1000000 AS bigint)"
        ))?;
        let writer = client.query_one("SELECT gen_random_uuid()::text", &[])?.try_get(0)?;
        Ok(Self { writer, number: Cell::new(0) })
    }

    /// What each transaction does first.
    pub(super) fn mark(&self) -> String {
        let number = self.number.get() + 1;
        self.number.set(number);
        // The writer's id is the server's own text; nothing of it is ours or anybody else's.
        format!(
            "INSERT INTO commits (writer_id, number, at) VALUES ('{}', {number}, {NOW})
             ON CONFLICT (writer_id) DO UPDATE SET number = excluded.number, at = excluded.at",
            self.writer
        )
    }

    /// Whether the transaction that was marked last is written.
    ///
    /// # Errors
    /// When it is not, or when nobody can say.
    pub(super) fn resolve(&self, way: &Way, lost: &Error) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match self.ask(way) {
                Ok(true) => {
                    tracing::info!("a commit got no answer, and was written");
                    return Ok(());
                }
                Ok(false) => {
                    return Err(Error::Unavailable(format!("{lost}; nothing of it was written")));
                }
                Err(error) if begun.elapsed() >= PATIENCE => {
                    return Err(Error::Unavailable(format!(
                        "{lost}; whether it was written is not known, since nobody takes writes: {error}"
                    )));
                }
                // Nobody wakes us: who takes writes can only be asked for.
                Err(_) => thread::park_timeout(ASK_EVERY),
            }
        }
    }

    /// An old connection's transaction that still commits holds the row's lock, and is waited for: so the answer is final.
    fn ask(&self, way: &Way) -> Result<bool, Error> {
        let mut client = way.connect()?;
        let rows =
            client.query("SELECT number FROM commits WHERE writer_id = $1 FOR UPDATE", &[&self.writer])?;
        let number: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?;
        Ok(number == Some(self.number.get()))
    }
}
