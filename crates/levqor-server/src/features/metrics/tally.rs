//! Where requests and runs are counted while they happen.
//!
//! Each thread has a part of its own, so that nobody waits: its lock is free except for the moment, every few seconds, in which it is
//! emptied. What was counted is given to whoever keeps it by the step of ten seconds in which it happened.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use levqor_model::{Point, SeriesKind, Timestamp, Values, step_start};
use levqor_store::metrics::{Grain, OTHER};

use super::key::Key;

/// Parts; threads beyond share them.
const PARTS: usize = 16;
/// Series that one part holds between two takings, of each kind; more are counted as "other".
const SERIES_MAX: usize = 2_000;
/// Steps that wait in one part when nobody takes them; later ones go into the last of them.
const STEPS_MAX: usize = 30;

#[derive(Debug)]
pub(super) struct Tallies {
    parts: Box<[Part]>,
}

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part(Mutex<Tally>);

#[derive(Debug, Default)]
struct Tally {
    /// Steps that are over.
    done: Vec<(Timestamp, Seen)>,
    step: Timestamp,
    seen: Seen,
}

/// What was seen in a step.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) routes: HashMap<Box<str>, Route>,
    pub(super) counts: HashMap<Key, u64>,
    pub(super) values: HashMap<Key, Values>,
    pub(super) levels: HashMap<Key, Point>,
    /// Observations that went to "other", since there were too many series.
    pub(super) crowded: u64,
}

/// Requests to one route.
#[derive(Debug, Default)]
pub(super) struct Route {
    /// By method and status: few, so that looking through them is quicker than anything else.
    pub(super) answers: Vec<(&'static str, u16, u64)>,
    /// Times to the heads of answers, in microseconds.
    pub(super) durations: Values,
}

impl Seen {
    fn is_empty(&self) -> bool {
        let Self { routes, counts, values, levels, crowded: _ } = self;
        routes.is_empty() && counts.is_empty() && values.is_empty() && levels.is_empty()
    }
}

/// The place of a key, or of what stands for it when there are too many.
fn place<'a, T: Default>(all: &'a mut HashMap<Key, T>, key: Key, crowded: &mut u64) -> &'a mut T {
    place_or(all, key, crowded, T::default)
}

fn place_or<'a, K: Eq + Hash + Other, T>(
    all: &'a mut HashMap<K, T>,
    key: K,
    crowded: &mut u64,
    new: impl FnOnce() -> T,
) -> &'a mut T {
    let key = if all.len() < SERIES_MAX || all.contains_key(&key) {
        key
    } else {
        *crowded += 1;
        key.other()
    };
    all.entry(key).or_insert_with(new)
}

/// What has something that stands for it.
trait Other {
    fn other(&self) -> Self;
}

impl Other for Key {
    fn other(&self) -> Self {
        Key::other(self)
    }
}

impl Other for Box<str> {
    fn other(&self) -> Self {
        OTHER.into()
    }
}

impl Tallies {
    pub(super) fn new() -> Self {
        Self { parts: (0..PARTS).map(|_| Part::default()).collect() }
    }

    /// A request was answered.
    pub(super) fn answered(
        &self,
        now: Timestamp,
        method: &'static str,
        route: &str,
        status: u16,
        micros: u64,
    ) {
        self.with(now, |seen| {
            // Looked up without a text of its own: nearly always it is there.
            let route = match seen.routes.get_mut(route) {
                Some(found) => found,
                None => place_or(&mut seen.routes, route.into(), &mut seen.crowded, Route::default),
            };
            match route.answers.iter_mut().find(|(asked, answer, _)| *asked == method && *answer == status) {
                Some((_, _, count)) => *count += 1,
                None => route.answers.push((method, status, 1)),
            }
            route.durations.add(micros);
        });
    }

