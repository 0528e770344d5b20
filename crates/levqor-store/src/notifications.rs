//! What people and other systems are to be told: an outbox.
//!
//! ```text
//! enqueue ─► waiting ─ claim (others may not, for a while) ─► delivered
//!               ▲                                       ├─► split: a copy waits for each destination
//!               ├──────────── tried again later ────────┤
//!               └──── an operator wants it ──── dead, undeliverable ─► dismissed
//! ```
//!
//! Nouns call [`enqueue`] in the transaction that makes it true, so that nothing is told that did not happen, and nothing that
//! happened is not told.
//!
//! Invariant: a message is delivered at least once. Who has claimed it and dies leaves it to the next one, when the claim is over; it
//! then has the same id, by which the receiver knows it.

use std::time::Duration;

use levqor_model::{NotificationId, NotificationState, Severity, Timestamp};
use serde_json::{Value, json};

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    cursor, params,
};

/// How the `dedup` of messages begins that are about messages which were not sent: they do not count as such themselves.
pub const ABOUT_UNSENT: &str = "unsent:";
/// Messages that are counted of those that were not sent.
const COUNTED_MAX: usize = 1_000;

/// A message that is to go out.
#[derive(Debug, Clone, PartialEq)]
pub struct NewNotification {
    pub id: NotificationId,
    /// What it tells: a second message with the same is none.
    pub dedup: String,
    pub target: Target,
    pub severity: Severity,
    pub subject: String,
    /// Plain text for people.
    pub body: String,
    /// An object for programs.
    pub data: Value,
    pub at: Timestamp,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A route that the operator configured, by name. One with the severity's name is where messages of that severity go.
    Route(String),
    /// Somebody whom the operator configured, by name, whatever routes lead there. It is kept as a route of a name that none has, so that a
    /// node of a build before this one takes it for a route that nobody configured, and tells those of the severity.
    Destination(String),
    /// Somebody who subscribed to the platform's state, by the id.
    Subscription(String),
}

impl Target {
    /// As it is kept.
    pub fn text(&self) -> String {
        match self {
            Target::Route(name) => format!("route:{name}"),
            Target::Destination(name) => format!("route:={name}"),
            Target::Subscription(id) => format!("subscription:{id}"),
        }
    }

    /// As people read it.
    pub fn words(&self) -> String {
        match self {
            Target::Destination(name) => format!("destination:{name}"),
            Target::Route(_) | Target::Subscription(_) => self.text(),
        }
    }

    /// None: not one that was kept.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("route", name) => Some(match name.strip_prefix('=') {
                Some(name) => Target::Destination(name.to_owned()),
                None => Target::Route(name.to_owned()),
            }),
            ("subscription", id) => Some(Target::Subscription(id.to_owned())),
            _ => None,
        }
    }
}

macro_rules! insertion {
    ($due:literal) => {
        concat!(
            "INSERT INTO notifications (id, dedup, target, severity, subject, body, data, created_at, state, next_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', ",
            $due,
            ") ON CONFLICT (dedup) DO NOTHING"
        )
    };
}

/// Adds a message, to go out once this transaction is durable; false: it was there.
pub(crate) fn enqueue(session: &Session, new: &NewNotification) -> Result<bool, Error> {
    let NewNotification { id, dedup, target, severity, subject, body, data, at } = new;
    // Due by the clock by which it is claimed: a node whose own is ahead must not put off who is called.
    let text = if session.has_own_clock() {
        insertion!("CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint)")
    } else {
        insertion!("$8")
    };
    let added = session
        .execute(text, params![id, dedup, target.text(), severity, subject, body, data.to_string(), at])?;
    Ok(added == 1)
}

impl Store {
    /// Adds messages that have no other cause in the database; those that are there already are passed over.
    pub async fn notify(&self, new: Vec<NewNotification>) -> Result<(), Error> {
        self.write(move |session| new.iter().try_for_each(|one| enqueue(session, one).map(drop))).await
    }
}

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    pub id: NotificationId,
    pub dedup: String,
    pub target: Target,
    pub severity: Severity,
    pub subject: String,
    pub body: String,
    pub data: Value,
    pub created_at: Timestamp,
    pub state: NotificationState,
    /// How often it was tried; also the number of the claim.
    pub attempts: u32,
    pub next_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// Where it went, or where it was tried to.
    pub destination: Option<String>,
    /// The message of which this one is the copy for one destination.
    pub copy_of: Option<NotificationId>,
    pub attempted_at: Option<Timestamp>,
}

/// How an attempt ended that did not deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undelivered {
    /// It is tried again after this pause.
    Later(Duration),
    /// It was tried often enough.
    Dead,
    /// Nobody is named to whom it could go.
    Undeliverable,
}

/// Messages that people do not have, of those that call somebody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsent {
    pub dead: u64,
    pub undeliverable: u64,
    /// They wait for longer than they should.
    pub late: u64,
}

