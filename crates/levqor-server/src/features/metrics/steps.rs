//! Steps of ten seconds on their way to the store.
//!
//! ```text
//! tallies, levels ─► open (by step) ─ every 5 s ─► waiting ─► batch ─► store, and then gone
//!                      │ new series             └─ on failure it stays, with its number: nothing is counted twice
//!                      └─► known (bounded), with its number in the database once that is asked for
//! ```
//!
//! A step is written in parts, which are merged when they are read. Invariant: what was put in is in `open`, in `waiting`, or in the
//! store. When the process is killed, what it counted in its last seconds is lost, with what the store did not take.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use levqor_model::{Point, SeriesKind, Timestamp};
use levqor_store::metrics::{Series, SeriesBatch};

use super::{key::Key, tally::Seen};

/// Series of this node that have a place of their own.
pub(super) const SERIES_MAX: usize = 10_000;
/// Those of one name: what explodes there takes no place from others.
const SERIES_OF_NAME_MAX: usize = 4_000;
/// Steps that wait when the store is away. Beyond, steps are merged: what was counted stays, and when gets coarser.
const WAITING_MAX: usize = 12;
/// A series that was not seen for so long gives its place to others that need one.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// How often that is looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Steps {
    known: HashMap<Arc<Key>, Known>,
    /// How many of them each name has.
    of_name: HashMap<&'static str, usize>,
    open: BTreeMap<Timestamp, Points>,
    waiting: VecDeque<Waiting>,
    /// Of counters that something else keeps: as they were last.
    totals: HashMap<Key, u64>,
    forgot_at: Timestamp,
    /// Observations that went to "other" since somebody asked.
    crowded: u64,
}

type Points = HashMap<Arc<Key>, Point>;

#[derive(Debug)]
struct Known {
    number: Number,
    seen_at: Timestamp,
}

/// A series in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    /// Not asked for yet.
    Unknown,
    Is(i64),
    /// There is no place for it.
    None,
}

#[derive(Debug)]
struct Waiting {
    at: Timestamp,
    points: Points,
    /// Set when it is written for the first time: from then on it stays as it is.
    batch: Option<u64>,
}

impl Steps {
    pub(super) fn new() -> Self {
        Self {
            known: HashMap::new(),
            of_name: HashMap::new(),
            open: BTreeMap::new(),
            waiting: VecDeque::new(),
            totals: HashMap::new(),
            forgot_at: Timestamp::default(),
            crowded: 0,
        }
    }

    /// Puts in what was counted in a step. Of the routes, their part for the stored series.
    pub(super) fn put(&mut self, step: Timestamp, seen: Seen) {
        let Seen { routes, counts, values, levels, crowded } = seen;
        self.crowded += crowded;
        for (route, seen) in routes {
            for (_, status, count) in seen.answers {
                let labels = [("route", &*route), ("status", class_of(status))];
                self.add(step, Key::new("http_requests", SeriesKind::Counter, &labels), whole(step, count));
            }
            let key = Key::new("http_duration_us", SeriesKind::Histogram, &[("route", &*route)]);
            if let Some(point) = seen.durations.into_point(step) {
                self.add(step, key, point);
            }
        }
        for (key, count) in counts {
            self.add(step, key, whole(step, count));
        }
        for (key, values) in values {
            if let Some(point) = values.into_point(step) {
                self.add(step, key, point);
            }
        }
        for (key, point) in levels {
            self.add(step, key, Point { at: step, ..point });
        }
    }

    pub(super) fn add(&mut self, step: Timestamp, key: Key, point: Point) {
        // Also when there is place: the database forgets series, too, and is asked anew for one that comes back.
        self.forget_idle(step);
        let key = self.place_of(key, step);
        let points = self.open.entry(step).or_default();
        points.entry(key).and_modify(|there| there.merge(&point)).or_insert(point);
    }

    /// A counter that something else keeps stands at `total` now; it began at zero with the process.
    pub(super) fn add_total(&mut self, step: Timestamp, key: Key, total: u64) {
        let before = self.totals.insert(key.clone(), total).unwrap_or_default();
        // One that went back began anew.
        let grown = if total < before { total } else { total - before };
        if grown > 0 {
            self.add(step, key, whole(step, grown));
        }
    }

    /// What was put in is to be written. Also gives it to `tell`.
    pub(super) fn close(&mut self, mut tell: impl FnMut(&Key, &Point)) {
        for (at, points) in std::mem::take(&mut self.open) {
            points.iter().for_each(|(key, point)| tell(key, point));
            match self.waiting.iter_mut().find(|waiting| waiting.at == at && waiting.batch.is_none()) {
                Some(waiting) => merge(&mut waiting.points, points),
                None => self.waiting.push_back(Waiting { at, points, batch: None }),
            }
        }
        while self.waiting.len() > WAITING_MAX && self.merge_oldest() {}
    }

