//! What was observed while an incident went on.

use std::time::Duration;

use levqor_model::{IncidentId, Timestamp};

use crate::{Error, Store, params};

/// Parts of the platform that are told of.
const PARTS_MAX: usize = 1_000;

/// The observations of one component in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleSum {
    pub region: String,
    pub component: String,
    pub total: i64,
    pub bad: i64,
    pub first_bad: Option<Timestamp>,
    pub last_bad: Option<Timestamp>,
}

impl Store {
    /// Sums of the single observations of that time, by region and component.
    pub async fn sample_sums(&self, from: Timestamp, until: Timestamp) -> Result<Vec<SampleSum>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT region, component, count(*), CAST(sum(CASE WHEN good THEN 0 ELSE 1 END) AS bigint),
                     min(CASE WHEN good THEN NULL ELSE at END), max(CASE WHEN good THEN NULL ELSE at END)
                 FROM samples WHERE at >= $1 AND at < $2 GROUP BY region, component ORDER BY region, component LIMIT $3",
                params![from, until, PARTS_MAX],
                |row| {
                    Ok(SampleSum {
                        region: row.take()?,
                        component: row.take()?,
                        total: row.take()?,
                        bad: row.take()?,
                        first_bad: row.take()?,
                        last_bad: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// The oldest single observation that is still kept.
    pub async fn oldest_sample_at(&self) -> Result<Option<Timestamp>, Error> {
        self.view(|session| session.scalar("SELECT at FROM samples ORDER BY at LIMIT 1", &[])).await
    }

    /// Incidents that are over since a moment and of which nothing is written, or that were measured before they were over, or less
    /// than `complete_after` after it when that time has passed at `now`; oldest first.
    pub async fn incidents_to_measure(
        &self,
        since: Timestamp,
        now: Timestamp,
        complete_after: Duration,
        limit: usize,
    ) -> Result<Vec<IncidentId>, Error> {
        let span = i64::try_from(complete_after.as_micros()).unwrap_or(i64::MAX / 2);
        self.read(move |session| {
            session.rows(
                "SELECT incidents.incident_id FROM incidents
                     LEFT JOIN postmortems ON postmortems.incident_id = incidents.incident_id
                 WHERE resolved_at IS NOT NULL AND resolved_at >= $1
                     AND (postmortems.incident_id IS NULL OR measured_at < resolved_at
                         OR (resolved_at <= $2 AND measured_at < resolved_at + CAST($3 AS bigint)))
                 ORDER BY resolved_at, incidents.incident_id LIMIT $4",
                params![since, now - complete_after, span, limit],
                |row| row.take(),
            )
        })
        .await
    }
}
