//! When operators work on the platform, and that people are told of it: beforehand, when it begins, when it is over.
//!
//! ```text
//! scheduled ─► in progress ─► completed
//!     └────────────┴────────► cancelled (only before it begins), ended (before its time)
//! ```
//!
//! What phase a window is in follows from the time alone, so no clockwork has to be alive for a page to be right; only the messages
//! need one.
//!
//! Invariant: a change, its messages to subscribers and its record in the evidence log are written together.

use std::sync::Arc;

use levqor_model::{MaintenanceId, Random, Timestamp};
use serde_json::{Value, json};

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    cursor, params,
    subscriptions::{self, Announcement, list_of},
};

/// Windows that are listed at once, and that are not over at the same time.
pub const WINDOWS_MAX: usize = 500;
/// Windows that are told of in one round.
const TOLD_AT_ONCE: usize = 20;

/// How far a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Scheduled,
    InProgress,
    Completed,
    /// It does not take place.
    Cancelled,
}

impl Phase {
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Scheduled => "scheduled",
            Phase::InProgress => "in_progress",
            Phase::Completed => "completed",
            Phase::Cancelled => "cancelled",
        }
    }

    fn parse(word: &str) -> Result<Self, Error> {
        match word {
            "scheduled" => Ok(Phase::Scheduled),
            "in_progress" => Ok(Phase::InProgress),
            "completed" => Ok(Phase::Completed),
            "cancelled" => Ok(Phase::Cancelled),
            _ => Err(Error::Decode("column told: not a phase that is known".to_owned())),
        }
    }
}

/// A time in which operators work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub id: MaintenanceId,
    pub title: String,
    pub words: String,
    /// What is worked on: `region/component`, with `*` for all of them.
    pub parts: Vec<String>,
    pub starts_at: Timestamp,
    /// As planned, and then as it was.
    pub ends_at: Timestamp,
    /// Who scheduled it.
    pub actor: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub cancelled_at: Option<Timestamp>,
    /// What subscribers were told last.
    pub told: Phase,
}

impl Window {
    pub fn phase(&self, now: Timestamp) -> Phase {
        if self.cancelled_at.is_some() {
            Phase::Cancelled
        } else if now >= self.ends_at {
            Phase::Completed
        } else if now >= self.starts_at {
            Phase::InProgress
        } else {
            Phase::Scheduled
        }
    }

    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            title: row.take()?,
            words: row.take()?,
            parts: list_of("parts", &row.take::<String>()?)?,
            starts_at: row.take()?,
            ends_at: row.take()?,
            actor: row.take()?,
            created_at: row.take()?,
            updated_at: row.take()?,
            cancelled_at: row.take()?,
            told: Phase::parse(&row.take::<String>()?)?,
        })
    }
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    Done(Box<Window>),
    /// It is in a phase in which that cannot be.
    Not(Phase),
    Missing,
}

/// The columns of [`Window`], in the order in which [`Window::read`] takes them.
macro_rules! columns {
    () => {
        "id, title, words, parts, starts_at, ends_at, actor, created_at, updated_at, cancelled_at, told"
    };
}