    /// Two steps become one. False: there are no two that were not tried yet.
    fn merge_oldest(&mut self) -> bool {
        let Some(first) = self.waiting.iter().position(|waiting| waiting.batch.is_none()) else {
            return false;
        };
        let Some(later) = self.waiting.remove(first + 1) else { return false };
        merge(&mut self.waiting[first].points, later.points);
        true
    }

    /// Series of the step to be written next that the database was not asked about yet.
    pub(super) fn unknown(&self, region: &str) -> Vec<(Arc<Key>, Series)> {
        let is_unknown =
            |key: &&Arc<Key>| self.known.get(&**key).is_none_or(|known| known.number == Number::Unknown);
        let next = self.waiting.front().into_iter().flat_map(|waiting| waiting.points.keys());
        next.filter(is_unknown).map(|key| (Arc::clone(key), key.series(region))).collect()
    }

    /// What the database said about them. What has no place there goes to what stands for it, unless it was tried already.
    pub(super) fn learn(
        &mut self,
        now: Timestamp,
        numbers: impl IntoIterator<Item = (Arc<Key>, Option<i64>)>,
    ) {
        for (key, number) in numbers {
            let number = number.map_or(Number::None, Number::Is);
            self.known.entry(Arc::clone(&key)).or_insert(Known { number, seen_at: now }).number = number;
            if number == Number::None {
                self.move_to_other(&key, now);
            }
        }
    }

    fn move_to_other(&mut self, key: &Key, now: Timestamp) {
        let other = self.place_of_other(key, now);
        if *other == *key {
            return;
        }
        let waiting = self.waiting.iter_mut().filter(|waiting| waiting.batch.is_none());
        let parts = waiting.map(|waiting| &mut waiting.points).chain(self.open.values_mut());
        for points in parts {
            let Some(point) = points.remove(key) else { continue };
            self.crowded += 1;
            points.entry(Arc::clone(&other)).and_modify(|there| there.merge(&point)).or_insert(point);
        }
    }

    /// The step to be written next. Those of its series that have no place in the database, and were tried before that was known, are
    /// counted as crowded.
    pub(super) fn batch(&mut self, draw: impl FnOnce() -> u64) -> Option<SeriesBatch> {
        let waiting = self.waiting.front_mut()?;
        let is_first = waiting.batch.is_none();
        let number = *waiting.batch.get_or_insert_with(draw);
        let mut points = Vec::with_capacity(waiting.points.len());
        for (key, point) in &waiting.points {
            match self.known.get(key).map(|known| known.number) {
                Some(Number::Is(series)) => points.push((key.name, series, point)),
                _ if is_first => self.crowded += 1,
                _ => {}
            }
        }
        Some(SeriesBatch::new(number, waiting.at, points))
    }

    /// The step that was given last is in the store.
    pub(super) fn written(&mut self) {
        self.waiting.pop_front();
    }

    /// How many series have a place here.
    pub(super) fn series(&self) -> usize {
        self.known.len()
    }

    /// Observations that lost their labels, since this was asked last.
    pub(super) fn take_crowded(&mut self) -> u64 {
        std::mem::take(&mut self.crowded)
    }

    fn place_of(&mut self, key: Key, step: Timestamp) -> Arc<Key> {
        if let Some(place) = self.find(&key, step) {
            return place;
        }
        // Known, and not found: the database has no place for it.
        if !self.known.contains_key(&key) && self.has_place(&key) {
            return self.make_place(key, step);
        }
        self.crowded += 1;
        self.place_of_other(&key, step)
    }

    /// There are few of these: names are written in the code. They may be beyond the bound.
    fn place_of_other(&mut self, key: &Key, step: Timestamp) -> Arc<Key> {
        let other = key.other();
        if let Some(place) = self.find(&other, step) {
            return place;
        }
        let known = self.known.get_key_value(&other).map(|(place, _)| Arc::clone(place));
        known.unwrap_or_else(|| self.make_place(other, step))
    }

    fn make_place(&mut self, key: Key, step: Timestamp) -> Arc<Key> {
        let key = Arc::new(key);
        *self.of_name.entry(key.name).or_default() += 1;
        self.known.insert(Arc::clone(&key), Known { number: Number::Unknown, seen_at: step });
        key
    }

    /// Of those that the database has no place for it gives none, and they grow old: then it is asked again.
    fn find(&mut self, key: &Key, step: Timestamp) -> Option<Arc<Key>> {
        let place = self.known.get_key_value(key).map(|(place, _)| Arc::clone(place))?;
        let known = self.known.get_mut(key).filter(|known| known.number != Number::None)?;
        known.seen_at = known.seen_at.max(step);
        Some(place)
    }

