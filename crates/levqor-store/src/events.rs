//! Events that were published, kept until nobody can wait for them any more.
//!
//! Each has a number. Numbers grow in the order in which events become visible, so "up to this number" means all of
//! them, and are never given twice. An event is one by its account, source and id: a repeat changes nothing.

use levqor_model::{AccountId, Timestamp};

use crate::{Conflict, Error, Row, Session, Store, hints::Hint, params};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub id: String,
    pub source: String,
    pub kind: String,
    pub received_at: Timestamp,
    /// The whole event as a JSON object.
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub seq: i64,
    pub received_at: Timestamp,
    /// The whole event as a JSON object.
    pub body: String,
}

/// Events in order, and how far a reader of them has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    pub events: Vec<StoredEvent>,
    /// All events of the asked kinds up to this number are on this page or were before it.
    pub through: i64,
    /// There may be more after `through`.
    pub more: bool,
}

/// The columns of [`StoredEvent`], in the order in which [`StoredEvent::read`] takes them.
macro_rules! columns {
    () => {
        "seq, received_at, body"
    };
}

impl StoredEvent {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self { seq: row.take()?, received_at: row.take()?, body: row.take()? })
    }
}

impl Store {
    /// Durable when this returns. For each event its number, or None when it was there before.
    pub async fn publish_events(
        &self,
        account: AccountId,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Option<i64>>, Error> {
        self.write(move |session| events.iter().map(|event| insert(session, account, event)).collect()).await
    }

    /// Events of the account after a number, in order. None among the kinds: of any kind.
    pub async fn events_after(
        &self,
        account: AccountId,
        kinds: Vec<Option<String>>,
        after: i64,
        limit: usize,
    ) -> Result<EventPage, Error> {
        self.read(move |session| {
            // Before the events: what comes between the two statements is not claimed to have been read.
            let newest = newest(session)?;
            let mut events = if kinds.contains(&None) {
                session.rows(
                    concat!(
                        "SELECT ",
                        columns!(),
                        " FROM events WHERE account_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
                    ),
                    params![account, after, limit],
                    StoredEvent::read,
                )?
            } else {
                let mut events = Vec::new();
                // The first of each kind hold the first of all.
                for kind in &kinds {
                    events.extend(session.rows(
                        concat!(
                            "SELECT ",
                            columns!(),
                            " FROM events WHERE account_id = $1 AND type = $2 AND seq > $3 ORDER BY seq LIMIT $4"
                        ),
                        params![account, kind, after, limit],
                        StoredEvent::read,
                    )?);
                }
                events.sort_unstable_by_key(|event| event.seq);
                events.dedup_by_key(|event| event.seq);
                events.truncate(limit);
                events
            };
            let more = events.len() >= limit;
            if !more {
                // What became visible while this was read is left to the next page.
                events.retain(|event| event.seq <= newest);
            }
            let last = events.last().map_or(after, |event| event.seq);
            let through = if more { last } else { newest.max(after) };
            Ok(EventPage { events, through, more })
        })
        .await
    }

    /// Events of all accounts after a number, in order.
    pub async fn events_since(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(AccountId, StoredEvent)>, Error> {
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT account_id, ",
                    columns!(),
                    " FROM events WHERE seq > $1 ORDER BY seq LIMIT $2"
                ),
                params![after, limit],
                |row| Ok((row.take()?, StoredEvent::read(row)?)),
            )
        })
        .await
    }

    /// The number that was given last.
    pub async fn newest_event(&self) -> Result<i64, Error> {
        self.read(newest).await
    }

    pub async fn events_count(&self, account: AccountId) -> Result<i64, Error> {
        self.read(move |session| {
            let count =
                session.scalar("SELECT count(*) FROM events WHERE account_id = $1", params![account])?;
            Ok(count.unwrap_or_default())
        })
        .await
    }

    /// Forgets events received before then, but none that a listener or a trigger has not read yet.
    pub async fn prune_events(&self, before: Timestamp) -> Result<u64, Error> {
        self.prune(
            "DELETE FROM events WHERE seq IN
                (SELECT seq FROM events AS old WHERE received_at < $1
                     AND NOT EXISTS (SELECT 1 FROM listeners
                         WHERE account_id = old.account_id AND type IN ('', old.type) AND after_seq < old.seq)
                     AND NOT EXISTS (SELECT 1 FROM event_trigger_types JOIN event_triggers
                             ON event_triggers.workflow_id = event_trigger_types.workflow_id
                         WHERE event_trigger_types.account_id = old.account_id
                             AND event_trigger_types.type IN ('', old.type)
                             AND event_triggers.after_seq < old.seq)
                 ORDER BY received_at LIMIT $2)",
            before,
        )
        .await
    }
}

/// The number of the newest event of all accounts; 0 before the first.
pub(crate) fn newest(session: &Session) -> Result<i64, Error> {
    let newest: Option<i64> =
        session.scalar("SELECT value FROM sequences WHERE name = $1", params!["event_seq"])?;
    Ok(newest.unwrap_or_default())
}

/// The new event's number; None when it is there already.
pub(crate) fn insert(session: &Session, account: AccountId, event: &NewEvent) -> Result<Option<i64>, Error> {
    let known: Option<i64> = session.scalar(
        "SELECT seq FROM events WHERE account_id = $1 AND source = $2 AND event_id = $3",
        params![account, event.source, event.id],
    )?;
    if known.is_some() {
        return Ok(None);
    }
    let seq: Option<i64> = session.scalar(
        "INSERT INTO sequences (name, value) VALUES ('event_seq', 1)
         ON CONFLICT (name) DO UPDATE SET value = sequences.value + 1
         RETURNING value",
        &[],
    )?;
    let seq = seq.ok_or(Error::Conflict(Conflict::Other))?;
    session.hint(Hint::Events);
    session.execute(
        "INSERT INTO events (seq, account_id, event_id, source, type, received_at, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![seq, account, event.id, event.source, event.kind, event.received_at, event.body],
    )?;
    Ok(Some(seq))
}
