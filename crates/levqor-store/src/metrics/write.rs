//! What nodes write: the numbers of series that are new to them, and what a step has seen.

use levqor_model::{Timestamp, step_start};

use super::{Grain, SERIES_KEPT_MAX, Series, SeriesBatch};
use crate::{Conflict, Error, Session, Store, params};

/// Series that one transaction looks up: a few milliseconds of the writer's time when all of them are new.
const LOOKED_UP: usize = 250;

impl Store {
    /// The numbers of series, which are given to those that are new. None: there are [`SERIES_KEPT_MAX`] already.
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
                    let mut room = None;
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

fn number(
    session: &Session,
    series: &Series,
    now: Timestamp,
    room: &mut Option<i64>,
) -> Result<Option<i64>, Error> {
    let Series { name, labels, kind } = series;
    // Texts by texts, which always have a JSON form, in the order of their names.
    let labels = serde_json::to_string(labels).unwrap_or_default();
    let known: Option<i64> = session.scalar(
        "SELECT series_id FROM metric_series WHERE name = $1 AND labels = $2",
        params![name, labels],
    )?;
    if known.is_some() {
        return Ok(known);
    }
    let left = match *room {
        Some(left) => left,
        None => {
            let there: Option<i64> = session.scalar("SELECT count(*) FROM metric_series", &[])?;
            SERIES_KEPT_MAX - there.unwrap_or_default()
        }
    };
    *room = Some(left - 1);
    if left <= 0 {
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
