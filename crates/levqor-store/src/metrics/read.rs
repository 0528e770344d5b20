//! Questions.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use levqor_model::{Point, SeriesKind, SeriesPoints, SeriesQuery, Timestamp, step_start};

use super::{Grain, SERIES_KEPT_MAX, names, pack};
use crate::{Error, Session, Store, params};

/// Steps of a grain that one question reads; of a longer time it reads a coarser one.
const STEPS_MAX: u128 = 20_000;

/// What one question may cost: whoever asks for more is told how to ask for less.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Rows that it reads: so many steps of as many nodes as one installation has.
    rows: usize,
    /// Points in them that are of series that were asked for, each of which is unpacked.
    unpacked: usize,
    /// Points of other series beside them, which are stepped over: a row has all series of its name.
    passed: usize,
    /// Points that the answer has.
    points: usize,
}

const BOUNDS: Bounds = Bounds { rows: 400_000, unpacked: 5_000_000, passed: 50_000_000, points: 200_000 };

/// Whether an answer has all that was asked for. When it has not, the newest points are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// There are more points than one answer takes.
    TooManyPoints,
    /// More would be read for it than one question may cost.
    TooMuchRead,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesAnswer {
    /// Seconds of a point: what was asked for, or more where nothing that fine is kept.
    pub step: Duration,
    /// None: there is no series of that name with these labels.
    pub kind: Option<SeriesKind>,
    /// By their labels. Those without a point in that time are not there.
    pub series: Vec<SeriesPoints>,
    pub extent: Extent,
}

impl Store {
    /// The series of a name with these labels, by their labels.
    ///
    /// # Errors
    /// Also when there is more than one answer takes: what is incomplete must not be counted.
    pub async fn series(&self, query: SeriesQuery) -> Result<Vec<SeriesPoints>, Error> {
        let name = query.name.clone();
        let answer = self.series_answer(query).await?;
        match answer.extent {
            Extent::Whole => Ok(answer.series),
            Extent::TooManyPoints => Err(Error::Unavailable(format!(
                "series {name} has more than {} points in that time; ask with more labels or a longer step",
                BOUNDS.points
            ))),
            Extent::TooMuchRead => Err(Error::Unavailable(format!(
                "series {name} has more in that time than one question reads; ask about a shorter time, or with a longer step"
            ))),
        }
    }

    /// [`Store::series`], with what there is to know of the answer.
    pub async fn series_answer(&self, query: SeriesQuery) -> Result<SeriesAnswer, Error> {
        self.view(move |session| session.snapshot(|| answer(session, &query, BOUNDS))).await
    }
}

fn answer(session: &Session, query: &SeriesQuery, bounds: Bounds) -> Result<SeriesAnswer, Error> {
    let limit = usize::try_from(SERIES_KEPT_MAX).unwrap_or(usize::MAX);
    let mut wanted = names::of_name(session, &query.name, limit)?;
    wanted.retain(|(_, series)| {
        query.labels.iter().all(|(label, value)| series.labels.get(label).is_some_and(|found| found == value))
    });
    let (grain, step) = grain_of(session, query)?;
    let kind = wanted.first().map(|(_, series)| series.kind);
    let mut collected = Collected {
        bounds,
        step,
        places: wanted.iter().enumerate().map(|(place, (number, _))| (*number, place)).collect(),
        points: BTreeMap::new(),
        unpacked: 0,
        passed: 0,
    };
    let mut extent = Extent::Whole;
    // Nothing is read for labels that no series has.
    if !wanted.is_empty() {
        extent = collected.read(session, query, grain, true)?;
        // The finer ones are newer: what a coarser one has of them is read there.
        for finer in Grain::ALL.into_iter().rev().skip_while(|finer| *finer != grain) {
            if extent == Extent::Whole {
                extent = collected.read(session, query, finer, false)?;
            }
        }
    }
    let mut series: Vec<_> = wanted
        .into_iter()
        .map(|(_, series)| SeriesPoints { labels: series.labels, points: Vec::new() })
        .collect();
    for ((place, _), point) in collected.points {
        if let Some(series) = series.get_mut(place) {
            series.points.push(point);
        }
    }
    series.retain(|series| !series.points.is_empty());
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    Ok(SeriesAnswer { step, kind, series, extent })
}