    pub(super) fn count(&self, now: Timestamp, name: &'static str, labels: &[(&'static str, &str)], by: u64) {
        let key = Key::new(name, SeriesKind::Counter, labels);
        self.with(now, |seen| *place(&mut seen.counts, key, &mut seen.crowded) += by);
    }

    pub(super) fn observe(
        &self,
        now: Timestamp,
        name: &'static str,
        labels: &[(&'static str, &str)],
        value: u64,
    ) {
        let key = Key::new(name, SeriesKind::Histogram, labels);
        self.with(now, |seen| place(&mut seen.values, key, &mut seen.crowded).add(value));
    }

    /// What is no number is not kept.
    pub(super) fn look(
        &self,
        now: Timestamp,
        name: &'static str,
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        if !value.is_finite() {
            return;
        }
        let key = Key::new(name, SeriesKind::Gauge, labels);
        let point = Point::of(now, value);
        self.with(now, |seen| {
            let mut is_new = false;
            let there = place_or(&mut seen.levels, key, &mut seen.crowded, || {
                is_new = true;
                point.clone()
            });
            if !is_new {
                there.merge(&point);
            }
        });
    }

    /// Takes all of it, by steps.
    pub(super) fn take(&self) -> Vec<(Timestamp, Seen)> {
        let mut all = Vec::new();
        for part in &self.parts {
            let mut tally = part.lock();
            all.append(&mut tally.done);
            if !tally.seen.is_empty() {
                all.push((tally.step, std::mem::take(&mut tally.seen)));
            }
        }
        all
    }

    fn with(&self, now: Timestamp, work: impl FnOnce(&mut Seen)) {
        let mut tally = self.parts[own_place() % PARTS].lock();
        tally.turn_to(step_start(now, Grain::Fine.span()));
        work(&mut tally.seen);
    }
}

impl Part {
    fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// Forth or back: the clock may do both.
    fn turn_to(&mut self, step: Timestamp) {
        if step == self.step {
            return;
        }
        if !self.seen.is_empty() {
            if self.done.len() >= STEPS_MAX {
                return;
            }
            self.done.push((self.step, std::mem::take(&mut self.seen)));
        }
        self.step = step;
    }
}

/// Threads are numbered as they come.
fn own_place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|own| *own)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_795_500_000 + second)
    }

    fn requests(taken: &[(Timestamp, Seen)]) -> Vec<(i64, u64)> {
        let mut found: Vec<_> = taken
            .iter()
            .map(|(step, seen)| {
                let answers = seen.routes.values().flat_map(|route| &route.answers);
                ((step.as_seconds() - at(0).as_seconds()), answers.map(|(_, _, count)| count).sum())
            })
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn what_was_counted_is_taken_once_and_by_its_step() {
        let tallies = Tallies::new();
        for second in [0, 9, 10, 25, 3] {
            tallies.answered(at(second), "GET", "/a", 200, 1_000);
        }
        tallies.answered(at(3), "GET", "/b", 500, 1_000);
        // The clock went back before the last two.
        assert_eq!(requests(&tallies.take()), [(0, 2), (0, 2), (10, 1), (20, 1)]);
        assert!(tallies.take().is_empty());
    }

    #[test]
    fn threads_count_beside_each_other() {
        let tallies = Tallies::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        tallies.answered(at(0), "GET", "/a", 200, 1);
                        tallies.count(at(0), "events", &[], 2);
                    }
                });
            }
        });
        let taken = tallies.take();
        assert_eq!(requests(&taken).into_iter().map(|(_, count)| count).sum::<u64>(), 8_000);
        assert_eq!(taken.iter().flat_map(|(_, seen)| seen.counts.values()).sum::<u64>(), 16_000);
    }

    #[test]
    fn labels_that_explode_are_contained() {
        let tallies = Tallies::new();
        for number in 0..5_000_u64 {
            let text = number.to_string();
            tallies.count(at(0), "events", &[("id", &text)], 1);
            tallies.observe(at(0), "sizes", &[("id", &text)], number);
            tallies.look(at(0), "levels", &[("id", &text)], 1.0);
            tallies.answered(at(0), "GET", &text, 200, 1);
        }
        let taken = tallies.take();
        let (_, seen) = &taken[0];
        assert_eq!(seen.counts.len(), SERIES_MAX + 1);
        assert_eq!((seen.values.len(), seen.levels.len()), (SERIES_MAX + 1, SERIES_MAX + 1));
        assert_eq!(seen.routes.len(), SERIES_MAX + 1);
        // Nothing is lost but its label, and how often that was is told.
        assert_eq!(seen.counts.values().sum::<u64>(), 5_000);
        assert_eq!(requests(&taken), [(0, 5_000)]);
        assert_eq!(seen.crowded, 4 * 3_000);
        let other = Key::new("levels", SeriesKind::Gauge, &[("id", "other")]);
        assert_eq!(seen.levels[&other].count, 3_000);
    }

    #[test]
    fn when_nobody_takes_it_the_number_of_steps_has_a_bound() {
        let tallies = Tallies::new();
        for second in 0..1_000 {
            tallies.count(at(0) + Duration::from_secs(second * 10), "events", &[], 1);
        }
        let taken = tallies.take();
        assert_eq!(taken.len(), STEPS_MAX + 1);
        assert_eq!(taken.iter().flat_map(|(_, seen)| seen.counts.values()).sum::<u64>(), 1_000);
    }

    #[test]
    fn what_is_no_number_is_not_kept() {
        let tallies = Tallies::new();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            tallies.look(at(0), "levels", &[], value);
        }
        assert!(tallies.take().is_empty());
    }
}
