//! Runs that wait for events: a row for each thing that can wake one.
//!
//! Rows come and go with the journal entry that begins or ends the wait, in one transaction ([`EventChanges`]). Their
//! cursors may also be moved on without the run, past events that are not meant for it, or that are more than is kept for it.

mod unread;

use levqor_model::{AccountId, RunId, Timestamp};

use crate::{
    Error, Row, Session, Store,
    events::{self, NewEvent},
    params, sink,
};

pub use unread::UnreadBound;

/// A task that begins to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewListener {
    pub effect: u64,
    pub interests: Vec<NewInterest>,
}

/// Something that can wake the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInterest {
    /// The type of events; None: any.
    pub kind: Option<String>,
    /// JSON.
    pub interest: String,
}

/// What an append changes about events. Listeners are set before events are published: two branches of a run that begin to
/// listen and emit at once are to meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventChanges {
    pub listeners_set: Vec<NewListener>,
    /// How far tasks have read.
    pub listeners_read: Vec<(u64, i64)>,
    pub listeners_cleared: Vec<u64>,
    /// Those that are there already are passed over.
    pub published: Vec<NewEvent>,
    /// For the operator's sink: whole events as JSON objects, in order.
    pub told: Vec<String>,
}

/// Names one row. Rows sort by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerKey {
    pub run_id: RunId,
    pub effect: u64,
    pub place: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub key: ListenerKey,
    pub account_id: AccountId,
    /// None: any.
    pub kind: Option<String>,
    pub after_seq: i64,
    /// JSON.
    pub interest: String,
    /// There are events of its kind after `after_seq`.
    pub is_behind: bool,
    /// Its run is suspended: events wait for it.
    pub is_held: bool,
}

impl Listener {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        let key = ListenerKey { run_id: row.take()?, effect: row.take()?, place: row.take()? };
        let account_id = row.take()?;
        let kind: String = row.take()?;
        Ok(Self {
            key,
            account_id,
            kind: (!kind.is_empty()).then_some(kind),
            after_seq: row.take()?,
            interest: row.take()?,
            is_behind: row.take()?,
            is_held: row.take()?,
        })
    }
}

