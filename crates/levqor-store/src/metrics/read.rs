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
/// Rows that it reads: so many steps of as many nodes as one installation has.
const ROWS_MAX: usize = 400_000;
/// Points that an answer has at most.
const POINTS_MAX: usize = 200_000;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesAnswer {
    /// Seconds of a point: what was asked for, or more where nothing that fine is kept.
    pub step: Duration,
    /// None: there is no series of that name with these labels.
    pub kind: Option<SeriesKind>,
    /// By their labels. Those without a point in that time are not there.
    pub series: Vec<SeriesPoints>,
    /// False: there is more than one answer takes, and the newest points are missing.
    pub whole: bool,
}

impl Store {
    /// The series of a name with these labels, by their labels.
    ///
    /// # Errors
    /// Also when there is more than one answer takes: what is incomplete must not be counted.
    pub async fn series(&self, query: SeriesQuery) -> Result<Vec<SeriesPoints>, Error> {
        let name = query.name.clone();
        let answer = self.series_answer(query).await?;
        if !answer.whole {
            return Err(Error::Unavailable(format!(
                "series {name} has more than {POINTS_MAX} points in that time; ask with more labels or a longer step"
            )));
        }
        Ok(answer.series)
    }

    /// [`Store::series`], with what there is to know of the answer.
    pub async fn series_answer(&self, query: SeriesQuery) -> Result<SeriesAnswer, Error> {
        self.view(move |session| session.snapshot(|| answer(session, &query))).await
    }
}

fn answer(session: &Session, query: &SeriesQuery) -> Result<SeriesAnswer, Error> {
    let limit = usize::try_from(SERIES_KEPT_MAX).unwrap_or(usize::MAX);
    let mut wanted = names::of_name(session, &query.name, limit)?;
    wanted.retain(|(_, series)| {
        query.labels.iter().all(|(label, value)| series.labels.get(label).is_some_and(|found| found == value))
    });
    let (grain, step) = grain_of(session, query)?;
    let kind = wanted.first().map(|(_, series)| series.kind);
    let mut collected = Collected {
        step,
        places: wanted.iter().enumerate().map(|(place, (number, _))| (*number, place)).collect(),
        points: BTreeMap::new(),
    };
    let mut whole = true;
    if !wanted.is_empty() {
        for finer in Grain::ALL {
            let is_last = finer == grain;
            // What a coarser grain has of it is read there.
            whole = whole
                && collected.read(session, query, finer, false)?
                && (!is_last || collected.read(session, query, finer, true)?);
            if is_last {
                break;
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
    Ok(SeriesAnswer { step, kind, series, whole })
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
    step: Duration,
    /// Where the series are in the answer, by their numbers.
    places: HashMap<i64, usize>,
    /// By place and step.
    points: BTreeMap<(usize, Timestamp), Point>,
}

impl Collected {
    /// Rows of one grain that are rolled up, or are not. False: there are more than an answer takes.
    fn read(
        &mut self,
        session: &Session,
        query: &SeriesQuery,
        grain: Grain,
        rolled: bool,
    ) -> Result<bool, Error> {
        let from = step_start(query.from, self.step);
        let (mut rows, mut whole) = (0, true);
        session.each_row(
            "SELECT at, data FROM metric_points
             WHERE grain = $1 AND rolled = $2 AND name = $3 AND at >= $4 AND at < $5
             ORDER BY at, batch LIMIT $6",
            params![grain.key(), rolled, query.name, from, query.to, ROWS_MAX],
            |row| {
                let (at, data) = (row.take::<Timestamp>()?, row.take::<Vec<u8>>()?);
                rows += 1;
                self.add(at, &data).ok_or_else(|| unreadable(&query.name, at))?;
                whole = self.points.len() <= POINTS_MAX && rows < ROWS_MAX;
                Ok(whole)
            },
        )?;
        Ok(whole)
    }

    fn add(&mut self, at: Timestamp, data: &[u8]) -> Option<()> {
        let step = step_start(at, self.step);
        pack::unpack(data, step, |number, point| {
            let Some(place) = self.places.get(&number) else { return };
            self.points.entry((*place, step)).and_modify(|found| found.merge(&point)).or_insert(point);
        })
    }
}

/// A row that nobody can have written.
fn unreadable(name: &str, at: Timestamp) -> Error {
    Error::Decode(format!("column data of series {name} at {at}: not the points of a step"))
}
