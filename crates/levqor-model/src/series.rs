//! Series of measurements: what a step of time has seen of something that is counted or measured.
//!
//! ```text
//! observations ─► Point of 10 s ─► merged ─► Point of a minute ─► merged ─► Point of an hour
//! ```
//!
//! Invariant: a point that was merged says the same as one that has seen all observations itself. So it does not matter in which
//! steps, by how many nodes or in how many parts they came.

mod histogram;
mod values;
mod varint;

use std::{collections::BTreeMap, time::Duration};

pub use histogram::Histogram;
pub use values::Values;
pub use varint::{put_varint, take_varint};

use crate::Timestamp;

/// What is asked of the stored series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesQuery {
    pub name: String,
    /// Labels that a series must have with exactly that value; it may have more.
    pub labels: Vec<(String, String)>,
    /// From the step in which this moment is.
    pub from: Timestamp,
    /// Up to the step before this moment, or in which it is.
    pub to: Timestamp,
    /// Seconds that make one point; where what is that fine is not kept any more, points are of a minute or an hour.
    pub step: Duration,
}

/// A series, oldest point first. Steps in which nothing was observed have no point.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesPoints {
    pub labels: BTreeMap<String, String>,
    pub points: Vec<Point>,
}

/// What one step has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Start of the step.
    pub at: Timestamp,
    /// How many observations: looks at a gauge, values in a histogram; of a counter, the steps of ten seconds in which it grew.
    pub count: u64,
    /// Of all observations; of a counter, by how much it grew.
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    /// The newest observation; when parts came late or from several nodes, the one that came last.
    pub last: f64,
    /// Only of what is kept as one.
    pub histogram: Option<Histogram>,
}

/// What the observations of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SeriesKind {
    /// Grows; points are increments.
    Counter,
    /// Goes up and down; points are looks at it.
    Gauge,
    /// Values with their distribution.
    Histogram,
}

impl Point {
    /// One observation.
    pub fn of(at: Timestamp, value: f64) -> Self {
        Self { at, count: 1, sum: value, min: value, max: value, last: value, histogram: None }
    }

    /// Takes what another one has seen, which is as late or later. `at` stays.
    pub fn merge(&mut self, other: &Point) {
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.last = other.last;
        match (&mut self.histogram, &other.histogram) {
            (Some(own), Some(others)) => own.merge(others),
            (own @ None, Some(others)) => *own = Some(others.clone()),
            (_, None) => {}
        }
    }

    /// The mean of the observations.
    pub fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

impl SeriesKind {
    pub const ALL: &'static [SeriesKind] = &[SeriesKind::Counter, SeriesKind::Gauge, SeriesKind::Histogram];

    pub const fn as_str(self) -> &'static str {
        match self {
            SeriesKind::Counter => "counter",
            SeriesKind::Gauge => "gauge",
            SeriesKind::Histogram => "histogram",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// The start of the step in which a moment is; steps are counted from 1970, so all nodes have the same ones.
pub fn step_start(at: Timestamp, step: Duration) -> Timestamp {
    let micros = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_micros(at.as_micros().div_euclid(micros).saturating_mul(micros))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn observed(values: &[u32]) -> Option<Point> {
        let mut observed = Values::default();
        values.iter().for_each(|value| observed.add(u64::from(*value)));
        observed.into_point(Timestamp::default())
    }

    proptest! {
        #[test]
        fn merged_points_say_the_same_as_one_that_has_seen_all(
            values in prop::collection::vec(any::<u32>(), 2..200),
            at in any::<prop::sample::Index>(),
        ) {
            let (first, second) = values.split_at(1 + at.index(values.len() - 1));
            let mut merged = observed(first).unwrap();
            merged.merge(&observed(second).unwrap());
            prop_assert_eq!(merged, observed(&values).unwrap());
        }
    }

    #[test]
    fn steps_are_the_same_for_everybody() {
        let ten = Duration::from_secs(10);
        let rows =
            [(0, 0), (9_999_999, 0), (10_000_000, 10_000_000), (-1, -10_000_000), (i64::MIN, i64::MIN)];
        for (at, expected) in rows {
            let found = step_start(Timestamp::from_micros(at), ten).as_micros();
            assert_eq!(found, expected, "{at}");
        }
        // A step of nothing is none; it does not divide by zero.
        assert_eq!(step_start(Timestamp::from_micros(7), Duration::ZERO).as_micros(), 7);
    }

    #[test]
    fn kinds_survive_their_words() {
        for kind in SeriesKind::ALL {
            assert_eq!(SeriesKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(SeriesKind::parse("summary"), None);
    }
}
