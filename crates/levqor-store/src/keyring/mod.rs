//! The server's own keys, as rows: what each is for, how far it has come, and the sealed key itself.
//!
//! ```text
//! found_keyring ─► publish_ring_key ─► turn_keyring (active; the one before it retires) ─► retire_ring_key, or revoke_ring_key
//! ```
//!
//! Every change counts the revision up, so that a node asks one small question to know whether it has missed anything.
//!
//! Invariant: a purpose has at most one published and one active key, by the schema. A key that is retired or revoked is gone from
//! its row, and a value that was sealed under it is not taken any more ([`ended`]).

mod sealed;
mod turn;

use std::time::Duration;

use levqor_model::{KeyPurpose, KeyState, RingKeyId, Timestamp};
use serde_json::json;

pub use sealed::{Reseal, SealHead, SecretPlace, Traces};
pub use turn::Turn;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    params,
};

/// Keys of one purpose that hold at once.
pub const KEYS_MAX: usize = 256;
/// Keys that are listed.
const LISTED_MAX: usize = 1_000;
/// The name of the count of changes.
const REVISION: &str = "keyring";

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKey {
    pub id: RingKeyId,
    pub purpose: KeyPurpose,
    pub state: KeyState,
    /// What tokens and sealed values name it by.
    pub tag: String,
    /// None: it is destroyed.
    pub sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    /// When it becomes active at the earliest; later, when it did.
    pub activates_at: Timestamp,
    /// When what was made with it ends; None: when nothing of it is left.
    pub retires_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// A key that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    pub id: RingKeyId,
    pub purpose: KeyPurpose,
    pub tag: String,
    pub sealed: Vec<u8>,
}

/// What became of publishing a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    Done(KeptKey),
    /// One of that purpose is published already.
    There(KeptKey),
    /// There are [`KEYS_MAX`] of them.
    Full,
}

/// What became of revoking a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// With the key that took its place, when it was the active one.
    Done {
        key: KeptKey,
        successor: Option<KeptKey>,
    },
    Missing,
    /// It holds no more.
    Ended(KeptKey),
    /// So many values would be lost.
    InUse(u64),
    /// New values are sealed under it.
    Active,
}

/// The columns of [`KeptKey`], in the order in which [`KeptKey::read`] takes them.
macro_rules! columns {
    () => {
        "key_id, purpose, state, tag, sealed, created_at, activates_at, retires_at, ended_at"
    };
}
use columns;

impl KeptKey {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            purpose: row.take()?,
            state: row.take()?,
            tag: row.take()?,
            sealed: row.take()?,
            created_at: row.take()?,
            activates_at: row.take()?,
            retires_at: row.take()?,
            ended_at: row.take()?,
        })
    }
}

