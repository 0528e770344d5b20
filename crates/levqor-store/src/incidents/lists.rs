//! Incidents as they are looked at.

use levqor_model::{AlertId, IncidentId, Timestamp, audit::Record};

use super::{Incident, IncidentAlert, IncidentEntry, IncidentUpdate, columns};
use crate::{Error, Session, Store, cursor, params};

/// Open incidents that are listed.
const OPEN_MAX: usize = 1_000;
/// Entries and alerts of one incident that are listed.
const OF_ONE_MAX: usize = 2_000;

impl Store {
    /// Those that are not over, newest first, at most 1,000.
    pub async fn open_incidents(&self) -> Result<Vec<Incident>, Error> {
        self.view(|session| open(session, OPEN_MAX)).await
    }

    /// Those that were not over at that moment or began later, newest first.
    pub async fn incidents_since(&self, at: Timestamp, limit: usize) -> Result<Vec<Incident>, Error> {
        self.view(move |session| {
            let mut all = open(session, OPEN_MAX)?;
            all.extend(resolved_since(session, at, limit)?);
            all.sort_by_key(|incident| std::cmp::Reverse(incident.id));
            all.truncate(limit);
            Ok(all)
        })
        .await
    }

    /// Those that everybody may see and that are not over, whatever else there is, and then those that were over after that moment, the
    /// newest first: in all so many.
    pub async fn public_incidents(&self, since: Timestamp, limit: usize) -> Result<Vec<Incident>, Error> {
        self.view(move |session| {
            let mut all = open(session, OPEN_MAX)?;
            all.retain(|incident| incident.public);
            all.truncate(limit);
            let over = session.rows(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM incidents WHERE resolved_at IS NOT NULL AND resolved_at >= $1 AND public
                     ORDER BY resolved_at DESC, incident_id DESC LIMIT $2"
                ),
                params![since, limit - all.len()],
                Incident::read,
            )?;
            all.extend(over);
            Ok(all)
        })
        .await
    }

    /// Newest first, those before `before`: all, or those that are not over.
    pub async fn incidents(
        &self,
        open: bool,
        before: Option<IncidentId>,
        limit: usize,
    ) -> Result<Vec<Incident>, Error> {
        let before = cursor::below(before);
        let sql = if open {
            concat!(
                "SELECT ",
                columns!(),
                " FROM incidents WHERE resolved_at IS NULL AND incident_id < $1 ORDER BY incident_id DESC LIMIT $2"
            )
        } else {
            concat!(
                "SELECT ",
                columns!(),
                " FROM incidents WHERE incident_id < $1 ORDER BY incident_id DESC LIMIT $2"
            )
        };
        self.view(move |session| session.rows(sql, params![before, limit], Incident::read)).await
    }

    /// One of them.
    pub async fn incident(&self, id: IncidentId) -> Result<Option<Incident>, Error> {
        self.read(move |session| find(session, id)).await
    }

    /// What people said of how it stands, oldest first.
    pub async fn incident_updates(&self, id: IncidentId) -> Result<Vec<IncidentUpdate>, Error> {
        let entries = self.incident_entries(id).await?;
        let updates = entries.into_iter().filter(|entry| entry.kind.is_update() && !entry.text.is_empty());
        Ok(updates
            .map(|entry| IncidentUpdate {
                at: entry.at,
                state: entry.state,
                text: entry.text,
                public: entry.public,
            })
            .collect())
    }

    /// What was said and done, oldest first; of very many, the last 2,000.
    pub async fn incident_entries(&self, id: IncidentId) -> Result<Vec<IncidentEntry>, Error> {
        self.view(move |session| {
            let mut entries = session.rows(
                "SELECT seq, at, kind, author, state, text, public FROM incident_entries WHERE incident_id = $1
                 ORDER BY seq DESC LIMIT $2",
                params![id, OF_ONE_MAX],
                IncidentEntry::read,
            )?;
            entries.reverse();
            Ok(entries)
        })
        .await
    }

    /// The alerts that it is about, in the order in which they were told.
    pub async fn incident_alerts(&self, id: IncidentId) -> Result<Vec<IncidentAlert>, Error> {
        self.view(move |session| alerts(session, id)).await
    }

    /// Alerts of incidents that were not over when they were told last.
    pub async fn incident_alerts_going_on(&self, limit: usize) -> Result<Vec<AlertId>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT alert_id FROM incident_alerts WHERE ended_at IS NULL ORDER BY alert_id, incident_id LIMIT $1",
                params![limit],
                |row| row.take(),
            )
        })
        .await
    }

    /// Those of which somebody is to be told that something does not come, longest first.
    pub async fn incidents_to_escalate(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<IncidentId>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT incident_id FROM incidents WHERE next_step_at IS NOT NULL AND next_step_at <= $1
                 ORDER BY next_step_at, incident_id LIMIT $2",
                params![now, limit],
                |row| row.take(),
            )
        })
        .await
    }

    /// Those that are over by themselves.
    pub async fn incidents_to_settle(&self, now: Timestamp, limit: usize) -> Result<Vec<IncidentId>, Error> {
        self.read(move |session| {
            session.rows(
                "SELECT incident_id FROM incidents WHERE settles_at IS NOT NULL AND settles_at <= $1
                 ORDER BY settles_at, incident_id LIMIT $2",
                params![now, limit],
                |row| row.take(),
            )
        })
        .await
    }

    /// What operators and nodes did in that time, as the evidence log has it, oldest first.
    pub async fn platform_records(
        &self,
        from: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        self.view(move |session| {
            session.rows(
                concat!(
                    "SELECT ",
                    crate::audit::columns!(),
                    " FROM audit_records WHERE account_id IS NULL AND kind <> 'audit.checkpoint' AND at >= $1 AND at < $2
                     ORDER BY at, chain, seq LIMIT $3"
                ),
                params![from, until, limit],
                crate::audit::read,
            )
        })
        .await
    }
}

pub(super) fn find(session: &Session, id: IncidentId) -> Result<Option<Incident>, Error> {
    session.row(
        concat!("SELECT ", columns!(), " FROM incidents WHERE incident_id = $1"),
        params![id],
        Incident::read,
    )
}

pub(super) fn open(session: &Session, limit: usize) -> Result<Vec<Incident>, Error> {
    session.rows(
        concat!(
            "SELECT ",
            columns!(),
            " FROM incidents WHERE resolved_at IS NULL ORDER BY incident_id DESC LIMIT $1"
        ),
        params![limit],
        Incident::read,
    )
}

/// Newest first.
pub(super) fn resolved_since(
    session: &Session,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<Incident>, Error> {
    session.rows(
        concat!(
            "SELECT ",
            columns!(),
            " FROM incidents WHERE resolved_at IS NOT NULL AND resolved_at >= $1
             ORDER BY resolved_at DESC, incident_id DESC LIMIT $2"
        ),
        params![since, limit],
        Incident::read,
    )
}

pub(super) fn alerts(session: &Session, id: IncidentId) -> Result<Vec<IncidentAlert>, Error> {
    session.rows(
        "SELECT alert_id, rule, subject, severity, summary, began_at, firing_at, ended_at, joined_at
         FROM incident_alerts WHERE incident_id = $1 ORDER BY alert_id LIMIT $2",
        params![id, OF_ONE_MAX],
        IncidentAlert::read,
    )
}
