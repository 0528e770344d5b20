//! All SQL of Levqor: one file per noun, the same calls on every backend.
//!
//! Writes go through one committer that batches whatever is queued into one transaction and answers only after its
//! commit, so an answer means "durable". Reads use a small pool of read-only connections.
//!
//! ```text
//! runs, workflows, … (SQL with $1, values)  ─► Store::write ─► committer ─┐
//!                                           └► Store::read  ─► readers  ──┴─► the database
//! ```
//!
//! Deliberately knows no rules: what may be written is the caller's business; what fits the schema is ours.
//!
//! Invariant: no caller sees a backend's types, and no noun knows which backend is there: nouns hold SQL that both understand,
//! and only `session` and `database` tell SQLite from PostgreSQL. One transaction writes at a time, on either.

mod committer;
mod cursor;
mod database;
mod error;
mod migrations;
mod postgres;
mod prune;
mod readers;
mod session;
mod sqlite;
#[cfg(test)]
mod tests;
mod value;

pub mod access;
pub mod accounts;
pub mod activity;
pub mod ai_requests;
pub mod alerts;
pub mod approvals;
pub mod audit;
#[cfg(feature = "bench-support")]
#[doc(hidden)]
pub mod bench_support;
pub mod consultations;
pub mod counters;
pub mod countries;
pub mod declarations;
pub mod drift;
pub mod event_triggers;
pub mod events;
pub mod foreign_identities;
pub mod health;
pub mod heartbeats;
pub mod hints;
pub mod idempotency;
pub mod incidents;
pub mod invitations;
pub mod jobs;
pub mod keyring;
pub mod keys;
pub mod leads;
pub mod listeners;
pub mod maintenance;
pub mod members;
pub mod metrics;
pub mod nodes;
pub mod notifications;
pub mod nudges;
pub mod page_events;
pub mod people;
pub mod probes;
pub mod queue;
pub mod rates;
pub mod regions;
pub mod reputation;
pub mod runs;
pub mod schedules;
pub mod secrets;
pub mod sessions;
pub mod sink;
pub mod slo;
pub mod state;
pub mod stored_bytes;
pub mod subscriptions;
pub mod tamper;
pub mod tickets;
pub mod timers;
pub mod transfer;
pub mod trial_feedback;
pub mod uptime;
pub mod usage;
pub mod webhooks;
pub mod workflows;

use std::{path::PathBuf, sync::Arc, time::Instant};

use levqor_model::{NodeId, RegionCode};

use database::Database;
pub use database::Place;
pub use error::{Conflict, Error};
pub use postgres::{PostgresOptions, ReplicaReport};
use session::{Row, Session};
use value::params;

/// Where the database is, and how it is used.
#[derive(Debug, Clone)]
pub struct Options {
    pub place: Place,
    /// Connections that read.
    pub readers: usize,
    /// Jobs that may queue for the committer before callers wait.
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { place: Place::Scratch, readers: 4, queue: 4_096 }
    }
}

/// A handle to the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    database: Arc<Database>,
    unreadable_told: Arc<runs::Told>,
    /// Rings when a queued run may have its turn.
    queue_bell: Arc<tokio::sync::Notify>,
    /// Whose writes these are; None: nobody's who could be stopped.
    node: Option<NodeId>,
    /// Where records of the evidence log go.
    chain: Arc<audit::Chain>,
    /// Whether reads may come from a replica.
    views: bool,
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

impl Options {
    /// A file, which is made when it is missing.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::File(path.into()), ..Self::default() }
    }
}

impl Store {
    /// Opens (or creates) the database and brings its schema up to date. Blocking.
    ///
    /// # Errors
    /// Corrupt or foreign file, read-only place, full disk, a newer schema than this build knows; each says what to do.
    pub fn open(options: Options) -> Result<Self, Error> {
        Ok(Self {
            database: Arc::new(Database::open(&options)?),
            unreadable_told: Arc::default(),
            queue_bell: Arc::default(),
            node: None,
            chain: Arc::default(),
            views: false,
        })
    }