impl Store {
    /// Adds a window and tells subscribers of it; false: there are as many as may be.
    pub async fn schedule_maintenance(
        &self,
        window: Window,
        announcement: Announcement,
        random: Arc<dyn Random>,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let Window { id, title, words, parts, starts_at, ends_at, actor, created_at, .. } = &window;
            let open: u64 = session
                .scalar("SELECT count(*) FROM maintenance_windows WHERE ends_at > $1", params![created_at])?
                .unwrap_or_default();
            if open >= WINDOWS_MAX as u64 {
                return Ok(false);
            }
            session.execute(
                concat!(
                    "INSERT INTO maintenance_windows (",
                    columns!(),
                    ", tells_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, NULL, 'scheduled', $5)"
                ),
                params![id, title, words, json!(parts).to_string(), starts_at, ends_at, actor, created_at],
            )?;
            let told = subscriptions::announce(session, &announcement, &*random)?;
            let details = json!({
                "title": title, "words": words, "parts": parts, "from": starts_at, "until": ends_at, "told": told,
            });
            note(session, "maintenance.scheduled", *created_at, *id, details)?;
            Ok(true)
        })
        .await
    }

    /// Those that end after that moment, by their end: the last [`WINDOWS_MAX`], which have all that are not over.
    pub async fn maintenance(&self, after: Timestamp) -> Result<Vec<Window>, Error> {
        self.read(move |session| {
            let mut windows = session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM maintenance_windows WHERE ends_at > $1 ORDER BY ends_at DESC, id DESC LIMIT $2"
                ),
                params![after, WINDOWS_MAX],
                Window::read,
            )?;
            windows.reverse();
            Ok(windows)
        })
        .await
    }

    /// Those that end after that moment, by their end, and behind a place in that list, which is the end and the id of a window.
    pub async fn maintenance_behind(
        &self,
        after: Timestamp,
        place: Option<(Timestamp, MaintenanceId)>,
        limit: usize,
    ) -> Result<Vec<Window>, Error> {
        let (at, id) = match place {
            Some((at, id)) if at > after => (at, id.to_string()),
            // Behind all of that moment.
            _ => (after, cursor::below(None::<MaintenanceId>)),
        };
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM maintenance_windows WHERE (ends_at, id) > ($1, $2) ORDER BY ends_at, id LIMIT $3"
                ),
                params![at, id, limit],
                Window::read,
            )
        })
        .await
    }

    /// One of them.
    pub async fn maintenance_window(&self, id: MaintenanceId) -> Result<Option<Window>, Error> {
        self.read(move |session| find(session, id)).await
    }

    /// It does not take place. Only before it begins.
    pub async fn cancel_maintenance(
        &self,
        id: MaintenanceId,
        reason: String,
        announcement: Announcement,
        random: Arc<dyn Random>,
    ) -> Result<Changed, Error> {
        self.write(move |session| {
            let at = announcement.at;
            let Some(window) = find(session, id)? else { return Ok(Changed::Missing) };
            match window.phase(at) {
                Phase::Scheduled => {}
                phase => return Ok(Changed::Not(phase)),
            }
            session.execute(
                "UPDATE maintenance_windows SET cancelled_at = $2, updated_at = $2, told = 'cancelled', tells_at = NULL
                 WHERE id = $1",
                params![id, at],
            )?;
            let told = subscriptions::announce(session, &announcement, &*random)?;
            note(session, "maintenance.cancelled", at, id, json!({ "reason": reason, "told": told }))?;
            let window =
                Window { cancelled_at: Some(at), updated_at: at, told: Phase::Cancelled, ..window };
            Ok(Changed::Done(Box::new(window)))
        })
        .await
    }

    /// It is over before its time.
    pub async fn end_maintenance(
        &self,
        id: MaintenanceId,
        announcement: Announcement,
        random: Arc<dyn Random>,
    ) -> Result<Changed, Error> {
        self.write(move |session| {
            let at = announcement.at;
            let Some(window) = find(session, id)? else { return Ok(Changed::Missing) };
            match window.phase(at) {
                Phase::InProgress => {}
                phase => return Ok(Changed::Not(phase)),
            }
            session.execute(
                "UPDATE maintenance_windows SET ends_at = $2, updated_at = $2, told = 'completed', tells_at = NULL
                 WHERE id = $1",
                params![id, at],
            )?;
            let told = subscriptions::announce(session, &announcement, &*random)?;
            note(session, "maintenance.ended", at, id, json!({ "planned": window.ends_at, "told": told }))?;
            let window = Window { ends_at: at, updated_at: at, told: Phase::Completed, ..window };
            Ok(Changed::Done(Box::new(window)))
        })
        .await
    }

    /// Those of which something is to be told by now.
    pub async fn due_maintenance(&self, now: Timestamp) -> Result<Vec<Window>, Error> {
        self.read(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM maintenance_windows WHERE tells_at IS NOT NULL AND tells_at <= $1
                     ORDER BY tells_at, id LIMIT $2"
                ),
                params![now, TOLD_AT_ONCE],
                Window::read,
            )
        })
        .await
    }

    /// Tells that a window has come to a phase; false: somebody else was faster, or it was changed meanwhile.
    pub async fn tell_maintenance(
        &self,
        window: Window,
        phase: Phase,
        announcement: Announcement,
        random: Arc<dyn Random>,
    ) -> Result<bool, Error> {
        self.write(move |session| {
            let at = announcement.at;
            let next = (phase == Phase::InProgress).then_some(window.ends_at);
            let changed = session.execute(
                "UPDATE maintenance_windows SET told = $3, tells_at = $4, updated_at = $5
                 WHERE id = $1 AND told = $2 AND tells_at IS NOT NULL AND updated_at = $6",
                params![window.id, window.told.as_str(), phase.as_str(), next, at, window.updated_at],
            )?;
            if changed == 0 {
                return Ok(false);
            }
            let told = subscriptions::announce(session, &announcement, &*random)?;
            let kind = if phase == Phase::InProgress { "maintenance.began" } else { "maintenance.ended" };
            note(session, kind, at, window.id, json!({ "told": told }))?;
            Ok(true)
        })
        .await
    }

    /// Forgets windows that ended before that moment.
    pub async fn prune_maintenance(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM maintenance_windows WHERE id IN
                (SELECT id FROM maintenance_windows WHERE ends_at < $1 ORDER BY ends_at, id LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}

fn find(session: &Session, id: MaintenanceId) -> Result<Option<Window>, Error> {
    session.row(
        concat!("SELECT ", columns!(), " FROM maintenance_windows WHERE id = $1"),
        params![id],
        Window::read,
    )
}

fn note(
    session: &Session,
    kind: &'static str,
    at: Timestamp,
    id: MaintenanceId,
    details: Value,
) -> Result<(), Error> {
    audit::note(session, Note { kind, at, account: None, subject: &id.to_string(), details })
}
