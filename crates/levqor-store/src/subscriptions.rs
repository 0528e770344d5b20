//! Who wants to hear of the platform's state, and telling them.
//!
//! ```text
//! asked for ─► message with a link ─► confirmed ─► messages, each with a link that ends it ─► gone, with the address
//! ```
//!
//! Invariants: nobody is told anything but that link before they have confirmed it; what is told goes out of the transaction that makes
//! it true; no address is in the evidence log unmasked; wishes that nobody confirmed take no place of those who are told.

use levqor_model::{NotificationId, Random, Severity, SubscriptionId, Timestamp, audit::masked_email};
use serde_json::{Value, json};

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    notifications::{self, NewNotification, Target},
    params,
};

/// Confirmed subscriptions, as many as can be told in one transaction; no more are taken.
pub const SUBSCRIPTIONS_MAX: usize = 10_000;

/// Links to confirm that one address is sent in a day, whoever asks for them and from wherever.
pub const LINKS_A_DAY: u32 = 3;

/// Wishes that are forgotten on the occasion of a new one.
const FORGOTTEN_AT_ONCE: usize = 100;

/// How somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionKind {
    Email,
    Webhook,
}

impl SubscriptionKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            SubscriptionKind::Email => "email",
            SubscriptionKind::Webhook => "webhook",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "email" => Some(SubscriptionKind::Email),
            "webhook" => Some(SubscriptionKind::Webhook),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub kind: SubscriptionKind,
    /// A mail address in lower case, or an address that messages are posted to.
    pub address: String,
    /// Only of these, as `region/component`; empty: of all.
    pub parts: Vec<String>,
    /// The end of the address that ends the subscription.
    pub farewell: String,
    pub created_at: Timestamp,
    /// None: nobody has confirmed it.
    pub confirmed_at: Option<Timestamp>,
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    pub id: SubscriptionId,
    pub kind: SubscriptionKind,
    pub address: String,
    pub parts: Vec<String>,
    /// SHA-256 of the link's token.
    pub confirm_hash: [u8; 32],
    pub farewell: String,
    pub at: Timestamp,
}

/// How many there may be. Strangers can make wishes and cannot confirm them for others, so that each has a bound of its own.
#[derive(Debug, Clone, Copy)]
pub struct SubscriptionBounds {
    /// That nobody has confirmed and that were asked for since `since`.
    pub open: usize,
    pub since: Timestamp,
    /// Links of before that work no more: wishes that nobody has confirmed since then are forgotten on this occasion.
    pub expired: Timestamp,
    /// That are confirmed; [`SUBSCRIPTIONS_MAX`] at most.
    pub confirmed: usize,
}

/// What became of a wish to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// A message is on its way, whoever it was.
    Done,
    /// There are as many as there may be.
    Full,
}

/// What became of a link that somebody opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    Done(Subscription),
    /// There are as many as there may be; the link goes on working.
    Full,
    /// Nobody waits for it, or not any more.
    Unknown,
}

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    pub id: SubscriptionId,
    pub kind: SubscriptionKind,
    pub parts: Vec<String>,
    pub farewell: String,
}

impl Subscriber {
    /// Whether something about these parts is for them. What is about no part in particular is for everybody.
    pub fn wants(&self, parts: &[String]) -> bool {
        self.parts.is_empty()
            || parts.is_empty()
            || self.parts.iter().any(|own| parts.iter().any(|part| meets(own, part)))
    }
}

/// Something that subscribers are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcement {
    /// What it tells: a second one with the same is none.
    pub dedup: String,
    pub severity: Severity,
    pub subject: String,
    /// Plain text. How to end the subscription is added to it.
    pub body: String,
    /// An object for programs.
    pub data: Value,
    /// What it is about; empty: everything.
    pub parts: Vec<String>,
    /// What the links in it begin with, without a slash at the end.
    pub site: String,
    pub at: Timestamp,
}

/// Whether two names of parts, each with `*` for all, have something in common. One without a slash is a region or a component.
pub fn meets(left: &str, right: &str) -> bool {
    let same = |a: &str, b: &str| a == "*" || b == "*" || a == b;
    match (left.split_once('/'), right.split_once('/')) {
        (Some((region, component)), Some((other_region, other_component))) => {
            same(region, other_region) && same(component, other_component)
        }
        (Some((region, component)), None) => same(region, right) || same(component, right),
        (None, Some((region, component))) => same(left, region) || same(left, component),
        (None, None) => same(left, right),
    }
}