    /// The same store for a node among several: once the node is stopped, by itself or by others, every write fails with
    /// [`Error::Fenced`].
    #[must_use]
    pub fn acting_as(&self, node: NodeId) -> Self {
        Self { node: Some(node), ..self.clone() }
    }

    /// The same store for a process with a node's id: what it writes to the evidence log makes a chain of its own.
    #[must_use]
    pub fn recording_as(&self, node: NodeId, region: &RegionCode) -> Self {
        Self { chain: Arc::new(audit::Chain::of(node, region)), ..self.clone() }
    }

    /// The same store for somebody who only looks: lists and history may come from a replica, when there is one. It shows what this
    /// process has written before; what other nodes have written may be some seconds late. Nothing may be decided by it.
    #[must_use]
    pub fn views(&self) -> Self {
        Self { views: true, ..self.clone() }
    }

    /// Whether there is a replica to read from, fit or not.
    pub fn has_replica(&self) -> bool {
        self.database.has_replica()
    }

    /// How it stands with the replica; None: there is none.
    pub fn replica(&self) -> Option<ReplicaReport> {
        self.database.replica()
    }

    /// Whether other processes may use this database at the same time.
    pub fn is_shared(&self) -> bool {
        self.database.is_shared()
    }

    /// Finishes what is queued, checkpoints and closes. Later calls give [`Error::Closed`].
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Writes a row, then reads that very row back.
    pub async fn readiness(&self) -> Readiness {
        let begun = Instant::now();
        let written = self
            .write(|session| {
                session.scalar::<i64>(
                    "INSERT INTO heartbeats (name, beats) VALUES ('readiness', 1)
                     ON CONFLICT (name) DO UPDATE SET beats = heartbeats.beats + 1
                     RETURNING beats",
                    &[],
                )
            })
            .await;
        let write = match &written {
            Ok(_) => Ok(micros_since(begun)),
            Err(error) => Err(error.to_string()),
        };
        let begun = Instant::now();
        let found = self
            .read(|session| {
                session.scalar::<i64>("SELECT beats FROM heartbeats WHERE name = $1", params!["readiness"])
            })
            .await;
        let read = match (found, written) {
            (Err(error), _) => Err(error.to_string()),
            // Another check may have written since.
            (Ok(Some(found)), Ok(Some(written))) if found < written => {
                Err("the row that was just written is not there".to_owned())
            }
            (Ok(None), Ok(_)) => Err("the row that was just written is not there".to_owned()),
            (Ok(_), _) => Ok(micros_since(begun)),
        };
        Readiness {
            write,
            read,
            migration: self.database.migration().await.unwrap_or_default(),
            migration_expected: migrations::expected(),
            disk_free_bytes: self.database.disk_free_bytes(),
        }
    }

    /// The newest step of the schema that this build knows.
    pub fn migration_expected() -> u32 {
        migrations::expected()
    }

    /// Jobs waiting for the committer now, and its capacity: the measure of back-pressure.
    pub fn queue_depth(&self) -> (usize, usize) {
        self.database.queue_depth()
    }

    /// Runs `work` in a transaction that is durable when this returns `Ok`. On an error nothing of it is written.
    ///
    /// Cancel safe in this sense: the caller may go away; a job that is queued then runs whole, unseen.
    async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        let (node, writing) = (self.node, audit::Writing::now(&self.chain));
        self.database
            .write(move |session| {
                if let Some(node) = node {
                    nodes::must_live(session, node)?;
                }
                writing.during(|| work(session))
            })
            .await
    }

    /// Runs `work` where it sees every write that was answered before; each of its statements may see a later state
    /// than the one before. Cancel safe.
    async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Session) -> Result<T, Error> + Send + 'static,
    {
        self.database.read(work).await
    }

    /// Like [`Store::read`], for what people look at: of a store for [`Store::views`] it may come from a replica.
    async fn view<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&Session) -> Result<T, Error> + Send + Sync + 'static,
    {
        if self.views { self.database.view(work).await } else { self.database.read(work).await }
    }
}

fn micros_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}
