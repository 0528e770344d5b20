//! The rules of incidents: what each act makes of one. Nothing here reads or writes anything.
//!
//! ```text
//!            ┌─────────────── alert again, person ───────────────┐
//!            ▼                                                    │
//! opened ─► investigating ─► identified ─► monitoring ─► resolved ┘
//!            └── in any order, by people; monitoring by itself when all alerts are over ──┘
//! ```
//!
//! Invariant: an incident with an alert that goes on is not resolved, by nobody.

mod alert;
mod escalate;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use levqor_model::{
    IncidentId, IncidentLevel, IncidentRole, IncidentState, NotificationId, Random, Timestamp, UserId,
};
use levqor_store::{
    incidents::{Act, EntryKind, Escalation, Incident, IncidentAlert, NewEntry, Wait},
    notifications::{NewNotification, Target},
    subscriptions::Announcement,
};
use serde_json::{Value, json};

pub(super) use alert::{News, REOPENED_WITHIN};

use super::policy::IncidentSettings;
use crate::features::alerts::{AlertSettings, WHAT_TO_DO};

/// Who acts, when, and by which rules.
#[derive(Debug, Clone)]
pub(super) struct Hand {
    pub now: Timestamp,
    /// As records name them.
    pub by: String,
    pub policy: Arc<IncidentSettings>,
    /// Whom routes lead to.
    pub alerts: Arc<AlertSettings>,
    /// What links start with.
    pub public_url: String,
    pub random: Arc<dyn Random>,
}

/// What a person opens.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub title: String,
    pub level: IncidentLevel,
    pub components: Vec<String>,
    pub text: String,
    pub public: bool,
    pub began_at: Option<Timestamp>,
}

/// What a person says of how it stands; None: as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Update {
    pub text: String,
    pub state: Option<IncidentState>,
    pub level: Option<IncidentLevel>,
    pub title: Option<String>,
    pub components: Option<Vec<String>>,
    pub public: bool,
}

/// Why an act is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is another version by now.
    Moved(Box<Incident>),
    /// It is over, and this is for those that are not.
    Resolved(Box<Incident>),
    /// It is not over, and this is for those that are.
    Open(Box<Incident>),
    /// Alerts that go on.
    Alerts(Vec<IncidentAlert>),
    /// There is nothing to do.
    Done(Box<Incident>),
}

impl Hand {
    pub(super) fn open(&self, opened: Opened) -> Act {
        let Opened { title, level, components, text, public, began_at } = opened;
        let mut incident = Incident {
            id: IncidentId::new(self.now, &*self.random),
            title,
            level,
            state: IncidentState::Investigating,
            components,
            public,
            opened_by: self.by.clone(),
            opened_at: self.now,
            began_at,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            resolved_by: None,
            commander: None,
            communications: None,
            operations: None,
            reopened: 0,
            updated_at: self.now,
            version: 0,
            escalation: Escalation::default(),
            settles_after: None,
            settles_at: None,
            heard_by: Vec::new(),
        };
        self.wait_for(&mut incident, Some(Wait::Acknowledgement));
        let message = self.tell(&mut incident, "opened", &text);
        let details = json!({ "title": incident.title, "level": level, "components": incident.components, "public": public });
        Act {
            entries: vec![self.entry(EntryKind::Opened, text, public)],
            notifications: vec![message],
            ..self.act(incident, "incident.opened", details)
        }
    }

    /// Says how it stands, and changes what is to be changed. Who says how it stands deals with it.
    pub(super) fn update(&self, mut incident: Incident, seen: i64, update: Update) -> Result<Act, Refusal> {
        must_be_seen(&incident, seen)?;
        must_be_open(&incident)?;
        let Update { text, state, level, title, components, public } = update;
        let before = incident.clone();
        incident.state = state.unwrap_or(incident.state);
        incident.level = level.unwrap_or(incident.level);
        incident.title = title.unwrap_or(incident.title);
        incident.components = components.unwrap_or(incident.components);
        let mut entries = Vec::new();
        let changes = changes(&before, &incident);
        if !changes.is_empty() {
            entries.push(self.entry(EntryKind::Changed, changes.join("; "), false));
        }
        if !text.is_empty() || incident.state != before.state {
            entries.push(self.entry(EntryKind::Update, text.clone(), public));
            incident.public |= public;
            incident.updated_at = self.now;
            self.acknowledged(&mut incident);
            self.wait_for(&mut incident, Some(Wait::Update));
        }
        if entries.is_empty() {
            return Err(Refusal::Done(Box::new(incident)));
        }
        let mut notifications = Vec::new();
        if incident.level > before.level {
            notifications.push(self.tell(&mut incident, "raised", &text));
            self.hasten(&mut incident);
        }
        let details =
            json!({ "state": incident.state, "level": incident.level, "public": public, "changes": changes });
        Ok(Act { entries, notifications, ..self.act(incident, "incident.updated", details) })
    }