/// A column with a JSON array of texts.
pub(crate) fn list_of(column: &str, text: &str) -> Result<Vec<String>, Error> {
    serde_json::from_str(text).map_err(|error| Error::Decode(format!("column {column}: {error}")))
}

/// The columns of [`Subscription`], in the order in which [`Subscription::read`] takes them.
macro_rules! columns {
    () => {
        "id, kind, address, parts, farewell, created_at, confirmed_at"
    };
}

fn kind_of(word: &str) -> Result<SubscriptionKind, Error> {
    SubscriptionKind::parse(word)
        .ok_or_else(|| Error::Decode("column kind: not a kind of subscription".to_owned()))
}

impl Subscription {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            kind: kind_of(&row.take::<String>()?)?,
            address: row.take()?,
            parts: list_of("parts", &row.take::<String>()?)?,
            farewell: row.take()?,
            created_at: row.take()?,
            confirmed_at: row.take()?,
        })
    }

    /// The address as records show it.
    pub fn masked(&self) -> String {
        match self.kind {
            SubscriptionKind::Email => masked_email(&self.address),
            SubscriptionKind::Webhook => masked_url(&self.address),
        }
    }
}

/// Scheme and host; what comes after may be a secret.
fn masked_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}/…")
}

/// Everybody who has confirmed that they want to be told.
pub(crate) fn subscribers(session: &Session) -> Result<Vec<Subscriber>, Error> {
    session.rows(
        "SELECT id, kind, parts, farewell FROM status_subscriptions WHERE confirmed_at IS NOT NULL ORDER BY id LIMIT $1",
        params![SUBSCRIPTIONS_MAX],
        |row| {
            Ok(Subscriber {
                id: row.take()?,
                kind: kind_of(&row.take::<String>()?)?,
                parts: list_of("parts", &row.take::<String>()?)?,
                farewell: row.take()?,
            })
        },
    )
}

/// Tells those who want to hear of it, once this transaction is durable; how many they are.
pub(crate) fn announce(
    session: &Session,
    announcement: &Announcement,
    random: &dyn Random,
) -> Result<u64, Error> {
    let mut told = 0;
    for subscriber in subscribers(session)?.iter().filter(|one| one.wants(&announcement.parts)) {
        let message = message_to(subscriber.id, &subscriber.farewell, announcement, random);
        told += u64::from(notifications::enqueue(session, &message)?);
    }
    Ok(told)
}

/// The announcement as one of them gets it.
fn message_to(
    id: SubscriptionId,
    farewell: &str,
    announcement: &Announcement,
    random: &dyn Random,
) -> NewNotification {
    let Announcement { dedup, severity, subject, body, data, parts: _, site, at } = announcement;
    let mut data = data.clone();
    let unsubscribe = format!("{site}/status/unsubscribe/{farewell}");
    if let Value::Object(members) = &mut data {
        members.insert("unsubscribe_url".to_owned(), Value::String(unsubscribe.clone()));
    }
    NewNotification {
        id: NotificationId::new(*at, random),
        dedup: format!("{dedup}/{id}"),
        target: Target::Subscription(id.to_string()),
        severity: *severity,
        subject: subject.clone(),
        body: format!("{body}\n\n--\nTo hear no more of it: {unsubscribe}\n"),
        data,
        at: *at,
    }
}

fn note(
    session: &Session,
    kind: &'static str,
    at: Timestamp,
    subscription: &Subscription,
) -> Result<(), Error> {
    let details = json!({ "kind": subscription.kind.as_str(), "address": subscription.masked() });
    audit::note(session, Note { kind, at, account: None, subject: &subscription.id.to_string(), details })
}