impl Store {
    /// The keys that hold, and the revision of the ring; None: nothing has changed since the revision `known`.
    pub async fn keyring(&self, known: Option<i64>) -> Result<Option<(i64, Vec<KeptKey>)>, Error> {
        self.read(move |session| {
            // Before the keys: whoever changes them meanwhile is asked about again.
            let revision = revision(session)?;
            if known == Some(revision) {
                return Ok(None);
            }
            let keys = session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM keyring WHERE state IN ('published', 'active', 'retiring') ORDER BY key_id LIMIT $1"
                ),
                params![KEYS_MAX * KeyPurpose::ALL.len()],
                KeptKey::read,
            )?;
            Ok(Some((revision, keys)))
        })
        .await
    }

    /// All keys, also those that are gone; newest first, at most 1,000.
    pub async fn keyring_history(&self) -> Result<Vec<KeptKey>, Error> {
        self.read(|session| {
            session.rows(
                concat!("SELECT ", columns!(), " FROM keyring ORDER BY key_id DESC LIMIT $1"),
                params![LISTED_MAX],
                KeptKey::read,
            )
        })
        .await
    }

    pub async fn ring_key(&self, id: RingKeyId) -> Result<Option<KeptKey>, Error> {
        self.read(move |session| find(session, id)).await
    }

    /// Makes the ring, when there is none. An installation without any account is new and begins with the keys `fresh`, active
    /// at once. Any other begins with the keys that it has been using, `known`; `fresh` ones are published and take their place
    /// after `learn`. False: there was a ring.
    pub async fn found_keyring(
        &self,
        fresh: Vec<NewKey>,
        known: Vec<NewKey>,
        now: Timestamp,
        learn: Duration,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            if revision(session)? > 0 {
                return Ok(false);
            }
            let now = session.now(now)?;
            let accounts = session.scalar::<i64>("SELECT 1 FROM accounts LIMIT 1", &[])?;
            if accounts.is_none() {
                insert_all(session, &fresh, KeyState::Active, now, now)?;
            } else {
                insert_all(session, &known, KeyState::Active, now, now)?;
                insert_all(session, &fresh, KeyState::Published, now, now + learn)?;
            }
            let details =
                json!({ "keys": fresh.len(), "known": if accounts.is_some() { known.len() } else { 0 } });
            note(session, "keyring.founded", now, "keyring", details)?;
            changed(session)?;
            Ok(true)
        })
        .await
    }

    /// Publishes a key, which becomes active after `learn`.
    pub async fn publish_ring_key(
        &self,
        new: NewKey,
        now: Timestamp,
        learn: Duration,
    ) -> Result<Published, Error> {
        self.write(move |session| {
            let there = of_state(session, new.purpose, KeyState::Published)?;
            if let Some(there) = there {
                return Ok(Published::There(there));
            }
            let held: Option<i64> = session.scalar(
                "SELECT count(*) FROM keyring WHERE purpose = $1 AND state IN ('published', 'active', 'retiring')",
                params![new.purpose],
            )?;
            if held.unwrap_or_default() >= KEYS_MAX as i64 {
                return Ok(Published::Full);
            }
            let now = session.now(now)?;
            let key = insert(session, &new, KeyState::Published, now, now + learn)?;
            key.note(session, "ring_key.published", now)?;
            changed(session)?;
            Ok(Published::Done(key))
        })
        .await
    }

    /// Destroys a key now. In the place of an active one `successor` is active at once. A key under which something is sealed is
    /// not destroyed; `head` is what such values begin with.
    pub async fn revoke_ring_key(
        &self,
        id: RingKeyId,
        successor: NewKey,
        head: SealHead,
        now: Timestamp,
    ) -> Result<Revoked, Error> {
        self.write(move |session| {
            let Some(key) = find(session, id)? else { return Ok(Revoked::Missing) };
            if !key.state.holds() {
                return Ok(Revoked::Ended(key));
            }
            if key.purpose == KeyPurpose::Sealing {
                if key.state == KeyState::Active {
                    return Ok(Revoked::Active);
                }
                let uses = sealed::uses(session, key.purpose, &key.tag, &head)?;
                if uses > 0 {
                    return Ok(Revoked::InUse(uses));
                }
            }
            let now = session.now(now)?;
            end(session, id, KeyState::Revoked, now)?;
            let successor = match key.state {
                KeyState::Active => Some(insert(session, &successor, KeyState::Active, now, now)?),
                _ => None,
            };
            let details = json!({
                "purpose": key.purpose, "was": key.state, "successor": successor.as_ref().map(|key| key.id),
            });
            note(session, "ring_key.revoked", now, &id.to_string(), details)?;
            changed(session)?;
            let key = find(session, id)?.unwrap_or(key);
            Ok(Revoked::Done { key, successor })
        })
        .await
    }

    /// Gives up all keys that hold, since nobody can open them any more, and goes on with `fresh` ones; how many were given up. With
    /// them go the agreements that were sealed under them.
    pub async fn abandon_keyring(
        &self,
        fresh: Vec<NewKey>,
        agreements: &'static [&'static str],
        now: Timestamp,
    ) -> Result<u64, Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            for name in agreements {
                session.execute("DELETE FROM agreements WHERE name = $1", params![*name])?;
            }
            let given_up = session.execute(
                "UPDATE keyring SET state = 'revoked', sealed = NULL, ended_at = $1
                 WHERE state IN ('published', 'active', 'retiring')",
                params![now],
            )?;
            insert_all(session, &fresh, KeyState::Active, now, now)?;
            note(session, "keyring.abandoned", now, "keyring", json!({ "given_up": given_up }))?;
            changed(session)?;
            Ok(given_up)
        })
        .await
    }

    /// Puts keys that were sealed under another root in the place of what they were, unless they have changed since.
    pub async fn seal_keys_again(
        &self,
        keys: Vec<(RingKeyId, Vec<u8>, Vec<u8>)>,
        now: Timestamp,
    ) -> Result<u64, Error> {
        self.write(move |session| {
            let mut sealed = 0;
            for (id, was, again) in &keys {
                sealed += session.execute(
                    "UPDATE keyring SET sealed = $3 WHERE key_id = $1 AND sealed = $2",
                    params![id, was, again],
                )?;
            }
            if sealed > 0 {
                note(session, "keyring.resealed", session.now(now)?, "keyring", json!({ "keys": sealed }))?;
                changed(session)?;
            }
            Ok(sealed)
        })
        .await
    }

    /// Forgets keys that ended before a moment.
    pub async fn prune_keyring(&self, before: Timestamp) -> Result<u64, Error> {
        self.prune(
            "DELETE FROM keyring WHERE key_id IN
                (SELECT key_id FROM keyring WHERE ended_at < $1 ORDER BY key_id LIMIT $2)",
            before,
        )
        .await
    }
}