    /// Words for those who work on it; also when it is over.
    pub(super) fn note(&self, incident: Incident, text: String) -> Act {
        let entries = vec![self.entry(EntryKind::Note, text, false)];
        Act { entries, ..self.act(incident, "incident.noted", json!({})) }
    }

    pub(super) fn acknowledge(&self, mut incident: Incident) -> Result<Act, Refusal> {
        must_be_open(&incident)?;
        if incident.acknowledged_at.is_some() {
            return Err(Refusal::Done(Box::new(incident)));
        }
        self.acknowledged(&mut incident);
        self.wait_for(&mut incident, Some(Wait::Update));
        let entries = vec![self.entry(EntryKind::Acknowledged, String::new(), false)];
        Ok(Act { entries, ..self.act(incident, "incident.acknowledged", json!({})) })
    }

    /// Gives somebody a part in it; `name` is how people call them.
    pub(super) fn assign(
        &self,
        mut incident: Incident,
        seen: i64,
        role: IncidentRole,
        user: Option<(UserId, String)>,
    ) -> Result<Act, Refusal> {
        must_be_seen(&incident, seen)?;
        must_be_open(&incident)?;
        let id = user.as_ref().map(|(id, _)| *id);
        if incident.role(role) == id {
            return Err(Refusal::Done(Box::new(incident)));
        }
        *incident.role_mut(role) = id;
        let text = match user {
            Some((_, name)) => format!("{role}: {name}"),
            None => format!("{role}: nobody"),
        };
        let entries = vec![self.entry(EntryKind::Assigned, text, false)];
        Ok(Act { entries, ..self.act(incident, "incident.assigned", json!({ "role": role, "user": id })) })
    }

    pub(super) fn resolve(
        &self,
        mut incident: Incident,
        alerts: &[IncidentAlert],
        seen: i64,
        text: String,
        public: bool,
    ) -> Result<Act, Refusal> {
        must_be_seen(&incident, seen)?;
        must_be_open(&incident)?;
        self.acknowledged(&mut incident);
        self.resolved(incident, alerts, text, public)
    }

    /// By itself: all its alerts are over for as long as its rule says.
    pub(super) fn settle(&self, incident: Incident, alerts: &[IncidentAlert]) -> Result<Act, Refusal> {
        if incident.settles_at.is_none_or(|at| at > self.now) {
            return Err(Refusal::Done(Box::new(incident)));
        }
        let over_since = alerts.iter().filter_map(|alert| alert.ended_at).max().unwrap_or(self.now);
        let text = format!("All alerts are over since {}.", clock(over_since));
        let public = incident.public;
        self.resolved(incident, alerts, text, public)
    }

    fn resolved(
        &self,
        mut incident: Incident,
        alerts: &[IncidentAlert],
        text: String,
        public: bool,
    ) -> Result<Act, Refusal> {
        must_be_open(&incident)?;
        let going_on: Vec<_> = alerts.iter().filter(|alert| alert.ended_at.is_none()).cloned().collect();
        if !going_on.is_empty() {
            return Err(Refusal::Alerts(going_on));
        }
        incident.state = IncidentState::Resolved;
        incident.resolved_at = Some(self.now);
        incident.resolved_by = Some(self.by.clone());
        incident.settles_at = None;
        incident.public |= public;
        incident.updated_at = self.now;
        self.wait_for(&mut incident, None);
        let notifications = self
            .hearers(&incident)
            .iter()
            .map(|target| self.message(&incident, target, "resolved", &text))
            .collect();
        let seconds = self.now.since(incident.opened_at).as_secs();
        Ok(Act {
            entries: vec![self.entry(EntryKind::Resolved, text, public)],
            notifications,
            ..self.act(
                incident,
                "incident.resolved",
                json!({ "public": public, "open_for_seconds": seconds }),
            )
        })
    }