impl Store {
    /// Notes a wish, and sends what `message` makes for the subscription; true: it is confirmed already. Who asks again gets a new link,
    /// up to [`LINKS_A_DAY`]; those messages are numbered here, and what `message` has for it is not looked at.
    pub async fn subscribe(
        &self,
        new: NewSubscription,
        bounds: SubscriptionBounds,
        message: impl FnOnce(&Subscription, bool) -> NewNotification + Send + 'static,
    ) -> Result<Subscribed, Error> {
        self.write(move |session| {
            let NewSubscription { id, kind, address, parts, confirm_hash, farewell, at } = new;
            let known = session.row(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM status_subscriptions WHERE kind = $1 AND address = $2"
                ),
                params![kind.as_str(), address],
                Subscription::read,
            )?;
            // Before anything depends on whether the address is known: else the answer would tell, once there are as many as may be.
            forget_expired(session, bounds.expired)?;
            let open: Option<u64> = session.scalar(
                "SELECT count(*) FROM status_subscriptions WHERE confirmed_at IS NULL AND created_at > $1",
                params![bounds.since],
            )?;
            let is_full = open.unwrap_or_default() >= bounds.open as u64;
            if is_full || confirmed(session)? >= bounds.confirmed as u64 {
                return Ok(Subscribed::Full);
            }
            if let Some(known) = known.as_ref().filter(|known| known.confirmed_at.is_some()) {
                notifications::enqueue(session, &message(known, true))?;
                return Ok(Subscribed::Done);
            }
            let wanted = Subscription {
                // The first wish has the row; what is wanted now takes its place.
                id: known.as_ref().map_or(id, |known| known.id),
                farewell: known.map_or(farewell, |known| known.farewell),
                kind,
                address,
                parts,
                created_at: at,
                confirmed_at: None,
            };
            if !send_link(session, &wanted, message(&wanted, false))? {
                // The link that was sent last still works.
                return Ok(Subscribed::Done);
            }
            session.execute(
                "INSERT INTO status_subscriptions (id, kind, address, parts, confirm_hash, farewell, created_at, confirmed_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)
                 ON CONFLICT (id) DO UPDATE SET parts = excluded.parts, confirm_hash = excluded.confirm_hash,
                     created_at = excluded.created_at",
                params![
                    wanted.id,
                    wanted.kind.as_str(),
                    wanted.address,
                    json!(wanted.parts).to_string(),
                    confirm_hash,
                    wanted.farewell,
                    at
                ],
            )?;
            note(session, "subscription.requested", at, &wanted)?;
            Ok(Subscribed::Done)
        })
        .await
    }

    /// The one that waits for this link, when it was asked for since then.
    pub async fn open_subscription(
        &self,
        confirm_hash: [u8; 32],
        since: Timestamp,
    ) -> Result<Option<Subscription>, Error> {
        self.read(move |session| open(session, confirm_hash, since)).await
    }

    /// From now on they are told, unless so many are. The link works once.
    pub async fn confirm_subscription(
        &self,
        confirm_hash: [u8; 32],
        since: Timestamp,
        at: Timestamp,
        most: usize,
    ) -> Result<Confirmed, Error> {
        self.write(move |session| {
            let Some(found) = open(session, confirm_hash, since)? else { return Ok(Confirmed::Unknown) };
            if confirmed(session)? >= most as u64 {
                return Ok(Confirmed::Full);
            }
            session.execute(
                "UPDATE status_subscriptions SET confirmed_at = $2, confirm_hash = NULL WHERE id = $1",
                params![found.id, at],
            )?;
            let found = Subscription { confirmed_at: Some(at), ..found };
            note(session, "subscription.confirmed", at, &found)?;
            Ok(Confirmed::Done(found))
        })
        .await
    }

    /// The one that this farewell ends.
    pub async fn subscription_by_farewell(&self, farewell: String) -> Result<Option<Subscription>, Error> {
        self.read(move |session| {
            session.row(
                concat!("SELECT ", columns!(), " FROM status_subscriptions WHERE farewell = $1"),
                params![farewell],
                Subscription::read,
            )
        })
        .await
    }

    /// They hear no more; their address is forgotten. None: there is none.
    pub async fn unsubscribe(&self, farewell: String, at: Timestamp) -> Result<Option<Subscription>, Error> {
        self.write(move |session| {
            let gone = session.row(
                concat!("DELETE FROM status_subscriptions WHERE farewell = $1 RETURNING ", columns!()),
                params![farewell],
                Subscription::read,
            )?;
            if let Some(gone) = &gone {
                note(session, "subscription.ended", at, gone)?;
            }
            Ok(gone)
        })
        .await
    }

    /// The same by an operator.
    pub async fn end_subscription(
        &self,
        id: SubscriptionId,
        at: Timestamp,
    ) -> Result<Option<Subscription>, Error> {
        self.write(move |session| {
            let gone = session.row(
                concat!("DELETE FROM status_subscriptions WHERE id = $1 RETURNING ", columns!()),
                params![id],
                Subscription::read,
            )?;
            if let Some(gone) = &gone {
                note(session, "subscription.ended", at, gone)?;
            }
            Ok(gone)
        })
        .await
    }

    /// Where messages for [`Target::Subscription`] go; None: they want no more of them.
    pub async fn subscription(&self, id: SubscriptionId) -> Result<Option<Subscription>, Error> {
        self.read(move |session| {
            session.row(
                concat!("SELECT ", columns!(), " FROM status_subscriptions WHERE id = $1"),
                params![id],
                Subscription::read,
            )
        })
        .await
    }

    /// All of them, oldest first.
    pub async fn subscriptions(
        &self,
        after: Option<SubscriptionId>,
        limit: usize,
    ) -> Result<Vec<Subscription>, Error> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM status_subscriptions WHERE id > $1 ORDER BY id LIMIT $2"
                ),
                params![after, limit],
                Subscription::read,
            )
        })
        .await
    }

    /// Forgets wishes that nobody confirmed and that are older than that.
    pub async fn prune_subscriptions(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM status_subscriptions WHERE id IN
                (SELECT id FROM status_subscriptions WHERE confirmed_at IS NULL AND created_at < $1
                 ORDER BY created_at, id LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}

/// Sends a link, unless the address got as many of them today as it may, from whichever node.
fn send_link(session: &Session, wanted: &Subscription, message: NewNotification) -> Result<bool, Error> {
    let mut message = message;
    for number in 1..=LINKS_A_DAY {
        message.dedup = format!("subscription/{}/confirm/{}/{number}", wanted.id, wanted.created_at.date());
        if notifications::enqueue(session, &message)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many are told.
fn confirmed(session: &Session) -> Result<u64, Error> {
    let sql = "SELECT count(*) FROM status_subscriptions WHERE confirmed_at IS NOT NULL";
    Ok(session.scalar(sql, &[])?.unwrap_or_default())
}

/// Forgets some wishes whose links work no more: more than one comes with each wish, so that they cannot pile up until somebody prunes.
fn forget_expired(session: &Session, before: Timestamp) -> Result<(), Error> {
    session
        .execute(
            "DELETE FROM status_subscriptions WHERE id IN
                (SELECT id FROM status_subscriptions WHERE confirmed_at IS NULL AND created_at < $1
                 ORDER BY created_at, id LIMIT $2)",
            params![before, FORGOTTEN_AT_ONCE],
        )
        .map(drop)
}

fn open(session: &Session, hash: [u8; 32], since: Timestamp) -> Result<Option<Subscription>, Error> {
    session.row(
        concat!(
            "SELECT ",
            columns!(),
            " FROM status_subscriptions WHERE confirm_hash = $1 AND created_at > $2"
        ),
        params![hash, since],
        Subscription::read,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_meet_when_they_have_something_in_common() {
        let rows = [
            ("eu-west/api", "eu-west/api", true),
            ("eu-west/api", "eu-west/database", false),
            ("eu-west/api", "us-east/api", false),
            ("eu-west/*", "eu-west/database", true),
            ("*/api", "us-east/api", true),
            ("*/api", "eu-west/*", true),
            ("*/*", "eu-west/api", true),
            ("eu-west", "eu-west/api", true),
            ("api", "eu-west/api", true),
            ("api", "eu-west/database", false),
            ("*", "eu-west/database", true),
            ("api", "api", true),
        ];
        for (left, right, expected) in rows {
            assert_eq!(meets(left, right), expected, "{left} {right}");
            assert_eq!(meets(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn the_path_of_a_webhook_is_shown_to_nobody() {
        assert_eq!(masked_url("https://a.example:8443/hooks/secret?x=1"), "https://a.example:8443/…");
        assert_eq!(masked_url("nonsense"), "…");
    }
}
