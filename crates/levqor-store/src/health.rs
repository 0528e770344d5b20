//! Health samples: the evidence behind the status page.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Date, NodeId, RegionCode, Timestamp, uptime::SPEAKS_FOR};
use serde_json::json;

use crate::{
    Error, Row, Session, Store,
    audit::{self, Note},
    params,
};

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
    pub day: Date,
    pub good: i64,
    pub total: i64,
}

/// Half an hour of one component in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleBucket {
    pub region: String,
    pub component: String,
    /// When it begins.
    pub at: Timestamp,
    pub good: i64,
    pub total: i64,
    /// Observations that took a time, all of those times together, and the longest.
    pub timed: i64,
    pub latency_us: i64,
    pub latency_us_max: i64,
    /// For how long somebody's word stood: each until the next one, whoever said it, and for 15 s at most. That of the newest one counts
    /// in full, though it may still last.
    pub measured_us: i64,
}

/// How long a [`SampleBucket`] is. The statement has the same number, and the 15 s for which a word stands ([`SPEAKS_FOR`]).
pub const BUCKET: Duration = Duration::from_secs(1_800);
const _: () = assert!(SPEAKS_FOR.as_micros() == 15_000_000);

/// Samples that are looked at for what is so now.
const RECENT_MAX: usize = 20_000;
/// How far a sample's time may lie ahead: clocks of nodes differ a little.
pub const AHEAD_MAX: Duration = Duration::from_secs(15);
/// How much longer samples are kept of days that are not signed.
const UNSIGNED_KEPT: Duration = Duration::from_secs(21 * 24 * 60 * 60);
/// Samples that are dropped at once.
const DROPPED_AT_ONCE: usize = 10_000;

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
    /// A sample that is there already (same node, component and time) counts once. One of a day whose record is signed comes too late
    /// and is left out, as is one that lies ahead of the database's clock: nobody knows when that was taken, and once its time comes it
    /// would speak for it.
    pub async fn add_samples(&self, samples: Vec<Sample>) -> Result<(), Error> {
        self.write(move |session| {
            let latest = session.own_clock()?.map(|now| now + AHEAD_MAX);
            let mut sealed: Vec<(Date, bool)> = Vec::new();
            for sample in samples.iter().filter(|sample| latest.is_none_or(|latest| sample.at <= latest)) {
                let day = sample.at.date();
                let is_sealed = match sealed.iter().find(|(known, _)| *known == day) {
                    Some((_, is_sealed)) => *is_sealed,
                    None => {
                        let sql = "SELECT 1 FROM uptime_records WHERE day = $1";
                        let is_sealed = session.scalar::<i64>(sql, params![day])?.is_some();
                        sealed.push((day, is_sealed));
                        is_sealed
                    }
                };
                // What is signed of a day is what anybody can count again.
                if !is_sealed {
                    add(session, sample)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Samples from that moment until the other one, both of them included, newest first: at most 20,000. There is an end, since
    /// samples that a clock put far ahead would leave no place for others.
    pub async fn recent_samples(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Sample>, Error> {
        self.view(move |session| {
            session.rows(
                "SELECT region, node_id, component, at, good, latency_us, reason FROM samples
                 WHERE at >= $1 AND at <= $2
                 ORDER BY at DESC, region DESC, component DESC, node_id DESC LIMIT $3",
                params![from, until, RECENT_MAX],
                Sample::read,
            )
        })
        .await
    }

    /// Drops samples that lie ahead by more than [`AHEAD_MAX`], of the days' sums as well: they were taken by a clock that was put
    /// right afterwards, and would speak for a time in which nobody looked. How many; more than 10,000 are left to the next time.
    /// Those of days that are signed stay, wherever the clock is put: what is signed can be counted again.
    pub async fn drop_samples_ahead(&self, now: Timestamp) -> Result<usize, Error> {
        // Nearly always there are none, and a look costs less than a write.
        let is_there = self
            .read(move |session| {
                let latest = session.now(now)? + AHEAD_MAX;
                let found: Option<Timestamp> = session.scalar(
                    "SELECT at FROM samples WHERE at > $1 ORDER BY at LIMIT 1",
                    params![not_signed(session, latest)?],
                )?;
                // The newest of a component may be one of a signed day.
                let newest: Option<Timestamp> =
                    session.scalar("SELECT at FROM latest_samples WHERE at > $1 LIMIT 1", params![latest])?;
                Ok(found.or(newest).is_some())
            })
            .await?;
        if !is_there {
            return Ok(0);
        }
        self.write(move |session| {
            let now = session.now(now)?;
            drop_after(session, now, now + AHEAD_MAX)
        })
        .await
    }

    /// Samples from that moment on, half an hour each, by region, component and time: at most 50,000 of them.
    pub async fn sample_buckets(&self, from: Timestamp) -> Result<Vec<SampleBucket>, Error> {
        let mut buckets = self
            .view(move |session| {
                session.rows(
                    "SELECT region, component, at / 1800000000, CAST(sum(CASE WHEN good THEN 1 ELSE 0 END) AS bigint), count(*),
                         count(latency_us), CAST(coalesce(sum(latency_us), 0) AS bigint), coalesce(max(latency_us), 0),
                         CAST(sum(CASE WHEN next_at - at < 15000000 THEN next_at - at ELSE 15000000 END) AS bigint)
                     FROM (SELECT region, component, at, good, latency_us,
                               lead(at) OVER (PARTITION BY region, component ORDER BY at) AS next_at
                           FROM samples WHERE at >= $1) AS seen
                     GROUP BY region, component, at / 1800000000 LIMIT 50000",
                    params![from],
                    |row| {
                        Ok(SampleBucket {
                            region: row.take()?,
                            component: row.take()?,
                            at: Timestamp::from_seconds(row.take::<i64>()? * 1_800),
                            good: row.take()?,
                            total: row.take()?,
                            timed: row.take()?,
                            latency_us: row.take()?,
                            latency_us_max: row.take()?,
                            measured_us: row.take()?,
                        })
                    },
                )
            })
            .await?;
        buckets.sort_by(|left, right| {
            (&left.region, &left.component, left.at).cmp(&(&right.region, &right.component, right.at))
        });
        Ok(buckets)
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
    pub async fn sample_days(&self, from: Date) -> Result<Vec<SampleDay>, Error> {
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

    /// Drops single samples of before that moment; the daily sums and the newest of each component stay. Those of days that are not
    /// signed yet stay for up to three weeks more: else a server that was off for long would sign that nobody had looked.
    pub async fn prune_samples(&self, before: Timestamp) -> Result<(), Error> {
        let signed = self.last_uptime_record().await?.map(|last| last.day.plus_days(1).start());
        let before = signed.map_or(before, |signed| before.min(signed.max(before - UNSIGNED_KEPT)));
        self.prune(
            "DELETE FROM samples WHERE (at, region, component, node_id) IN
                (SELECT at, region, component, node_id FROM samples WHERE at < $1 LIMIT $2)",
            before,
        )
        .await
        .map(drop)
    }
}

/// That moment, or the last one of the days that are signed when it is later.
fn not_signed(session: &Session, latest: Timestamp) -> Result<Timestamp, Error> {
    let signed: Option<Date> =
        session.scalar("SELECT day FROM uptime_records ORDER BY day DESC LIMIT 1", &[])?;
    let last = signed.map(|day| day.plus_days(1).start() - Duration::from_micros(1));
    Ok(last.map_or(latest, |last| last.max(latest)))
}

fn drop_after(session: &Session, now: Timestamp, latest: Timestamp) -> Result<usize, Error> {
    // The next sample of each is the newest then.
    session.execute("DELETE FROM latest_samples WHERE at > $1", params![latest])?;
    let gone = session.rows(
        "DELETE FROM samples WHERE (at, region, component, node_id) IN
            (SELECT at, region, component, node_id FROM samples WHERE at > $1 ORDER BY at LIMIT $2)
         RETURNING at, region, component, good",
        params![not_signed(session, latest)?, DROPPED_AT_ONCE],
        |row| {
            let (at, region, component): (Timestamp, String, String) =
                (row.take()?, row.take()?, row.take()?);
            Ok((at, region, component, row.take::<bool>()?))
        },
    )?;
    let (Some(first), Some(last)) =
        (gone.iter().map(|sample| sample.0).min(), gone.iter().map(|sample| sample.0).max())
    else {
        return Ok(0);
    };
    let mut sums: BTreeMap<(Date, &str, &str), (i64, i64)> = BTreeMap::new();
    for (at, region, component, good) in &gone {
        let sum = sums.entry((at.date(), region, component)).or_default();
        *sum = (sum.0 + i64::from(*good), sum.1 + 1);
    }
    for ((day, region, component), (good, total)) in sums {
        session.execute(
            "UPDATE sample_days SET good = good - $4, total = total - $5
             WHERE day = $1 AND region = $2 AND component = $3",
            params![day, region, component, good, total],
        )?;
        session.execute(
            "DELETE FROM sample_days WHERE day = $1 AND region = $2 AND component = $3 AND total <= 0",
            params![day, region, component],
        )?;
    }
    let details = json!({ "samples": gone.len(), "first": first, "last": last });
    let kind = "status.samples_dropped";
    audit::note(session, Note { kind, at: now, account: None, subject: "samples", details })?;
    Ok(gone.len())
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