    /// It was not over. Who says so deals with it.
    pub(super) fn reopen(
        &self,
        mut incident: Incident,
        seen: i64,
        text: String,
        public: bool,
    ) -> Result<Act, Refusal> {
        must_be_seen(&incident, seen)?;
        if incident.is_open() {
            return Err(Refusal::Open(Box::new(incident)));
        }
        self.reopened(&mut incident);
        incident.public |= public;
        self.acknowledged(&mut incident);
        self.wait_for(&mut incident, Some(Wait::Update));
        let message = self.tell(&mut incident, "reopened", &text);
        Ok(Act {
            entries: vec![self.entry(EntryKind::Reopened, text, public)],
            notifications: vec![message],
            ..self.act(incident, "incident.reopened", json!({ "public": public }))
        })
    }

    fn reopened(&self, incident: &mut Incident) {
        incident.state = IncidentState::Investigating;
        incident.resolved_at = None;
        incident.resolved_by = None;
        incident.acknowledged_at = None;
        incident.acknowledged_by = None;
        incident.reopened += 1;
        // They were told that it is over.
        incident.heard_by.clear();
        incident.updated_at = self.now;
    }

    fn act(&self, incident: Incident, kind: &'static str, details: Value) -> Act {
        Act {
            incident,
            entries: Vec::new(),
            alerts: Vec::new(),
            notifications: Vec::new(),
            announcement: None,
            random: Arc::clone(&self.random),
            at: self.now,
            kind,
            details,
        }
    }

    fn entry(&self, kind: EntryKind, text: String, public: bool) -> NewEntry {
        NewEntry { at: self.now, kind, author: self.by.clone(), text, public }
    }

    fn acknowledged(&self, incident: &mut Incident) {
        if incident.acknowledged_at.is_none() {
            incident.acknowledged_at = Some(self.now);
            incident.acknowledged_by = Some(self.by.clone());
        }
    }

    /// Begins to wait anew.
    fn wait_for(&self, incident: &mut Incident, what: Option<Wait>) {
        let next_at = what.map(|wait| self.now + self.policy.pause(incident.level, wait, 0));
        incident.escalation = Escalation { waits_for: what, step: 0, next_at };
    }

    /// A worse level waits no longer than it would from now on.
    fn hasten(&self, incident: &mut Incident) {
        let level = incident.level;
        let Escalation { waits_for: Some(wait), step, next_at } = &mut incident.escalation else {
            return;
        };
        let latest = self.now + self.policy.pause(level, *wait, *step);
        *next_at = Some(next_at.map_or(latest, |at| at.min(latest)));
    }

    /// The same act, which tells everybody what is said for everybody.
    pub(super) fn announced(&self, mut act: Act) -> Act {
        let is_said = |entry: &&NewEntry| entry.public && entry.kind.is_update() && !entry.text.is_empty();
        let Some(said) = act.entries.iter().rfind(is_said) else { return act };
        let incident = &act.incident;
        let Incident { id, title, level, state, components, version, .. } = incident;
        let about =
            if components.is_empty() { String::new() } else { format!("\nAbout: {}", components.join(", ")) };
        act.announcement = Some(Announcement {
            dedup: format!("incident:{id}:{version}:public"),
            severity: level.severity(),
            subject: format!("{title}: {state}"),
            body: format!("{}\n{about}\nState: {state}\n{}/status\n", said.text, self.public_url),
            data: json!({ "type": "incident.updated", "incident": id, "title": title, "state": state, "text": said.text, "components": components,
                "opened_at": incident.opened_at, "resolved_at": incident.resolved_at }),
            parts: components.clone(),
            site: self.public_url.clone(),
            at: self.now,
        });
        act
    }

