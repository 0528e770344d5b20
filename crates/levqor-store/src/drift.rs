//! What the drift monitor found, what of it somebody lives with for a while, and which locks of the blueprint were seen.
//!
//! Invariant: what begins and ends to be not as agreed, who took note of it, and every lock that is new are in the evidence log, in
//! the same transaction.

use levqor_model::{NodeId, RegionCode, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    params,
};

/// Nodes, and acknowledgements, that are listed.
const LISTED_MAX: usize = 1_000;

/// The last look of a node at itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftResult {
    pub node: NodeId,
    pub region: RegionCode,
    pub at: Timestamp,
    pub pass: bool,
    /// All of it, as JSON.
    pub report: String,
}

/// What is different from the look before, as details for the evidence log.
#[derive(Debug, Clone, Default)]
pub struct DriftChange {
    pub found: Option<Value>,
    pub ended: Option<Value>,
}

/// A deviation that does not count for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftAcknowledgement {
    pub place: String,
    pub expected: Option<String>,
    pub found: Option<String>,
    pub reason: String,
    /// Who lives with it.
    pub actor: String,
    pub at: Timestamp,
    pub ends_at: Timestamp,
}

/// An agreement to the values of a blueprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenLock {
    pub digest: String,
    pub version: u32,
    pub locked_at: Timestamp,
    pub locked_by: String,
    pub reason: String,
}

/// The columns of [`DriftResult`], in the order in which [`DriftResult::read`] takes them.
macro_rules! columns {
    () => {
        "node_id, region, at, pass, report"
    };
}

impl DriftResult {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            node: row.take()?,
            region: row.take()?,
            at: row.take()?,
            pass: row.take()?,
            report: row.take()?,
        })
    }
}

impl DriftAcknowledgement {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            place: row.take()?,
            expected: row.take()?,
            found: row.take()?,
            reason: row.take()?,
            actor: row.take()?,
            at: row.take()?,
            ends_at: row.take()?,
        })
    }

    fn subject(&self) -> String {
        let about = json!([self.place, self.expected, self.found]).to_string();
        Sha256::digest(about.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Store {
    /// Keeps what a node found, in the place of what it found before.
    pub async fn record_drift(&self, result: DriftResult, change: DriftChange) -> Result<(), Error> {
        self.write(move |session| {
            let DriftResult { node, region, at, pass, report } = &result;
            session.execute(
                "INSERT INTO drift_results (node_id, region, at, pass, report) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (node_id) DO UPDATE SET region = excluded.region, at = excluded.at,
                     pass = excluded.pass, report = excluded.report",
                params![node, region, at, pass, report],
            )?;
            let DriftChange { found, ended } = change;
            for (kind, details) in [("drift.found", found), ("drift.ended", ended)] {
                if let Some(details) = details {
                    note(session, kind, *at, region.as_str(), details)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// What this node found last; when it has not looked yet, the latest of its region.
    pub async fn last_drift(&self, node: NodeId, region: RegionCode) -> Result<Option<DriftResult>, Error> {
        self.read(move |session| {
            let own = session.row(
                concat!("SELECT ", columns!(), " FROM drift_results WHERE node_id = $1"),
                params![node],
                DriftResult::read,
            )?;
            if own.is_some() {
                return Ok(own);
            }
            session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM drift_results WHERE region = $1 ORDER BY at DESC, node_id DESC LIMIT 1"
                ),
                params![region],
                DriftResult::read,
            )
        })
        .await
    }

    /// The last looks of all nodes, newest first.
    pub async fn drift_results(&self) -> Result<Vec<DriftResult>, Error> {
        self.view(|session| {
            session.rows(
                concat!("SELECT ", columns!(), " FROM drift_results ORDER BY at DESC, node_id DESC LIMIT $1"),
                params![LISTED_MAX],
                DriftResult::read,
            )
        })
        .await
    }

    /// Takes note of a deviation; a second time, in the place of the first.
    pub async fn acknowledge_drift(&self, acknowledgement: DriftAcknowledgement) -> Result<(), Error> {
        self.write(move |session| {
            let DriftAcknowledgement { place, expected, found, reason, actor, at, ends_at } = &acknowledgement;
            session.execute(
                "INSERT INTO drift_acknowledgements (subject, place, expected, found, reason, actor, at, ends_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (subject) DO UPDATE SET reason = excluded.reason, actor = excluded.actor,
                     at = excluded.at, ends_at = excluded.ends_at",
                params![acknowledgement.subject(), place, expected, found, reason, actor, at, ends_at],
            )?;
            let details = json!({ "expected": expected, "found": found, "reason": reason, "until": ends_at });
            note(session, "drift.acknowledged", *at, place, details)
        })
        .await
    }

    /// What does not count now; what ends first comes first.
    pub async fn drift_acknowledgements(&self, now: Timestamp) -> Result<Vec<DriftAcknowledgement>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT place, expected, found, reason, actor, at, ends_at FROM drift_acknowledgements
                 WHERE ends_at > $1 ORDER BY ends_at, subject LIMIT $2",
                params![now, LISTED_MAX],
                DriftAcknowledgement::read,
            )
        })
        .await
    }

    /// Notes a lock that was not seen before; false: it was.
    pub async fn see_lock(&self, lock: SeenLock, now: Timestamp) -> Result<bool, Error> {
        self.write(move |session| {
            let SeenLock { digest, version, locked_at, locked_by, reason } = &lock;
            let added = session.execute(
                "INSERT INTO blueprint_locks (digest, version, locked_at, locked_by, reason, seen_at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (digest) DO NOTHING",
                params![digest, version, locked_at, locked_by, reason, now],
            )?;
            if added == 0 {
                return Ok(false);
            }
            let details = json!({ "version": version, "by": locked_by, "reason": reason, "at": locked_at });
            note(session, "blueprint.locked", now, digest, details)?;
            Ok(true)
        })
        .await
    }

    /// Notes that a lock which was seen before is in force again where another one was, whose digest is `instead_of`.
    pub async fn see_lock_again(
        &self,
        lock: SeenLock,
        instead_of: String,
        region: RegionCode,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(move |session| {
            let SeenLock { digest, version, locked_at, locked_by, reason } = &lock;
            let details = json!({
                "version": version, "by": locked_by, "reason": reason, "at": locked_at, "instead_of": instead_of,
                "region": region.as_str(),
            });
            note(session, "blueprint.put_back", now, digest, details)
        })
        .await
    }

    /// Whether a lock was seen.
    pub async fn has_seen_lock(&self, digest: String) -> Result<bool, Error> {
        self.read(move |session| {
            let seen: Option<i64> =
                session.scalar("SELECT 1 FROM blueprint_locks WHERE digest = $1", params![digest])?;
            Ok(seen.is_some())
        })
        .await
    }

    /// Forgets nodes that looked last before a moment, and acknowledgements that ended before it.
    pub async fn prune_drift(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM drift_results WHERE node_id IN
                (SELECT node_id FROM drift_results WHERE at < $1 ORDER BY at, node_id LIMIT $2)",
            before,
        )
        .await?;
        self.prune(
            "DELETE FROM drift_acknowledgements WHERE subject IN
                (SELECT subject FROM drift_acknowledgements WHERE ends_at < $1 ORDER BY ends_at, subject LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}

fn note(
    session: &Session,
    kind: &'static str,
    at: Timestamp,
    subject: &str,
    details: Value,
) -> Result<(), Error> {
    audit::note(session, Note { kind, at, account: None, subject, details })
}
