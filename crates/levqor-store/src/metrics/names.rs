//! Which series there are.

use std::collections::BTreeMap;

use levqor_model::{SeriesKind, Timestamp};

use super::Series;
use crate::{Error, Row, Session, Store, params};

/// Names that are listed; they are written in the code, so there are far fewer.
const NAMES_MAX: usize = 1_000;

/// The series of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesName {
    pub name: String,
    pub kind: SeriesKind,
    /// How many there are, by their labels.
    pub series: i64,
    pub first_at: Timestamp,
    /// Of the newest hour that has a point, once it is rolled up.
    pub last_at: Timestamp,
}

impl Store {
    /// All names, in order.
    pub async fn series_names(&self) -> Result<Vec<SeriesName>, Error> {
        self.view(|session| {
            session.rows(
                "SELECT name, kind, count(*), min(first_at), max(last_at) FROM metric_series
                 GROUP BY name, kind ORDER BY name, kind LIMIT $1",
                params![NAMES_MAX],
                |row| {
                    Ok(SeriesName {
                        name: row.take()?,
                        kind: take_kind(row)?,
                        series: row.take()?,
                        first_at: row.take()?,
                        last_at: row.take()?,
                    })
                },
            )
        })
        .await
    }

    /// The series of a name by their labels, at most `limit`.
    pub async fn series_of_name(&self, name: String, limit: usize) -> Result<Vec<Series>, Error> {
        self.view(move |session| {
            let found = of_name(session, &name, limit)?;
            Ok(found.into_iter().map(|(_, series)| series).collect())
        })
        .await
    }
}

/// With their numbers.
pub(super) fn of_name(session: &Session, name: &str, limit: usize) -> Result<Vec<(i64, Series)>, Error> {
    session.rows(
        "SELECT series_id, labels, kind FROM metric_series WHERE name = $1 ORDER BY labels LIMIT $2",
        params![name, limit],
        |row| {
            let (number, labels) = (row.take::<i64>()?, row.take::<String>()?);
            let series =
                Series { name: name.to_owned(), labels: read_labels(&labels)?, kind: take_kind(row)? };
            Ok((number, series))
        },
    )
}

fn take_kind(row: &mut Row<'_>) -> Result<SeriesKind, Error> {
    let kind: String = row.take()?;
    SeriesKind::parse(&kind)
        .ok_or_else(|| Error::Decode(format!("column kind: no kind of a series: {kind:?}")))
}

fn read_labels(text: &str) -> Result<BTreeMap<String, String>, Error> {
    serde_json::from_str(text).map_err(|error| Error::Decode(format!("column labels: {error}")))
}