impl Store {
    /// Where the run's listening tasks stand: effect, and the number up to which all of it is read.
    pub async fn listeners_of(&self, run: RunId) -> Result<Vec<(u64, i64)>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT effect, min(after_seq) FROM listeners WHERE run_id = $1
                 GROUP BY effect ORDER BY effect LIMIT 200000",
                params![run],
                |row| Ok((row.take()?, row.take()?)),
            )
        })
        .await
    }

    /// Those that the event may be for, as far as its type says: in an order of their own, after `after`, which is one of the
    /// page before. None as kind: those that any type is for. Only those of its own runs, for a node among several.
    pub async fn listeners_for(
        &self,
        account: AccountId,
        kind: Option<String>,
        seq: i64,
        after: Option<Listener>,
        limit: usize,
    ) -> Result<Vec<Listener>, Error> {
        let node = self.node;
        self.read(move |session| {
            let kind = kind.unwrap_or_default();
            match after {
                Some(Listener { key, after_seq, .. }) => session.rows(
                    "SELECT run_id, effect, place, account_id, type, after_seq, interest, 1,
                         EXISTS (SELECT 1 FROM runs
                             WHERE runs.run_id = listeners.run_id AND runs.status = 'suspended')
                     FROM listeners
                     WHERE account_id = $1 AND type = $2 AND after_seq < $3
                         AND (after_seq, run_id, effect, place) > ($4, $5, $6, $7)
                         AND (CAST($9 AS text) IS NULL OR EXISTS
                             (SELECT 1 FROM runs WHERE runs.run_id = listeners.run_id AND owner = $9))
                     ORDER BY after_seq, run_id, effect, place LIMIT $8",
                    params![account, kind, seq, after_seq, key.run_id, key.effect, key.place, limit, node],
                    Listener::read,
                ),
                None => session.rows(
                    "SELECT run_id, effect, place, account_id, type, after_seq, interest, 1,
                         EXISTS (SELECT 1 FROM runs
                             WHERE runs.run_id = listeners.run_id AND runs.status = 'suspended')
                     FROM listeners
                     WHERE account_id = $1 AND type = $2 AND after_seq < $3
                         AND (CAST($5 AS text) IS NULL OR EXISTS
                             (SELECT 1 FROM runs WHERE runs.run_id = listeners.run_id AND owner = $5))
                     ORDER BY after_seq, run_id, effect, place LIMIT $4",
                    params![account, kind, seq, limit, node],
                    Listener::read,
                ),
            }
        })
        .await
    }

    /// All listeners, in order of key; only those of its own runs, for a node among several.
    pub async fn listeners(&self, after: Option<ListenerKey>, limit: usize) -> Result<Vec<Listener>, Error> {
        let node = self.node;
        self.read(move |session| {
            let (run, effect, place) = match after {
                Some(key) => (key.run_id.to_string(), key.effect, key.place),
                None => (String::new(), 0, 0),
            };
            session.rows(
                "SELECT run_id, effect, place, account_id, type, after_seq, interest,
                     CASE WHEN type = ''
                         THEN EXISTS (SELECT 1 FROM events
                             WHERE account_id = page.account_id AND seq > page.after_seq)
                         ELSE EXISTS (SELECT 1 FROM events
                             WHERE account_id = page.account_id AND type = page.type AND seq > page.after_seq)
                     END,
                     EXISTS (SELECT 1 FROM runs WHERE runs.run_id = page.run_id AND runs.status = 'suspended')
                 FROM (SELECT run_id, effect, place, account_id, type, after_seq, interest FROM listeners
                     WHERE (run_id, effect, place) > ($1, $2, $3)
                         AND (CAST($5 AS text) IS NULL OR EXISTS
                             (SELECT 1 FROM runs WHERE runs.run_id = listeners.run_id AND owner = $5))
                     ORDER BY run_id, effect, place LIMIT $4) AS page",
                params![run, effect, place, limit, node],
                Listener::read,
            )
        })
        .await
    }

    /// Notes that nothing up to these numbers is meant for these listeners. A cursor never goes back.
    pub async fn advance_listeners(&self, read: Vec<(ListenerKey, i64)>) -> Result<(), Error> {
        self.write(move |session| {
            for (key, through) in &read {
                session.execute(
                    "UPDATE listeners SET after_seq = $4
                     WHERE run_id = $1 AND effect = $2 AND place = $3 AND after_seq < $4",
                    params![key.run_id, key.effect, key.place, through],
                )?;
            }
            Ok(())
        })
        .await
    }

    pub async fn listeners_count(&self) -> Result<i64, Error> {
        self.read(|session| Ok(session.scalar("SELECT count(*) FROM listeners", &[])?.unwrap_or_default()))
            .await
    }
}

/// The part of an append that is about events.
pub(crate) fn change(
    session: &Session,
    run: RunId,
    account: AccountId,
    at: Timestamp,
    is_end: bool,
    changes: &EventChanges,
) -> Result<(), Error> {
    if is_end {
        session.execute("DELETE FROM listeners WHERE run_id = $1", params![run])?;
    } else {
        for (effect, through) in &changes.listeners_read {
            session.execute(
                "UPDATE listeners SET after_seq = $3 WHERE run_id = $1 AND effect = $2 AND after_seq < $3",
                params![run, effect, through],
            )?;
        }
        for effect in &changes.listeners_cleared {
            clear(session, run, *effect)?;
        }
        for listener in &changes.listeners_set {
            set(session, run, account, listener)?;
        }
    }
    publish(session, account, at, changes)
}

/// What others are told.
pub(crate) fn publish(
    session: &Session,
    account: AccountId,
    at: Timestamp,
    changes: &EventChanges,
) -> Result<(), Error> {
    for event in &changes.published {
        events::insert(session, account, event)?;
    }
    sink::add(session, account, at, &changes.told)
}

/// Begins now: what was published before is not seen. One that is there already, since a run that came back asks again for
/// what it had asked for, stays where it is.
fn set(session: &Session, run: RunId, account: AccountId, listener: &NewListener) -> Result<(), Error> {
    let newest = events::newest(session)?;
    for (place, interest) in (0_u32..).zip(&listener.interests) {
        session.execute(
            "INSERT INTO listeners (run_id, effect, place, account_id, type, after_seq, interest)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (run_id, effect, place) DO NOTHING",
            params![
                run,
                listener.effect,
                place,
                account,
                interest.kind.as_deref().unwrap_or_default(),
                newest,
                interest.interest
            ],
        )?;
    }
    Ok(())
}

fn clear(session: &Session, run: RunId, effect: u64) -> Result<(), Error> {
    session.execute("DELETE FROM listeners WHERE run_id = $1 AND effect = $2", params![run, effect]).map(drop)
}
