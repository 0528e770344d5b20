//! Tamper detection as rows: what was agreed on files, what nodes found of them, and what operators agree to.
//!
//! ```text
//! tell_tampering ─► tamper.found, tamper.restored      agree_to ─► tamper.accepted ─► sign_baseline ─► tamper.signed
//! ```
//!
//! A place is a machine and a data directory: it stays when its process ends, so that a finding is recorded once, however often
//! the process comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use levqor_model::{Deviation, NodeId, RegionCode, Timestamp, tamper::Logged};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    params,
};

/// Findings of one place that are kept.
pub const FINDINGS_MAX: usize = 1_000;
/// Findings of all places that are listed.
const LISTED_MAX: usize = 10_000;
/// Places that are listed.
const PLACES_MAX: usize = 1_000;
/// Baselines in the evidence log that are looked at: the newest has the highest number, unless the clock went back.
const LOGGED_MAX: usize = 16;
/// The kind of record that names a baseline; an index is over these.
const SIGNED: &str = "tamper.signed";

/// What the database says of a place's baseline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptBaseline {
    /// The number of the row, and the baseline as it is in the file.
    pub row: Option<(u64, String)>,
    /// What the evidence log says.
    pub logged: Option<Logged>,
}

/// A baseline that was signed now.
#[derive(Debug, Clone)]
pub struct NewBaseline {
    pub place: String,
    pub sequence: u64,
    /// The text of the file, and its SHA-256.
    pub content: String,
    pub sha256: String,
    /// Who signed it: the public key.
    pub key: String,
    /// The number of the row that it takes the place of; None: there is none.
    pub before: Option<u64>,
    pub entries: usize,
    /// What is agreed on now; empty at the first start.
    pub paths: Vec<String>,
}

/// How a node finds the files of its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TamperState {
    pub place: String,
    pub node: NodeId,
    pub region: RegionCode,
    /// JSON.
    pub report: String,
}

/// A [`TamperState`] as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptState {
    pub state: TamperState,
    pub at: Timestamp,
    /// How old it is, by the database's clock.
    pub age: Duration,
    /// Whether the node that told it lives.
    pub live: bool,
    /// Whether that node ended by itself, and said so.
    pub left: bool,
}

/// Something that is not as agreed at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub place: String,
    pub deviation: Deviation,
    pub since: Timestamp,
}

/// What a node is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Empty: hash everything anew.
    pub path: String,
    /// What the operator saw there; for hashing anew the name of the request.
    pub found: Option<String>,
    /// What the evidence log says of it. None: for hashing anew, and when nobody is on record who wished it.
    pub consent: Option<KeptConsent>,
}

/// What an operator has agreed to, as it is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConsent {
    pub expected: Option<String>,
    /// Empty when the record has none.
    pub signature: String,
}

/// A finding that an operator agrees to, with the signature of the node that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreedFinding {
    pub finding: Finding,
    pub signature: String,
}

impl Finding {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            place: row.take()?,
            deviation: Deviation {
                place: row.take()?,
                severity: row.take()?,
                expected: row.take()?,
                found: row.take()?,
            },
            since: row.take()?,
        })
    }
}

impl Store {
    /// What is known of a place's baseline.
    pub async fn tamper_baseline(&self, place: String) -> Result<KeptBaseline, Error> {
        self.read(move |session| {
            let row = session.row(
                "SELECT sequence, content FROM tamper_baselines WHERE place = $1",
                params![place],
                |row| Ok((row.take()?, row.take()?)),
            )?;
            let records: Vec<String> = session.rows(
                "SELECT details FROM audit_records WHERE kind = 'tamper.signed' AND subject = $1
                 ORDER BY at DESC, chain DESC, seq DESC LIMIT $2",
                params![place, LOGGED_MAX],
                |row| row.take(),
            )?;
            let logged = records.iter().filter_map(|details| logged(details));
            Ok(KeptBaseline { row, logged: logged.max_by_key(|logged| logged.sequence) })
        })
        .await
    }

