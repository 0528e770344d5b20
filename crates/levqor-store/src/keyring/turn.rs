//! Time goes on: published keys become active, and keys that were replaced retire.

use std::time::Duration;

use levqor_model::{KeyPurpose, KeyState, RingKeyId, Timestamp};

use super::{KeptKey, SealHead, changed, columns, end, find, sealed};
use crate::{Error, Session, Store, params};

/// The rules by which keys move on.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// How long what was signed with a key that was replaced holds.
    pub overlap: Duration,
    /// The step of the schema with which builds know keyrings. As long as an older one lives, no key takes another's place.
    pub migration: u32,
}

impl Store {
    /// Lets the keys whose time has come move on; those that moved, as they are now.
    pub async fn turn_keyring(&self, turn: Turn, now: Timestamp) -> Result<Vec<KeptKey>, Error> {
        // Asked first: nearly always there are none, and writers wait for each other.
        let due = self
            .read(move |session| {
                session.scalar::<i64>(
                    "SELECT 1 FROM keyring WHERE (state = 'published' AND activates_at <= $1)
                         OR (state = 'retiring' AND retires_at <= $1) LIMIT 1",
                    params![session.now(now)?],
                )
            })
            .await?;
        if due.is_none() {
            return Ok(Vec::new());
        }
        self.write(move |session| {
            let now = session.now(now)?;
            let mut moved = Vec::new();
            if !older_build_lives(session, turn.migration, now)? {
                activate(session, turn.overlap, now, &mut moved)?;
            }
            let over: Vec<RingKeyId> = session.rows(
                "SELECT key_id FROM keyring WHERE state = 'retiring' AND retires_at <= $1 ORDER BY key_id LIMIT 1000",
                params![now],
                |row| row.take(),
            )?;
            for id in over {
                moved.extend(retire(session, id, now)?);
            }
            if !moved.is_empty() {
                changed(session)?;
            }
            Ok(moved)
        })
        .await
    }

    /// Retires a key that was replaced, when nothing uses it any more; `head` is what values begin with that are sealed under it.
    pub async fn retire_ring_key(
        &self,
        id: RingKeyId,
        head: SealHead,
        now: Timestamp,
    ) -> Result<Option<KeptKey>, Error> {
        // Asked first: what is sealed again goes in batches, and each of them has the question follow.
        let (asked, at) = (head.clone(), now);
        let may = self.read(move |session| unused(session, id, &asked)).await?;
        if !may {
            return Ok(None);
        }
        self.write(move |session| {
            if !unused(session, id, &head)? {
                return Ok(None);
            }
            let retired = retire(session, id, session.now(at)?)?;
            changed(session)?;
            Ok(retired)
        })
        .await
    }
}

/// Whether the key is one that was replaced and that nothing needs.
fn unused(session: &Session, id: RingKeyId, head: &SealHead) -> Result<bool, Error> {
    let key = find(session, id)?.filter(|key| {
        // Tokens are not counted: they hold for a time.
        key.state == KeyState::Retiring && key.purpose != KeyPurpose::Signing
    });
    match key {
        Some(key) => Ok(sealed::uses(session, key.purpose, &key.tag, head)? == 0),
        None => Ok(false),
    }
}

fn activate(
    session: &Session,
    overlap: Duration,
    now: Timestamp,
    moved: &mut Vec<KeptKey>,
) -> Result<(), Error> {
    let due: Vec<(RingKeyId, KeyPurpose)> = session.rows(
        "SELECT key_id, purpose FROM keyring WHERE state = 'published' AND activates_at <= $1
         ORDER BY key_id LIMIT 10",
        params![now],
        |row| Ok((row.take()?, row.take()?)),
    )?;
    for (id, purpose) in due {
        let retires_at = (purpose == KeyPurpose::Signing).then(|| now + overlap);
        moved.extend(session.rows(
            concat!(
                "UPDATE keyring SET state = 'retiring', retires_at = $2 WHERE purpose = $1 AND state = 'active' RETURNING ",
                columns!()
            ),
            params![purpose, retires_at],
            KeptKey::read,
        )?);
        session.execute(
            "UPDATE keyring SET state = 'active', activates_at = $2 WHERE key_id = $1",
            params![id, now],
        )?;
        if let Some(key) = find(session, id)? {
            key.note(session, "ring_key.activated", now)?;
            moved.push(key);
        }
    }
    Ok(())
}

fn retire(session: &Session, id: RingKeyId, now: Timestamp) -> Result<Option<KeptKey>, Error> {
    end(session, id, KeyState::Retired, now)?;
    let retired = find(session, id)?;
    if let Some(key) = &retired {
        key.note(session, "ring_key.retired", now)?;
    }
    Ok(retired)
}

/// A build that knows no keyring would not understand what is made with another key than it has.
fn older_build_lives(session: &Session, migration: u32, now: Timestamp) -> Result<bool, Error> {
    let found: Option<i64> = session.scalar(
        "SELECT 1 FROM node_states JOIN nodes ON nodes.node_id = node_states.node_id
         WHERE stopped_at IS NULL AND expires_at > $1 AND migration < $2 LIMIT 1",
        params![now, migration],
    )?;
    Ok(found.is_some())
}