    /// To the people of its severity, who hear of its end, too.
    fn tell(&self, incident: &mut Incident, what: &str, text: &str) -> NewNotification {
        let route = incident.level.severity().as_str().to_owned();
        self.hears(incident, std::slice::from_ref(&route));
        self.message(incident, &Target::Route(route), what, text)
    }

    /// Remembers whom some routes tell that it goes on.
    fn hears(&self, incident: &mut Incident, routes: &[String]) {
        let before = std::mem::take(&mut incident.heard_by);
        incident.heard_by = self.alerts.heard(before, routes, incident.level.severity());
    }

    /// Who is told that it is over: whoever was told that it goes on, by whatever route and at whatever level. When none of them can be told
    /// any more, rather the people of its severity than nobody.
    fn hearers(&self, incident: &Incident) -> Vec<Target> {
        let severity = incident.level.severity();
        let there = self.alerts.still_there(&incident.heard_by, severity);
        if there.is_empty() { vec![Target::Route(severity.as_str().to_owned())] } else { there }
    }

    fn message(&self, incident: &Incident, target: &Target, what: &str, text: &str) -> NewNotification {
        let said = if text.is_empty() { String::new() } else { format!("\n\n{text}") };
        let words =
            format!("The incident \"{}\" ({}) was {what}.{said}", incident.title, incident.level.title());
        let data = json!({ "type": format!("incident.{what}"), "event": what });
        self.notification(incident, target, what, &words, data)
    }

    /// One for each version of the incident, kind and target.
    fn notification(
        &self,
        incident: &Incident,
        target: &Target,
        what: &str,
        words: &str,
        mut data: Value,
    ) -> NewNotification {
        let Incident { id, level, state, title, .. } = incident;
        let link = format!("{}/admin/incidents/{id}", self.public_url);
        let components = if incident.components.is_empty() {
            String::new()
        } else {
            format!("\nAbout: {}", incident.components.join(", "))
        };
        let remedy = if *state == IncidentState::Resolved {
            String::new()
        } else {
            format!("What to look at, in order: {}{WHAT_TO_DO}\n", self.public_url)
        };
        if let Value::Object(members) = &mut data {
            members.insert("incident".to_owned(), json!(id));
            members.insert("title".to_owned(), json!(title));
            members.insert("level".to_owned(), json!(level));
            members.insert("state".to_owned(), json!(state));
            members.insert("components".to_owned(), json!(incident.components));
            members.insert("opened_at".to_owned(), json!(incident.opened_at));
            members.insert("url".to_owned(), json!(link));
        }
        NewNotification {
            id: NotificationId::new(self.now, &*self.random),
            dedup: format!("incident:{id}:{}:{what}:{}", incident.version, target.text()),
            target: target.clone(),
            severity: level.severity(),
            subject: format!("[{}] {title}: {what}", level.as_str().to_uppercase()),
            body: format!(
                "{words}\n\nState: {state}{components}\nOpen since: {}\n{link}\n{remedy}",
                clock(incident.opened_at)
            ),
            data,
            at: self.now,
        }
    }
}

/// `2026-11-24 12:00:00 UTC`.
pub(super) fn clock(at: Timestamp) -> String {
    crate::pages::components::time::utc(at)
}

/// What people are told of a change of what an incident is.
fn changes(before: &Incident, now: &Incident) -> Vec<String> {
    let mut changes = Vec::new();
    if before.level != now.level {
        changes.push(format!("level {} instead of {}", now.level.title(), before.level.title()));
    }
    if before.title != now.title {
        changes.push(format!("called \"{}\" instead of \"{}\"", now.title, before.title));
    }
    if before.components != now.components {
        let list = |components: &[String]| {
            if components.is_empty() { "nothing named".to_owned() } else { components.join(", ") }
        };
        changes.push(format!("about {} instead of {}", list(&now.components), list(&before.components)));
    }
    changes
}

fn must_be_seen(incident: &Incident, seen: i64) -> Result<(), Refusal> {
    if incident.version == seen { Ok(()) } else { Err(Refusal::Moved(Box::new(incident.clone()))) }
}

fn must_be_open(incident: &Incident) -> Result<(), Refusal> {
    if incident.is_open() { Ok(()) } else { Err(Refusal::Resolved(Box::new(incident.clone()))) }
}
