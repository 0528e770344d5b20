//! Incidents: disturbances that people deal with, what was said and done about them, and what came after.
//!
//! Knows no rules: what becomes of an incident is decided by the caller ([`Act`]), within the transaction that writes it, so that two
//! who act at once see each other, and nothing is told that did not happen.
//!
//! Invariant: a change of an incident, its entry, its messages and its record in the evidence log are written together; versions grow
//! by one.

mod act;
mod action_items;
mod evidence;
mod lists;
mod postmortems;

use std::{sync::Arc, time::Duration};

use levqor_model::{AlertId, IncidentId, IncidentRole, Random, Severity, Timestamp, UserId};
use serde_json::Value;

pub use action_items::{ActionItem, ActionItemChange, ActionItems};
pub use evidence::SampleSum;
pub use levqor_model::{IncidentLevel, IncidentState};
pub use postmortems::{NewPostmortem, Postmortem, PostmortemSummary, Written};

use crate::{
    Error, Row, alerts,
    notifications::{NewNotification, Target},
    subscriptions::Announcement,
};

/// A disturbance that people deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    pub id: IncidentId,
    pub title: String,
    pub level: IncidentLevel,
    pub state: IncidentState,
    /// What it is about: `region/component`, or only one of the two.
    pub components: Vec<String>,
    /// Whether it is told to everybody.
    pub public: bool,
    /// Who opened it, as records name them.
    pub opened_by: String,
    pub opened_at: Timestamp,
    /// When the disturbance began, as far as anybody knows.
    pub began_at: Option<Timestamp>,
    pub acknowledged_at: Option<Timestamp>,
    pub acknowledged_by: Option<String>,
    pub resolved_at: Option<Timestamp>,
    pub resolved_by: Option<String>,
    pub commander: Option<UserId>,
    pub communications: Option<UserId>,
    pub operations: Option<UserId>,
    /// How often it was over and then was not.
    pub reopened: u32,
    /// When people said last how it stands.
    pub updated_at: Timestamp,
    /// Grows with every change.
    pub version: i64,
    pub escalation: Escalation,
    /// How long all alerts must be over until it is over by itself; None: people say so.
    pub settles_after: Option<Duration>,
    /// When it is over by itself.
    pub settles_at: Option<Timestamp>,
    /// Who was told that it goes on since it was opened or reopened: destinations by their names, and routes that led to nobody then. At
    /// most [`crate::alerts::HEARD_BY_MAX`].
    pub heard_by: Vec<Target>,
}

/// Who is told next because something does not come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Escalation {
    pub waits_for: Option<Wait>,
    /// Steps that are done since it waits for this.
    pub step: u32,
    pub next_at: Option<Timestamp>,
}

/// What an incident waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// That somebody says that they deal with it.
    Acknowledgement,
    /// That somebody says how it stands.
    Update,
}

impl Wait {
    pub const fn as_str(self) -> &'static str {
        match self {
            Wait::Acknowledgement => "acknowledgement",
            Wait::Update => "update",
        }
    }

    fn parse(word: &str) -> Result<Self, Error> {
        match word {
            "acknowledgement" => Ok(Wait::Acknowledgement),
            "update" => Ok(Wait::Update),
            _ => Err(Error::Decode("column waits_for: not a word that is known".to_owned())),
        }
    }
}

/// What people said of how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentUpdate {
    pub at: Timestamp,
    /// From then on.
    pub state: IncidentState,
    pub text: String,
    /// Whether everybody may read it.
    pub public: bool,
}

/// What was said or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentEntry {
    pub seq: i64,
    pub at: Timestamp,
    pub kind: EntryKind,
    pub author: String,
    pub state: IncidentState,
    pub text: String,
    pub public: bool,
}

/// An entry that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    pub at: Timestamp,
    pub kind: EntryKind,
    pub author: String,
    pub text: String,
    pub public: bool,
}

macro_rules! entry_kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What an entry of an incident is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum EntryKind { $($(#[$doc])* $variant),+ }

        impl EntryKind {
            pub const fn as_str(self) -> &'static str {
                match self { $(EntryKind::$variant => $word),+ }
            }

            fn parse(word: &str) -> Result<Self, Error> {
                match word {
                    $($word => Ok(EntryKind::$variant),)+
                    _ => Err(Error::Decode("column kind: not a kind of entry".to_owned())),
                }
            }
        }
    };
}

entry_kinds! {
    Opened = "opened",
    /// How it stands.
    Update = "update",
    /// For those who work on it.
    Note = "note",
    /// Its level, its title or what it is about.
    Changed = "changed",
    Acknowledged = "acknowledged",
    Assigned = "assigned",
    /// Others were told.
    Escalated = "escalated",
    /// Its alerts are all over.
    Calm = "calm",
    Resolved = "resolved",
    Reopened = "reopened",
    Postmortem = "postmortem",
    ActionItem = "action_item",
}

