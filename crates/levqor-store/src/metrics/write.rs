//! What nodes write: the numbers of series that are new to them, and what a step has seen.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Timestamp, step_start};

use super::{Grain, SERIES_KEPT_MAX, SERIES_OF_NAME_KEPT_MAX, Series, SeriesBatch};
use crate::{Conflict, Error, Session, Store, params};

/// Series that one transaction looks up: a few milliseconds of the writer's time when all of them are new.
const LOOKED_UP: usize = 250;
/// Series without a point for so long give their place to new ones when their name has none left: those of processes that are gone.
const DEAD_AFTER: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// So many of them at once.
const DEAD_MAX: usize = 1_000;

/// Places that are left, as far as they were asked for.
#[derive(Debug, Default)]
struct Room {
    all: Option<i64>,
    of_names: BTreeMap<String, i64>,
}

impl Store {
    /// The numbers of series, which are given to those that are new. None: there are [`SERIES_KEPT_MAX`] already, or
    /// [`SERIES_OF_NAME_KEPT_MAX`] of that name.
    pub async fn series_numbers(
        &self,
        series: Vec<Series>,
        now: Timestamp,
    ) -> Result<Vec<Option<i64>>, Error> {
        let mut numbers = Vec::with_capacity(series.len());
        for some in series.chunks(LOOKED_UP) {
            let some = some.to_vec();
            let found = self
                .write(move |session| {
                    let mut room = Room::default();
                    some.iter()
                        .map(|series| number(session, series, now, &mut room))
                        .collect::<Result<Vec<_>, _>>()
                })
                .await?;
            numbers.extend(found);
        }
        Ok(numbers)
    }

    /// Keeps what a step has seen. A batch that is there already stays as it is.
    ///
    /// A step that has not begun yet by the clock that all nodes share was measured with a clock that is wrong: it counts as the
    /// present one, so that it is seen now and not some day.
    pub async fn add_series_points(&self, batch: SeriesBatch, now: Timestamp) -> Result<(), Error> {
        self.write(move |session| {
            let SeriesBatch { number, at, rows } = &batch;
            let at = (*at).min(step_start(session.now(now)?, Grain::Fine.span()));
            let added = session.execute(
                "INSERT INTO metric_batches (batch, at) VALUES ($1, $2) ON CONFLICT (batch) DO NOTHING",
                params![number, at],
            )?;
            if added == 0 {
                return Ok(());
            }
            for (name, data) in rows {
                insert(session, Grain::Fine, name, at, *number, data)?;
            }
            Ok(())
        })
        .await
    }
}

/// A row that is not in a coarser grain yet, unless there is none.
pub(super) fn insert(
    session: &Session,
    grain: Grain,
    name: &str,
    at: Timestamp,
    batch: u64,
    data: &[u8],
) -> Result<(), Error> {
    session
        .execute(
            "INSERT INTO metric_points (grain, rolled, name, at, batch, data) VALUES ($1, $2, $3, $4, $5, $6)",
            params![grain.key(), grain.coarser().is_none(), name, at, batch, data],
        )
        .map(drop)
}

impl Room {
    /// Takes a place; false: there is none.
    fn take(&mut self, session: &Session, name: &str, now: Timestamp) -> Result<bool, Error> {
        let all = match self.all {
            Some(left) => left,
            None => {
                let there: Option<i64> = session.scalar("SELECT count(*) FROM metric_series", &[])?;
                SERIES_KEPT_MAX - there.unwrap_or_default()
            }
        };
        let of_name = match self.of_names.get(name) {
            Some(left) => *left,
            None => left_of_name(session, name, now)?,
        };
        let is_there = all > 0 && of_name > 0;
        let taken = i64::from(is_there);
        self.all = Some(all - taken);
        self.of_names.insert(name.to_owned(), of_name - taken);
        Ok(is_there)
    }
}

/// Places that are left for series of that name.
fn left_of_name(session: &Session, name: &str, now: Timestamp) -> Result<i64, Error> {
    let there: Option<i64> =
        session.scalar("SELECT count(*) FROM metric_series WHERE name = $1", params![name])?;
    let left = SERIES_OF_NAME_KEPT_MAX - there.unwrap_or_default();
    if left > 0 {
        return Ok(left);
    }
    let given = session.execute(
        "DELETE FROM metric_series WHERE series_id IN
            (SELECT series_id FROM metric_series WHERE name = $1 AND last_at < $2 ORDER BY last_at, series_id LIMIT $3)",
        params![name, now - DEAD_AFTER, DEAD_MAX],
    )?;
    Ok(left + i64::try_from(given).unwrap_or_default())
}

fn number(session: &Session, series: &Series, now: Timestamp, room: &mut Room) -> Result<Option<i64>, Error> {
    let is_reserved = series.is_reserved();
    let Series { name, labels, kind } = series;
    // Texts by texts, which always have a JSON form, in the order of their names.
    let labels = serde_json::to_string(labels).unwrap_or_default();
    let known: Option<(i64, Timestamp)> = session.row(
        "SELECT series_id, last_at FROM metric_series WHERE name = $1 AND labels = $2",
        params![name, labels],
        |row| Ok((row.take()?, row.take()?)),
    )?;
    if let Some((number, last_at)) = known {
        // Whoever asks is about to write: it is not dead, though all nodes may have been off for days, and must keep its place until
        // the next hour is rolled up.
        if last_at < now - DEAD_AFTER / 2 {
            session.execute(
                "UPDATE metric_series SET last_at = $2 WHERE series_id = $1",
                params![number, now],
            )?;
        }
        return Ok(Some(number));
    }
    if !is_reserved && !room.take(session, name, now)? {
        return Ok(None);
    }
    let number: Option<i64> = session.scalar(
        "INSERT INTO sequences (name, value) VALUES ('metric_series', 1)
         ON CONFLICT (name) DO UPDATE SET value = sequences.value + 1
         RETURNING value",
        &[],
    )?;
    let number = number.ok_or(Error::Conflict(Conflict::Other))?;
    session.execute(
        "INSERT INTO metric_series (series_id, name, labels, kind, first_at, last_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        params![number, name, labels, kind.as_str(), now, now],
    )?;
    Ok(Some(number))
}