/// The grain that a question reads, and the step of its points.
fn grain_of(session: &Session, query: &SeriesQuery) -> Result<(Grain, Duration), Error> {
    let fits =
        |grain: &Grain| query.step.as_micros() >= grain.span().as_micros() && divides(*grain, query.step);
    let mut grain = Grain::ALL.into_iter().rev().find(fits).unwrap_or(Grain::Fine);
    let span = query.to.since(query.from);
    while let Some(coarser) = grain.coarser() {
        let is_long = span.as_micros() / grain.span().as_micros() > STEPS_MAX;
        if !is_long && !is_forgotten(session, grain, coarser, query.from)? {
            break;
        }
        grain = coarser;
    }
    let times = query.step.as_micros().div_ceil(grain.span().as_micros()).max(1);
    let step = u32::try_from(times).map_or(Duration::MAX, |times| grain.span().saturating_mul(times));
    Ok((grain, step))
}

fn divides(grain: Grain, step: Duration) -> bool {
    step.as_micros().is_multiple_of(grain.span().as_micros())
}

/// Whether the coarser grain goes further back than this one, which does not go back to `from`.
fn is_forgotten(session: &Session, grain: Grain, coarser: Grain, from: Timestamp) -> Result<bool, Error> {
    let Some(coarse) = oldest(session, coarser)? else { return Ok(false) };
    let fine = oldest(session, grain)?;
    Ok(fine.is_none_or(|fine| from < fine && coarse + coarser.span() <= fine))
}

/// Of what is rolled up, which goes when its time is over; what is not yet stays until it is.
fn oldest(session: &Session, grain: Grain) -> Result<Option<Timestamp>, Error> {
    let oldest = |rolled: bool| {
        session.scalar::<Timestamp>(
            "SELECT at FROM metric_points WHERE grain = $1 AND rolled = $2 ORDER BY at LIMIT 1",
            params![grain.key(), rolled],
        )
    };
    match oldest(true)? {
        None => oldest(false),
        found => Ok(found),
    }
}

/// What was read so far.
struct Collected {
    bounds: Bounds,
    step: Duration,
    /// Where the series are in the answer, by their numbers.
    places: HashMap<i64, usize>,
    /// By place and step.
    points: BTreeMap<(usize, Timestamp), Point>,
    /// Points that were unpacked for them, and those that were stepped over.
    unpacked: usize,
    passed: usize,
}

impl Collected {
    /// Rows of one grain that are rolled up, or are not.
    fn read(
        &mut self,
        session: &Session,
        query: &SeriesQuery,
        grain: Grain,
        rolled: bool,
    ) -> Result<Extent, Error> {
        let from = step_start(query.from, self.step);
        let (mut rows, rows_max, mut extent) = (0, self.bounds.rows, Extent::Whole);
        session.each_row(
            "SELECT at, data FROM metric_points
             WHERE grain = $1 AND rolled = $2 AND name = $3 AND at >= $4 AND at < $5
             ORDER BY at, batch LIMIT $6",
            params![grain.key(), rolled, query.name, from, query.to, rows_max],
            |row| {
                let (at, data) = (row.take::<Timestamp>()?, row.take::<Vec<u8>>()?);
                rows += 1;
                self.add(at, &data).ok_or_else(|| unreadable(&query.name, at))?;
                extent = self.extent(rows);
                Ok(extent == Extent::Whole)
            },
        )?;
        Ok(extent)
    }

    /// Whether it may go on, after so many rows.
    fn extent(&self, rows: usize) -> Extent {
        let Bounds { rows: rows_max, unpacked, passed, points } = self.bounds;
        if self.points.len() > points {
            Extent::TooManyPoints
        } else if rows >= rows_max || self.unpacked > unpacked || self.passed > passed {
            Extent::TooMuchRead
        } else {
            Extent::Whole
        }
    }

