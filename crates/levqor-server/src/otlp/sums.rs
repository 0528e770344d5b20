//! What series add up to since the process began, which is what collectors expect.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use levqor_model::{Point, SeriesKind, Timestamp};
use levqor_store::metrics::Series;

/// Series that are told; more are counted as dropped.
const SERIES_MAX: usize = 10_000;
/// A level that nobody has looked at for longer is not known any more: it would be told as if it still stood there.
const LEVEL_FRESH: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Sums {
    pub(super) began_at: Timestamp,
    pub(super) told_at: Timestamp,
    /// By name, and by labels in their text form.
    pub(super) names: BTreeMap<String, Name>,
    series: usize,
}

#[derive(Debug)]
pub(super) struct Name {
    pub(super) kind: SeriesKind,
    pub(super) series: HashMap<String, Sum>,
}

#[derive(Debug)]
pub(super) struct Sum {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) point: Point,
    /// When it was told last.
    pub(super) told_at: Timestamp,
}

impl Sums {
    pub(super) fn new(began_at: Timestamp) -> Self {
        Self { began_at, told_at: began_at, names: BTreeMap::new(), series: 0 }
    }

    /// The number of points that have no place.
    pub(super) fn add(&mut self, now: Timestamp, points: Vec<(Series, Point)>) -> u64 {
        self.told_at = self.told_at.max(now);
        let mut crowded = 0;
        for (Series { name, labels, kind }, point) in points {
            let series =
                &mut self.names.entry(name).or_insert_with(|| Name { kind, series: HashMap::new() }).series;
            let key = labels.iter().map(|(label, value)| format!("{label}\0{value}\0")).collect();
            let is_full = self.series >= SERIES_MAX;
            match series.get_mut::<String>(&key) {
                Some(there) => {
                    there.told_at = now;
                    match kind {
                        // Of a level only the last look counts.
                        SeriesKind::Gauge => there.point = point,
                        SeriesKind::Counter | SeriesKind::Histogram => there.point.merge(&point),
                    }
                }
                None if is_full => crowded += 1,
                None => {
                    self.series += 1;
                    series.insert(key, Sum { labels, point, told_at: now });
                }
            }
        }
        crowded
    }

    /// What is to be told of a name: sums since the start, and levels that somebody has looked at lately.
    pub(super) fn of<'a>(&self, name: &'a Name) -> Vec<&'a Sum> {
        let is_level = name.kind == SeriesKind::Gauge;
        let is_known = |sum: &&Sum| !is_level || self.told_at.since(sum.told_at) <= LEVEL_FRESH;
        name.series.values().filter(is_known).collect()
    }
}
