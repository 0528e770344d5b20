//! What people and other systems are to be told: an outbox.
//!
//! Nouns call [`enqueue`] in the transaction that makes it true, so that nothing is told that did not happen, and nothing that
//! happened is not told.

use levqor_model::{NotificationId, Severity, Timestamp};
use serde_json::Value;

use crate::{Error, Session, Store, params};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A route that the operator configured, by name. One with the severity's name is where messages of that severity go.
    Route(String),
    /// Somebody who subscribed to the platform's state, by the id.
    Subscription(String),
}

impl Target {
    /// As it is kept.
    pub fn text(&self) -> String {
        match self {
            Target::Route(name) => format!("route:{name}"),
            Target::Subscription(id) => format!("subscription:{id}"),
        }
    }

    /// None: not one that was kept.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("route", name) => Some(Target::Route(name.to_owned())),
            ("subscription", id) => Some(Target::Subscription(id.to_owned())),
            _ => None,
        }
    }
}

/// Adds a message, to go out once this transaction is durable; false: it was there.
pub(crate) fn enqueue(session: &Session, new: &NewNotification) -> Result<bool, Error> {
    let NewNotification { id, dedup, target, severity, subject, body, data, at } = new;
    let added = session.execute(
        "INSERT INTO notifications (id, dedup, target, severity, subject, body, data, created_at, state, next_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $8) ON CONFLICT (dedup) DO NOTHING",
        params![id, dedup, target.text(), severity, subject, body, data.to_string(), at],
    )?;
    Ok(added == 1)
}

impl Store {
    /// Adds messages that have no other cause in the database; those that are there already are passed over.
    pub async fn notify(&self, new: Vec<NewNotification>) -> Result<(), Error> {
        self.write(move |session| new.iter().try_for_each(|one| enqueue(session, one).map(drop))).await
    }
}
