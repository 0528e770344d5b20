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
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{client::Client, connect::Way};
use crate::Error;

/// How long a primary is looked for before the caller is told that it is not known; one look more may come on top.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest time for one look: a server that is frozen says nothing at all.
const LOOK_MAX: Duration = Duration::from_secs(5);
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
    pub(super) fn new(client: &Client) -> Result<Self, Error> {
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
            match self.is_written(way) {
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

    /// Whether it is written, by one look.
    ///
    /// # Errors
    /// When nobody who takes writes answers in time.
    pub(super) fn is_written(&self, way: &Way) -> Result<bool, Error> {
        let (way, writer, number) = (way.clone(), self.writer.clone(), self.number.get());
        let (tell, told) = mpsc::sync_channel(1);
        // It ends by itself, when the server says something or goes.
        thread::spawn(move || {
            // Whoever asked may have given up.
            let _ = tell.send(last(&way, &writer).map(|last| last == number));
        });
        told.recv_timeout(LOOK_MAX)
            .unwrap_or_else(|_| Err(Error::Unavailable("the database is silent".to_owned())))
    }
}

/// The number in the writer's row. A transaction of an old connection that still commits is waited for, also when it is the one that
/// makes the row: so the answer is final.
pub(super) fn last(way: &Way, writer: &str) -> Result<i64, Error> {
    let sql = format!(
        "INSERT INTO commits (writer_id, number, at) VALUES ($1, 0, {NOW})
         ON CONFLICT (writer_id) DO UPDATE SET at = excluded.at RETURNING number"
    );
    Ok(way.connect()?.query_one(&sql, &[&writer])?.try_get(0)?)
}
