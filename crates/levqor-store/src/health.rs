//! Health samples: the evidence behind the status page.

use levqor_model::{NodeId, RegionCode, Timestamp};

use crate::{Error, Row, Session, Store, params};

/// One observation of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub region: RegionCode,
    pub node: NodeId,
    /// `api`, `database`, `engine`, …
    pub component: String,
    pub at: Timestamp,
    pub good: bool,
    pub latency_us: Option<i64>,
    /// Why it is not good.
    pub reason: Option<String>,
}

/// A day of one component in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleDay {
    pub region: String,
    pub component: String,
    pub day: levqor_model::Date,
    pub good: i64,
    pub total: i64,
}

impl Sample {
    fn read(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            region: row.take()?,
            node: row.take()?,
            component: row.take()?,
            at: row.take()?,
            good: row.take()?,
            latency_us: row.take()?,
            reason: row.take()?,
        })
    }
}

impl Store {
    /// A sample that is there already (same node, component and time) counts once.
    pub async fn add_samples(&self, samples: Vec<Sample>) -> Result<(), Error> {
        self.write(move |session| samples.iter().try_for_each(|sample| add(session, sample))).await
    }

    /// The newest sample of each component in each region, by region and component; at most 10,000.
    pub async fn latest_samples(&self) -> Result<Vec<Sample>, Error> {
        self.view(|session| {
            session.rows(
                "SELECT region, node_id, component, at, good, latency_us, reason FROM latest_samples
                 ORDER BY region, component LIMIT 10000",
                &[],
                Sample::read,
            )
        })
        .await
    }

    /// Sums per day from that day on, oldest first.
    pub async fn sample_days(&self, from: levqor_model::Date) -> Result<Vec<SampleDay>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT region, component, day, good, total FROM sample_days
                 WHERE day >= $1 ORDER BY day, region, component LIMIT 100000",
                params![from],
                |row| {
                    Ok(SampleDay {
                        region: row.take()?,
                        component: row.take()?,
                        day: row.take()?,
                        good: row.take()?,
                        total: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// Since when there is evidence of a region; stays when single samples are dropped.
    pub async fn first_sample_at(&self, region: RegionCode) -> Result<Option<Timestamp>, Error> {
        self.view(move |session| {
            session.scalar(
                "SELECT first_at FROM sample_days WHERE region = $1 ORDER BY first_at LIMIT 1",
                params![region],
            )
        })
        .await
    }

    /// Drops single samples; the daily sums and the newest of each component stay.
    pub async fn prune_samples(&self, before: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM samples WHERE (at, region, component, node_id) IN
                (SELECT at, region, component, node_id FROM samples WHERE at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}

fn add(session: &Session, sample: &Sample) -> Result<(), Error> {
    let Sample { region, node, component, at, good, latency_us, reason } = sample;
    let added = session.execute(
        "INSERT INTO samples (region, component, at, node_id, good, latency_us, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (at, region, component, node_id) DO NOTHING",
        params![region, component, at, node, good, latency_us, reason],
    )?;
    if added == 0 {
        return Ok(());
    }
    session.execute(
        "INSERT INTO latest_samples (region, component, at, node_id, good, latency_us, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (region, component) DO UPDATE SET at = excluded.at, node_id = excluded.node_id,
             good = excluded.good, latency_us = excluded.latency_us, reason = excluded.reason
         WHERE excluded.at >= latest_samples.at",
        params![region, component, at, node, good, latency_us, reason],
    )?;
    session
        .execute(
            "INSERT INTO sample_days (day, region, component, good, total, first_at)
             VALUES ($1, $2, $3, $4, 1, $5)
             ON CONFLICT (day, region, component) DO UPDATE SET good = sample_days.good + excluded.good,
                 total = sample_days.total + 1,
                 first_at = CASE WHEN excluded.first_at < sample_days.first_at THEN excluded.first_at
                     ELSE sample_days.first_at END",
            params![at.date(), region, component, i64::from(*good), at],
        )
        .map(drop)
}