    /// Keeps a baseline in the place of the one before it, and says so in the evidence log. What it agrees on is no finding any
    /// more. False: another one has come meanwhile.
    pub async fn sign_baseline(&self, new: NewBaseline, now: Timestamp) -> Result<bool, Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            let NewBaseline { place, sequence, content, sha256, key, before, entries, paths } = new;
            let kept: Option<u64> =
                session.scalar("SELECT sequence FROM tamper_baselines WHERE place = $1", params![place])?;
            if kept != before {
                return Ok(false);
            }
            session.execute(
                "INSERT INTO tamper_baselines (place, sequence, content, at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (place) DO UPDATE SET sequence = excluded.sequence, content = excluded.content,
                     at = excluded.at",
                params![place, sequence, content, now],
            )?;
            for path in &paths {
                session.execute(
                    "DELETE FROM tamper_findings WHERE place = $1 AND path = $2",
                    params![place, path],
                )?;
                session.execute(
                    "DELETE FROM tamper_wishes WHERE place = $1 AND path = $2",
                    params![place, path],
                )?;
            }
            let details = json!({
                "sequence": sequence, "sha256": sha256, "public_key": key, "entries": entries,
                "first": before.is_none() && paths.is_empty(),
            });
            note(session, SIGNED, now, &place, details)?;
            Ok(true)
        })
        .await
    }

    /// Keeps what is not as agreed at a place, and records what is new and what is as agreed again. `found` is all of it, the worst
    /// first; of more than [`FINDINGS_MAX`] the rest is not kept, and is not said to be as agreed either.
    pub async fn tell_tampering(
        &self,
        place: String,
        found: Vec<Deviation>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            let mut kept: BTreeMap<String, Deviation> = session
                .rows(
                    "SELECT place, path, severity, expected, found, since FROM tamper_findings WHERE place = $1
                     ORDER BY path LIMIT $2",
                    params![place, FINDINGS_MAX * 2],
                    Finding::read,
                )?
                .into_iter()
                .map(|finding| (finding.deviation.place.clone(), finding.deviation))
                .collect();
            let untold: BTreeSet<String> =
                found.iter().skip(FINDINGS_MAX).map(|deviation| deviation.place.clone()).collect();
            for deviation in found.into_iter().take(FINDINGS_MAX) {
                if kept.remove(&deviation.place).is_none_or(|known| known != deviation) {
                    found_now(session, &place, &deviation, now)?;
                }
            }
            for (path, was) in kept {
                session.execute(
                    "DELETE FROM tamper_findings WHERE place = $1 AND path = $2",
                    params![place, path],
                )?;
                if !untold.contains(&path) {
                    let details = json!({ "at": place, "was": was.found });
                    note(session, "tamper.restored", now, &path, details)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Notes how a node finds its files. Nothing is recorded.
    pub async fn note_tamper_state(&self, state: TamperState, now: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            let TamperState { place, node, region, report } = state;
            session
                .execute(
                    "INSERT INTO tamper_states (place, node_id, region, at, report) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (place) DO UPDATE SET node_id = excluded.node_id, region = excluded.region,
                         at = excluded.at, report = excluded.report",
                    params![place, node, region, session.now(now)?, report],
                )
                .map(drop)
        })
        .await
    }

    /// How the nodes of all places find their files, and what is not as agreed; at most 1,000 places and 10,000 findings.
    pub async fn tampering(&self, now: Timestamp) -> Result<(Vec<KeptState>, Vec<Finding>), Error> {
        self.read(move |session| {
            let now = session.now(now)?;
            let states = session.rows(
                "SELECT place, tamper_states.node_id, tamper_states.region, report, at,
                     CAST(CASE WHEN stopped_at IS NULL AND expires_at > $1 THEN 1 ELSE 0 END AS bigint),
                     CAST(CASE WHEN stop_reason = 'drained' THEN 1 ELSE 0 END AS bigint)
                 FROM tamper_states LEFT JOIN nodes ON nodes.node_id = tamper_states.node_id
                 ORDER BY at DESC LIMIT $2",
                params![now, PLACES_MAX],
                |row| {
                    let state = TamperState {
                        place: row.take()?,
                        node: row.take()?,
                        region: row.take()?,
                        report: row.take()?,
                    };
                    let at = row.take()?;
                    let (live, left) = (row.take::<i64>()? == 1, row.take::<i64>()? == 1);
                    Ok(KeptState { state, at, age: now.since(at), live, left })
                },
            )?;
            let findings = session.rows(
                "SELECT place, path, severity, expected, found, since FROM tamper_findings
                 ORDER BY place, path LIMIT $1",
                params![LISTED_MAX],
                Finding::read,
            )?;
            Ok((states, findings))
        })
        .await
    }

    /// Somebody agrees to what was found; the nodes concerned sign it. Recorded with the reason.
    pub async fn agree_to(
        &self,
        agreed: Vec<AgreedFinding>,
        reason: String,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            for AgreedFinding { finding: Finding { place, deviation, since: _ }, signature } in &agreed {
                let details = json!({
                    "at": place, "expected": deviation.expected, "found": deviation.found, "reason": reason,
                    "signature": signature,
                });
                note(session, "tamper.accepted", now, &deviation.place, details)?;
                wish(session, place, &deviation.place, deviation.found.as_deref(), now)?;
            }
            Ok(())
        })
        .await
    }

    /// Wishes that these places hash all of their files anew; `name` is how they answer.
    pub async fn wish_new_hashes(
        &self,
        places: Vec<String>,
        name: String,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            places.iter().try_for_each(|place| wish(session, place, "", Some(&name), now))
        })
        .await
    }

    /// What the node of a place is to do, each with what is on record of who wished it.
    pub async fn tamper_wishes(&self, place: String) -> Result<Vec<Wish>, Error> {
        self.read(move |session| {
            let wishes: Vec<(String, Option<String>, Timestamp)> = session.rows(
                "SELECT path, found, at FROM tamper_wishes WHERE place = $1 ORDER BY path LIMIT $2",
                params![place, FINDINGS_MAX],
                |row| Ok((row.take()?, row.take()?, row.take()?)),
            )?;
            let with_consent =
                |(path, found, at): (String, Option<String>, Timestamp)| -> Result<Wish, Error> {
                    let consent = match path.as_str() {
                        "" => None,
                        path => consent(session, &place, path, found.as_deref(), at)?,
                    };
                    Ok(Wish { path, found, consent })
                };
            wishes.into_iter().map(with_consent).collect()
        })
        .await
    }

    /// A wish was done, or cannot be: what it was about is different now.
    pub async fn drop_tamper_wish(&self, place: String, wish: Wish) -> Result<(), Error> {
        self.write(move |session| drop_wish(session, &place, &wish).map(drop)).await
    }

    /// A wish that no operator has is dropped: somebody has written to the database, and that is on record.
    pub async fn refuse_tamper_wish(&self, place: String, wish: Wish, now: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            if !drop_wish(session, &place, &wish)? {
                return Ok(());
            }
            let details = json!({ "at": place, "found": wish.found });
            note(session, "tamper.forged", session.now(now)?, &wish.path, details)
        })
        .await
    }

    /// Forgets places of which nothing was heard since a moment.
    pub async fn prune_tamper(&self, before: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            let gone: Vec<String> = session.rows(
                "SELECT place FROM tamper_states WHERE at < $1 ORDER BY place LIMIT $2",
                params![before, PLACES_MAX],
                |row| row.take(),
            )?;
            for place in gone {
                session.execute("DELETE FROM tamper_baselines WHERE place = $1", params![place])?;
                session.execute("DELETE FROM tamper_findings WHERE place = $1", params![place])?;
                session.execute("DELETE FROM tamper_wishes WHERE place = $1", params![place])?;
                session.execute("DELETE FROM tamper_states WHERE place = $1", params![place])?;
            }
            Ok(())
        })
        .await
    }
}