    fn add(&mut self, at: Timestamp, data: &[u8]) -> Option<()> {
        let Self { step, places, points, unpacked, passed, .. } = self;
        let step = step_start(at, *step);
        let is_wanted = |number: i64| {
            let is_wanted = places.contains_key(&number);
            let counted = if is_wanted { &mut *unpacked } else { &mut *passed };
            *counted += 1;
            is_wanted
        };
        pack::unpack(data, step, is_wanted, |number, point| {
            let Some(place) = places.get(&number) else { return };
            points.entry((*place, step)).and_modify(|found| found.merge(&point)).or_insert(point);
        })
    }
}

/// A row that nobody can have written.
fn unreadable(name: &str, at: Timestamp) -> Error {
    Error::Decode(format!("column data of series {name} at {at}: not the points of a step"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Options,
        metrics::{Series, SeriesBatch},
    };

    const BEGIN: Timestamp = Timestamp::from_seconds(1_795_502_900);

    /// Ten steps of three routes, by one node.
    async fn ten_steps() -> Store {
        let store = Store::open(Options::default()).unwrap();
        let series = |route: &str| Series {
            name: "requests".to_owned(),
            labels: BTreeMap::from([("route".to_owned(), route.to_owned())]),
            kind: SeriesKind::Counter,
        };
        let numbers = store.series_numbers(["/a", "/b", "/c"].map(series).to_vec(), BEGIN).await.unwrap();
        let numbers: Vec<i64> = numbers.into_iter().flatten().collect();
        assert_eq!(numbers.len(), 3);
        for step in 0..10 {
            let at = BEGIN + Grain::Fine.span() * step;
            let point = Point::of(at, 1.0);
            let points = numbers.iter().map(|number| ("requests", *number, &point));
            store.add_series_points(SeriesBatch::new(u64::from(step), at, points), at).await.unwrap();
        }
        store
    }

    async fn asked(store: &Store, route: Option<&str>, bounds: Bounds) -> SeriesAnswer {
        let query = SeriesQuery {
            name: "requests".to_owned(),
            labels: route.map(|route| ("route".to_owned(), route.to_owned())).into_iter().collect(),
            from: BEGIN,
            to: BEGIN + Duration::from_secs(100),
            step: Duration::from_secs(10),
        };
        store.read(move |session| session.snapshot(|| answer(session, &query, bounds))).await.unwrap()
    }

    #[tokio::test]
    async fn what_a_question_costs_is_bounded_and_labels_make_it_cheap() {
        let store = ten_steps().await;
        // Of each bound the least with which everything of one route, or of all three, is answered.
        let one = Bounds { rows: 11, unpacked: 10, passed: 20, points: 10 };
        let all = Bounds { rows: 11, unpacked: 30, passed: 0, points: 30 };
        for (route, bounds, points) in [(Some("/b"), one, 10), (None, all, 30)] {
            let answer = asked(&store, route, bounds).await;
            let found: usize = answer.series.iter().map(|series| series.points.len()).sum();
            assert_eq!((answer.extent, found), (Extent::Whole, points), "{route:?}");
            let less = [
                (Bounds { rows: 10, ..bounds }, Extent::TooMuchRead),
                (Bounds { unpacked: bounds.unpacked - 1, ..bounds }, Extent::TooMuchRead),
                (Bounds { points: bounds.points - 1, ..bounds }, Extent::TooManyPoints),
            ];
            for (less, extent) in less {
                assert_eq!(asked(&store, route, less).await.extent, extent, "{route:?} with {less:?}");
            }
        }
        let less = Bounds { passed: 19, ..one };
        assert_eq!(asked(&store, Some("/b"), less).await.extent, Extent::TooMuchRead);
        // Labels that no series has cost nothing.
        let nothing = Bounds { rows: 0, unpacked: 0, passed: 0, points: 0 };
        let answer = asked(&store, Some("/d"), nothing).await;
        assert_eq!((answer.extent, answer.kind, answer.series), (Extent::Whole, None, Vec::new()));
    }
}