/// The columns of [`Notification`], in the order in which [`Notification::read`] takes them.
macro_rules! columns {
    () => {
        "id, dedup, target, severity, subject, body, data, created_at, state, attempts, next_at, ended_at, problem, \
         destination, copy_of, attempted_at"
    };
}

impl Notification {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            dedup: row.take()?,
            target: {
                let text: String = row.take()?;
                Target::parse(&text).ok_or_else(|| Error::Decode("column target: not a target".to_owned()))?
            },
            severity: row.take()?,
            subject: row.take()?,
            body: row.take()?,
            data: {
                let text: String = row.take()?;
                serde_json::from_str(&text).map_err(|error| Error::Decode(format!("column data: {error}")))?
            },
            created_at: row.take()?,
            state: row.take()?,
            attempts: row.take()?,
            next_at: row.take()?,
            ended_at: row.take()?,
            problem: row.take()?,
            destination: row.take()?,
            copy_of: row.take()?,
            attempted_at: row.take()?,
        })
    }
}

/// Delivery.
impl Store {
    /// Takes messages that are due; nobody else gets them for as long as the claim lasts. What operators are told comes first, and of
    /// that what is due for the longest time. At most `others` are not for operators: however many subscribers are told, and however
    /// long they take, there is room for who is called.
    pub async fn claim_notifications(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: usize,
        others: usize,
    ) -> Result<Vec<Notification>, Error> {
        // Most of the time there is nothing, and a look costs less than a write.
        let due = self
            .read(move |session| {
                let now = session.now(now)?;
                session.scalar::<i64>(
                    "SELECT 1 FROM notifications WHERE next_at <= $1 ORDER BY next_at, id LIMIT 1",
                    params![now],
                )
            })
            .await?;
        if due.is_none() || limit == 0 {
            return Ok(Vec::new());
        }
        self.write(move |session| {
            let now = session.now(now)?;
            let mut claimed = session.rows(
                concat!(
                    "UPDATE notifications SET next_at = $2, attempts = attempts + 1, attempted_at = $1
                     WHERE id IN (SELECT id FROM notifications WHERE next_at <= $1 AND substr(target, 1, 6) = 'route:'
                         ORDER BY next_at, id LIMIT $3)
                     RETURNING ",
                    columns!()
                ),
                params![now, now + lease, limit],
                Notification::read,
            )?;
            let room = limit.saturating_sub(claimed.len()).min(others);
            if room > 0 {
                claimed.extend(session.rows(
                    concat!(
                        "UPDATE notifications SET next_at = $2, attempts = attempts + 1, attempted_at = $1
                         WHERE id IN (SELECT id FROM notifications WHERE next_at <= $1
                             ORDER BY next_at, id LIMIT $3)
                         RETURNING ",
                        columns!()
                    ),
                    params![now, now + lease, room],
                    Notification::read,
                )?);
            }
            Ok(claimed)
        })
        .await
    }

    /// Whoever it goes to has it. Also when the claim was over by then: it has it.
    pub async fn notification_delivered(
        &self,
        id: NotificationId,
        destination: String,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.write(move |session| {
            session
                .execute(
                    "UPDATE notifications SET state = 'delivered', destination = $2, ended_at = $3, next_at = NULL,
                         problem = NULL
                     WHERE id = $1 AND state = 'waiting'",
                    params![id, destination, now],
                )
                .map(drop)
        })
        .await
    }