/// What a record says of a baseline; None: it was changed, which verifying the log names.
fn logged(details: &str) -> Option<Logged> {
    let details: serde_json::Value = serde_json::from_str(details).ok()?;
    Some(Logged { sequence: details["sequence"].as_u64()?, sha256: details["sha256"].as_str()?.to_owned() })
}

/// What the record says that was written together with a wish, so at the same moment.
fn consent(
    session: &Session,
    place: &str,
    path: &str,
    found: Option<&str>,
    at: Timestamp,
) -> Result<Option<KeptConsent>, Error> {
    let records: Vec<String> = session.rows(
        "SELECT details FROM audit_records WHERE at = $1 AND kind = 'tamper.accepted' AND subject = $2
         ORDER BY chain, seq LIMIT $3",
        params![at, path, PLACES_MAX],
        |row| row.take(),
    )?;
    let of = |details: &String| {
        let details: serde_json::Value = serde_json::from_str(details).ok()?;
        let text = |name: &str| details[name].as_str().map(str::to_owned);
        let is_it = details["at"] == place && details["found"].as_str() == found;
        is_it.then(|| KeptConsent {
            expected: text("expected"),
            signature: text("signature").unwrap_or_default(),
        })
    };
    Ok(records.iter().rev().find_map(of))
}

/// Whether it was there.
fn drop_wish(session: &Session, place: &str, wish: &Wish) -> Result<bool, Error> {
    let dropped = session.execute(
        "DELETE FROM tamper_wishes WHERE place = $1 AND path = $2 AND coalesce(found, '') = $3",
        params![place, wish.path, wish.found.as_deref().unwrap_or_default()],
    )?;
    Ok(dropped > 0)
}

fn found_now(session: &Session, place: &str, deviation: &Deviation, now: Timestamp) -> Result<(), Error> {
    let Deviation { severity, place: path, expected, found } = deviation;
    session.execute(
        "INSERT INTO tamper_findings (place, path, severity, expected, found, since)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (place, path) DO UPDATE SET severity = excluded.severity, expected = excluded.expected,
             found = excluded.found, since = excluded.since",
        params![place, path, severity, expected, found, now],
    )?;
    let details = json!({ "at": place, "severity": severity, "expected": expected, "found": found });
    note(session, "tamper.found", now, path, details)
}

fn wish(
    session: &Session,
    place: &str,
    path: &str,
    found: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO tamper_wishes (place, path, found, at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (place, path) DO UPDATE SET found = excluded.found, at = excluded.at",
            params![place, path, found, now],
        )
        .map(drop)
}

/// Files are the platform's.
fn note(
    session: &Session,
    kind: &'static str,
    at: Timestamp,
    subject: &str,
    details: serde_json::Value,
) -> Result<(), Error> {
    audit::note(session, Note { kind, at, account: None, subject, details })
}
