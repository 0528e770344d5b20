//! Writing what becomes of incidents.

use levqor_model::{AlertId, IncidentId, Timestamp};
use serde_json::{Value, json};

use super::{Act, Incident, IncidentAlert, IncidentState, NewEntry, Situation, Wait, lists};
use crate::{
    Conflict, Error, Session, Store, alerts,
    audit::{self, Note},
    notifications, params, subscriptions,
};

/// Open incidents, and ones that are over, that an alert may belong to.
const SITUATION_MAX: usize = 200;

impl Store {
    /// Opens an incident; as it was written.
    pub async fn open_incident(&self, act: Act) -> Result<Incident, Error> {
        self.write(move |session| insert(session, &act)).await
    }

    /// Has `decide` say what becomes of an incident, which it sees with its alerts; as it was written, or why it refused. None: there is
    /// no such incident. `decide` runs within the transaction: nobody else changes the incident meanwhile.
    pub async fn change_incident<R: Send + 'static>(
        &self,
        id: IncidentId,
        decide: impl FnOnce(Incident, Vec<IncidentAlert>) -> Result<Act, R> + Send + 'static,
    ) -> Result<Option<Result<Incident, R>>, Error> {
        self.write(move |session| {
            let Some(incident) = lists::find(session, id)? else { return Ok(None) };
            let alerts = lists::alerts(session, id)?;
            match decide(incident, alerts) {
                Ok(act) => update(session, &act).map(|incident| Some(Ok(incident))),
                Err(refusal) => Ok(Some(Err(refusal))),
            }
        })
        .await
    }

    /// What an alert may belong to; incidents that are over since `since` count, too.
    pub async fn alert_situation(&self, alert: AlertId, since: Timestamp) -> Result<Situation, Error> {
        self.read(move |session| situation(session, Some(alert), since)).await
    }

    /// What any alert may belong to: all that are open, and those that are over since `since`.
    pub async fn incident_situation(&self, since: Timestamp) -> Result<Situation, Error> {
        self.read(move |session| situation(session, None, since)).await
    }

    /// Has `decide` say what an alert makes of incidents; as it was written. None: nothing. Incidents that are over since `since` are
    /// seen, too. An incident whose version is 0 is new.
    pub async fn alert_incident(
        &self,
        alert: AlertId,
        since: Timestamp,
        decide: impl FnOnce(Situation) -> Option<Act> + Send + 'static,
    ) -> Result<Option<Incident>, Error> {
        self.write(move |session| {
            let Some(act) = decide(situation(session, Some(alert), since)?) else { return Ok(None) };
            let written =
                if act.incident.version == 0 { insert(session, &act) } else { update(session, &act) };
            written.map(Some)
        })
        .await
    }
}

fn situation(session: &Session, alert: Option<AlertId>, since: Timestamp) -> Result<Situation, Error> {
    let with_alerts = |incidents: Vec<Incident>| {
        incidents
            .into_iter()
            .map(|incident| Ok((incident.clone(), lists::alerts(session, incident.id)?)))
            .collect::<Result<Vec<_>, Error>>()
    };
    let has_it = match alert {
        Some(alert) => has_alert(session, alert)?,
        None => None,
    };
    let mut open = with_alerts(lists::open(session, SITUATION_MAX)?)?;
    // However many are open: the end of an alert must reach the incident that has it, or that one is never over.
    if let Some((incident, _)) = &has_it
        && incident.is_open()
        && !open.iter().any(|(one, _)| one.id == incident.id)
    {
        open.extend(with_alerts(vec![incident.clone()])?);
    }
    Ok(Situation { has_it, open, over: with_alerts(lists::resolved_since(session, since, SITUATION_MAX)?)? })
}

/// The latest incident that has the alert.
fn has_alert(session: &Session, alert: AlertId) -> Result<Option<(Incident, IncidentAlert)>, Error> {
    let id: Option<IncidentId> = session.scalar(
        "SELECT incident_id FROM incident_alerts WHERE alert_id = $1 ORDER BY incident_id DESC LIMIT 1",
        params![alert],
    )?;
    let Some(id) = id else { return Ok(None) };
    let alerts = lists::alerts(session, id)?;
    let has = alerts.into_iter().find(|joined| joined.alert == alert);
    Ok(lists::find(session, id)?.zip(has))
}

