//! Incidents as everybody may read of them: those that are public, with what was said in public.

use levqor_model::{IncidentId, IncidentLevel, IncidentState, Timestamp};
use levqor_store::Error;

use crate::App;

/// Incidents that are shown.
const SHOWN_MAX: usize = 50;

/// A disturbance that people deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disturbance {
    pub(super) id: IncidentId,
    /// Grows with every change: what was read of it once need not be read again.
    version: i64,
    pub(super) title: String,
    pub(super) level: IncidentLevel,
    pub(super) state: IncidentState,
    /// `region/component`, or only one of the two.
    pub(super) parts: Vec<String>,
    pub(super) opened_at: Timestamp,
    /// When it began, as far as anybody knows.
    pub(super) began_at: Timestamp,
    pub(super) resolved_at: Option<Timestamp>,
    /// Oldest first.
    pub(super) updates: Vec<Update>,
}

/// What was said of how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) at: Timestamp,
    pub(super) state: IncidentState,
    pub(super) text: String,
}

impl Disturbance {
    pub(super) fn is_open(&self) -> bool {
        self.resolved_at.is_none()
    }

    /// When something was said of it last.
    pub(super) fn updated_at(&self) -> Timestamp {
        let last = self.updates.last().map_or(self.opened_at, |update| update.at);
        self.resolved_at.map_or(last, |resolved| resolved.max(last))
    }
}

/// Those that are open or were over after that moment: open ones first, then the newest. `known` is what was read before.
pub(super) async fn read(
    app: &App,
    since: Timestamp,
    known: &[Disturbance],
) -> Result<Vec<Disturbance>, Error> {
    let mut found = Vec::new();
    for incident in app.store.public_incidents(since, SHOWN_MAX).await? {
        let same = |one: &&Disturbance| one.id == incident.id && one.version == incident.version;
        if let Some(same) = known.iter().find(same) {
            found.push(same.clone());
            continue;
        }
        let updates = app.store.incident_updates(incident.id).await?;
        let public = updates.into_iter().filter(|update| update.public);
        found.push(Disturbance {
            updates: public
                .map(|update| Update { at: update.at, state: update.state, text: update.text })
                .collect(),
            id: incident.id,
            version: incident.version,
            title: incident.title,
            level: incident.level,
            state: incident.state,
            parts: incident.components,
            opened_at: incident.opened_at,
            began_at: incident.began_at.unwrap_or(incident.opened_at),
            resolved_at: incident.resolved_at,
        });
    }
    found.sort_by_key(|one| (!one.is_open(), std::cmp::Reverse(one.opened_at)));
    Ok(found)
}