impl EntryKind {
    /// Whether it says how it stands.
    pub const fn is_update(self) -> bool {
        matches!(self, EntryKind::Opened | EntryKind::Update | EntryKind::Resolved | EntryKind::Reopened)
    }
}

/// An alert that an incident is about, as it was told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentAlert {
    pub alert: AlertId,
    pub rule: String,
    pub subject: String,
    pub severity: Severity,
    pub summary: String,
    pub began_at: Timestamp,
    pub firing_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub joined_at: Timestamp,
}

/// What becomes of an incident: written whole, or not at all.
#[derive(Debug, Clone)]
pub struct Act {
    /// As it is from now on. Its version is the one that was seen; what is written has the next one.
    pub incident: Incident,
    pub entries: Vec<NewEntry>,
    /// In the place of those that are there.
    pub alerts: Vec<IncidentAlert>,
    pub notifications: Vec<NewNotification>,
    /// To everybody who wants to hear of the platform's state.
    pub announcement: Option<Announcement>,
    /// Where ids of messages to them come from.
    pub random: Arc<dyn Random>,
    pub at: Timestamp,
    /// For the evidence log: what was done, and its details.
    pub kind: &'static str,
    pub details: Value,
}

/// What an alert may belong to.
#[derive(Debug, Clone, Default)]
pub struct Situation {
    /// The incident that has the alert already.
    pub has_it: Option<(Incident, IncidentAlert)>,
    /// All that are open, newest first, with their alerts.
    pub open: Vec<(Incident, Vec<IncidentAlert>)>,
    /// Those that are over since the moment that was asked for, newest first, with their alerts.
    pub over: Vec<(Incident, Vec<IncidentAlert>)>,
}

/// The columns of [`Incident`], in the order in which [`Incident::read`] takes them.
macro_rules! columns {
    () => {
        "incident_id, title, level, state, components, public, opened_by, opened_at, began_at, acknowledged_at, acknowledged_by,
         resolved_at, resolved_by, commander, communications, operations, reopened, updated_at, version, waits_for, step,
         next_step_at, settles_after, settles_at, heard_by"
    };
}
pub(crate) use columns;

impl Incident {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.take()?,
            title: row.take()?,
            level: row.take()?,
            state: row.take()?,
            components: texts(row)?,
            public: row.take()?,
            opened_by: row.take()?,
            opened_at: row.take()?,
            began_at: row.take()?,
            acknowledged_at: row.take()?,
            acknowledged_by: row.take()?,
            resolved_at: row.take()?,
            resolved_by: row.take()?,
            commander: row.take()?,
            communications: row.take()?,
            operations: row.take()?,
            reopened: row.take()?,
            updated_at: row.take()?,
            version: row.take()?,
            escalation: Escalation {
                waits_for: row.take::<Option<String>>()?.as_deref().map(Wait::parse).transpose()?,
                step: row.take()?,
                next_at: row.take()?,
            },
            settles_after: row.take::<Option<u64>>()?.map(Duration::from_micros),
            settles_at: row.take()?,
            heard_by: alerts::targets(&row.take::<String>()?)?,
        })
    }

    /// Who has a part in it.
    pub fn role(&self, role: IncidentRole) -> Option<UserId> {
        match role {
            IncidentRole::Commander => self.commander,
            IncidentRole::Communications => self.communications,
            IncidentRole::Operations => self.operations,
        }
    }

    pub fn role_mut(&mut self, role: IncidentRole) -> &mut Option<UserId> {
        match role {
            IncidentRole::Commander => &mut self.commander,
            IncidentRole::Communications => &mut self.communications,
            IncidentRole::Operations => &mut self.operations,
        }
    }

    pub fn is_open(&self) -> bool {
        self.resolved_at.is_none()
    }
}

impl IncidentEntry {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            seq: row.take()?,
            at: row.take()?,
            kind: EntryKind::parse(&row.take::<String>()?)?,
            author: row.take()?,
            state: row.take()?,
            text: row.take()?,
            public: row.take()?,
        })
    }
}

impl IncidentAlert {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            alert: row.take()?,
            rule: row.take()?,
            subject: row.take()?,
            severity: row.take()?,
            summary: row.take()?,
            began_at: row.take()?,
            firing_at: row.take()?,
            ended_at: row.take()?,
            joined_at: row.take()?,
        })
    }
}

/// A list of texts, kept as JSON.
fn texts(row: &mut Row<'_>) -> Result<Vec<String>, Error> {
    let json: String = row.take()?;
    serde_json::from_str(&json).map_err(|error| Error::Decode(format!("column components: {error}")))
}