impl KeptKey {
    fn note(&self, session: &Session, kind: &'static str, at: Timestamp) -> Result<(), Error> {
        note(session, kind, at, &self.id.to_string(), json!({ "purpose": self.purpose }))
    }
}

/// Keys are the platform's.
fn note(
    session: &Session,
    kind: &'static str,
    at: Timestamp,
    subject: &str,
    details: serde_json::Value,
) -> Result<(), Error> {
    audit::note(session, Note { kind, at, account: None, subject, details })
}

/// Grows with every change of the ring; 0: there is none.
fn revision(session: &Session) -> Result<i64, Error> {
    let found = session.scalar("SELECT value FROM sequences WHERE name = $1", params![REVISION])?;
    Ok(found.unwrap_or_default())
}

/// Counts a change. Call it in the transaction that makes it.
fn changed(session: &Session) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO sequences (name, value) VALUES ($1, 1)
             ON CONFLICT (name) DO UPDATE SET value = sequences.value + 1",
            params![REVISION],
        )
        .map(drop)
}

fn find(session: &Session, id: RingKeyId) -> Result<Option<KeptKey>, Error> {
    session.row(concat!("SELECT ", columns!(), " FROM keyring WHERE key_id = $1"), params![id], KeptKey::read)
}

/// The one of a state that there is one of.
fn of_state(session: &Session, purpose: KeyPurpose, state: KeyState) -> Result<Option<KeptKey>, Error> {
    session.row(
        concat!("SELECT ", columns!(), " FROM keyring WHERE purpose = $1 AND state = $2 LIMIT 1"),
        params![purpose, state],
        KeptKey::read,
    )
}

/// Whether a key that had this tag is gone, so that nothing made with it may be written any more.
pub(crate) fn ended(session: &Session, purpose: KeyPurpose, tag: &str) -> Result<bool, Error> {
    let found: Option<i64> = session.scalar(
        "SELECT 1 FROM keyring WHERE purpose = $1 AND tag = $2 AND state IN ('retired', 'revoked')",
        params![purpose, tag],
    )?;
    Ok(found.is_some())
}

fn end(session: &Session, id: RingKeyId, state: KeyState, now: Timestamp) -> Result<(), Error> {
    session
        .execute(
            "UPDATE keyring SET state = $2, sealed = NULL, ended_at = $3 WHERE key_id = $1",
            params![id, state, now],
        )
        .map(drop)
}

fn insert_all(
    session: &Session,
    keys: &[NewKey],
    state: KeyState,
    now: Timestamp,
    activates_at: Timestamp,
) -> Result<(), Error> {
    keys.iter().try_for_each(|key| insert(session, key, state, now, activates_at).map(drop))
}

fn insert(
    session: &Session,
    new: &NewKey,
    state: KeyState,
    now: Timestamp,
    activates_at: Timestamp,
) -> Result<KeptKey, Error> {
    session.execute(
        "INSERT INTO keyring (key_id, purpose, state, tag, sealed, created_at, activates_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![new.id, new.purpose, state, new.tag, new.sealed, now, activates_at],
    )?;
    Ok(KeptKey {
        id: new.id,
        purpose: new.purpose,
        state,
        tag: new.tag.clone(),
        sealed: Some(new.sealed.clone()),
        created_at: now,
        activates_at,
        retires_at: None,
        ended_at: None,
    })
}
