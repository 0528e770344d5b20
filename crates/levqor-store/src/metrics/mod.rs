//! Series of measurements, kept at three grains: what nodes measure every ten seconds, and what is made of it by merging, a minute and
//! an hour.
//!
//! ```text
//! nodes ─► write ─► rows of 10 s ─┐
//!                                 ├─ roll ─► rows of 1 min ─┐
//!                                 │                         ├─ roll ─► rows of 1 h
//! query ◄─ read ◄─ the grain asked for, and of the finer ones what is not rolled up yet
//! ```
//!
//! A row holds all series of one name in one step, packed (`pack`): a few dozen rows a step instead of ten thousand, and a question
//! reads the rows of its name only.
//!
//! Invariants: a row is in the next coarser grain if and only if it says `rolled`, as both are written in one transaction. So whatever is
//! read counts everything once, however late rows come. What a node writes twice, since it did not hear of the first time, is there once:
//! its batch has a number.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

pub use levqor_model::{Histogram, Point, SeriesKind, SeriesPoints, SeriesQuery};
use levqor_model::{Timestamp, step_start};

mod names;
mod pack;
mod read;
mod roll;
mod write;

pub use names::SeriesName;
pub use read::{Extent, SeriesAnswer};

/// Series that the database remembers, of all nodes and all time that is kept; what is new beyond has no place of its own.
pub const SERIES_KEPT_MAX: i64 = 50_000;
/// Those of one name: what explodes there takes no place from others.
pub const SERIES_OF_NAME_KEPT_MAX: i64 = 10_000;
/// What stands for the values of labels when there is no place for them.
pub const OTHER: &str = "other";

/// How fine what is kept is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Ten seconds: what nodes write.
    Fine,
    Minute,
    Hour,
}

/// How long each grain is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesKept {
    pub fine: Duration,
    pub minute: Duration,
    pub hour: Duration,
}

/// A series: a name with its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub kind: SeriesKind,
}

impl Series {
    /// What has a place however many there are, since there are few of them: one without labels besides the region, and where
    /// everything goes that has no place of its own.
    fn is_reserved(&self) -> bool {
        self.labels.iter().all(|(label, value)| label == "region" || value == OTHER)
    }
}

/// What one node has seen in one step of ten seconds, packed for [`crate::Store::add_series_points`].
#[derive(Debug, Clone)]
pub struct SeriesBatch {
    number: u64,
    at: Timestamp,
    /// A row for each name.
    rows: Vec<(String, Vec<u8>)>,
}

impl SeriesKept {
    pub const DEFAULT: Self = Self { fine: days(2), minute: days(30), hour: days(400) };
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

impl Default for SeriesKept {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Grain {
    pub const ALL: [Grain; 3] = [Grain::Fine, Grain::Minute, Grain::Hour];

    /// How long a step is.
    pub const fn span(self) -> Duration {
        Duration::from_secs(match self {
            Grain::Fine => 10,
            Grain::Minute => 60,
            Grain::Hour => 3_600,
        })
    }

    const fn coarser(self) -> Option<Grain> {
        match self {
            Grain::Fine => Some(Grain::Minute),
            Grain::Minute => Some(Grain::Hour),
            Grain::Hour => None,
        }
    }

    /// As rows say it.
    const fn key(self) -> u32 {
        match self {
            Grain::Fine => 10,
            Grain::Minute => 60,
            Grain::Hour => 3_600,
        }
    }
}

impl SeriesBatch {
    /// `number` is drawn at random once, and stays when the batch is written again. The points are of series by their numbers, each
    /// with its name.
    pub fn new<'a>(
        number: u64,
        at: Timestamp,
        points: impl IntoIterator<Item = (&'a str, i64, &'a Point)>,
    ) -> Self {
        let mut by_name: BTreeMap<&str, BTreeMap<i64, Cow<'a, Point>>> = BTreeMap::new();
        for (name, series, point) in points {
            let points = by_name.entry(name).or_default().entry(series);
            points.and_modify(|there| there.to_mut().merge(point)).or_insert(Cow::Borrowed(point));
        }
        let packed = |points: &BTreeMap<i64, Cow<'_, Point>>| {
            pack::pack(points.iter().map(|(series, point)| (*series, &**point)))
        };
        let rows = by_name.iter().map(|(name, points)| ((*name).to_owned(), packed(points))).collect();
        Self { number, at: step_start(at, Grain::Fine.span()), rows }
    }
}