    /// An attempt did not deliver. False: the claim was over, and somebody else has it.
    pub async fn notification_failed(
        &self,
        (id, attempt): (NotificationId, u32),
        destination: Option<String>,
        problem: String,
        then: Undelivered,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let (state, next_at) = match &then {
                Undelivered::Later(pause) => (NotificationState::Waiting, Some(session.now(now)? + *pause)),
                Undelivered::Dead => (NotificationState::Dead, None),
                Undelivered::Undeliverable => (NotificationState::Undeliverable, None),
            };
            let ended_at = next_at.is_none().then_some(now);
            let changed = session.execute(
                "UPDATE notifications SET state = $3, next_at = $4, ended_at = $5, problem = $6, destination = $7
                 WHERE id = $1 AND attempts = $2 AND state = 'waiting'",
                params![id, attempt, state, next_at, ended_at, problem, destination],
            )?;
            if changed > 0 && ended_at.is_some() {
                let details = json!({ "attempts": attempt, "problem": problem, "destination": destination });
                let kind = match state {
                    NotificationState::Dead => "notification.dead",
                    _ => "notification.undeliverable",
                };
                note(session, kind, now, id, details)?;
            }
            Ok(changed > 0)
        })
        .await
    }

    /// A message goes to several destinations: a copy waits for each. False: the claim was over, and somebody else has it.
    pub async fn split_notification(
        &self,
        (id, attempt): (NotificationId, u32),
        copies: Vec<(NotificationId, String)>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            let changed = session.execute(
                "UPDATE notifications SET state = 'split', next_at = NULL, ended_at = $3, problem = NULL
                 WHERE id = $1 AND attempts = $2 AND state = 'waiting'",
                params![id, attempt, now],
            )?;
            if changed == 0 {
                return Ok(false);
            }
            for (copy, destination) in &copies {
                session.execute(
                    "INSERT INTO notifications (id, dedup, target, severity, subject, body, data, created_at, state,
                         next_at, copy_of)
                     SELECT $2, dedup || '>' || $3, 'route:' || $3, severity, subject, body, data, created_at,
                         'waiting', CAST($4 AS bigint), id
                     FROM notifications WHERE id = $1 ON CONFLICT (dedup) DO NOTHING",
                    params![id, copy, destination, now],
                )?;
            }
            Ok(true)
        })
        .await
    }

    /// What calls operators and does not reach them: dead, waiting since before `late`, or without a destination since `recent`. What a
    /// subscriber does not get calls nobody: their addresses are theirs, and anybody may name one that never answers.
    pub async fn unsent_notifications(&self, late: Timestamp, recent: Timestamp) -> Result<Unsent, Error> {
        self.read(move |session| {
            let count = |state: NotificationState, from: Timestamp, until: Timestamp| {
                let found: Option<u64> = session.scalar(
                    "SELECT count(*) FROM
                        (SELECT id FROM notifications
                         WHERE state = $1 AND created_at >= $2 AND created_at < $3 AND severity <> 'minor'
                             AND substr(target, 1, 6) = 'route:'
                             AND substr(dedup, 1, length(CAST($4 AS text))) <> $4
                         ORDER BY created_at LIMIT $5) AS page",
                    params![state, from, until, ABOUT_UNSENT, COUNTED_MAX],
                )?;
                Ok::<u64, Error>(found.unwrap_or_default())
            };
            let (first, last) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
            Ok(Unsent {
                dead: count(NotificationState::Dead, first, last)?,
                undeliverable: count(NotificationState::Undeliverable, recent, last)?,
                late: count(NotificationState::Waiting, first, late)?,
            })
        })
        .await
    }
}

/// What operators see and do.
impl Store {
    /// Newest first, those before `before`; None: of any state.
    pub async fn notifications(
        &self,
        state: Option<NotificationState>,
        before: Option<NotificationId>,
        limit: usize,
    ) -> Result<Vec<Notification>, Error> {
        self.view(move |session| {
            let before = cursor::below(before);
            match state {
                None => session.rows(
                    concat!(
                        "SELECT ",
                        columns!(),
                        " FROM notifications WHERE id < $1 ORDER BY id DESC LIMIT $2"
                    ),
                    params![before, limit],
                    Notification::read,
                ),
                Some(state) => session.rows(
                    concat!(
                        "SELECT ",
                        columns!(),
                        " FROM notifications WHERE state = $3 AND id < $1 ORDER BY id DESC LIMIT $2"
                    ),
                    params![before, limit, state],
                    Notification::read,
                ),
            }
        })
        .await
    }

    pub async fn notification(&self, id: NotificationId) -> Result<Option<Notification>, Error> {
        self.read(move |session| find(session, id)).await
    }

    /// Has a message tried anew that was given up. None: there is no such message; false: it was not given up.
    pub async fn retry_notification(
        &self,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<(Notification, bool)>, Error> {
        self.write(move |session| {
            let now = session.now(now)?;
            let changed = session.execute(
                "UPDATE notifications SET state = 'waiting', attempts = 0, next_at = $2, ended_at = NULL
                 WHERE id = $1 AND state IN ('dead', 'undeliverable', 'dismissed')",
                params![id, now],
            )?;
            if changed > 0 {
                note(session, "notification.retried", now, id, json!({}))?;
            }
            Ok(find(session, id)?.map(|found| (found, changed > 0)))
        })
        .await
    }

    /// Notes that an operator has seen that a message was not delivered. None: there is no such message; false: it was not given up.
    pub async fn dismiss_notification(
        &self,
        id: NotificationId,
        reason: String,
        now: Timestamp,
    ) -> Result<Option<(Notification, bool)>, Error> {
        self.write(move |session| {
            let changed = session.execute(
                "UPDATE notifications SET state = 'dismissed' WHERE id = $1 AND state IN ('dead', 'undeliverable')",
                params![id],
            )?;
            if changed > 0 {
                note(session, "notification.dismissed", now, id, json!({ "reason": reason }))?;
            }
            Ok(find(session, id)?.map(|found| (found, changed > 0)))
        })
        .await
    }

    /// Forgets what was made before a moment and does not wait any more.
    pub async fn prune_notifications(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM notifications WHERE id IN
                (SELECT id FROM notifications WHERE created_at < $1 AND state <> 'waiting'
                 ORDER BY created_at, id LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}

fn find(session: &Session, id: NotificationId) -> Result<Option<Notification>, Error> {
    session.row(
        concat!("SELECT ", columns!(), " FROM notifications WHERE id = $1"),
        params![id],
        Notification::read,
    )
}

fn note(
    session: &Session,
    kind: &'static str,
    at: Timestamp,
    id: NotificationId,
    details: Value,
) -> Result<(), Error> {
    audit::note(session, Note { kind, at, account: None, subject: &id.to_string(), details })
}