    fn forget_idle(&mut self, step: Timestamp) {
        // Also when the clock went back.
        let since = step.since(self.forgot_at).max(self.forgot_at.since(step));
        if since < FORGET_EVERY {
            return;
        }
        self.forgot_at = step;
        self.known.retain(|_, known| known.seen_at + IDLE > step);
        self.of_name.clear();
        for key in self.known.keys() {
            *self.of_name.entry(key.name).or_default() += 1;
        }
    }

    fn has_place(&self, key: &Key) -> bool {
        let of_name = self.of_name.get(key.name).copied().unwrap_or_default();
        key.is_alone() || (self.known.len() < SERIES_MAX && of_name < SERIES_OF_NAME_MAX)
    }
}

fn merge(points: &mut Points, later: Points) {
    for (key, point) in later {
        points.entry(key).and_modify(|there| there.merge(&point)).or_insert(point);
    }
}

/// By how much a counter grew.
fn whole(at: Timestamp, count: u64) -> Point {
    Point::of(at, count as f64)
}

/// The status of an answer as one of five.
fn class_of(status: u16) -> &'static str {
    match status {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_795_500_000 + second)
    }

    fn key(route: &str) -> Key {
        Key::new("requests", SeriesKind::Counter, &[("route", route)])
    }

    fn sum(steps: &Steps) -> f64 {
        steps.waiting.iter().flat_map(|waiting| waiting.points.values()).map(|point| point.sum).sum()
    }

    #[test]
    fn a_step_waits_until_it_is_written_and_what_comes_later_is_another_part() {
        let mut steps = Steps::new();
        steps.add(at(0), key("/a"), whole(at(0), 1));
        steps.add(at(0), key("/a"), whole(at(0), 2));
        let mut told = Vec::new();
        steps.close(|_, point| told.push(point.sum));
        assert_eq!(told, [3.0]);
        let new = steps.unknown("eu-west");
        assert_eq!(new.len(), 1);
        steps.learn(at(10), [(Arc::clone(&new[0].0), Some(7))]);
        assert!(steps.unknown("eu-west").is_empty());
        let first = format!("{:?}", steps.batch(|| 42));
        // It was not taken, and is offered again as it was.
        for _ in 0..2 {
            steps.add(at(0), key("/a"), whole(at(0), 4));
            steps.add(at(10), key("/a"), whole(at(10), 8));
            steps.close(|_, _| {});
            assert_eq!(format!("{:?}", steps.batch(|| panic!("it has a number"))), first);
        }
        assert_eq!(steps.waiting.len(), 3);
        steps.written();
        assert_eq!(sum(&steps), 24.0);
        assert_ne!(format!("{:?}", steps.batch(|| 43)), first);
    }

    #[test]
    fn a_store_that_stays_away_costs_no_endless_memory_and_no_count() {
        let mut steps = Steps::new();
        for step in 0..500 {
            steps.add(at(step * 10), key("/a"), whole(at(step * 10), 1));
            steps.close(|_, _| {});
            steps.batch(|| 1);
            assert!(steps.waiting.len() <= WAITING_MAX, "{}", steps.waiting.len());
        }
        assert_eq!(sum(&steps), 500.0);
        // What was tried is as it was.
        assert_eq!(steps.waiting[0].points.values().map(|point| point.sum).sum::<f64>(), 1.0);
    }

    #[test]
    fn more_series_than_there_is_place_for_are_counted_together_and_told() {
        let mut steps = Steps::new();
        let of = |number: usize| {
            let name = ["first", "second", "third"][number % 3];
            Key::new(name, SeriesKind::Counter, &[("id", &number.to_string())])
        };
        let other = |name| Key::new(name, SeriesKind::Counter, &[("id", "other")]);
        let add = |steps: &mut Steps, second: i64, number: usize| {
            steps.add(at(second), of(number), whole(at(second), 1));
        };
        for number in 0..SERIES_MAX + 600 {
            add(&mut steps, 0, number);
        }
        assert_eq!(steps.series(), SERIES_MAX + 3);
        assert_eq!((steps.take_crowded(), steps.take_crowded()), (600, 0));
        let open = &steps.open[&at(0)];
        let others: Vec<_> = ["first", "second", "third"].map(|name| open[&other(name)].sum).into();
        assert_eq!(others.iter().sum::<f64>(), 600.0, "{others:?}");
        assert_eq!(open.values().map(|point| point.sum).sum::<f64>(), (SERIES_MAX + 600) as f64);
        // What has no labels always has a place.
        steps.add(at(0), Key::new("plain", SeriesKind::Counter, &[]), whole(at(0), 1));
        assert_eq!((steps.take_crowded(), steps.series()), (0, SERIES_MAX + 4));
        // Some of them go on; the places of the others are free later.
        add(&mut steps, 20 * 60, 3);
        add(&mut steps, 20 * 60, SERIES_MAX + 1);
        assert_eq!(steps.take_crowded(), 0);
        assert_eq!(steps.series(), 2);
    }

    #[test]
    fn one_name_takes_no_place_from_others() {
        let mut steps = Steps::new();
        for number in 0..SERIES_OF_NAME_MAX + 10 {
            steps.add(at(0), key(&number.to_string()), whole(at(0), 1));
        }
        assert_eq!((steps.take_crowded(), steps.series()), (10, SERIES_OF_NAME_MAX + 1));
    }

    #[test]
    fn series_without_a_place_in_the_database_are_counted_as_other_and_told() {
        let mut steps = Steps::new();
        let asked = |steps: &Steps| {
            let unknown = steps.unknown("eu-west").into_iter();
            unknown.map(|(_, series)| series.labels["route"].clone()).collect::<Vec<_>>()
        };
        steps.add(at(0), key("/a"), whole(at(0), 1));
        steps.close(|_, _| {});
        steps.add(at(0), key("/a"), whole(at(0), 2));
        let new = steps.unknown("eu-west");
        steps.learn(at(0), new.into_iter().map(|(key, _)| (key, None)));
        assert_eq!(asked(&steps), ["other"]);
        let new = steps.unknown("eu-west");
        steps.learn(at(0), new.into_iter().map(|(key, _)| (key, Some(9))));
        steps.add(at(0), key("/a"), whole(at(0), 4));
        steps.close(|_, _| {});
        assert!(asked(&steps).is_empty());
        assert_eq!((sum(&steps), steps.waiting.len(), steps.waiting[0].points.len()), (7.0, 1, 1));
        assert_eq!((steps.take_crowded(), steps.batch(|| 1).is_some()), (3, true));
        assert_eq!(steps.take_crowded(), 0, "nothing was left out");
        steps.written();
        // It is asked for again now and then: there may be place by then.
        steps.add(at(20 * 60), key("/a"), whole(at(20 * 60), 1));
        steps.close(|_, _| {});
        assert_eq!((asked(&steps), steps.take_crowded()), (vec!["/a".to_owned()], 0));
    }

    #[test]
    fn a_series_that_comes_back_after_a_while_is_asked_for_again() {
        let mut steps = Steps::new();
        let round = |steps: &mut Steps, second: i64, routes: &[&str]| {
            for route in routes {
                steps.add(at(second), key(route), whole(at(second), 1));
            }
            steps.close(|_, _| {});
            let new = steps.unknown("eu-west");
            let asked: Vec<_> = new.iter().map(|(_, series)| series.labels["route"].clone()).collect();
            steps.learn(at(second), new.into_iter().map(|(key, _)| (key, Some(7))));
            assert!(steps.batch(|| 1).is_some());
            steps.written();
            asked
        };
        assert_eq!(round(&mut steps, 0, &["/a"]), ["/a"]);
        assert_eq!(round(&mut steps, 10 * 60, &["/a"]), [""; 0]);
        assert_eq!(round(&mut steps, 24 * 60, &["/b"]), ["/b"]);
        assert_eq!(steps.series(), 2);
        assert_eq!(round(&mut steps, 26 * 60, &["/b"]), [""; 0]);
        assert_eq!(steps.series(), 1, "and costs no memory meanwhile");
        assert_eq!(round(&mut steps, 27 * 60, &["/a"]), ["/a"]);
    }

    #[test]
    fn totals_that_are_kept_elsewhere_become_increments() {
        let mut steps = Steps::new();
        for (total, sum) in [(3, Some(3.0)), (3, Some(3.0)), (10, Some(10.0)), (2, Some(12.0))] {
            steps.add_total(at(0), key("/a"), total);
            assert_eq!(steps.open.get(&at(0)).map(|points| points[&key("/a")].sum), sum, "{total}");
        }
        // What stands at zero makes no series.
        steps.add_total(at(0), key("/b"), 0);
        assert_eq!(steps.open[&at(0)].len(), 1);
    }

    #[test]
    fn statuses_are_few() {
        let rows = [
            (101, "1xx"),
            (204, "2xx"),
            (304, "3xx"),
            (404, "4xx"),
            (500, "5xx"),
            (599, "5xx"),
            (999, "5xx"),
        ];
        for (status, class) in rows {
            assert_eq!(class_of(status), class);
        }
    }
}
