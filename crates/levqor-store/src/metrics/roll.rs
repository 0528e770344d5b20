//! Merging into coarser grains, and forgetting.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use levqor_model::{Point, Timestamp, step_start};

use super::{Grain, SeriesKept, pack, write::insert};
use crate::{Error, Row, Session, Store, params};

/// Rows that one transaction merges: some milliseconds of the writer's time when they are full.
const ROWS: usize = 256;
/// How long after its end a coarser step waits for what is late; what comes later is merged into it all the same.
const LATE: Duration = Duration::from_secs(20);
/// Beyond this, a row is from a clock that was wrong, and nobody adds to its step any more.
const AHEAD: Duration = Duration::from_secs(120);

/// A row that is to be merged.
struct Part {
    name: String,
    at: Timestamp,
    batch: u64,
    data: Vec<u8>,
}

impl Store {
    /// Merges what is complete into the next coarser grain; the number of rows that were merged. For one node at a time, though two
    /// would do no harm.
    ///
    /// Not atomic: when it is dropped or fails, what was merged stays merged and the next call goes on.
    pub async fn roll_up_series(&self, now: Timestamp) -> Result<u64, Error> {
        let mut total = 0;
        for grain in Grain::ALL {
            let Some(coarser) = grain.coarser() else { break };
            loop {
                let merged = self.write(move |session| roll(session, grain, coarser, now)).await?;
                total += merged as u64;
                if merged < ROWS {
                    break;
                }
            }
        }
        Ok(total)
    }

    /// Forgets what was kept long enough, and series that have no point any more.
    pub async fn prune_series(&self, kept: SeriesKept, now: Timestamp) -> Result<(), Error> {
        self.prune(
            "DELETE FROM metric_points WHERE (grain, rolled, name, at, batch) IN
                (SELECT grain, rolled, name, at, batch FROM metric_points
                 WHERE grain = 10 AND rolled = true AND at < $1 LIMIT $2)",
            now - kept.fine,
        )
        .await?;
        self.prune(
            "DELETE FROM metric_points WHERE (grain, rolled, name, at, batch) IN
                (SELECT grain, rolled, name, at, batch FROM metric_points
                 WHERE grain = 60 AND rolled = true AND at < $1 LIMIT $2)",
            now - kept.minute,
        )
        .await?;
        self.prune(
            "DELETE FROM metric_points WHERE (grain, rolled, name, at, batch) IN
                (SELECT grain, rolled, name, at, batch FROM metric_points
                 WHERE grain = 3600 AND rolled = true AND at < $1 LIMIT $2)",
            now - kept.hour,
        )
        .await?;
        self.prune(
            "DELETE FROM metric_batches WHERE batch IN
                (SELECT batch FROM metric_batches WHERE at < $1 ORDER BY at, batch LIMIT $2)",
            now - kept.fine,
        )
        .await?;
        self.prune(
            "DELETE FROM metric_series WHERE series_id IN
                (SELECT series_id FROM metric_series WHERE last_at < $1 ORDER BY last_at, series_id LIMIT $2)",
            // A node may hold a series that it has not seen for a while, and must not write to one that is gone.
            now - kept.hour.max(kept.minute).max(kept.fine) - Grain::Hour.span(),
        )
        .await
        .map(drop)
    }
}

fn roll(session: &Session, grain: Grain, coarser: Grain, now: Timestamp) -> Result<usize, Error> {
    let now = session.now(now)?;
    let complete = step_start(now - LATE, coarser.span());
    let parts = session.rows(
        "SELECT name, at, batch, data FROM metric_points
         WHERE grain = $1 AND rolled = $2 AND NOT (at >= $3 AND at < $4)
         ORDER BY name, at, batch LIMIT $5",
        params![grain.key(), false, complete, now + AHEAD, ROWS],
        |row: &mut Row<'_>| {
            Ok(Part { name: row.take()?, at: row.take()?, batch: row.take()?, data: row.take()? })
        },
    )?;
    let merged = parts.len();
    let mut groups: BTreeMap<(String, Timestamp), Vec<Part>> = BTreeMap::new();
    for part in parts {
        let step = step_start(part.at, coarser.span());
        groups.entry((part.name.clone(), step)).or_default().push(part);
    }
    for ((name, step), parts) in groups {
        merge(session, coarser, &name, step, &parts)?;
        for part in &parts {
            session.execute(
                "UPDATE metric_points SET rolled = $1
                 WHERE grain = $2 AND rolled = $3 AND name = $4 AND at = $5 AND batch = $6",
                params![true, grain.key(), false, name, part.at, part.batch],
            )?;
        }
    }
    Ok(merged)
}

/// Adds to the row of the coarser step, when it is not in a coarser one itself; else there is another row for it.
fn merge(
    session: &Session,
    coarser: Grain,
    name: &str,
    step: Timestamp,
    parts: &[Part],
) -> Result<(), Error> {
    let mut points: BTreeMap<i64, Point> = BTreeMap::new();
    let is_coarsest = coarser.coarser().is_none();
    let there = session.row(
        "SELECT batch, data FROM metric_points
         WHERE grain = $1 AND rolled = $2 AND name = $3 AND at = $4 ORDER BY batch LIMIT 1",
        params![coarser.key(), is_coarsest, name, step],
        |row| Ok((row.take::<u64>()?, row.take::<Vec<u8>>()?)),
    )?;
    // One that cannot be read stays as it is, and what is new gets a row of its own.
    let there = there.filter(|(_, data)| add(data, step, &mut points, name));
    if there.is_none() {
        points.clear();
    }
    for part in parts {
        add(&part.data, step, &mut points, name);
    }
    let Some(first) = parts.first().filter(|_| !points.is_empty()) else { return Ok(()) };
    let data = pack::pack(points.iter().map(|(number, point)| (*number, point)));
    match there {
        Some((batch, _)) => {
            session.execute(
                "UPDATE metric_points SET data = $1
                 WHERE grain = $2 AND rolled = $3 AND name = $4 AND at = $5 AND batch = $6",
                params![data, coarser.key(), is_coarsest, name, step, batch],
            )?;
        }
        None => insert(session, coarser, name, step, first.batch, &data)?,
    }
    if is_coarsest { seen(session, points.keys().copied().collect(), step) } else { Ok(()) }
}

/// False, and nothing is added: these are not points. Nobody can mend them, so the others must not wait for them.
fn add(data: &[u8], step: Timestamp, points: &mut BTreeMap<i64, Point>, name: &str) -> bool {
    let mut found = Vec::new();
    if pack::unpack(data, step, |_| true, |number, point| found.push((number, point))).is_none() {
        tracing::error!(series = name, at = %step, "points of series {name} at {step} cannot be read and are left out");
        return false;
    }
    for (number, point) in found {
        points.entry(number).and_modify(|sum| sum.merge(&point)).or_insert(point);
    }
    true
}

/// Series live as long as they have points.
fn seen(session: &Session, numbers: BTreeSet<i64>, at: Timestamp) -> Result<(), Error> {
    for number in numbers {
        session.execute(
            "UPDATE metric_series SET last_at = $2 WHERE series_id = $1 AND last_at < $2",
            params![number, at],
        )?;
    }
    Ok(())
}