fn insert(session: &Session, act: &Act) -> Result<Incident, Error> {
    let incident = Incident { version: 1, ..act.incident.clone() };
    session.execute(
        "INSERT INTO incidents (incident_id, title, level, state, components, public, opened_by, opened_at, began_at,
             acknowledged_at, acknowledged_by, resolved_at, resolved_by, commander, communications, operations, reopened,
             updated_at, version, waits_for, step, next_step_at, settles_after, settles_at, heard_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
             $25)",
        params![
            incident.id,
            incident.title,
            incident.level,
            incident.state,
            json!(incident.components).to_string(),
            incident.public,
            incident.opened_by,
            incident.opened_at,
            incident.began_at,
            incident.acknowledged_at,
            incident.acknowledged_by,
            incident.resolved_at,
            incident.resolved_by,
            incident.commander,
            incident.communications,
            incident.operations,
            incident.reopened,
            incident.updated_at,
            incident.version,
            waits_for(&incident),
            incident.escalation.step,
            incident.escalation.next_at,
            settles_after(&incident),
            incident.settles_at,
            alerts::texts(&incident.heard_by),
        ],
    )?;
    around(session, act, &incident)?;
    Ok(incident)
}

/// The caller has read the incident in this transaction.
fn update(session: &Session, act: &Act) -> Result<Incident, Error> {
    let seen = act.incident.version;
    let incident = Incident { version: seen + 1, ..act.incident.clone() };
    let updated = session.execute(
        "UPDATE incidents SET title = $2, level = $3, state = $4, components = $5, public = $6, began_at = $7,
             acknowledged_at = $8, acknowledged_by = $9, resolved_at = $10, resolved_by = $11, commander = $12,
             communications = $13, operations = $14, reopened = $15, updated_at = $16, version = $17, waits_for = $18, step = $19,
             next_step_at = $20, settles_after = $21, settles_at = $22, heard_by = $23
         WHERE incident_id = $1 AND version = $24",
        params![
            incident.id,
            incident.title,
            incident.level,
            incident.state,
            json!(incident.components).to_string(),
            incident.public,
            incident.began_at,
            incident.acknowledged_at,
            incident.acknowledged_by,
            incident.resolved_at,
            incident.resolved_by,
            incident.commander,
            incident.communications,
            incident.operations,
            incident.reopened,
            incident.updated_at,
            incident.version,
            waits_for(&incident),
            incident.escalation.step,
            incident.escalation.next_at,
            settles_after(&incident),
            incident.settles_at,
            alerts::texts(&incident.heard_by),
            seen,
        ],
    )?;
    if updated == 0 {
        return Err(Error::Conflict(Conflict::Other));
    }
    around(session, act, &incident)?;
    Ok(incident)
}

fn waits_for(incident: &Incident) -> Option<&'static str> {
    incident.escalation.waits_for.map(Wait::as_str)
}

fn settles_after(incident: &Incident) -> Option<i64> {
    incident.settles_after.map(|time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

/// What is written with an incident.
fn around(session: &Session, act: &Act, incident: &Incident) -> Result<(), Error> {
    for alert in &act.alerts {
        join(session, incident.id, alert)?;
    }
    for entry in &act.entries {
        add_entry(session, incident.id, incident.state, entry)?;
    }
    for notification in &act.notifications {
        notifications::enqueue(session, notification)?;
    }
    if let Some(announcement) = &act.announcement {
        subscriptions::announce(session, announcement, &*act.random)?;
    }
    note(session, incident.id, act.kind, act.at, act.details.clone())
}

fn join(session: &Session, incident: IncidentId, alert: &IncidentAlert) -> Result<(), Error> {
    let IncidentAlert { alert, rule, subject, severity, summary, began_at, firing_at, ended_at, joined_at } =
        alert;
    session
        .execute(
            "INSERT INTO incident_alerts (incident_id, alert_id, rule, subject, severity, summary, began_at, firing_at, ended_at,
                 joined_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (incident_id, alert_id) DO UPDATE SET severity = excluded.severity, summary = excluded.summary,
                 ended_at = excluded.ended_at",
            params![
                incident, alert, rule, subject, severity, summary, began_at, firing_at, ended_at, joined_at
            ],
        )
        .map(drop)
}

/// Adds an entry behind the last one.
pub(super) fn add_entry(
    session: &Session,
    incident: IncidentId,
    state: IncidentState,
    entry: &NewEntry,
) -> Result<(), Error> {
    let last: Option<i64> = session.scalar(
        "SELECT seq FROM incident_entries WHERE incident_id = $1 ORDER BY seq DESC LIMIT 1",
        params![incident],
    )?;
    let NewEntry { at, kind, author, text, public } = entry;
    session
        .execute(
            "INSERT INTO incident_entries (incident_id, seq, at, kind, author, state, text, public)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            params![incident, last.unwrap_or_default() + 1, at, kind.as_str(), author, state, text, public],
        )
        .map(drop)
}

pub(super) fn note(
    session: &Session,
    incident: IncidentId,
    kind: &'static str,
    at: Timestamp,
    details: Value,
) -> Result<(), Error> {
    audit::note(session, Note { kind, at, account: None, subject: &incident.to_string(), details })
}
