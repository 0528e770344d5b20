//! Counts of good events and of all, by time: fine for what is new, coarse for what is old, so that a month costs a few thousand rows.
//!
//! ```text
//!   1 h steps, 90 days        5 min steps, 4 days    1 min steps, 8 h    10 s steps, 2 h
//! ├───────────────────────────┼──────────────────────┼───────────────────┼──────────────► now
//! ```
//!
//! Invariant: each moment of a window is counted from one grain only, the finest that has it.

use std::{collections::VecDeque, time::Duration};

use levqor_model::Timestamp;

/// Events of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub good: u64,
    pub total: u64,
}

impl Count {
    /// Events that were not good.
    pub fn bad(self) -> u64 {
        self.total.saturating_sub(self.good)
    }

    /// The share of them that were not good; None without any.
    pub fn bad_share(self) -> Option<f64> {
        (self.total > 0).then(|| self.bad() as f64 / self.total as f64)
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { good: self.good.saturating_add(other.good), total: self.total.saturating_add(other.total) }
    }
}

/// How fine steps are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    TenSeconds,
    Minute,
    FiveMinutes,
    Hour,
}

/// The finest first.
pub const GRAINS: [Grain; 4] = [Grain::TenSeconds, Grain::Minute, Grain::FiveMinutes, Grain::Hour];

impl Grain {
    pub const fn step(self) -> Duration {
        Duration::from_secs(self.seconds().cast_unsigned())
    }

    /// For how long steps of it are kept.
    pub const fn span(self) -> Duration {
        Duration::from_secs(match self {
            Grain::TenSeconds => 2 * 3_600,
            Grain::Minute => 8 * 3_600,
            Grain::FiveMinutes => 4 * 86_400,
            Grain::Hour => 91 * 86_400,
        })
    }

    const fn seconds(self) -> i64 {
        match self {
            Grain::TenSeconds => 10,
            Grain::Minute => 60,
            Grain::FiveMinutes => 300,
            Grain::Hour => 3_600,
        }
    }
}

/// Steps of one grain, with running sums.
#[derive(Debug, Clone, Default)]
struct Steps {
    rows: VecDeque<Step>,
    /// From when on all steps are known, in seconds; None: nobody has looked.
    known_from: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    start: i64,
    own: Count,
    /// With all steps before it that are or were there.
    through: Count,
}

impl Steps {
    /// Puts steps in the place of those from `from` to before `to`.
    fn replace(&mut self, from: i64, to: i64, steps: &[(i64, Count)]) {
        let mut later: Vec<(i64, Count)> = Vec::new();
        while let Some(last) = self.rows.pop_back_if(|last| last.start >= from) {
            if last.start >= to {
                later.push((last.start, last.own));
            }
        }
        for (start, count) in steps.iter().copied().chain(later.into_iter().rev()) {
            let before = self.rows.back().map_or(Count::default(), |last| last.through);
            if count.total > 0 {
                self.rows.push_back(Step { start, own: count, through: before.plus(count) });
            }
        }
    }

    fn forget_before(&mut self, oldest: i64) {
        while self.rows.pop_front_if(|first| first.start < oldest).is_some() {}
        self.known_from = self.known_from.map(|from| from.max(oldest));
    }

    /// Of steps that begin from `from` on and before `to`.
    fn sum(&self, from: i64, to: i64) -> Count {
        let first = self.rows.partition_point(|step| step.start < from);
        let end = self.rows.partition_point(|step| step.start < to);
        if first >= end {
            return Count::default();
        }
        let (first, last) = (self.rows[first], self.rows[end - 1]);
        // What comes before the first is in both sums.
        Count {
            good: last.through.good - first.through.good + first.own.good,
            total: last.through.total - first.through.total + first.own.total,
        }
    }
}

/// Good events and all events of one objective.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    steps: [Steps; 4],
}

impl Ledger {
    /// Takes what is known now of a time, from its first whole step to `to`. Steps are by their start and in order.
    pub fn put(&mut self, grain: Grain, from: Timestamp, to: Timestamp, steps: &[(Timestamp, Count)]) {
        let seconds = grain.seconds();
        let (from, to) = (floor(from.as_seconds(), seconds), to.as_seconds());
        let rows: Vec<_> = steps
            .iter()
            .map(|(at, count)| (floor(at.as_seconds(), seconds), *count))
            .filter(|(start, _)| (from..=to).contains(start))
            .collect();
        let own = &mut self.steps[grain as usize];
        own.replace(from, to + 1, &rows);
        let span = i64::try_from(grain.span().as_secs()).unwrap_or(i64::MAX);
        own.known_from = Some(own.known_from.map_or(from, |known| known.min(from)));
        own.forget_before(to - span);
    }

    /// From when on a grain is known.
    pub fn known_from(&self, grain: Grain) -> Option<Timestamp> {
        self.steps[grain as usize].known_from.map(Timestamp::from_seconds)
    }

    /// Events of the `window` before `now`; a step in which the window begins counts whole.
    pub fn sum(&self, now: Timestamp, window: Duration) -> Count {
        let now = now.as_seconds();
        let from = now.saturating_sub(i64::try_from(window.as_secs()).unwrap_or(i64::MAX));
        let mut until = now + 1;
        let mut sum = Count::default();
        for (place, grain) in GRAINS.iter().enumerate() {
            let begin = floor(from, grain.seconds());
            // The next coarser grain goes up to where this one is whole, at one of its own steps.
            let known = self.steps[place].known_from.map_or(until, |known| {
                let coarser = GRAINS.get(place + 1).map_or(grain.seconds(), |next| next.seconds());
                ceil(known, coarser)
            });
            let lower = begin.max(known);
            if lower < until {
                sum = sum.plus(self.steps[place].sum(lower, until));
                until = lower;
            }
            if begin >= known {
                break;
            }
        }
        sum
    }

    /// Since when there is anything, within `window`; None: there is nothing.
    pub fn first_within(&self, now: Timestamp, window: Duration) -> Option<Timestamp> {
        let from = now.as_seconds().saturating_sub(i64::try_from(window.as_secs()).unwrap_or(i64::MAX));
        let first = |steps: &Steps| {
            let at = steps.rows.partition_point(|step| step.start < from);
            steps.rows.get(at).map(|step| step.start)
        };
        let now = now.as_seconds();
        self.steps.iter().filter_map(first).filter(|start| *start <= now).min().map(Timestamp::from_seconds)
    }

    /// When the newest step with an event began; None: there is none before `now`.
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.as_seconds();
        let newest =
            |steps: &Steps| steps.rows.iter().rev().find(|step| step.start <= now).map(|step| step.start);
        self.steps.iter().filter_map(newest).max().map(Timestamp::from_seconds)
    }

    /// Events by step of a grain, oldest first, for pictures.
    pub fn steps(&self, grain: Grain, from: Timestamp) -> Vec<(Timestamp, Count)> {
        let rows = &self.steps[grain as usize].rows;
        let first = rows.partition_point(|step| step.start < from.as_seconds());
        rows.iter().skip(first).map(|step| (Timestamp::from_seconds(step.start), step.own)).collect()
    }
}

fn floor(seconds: i64, step: i64) -> i64 {
    seconds.div_euclid(step) * step
}

fn ceil(seconds: i64, step: i64) -> i64 {
    floor(seconds + step - 1, step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: i64 = 1_795_500_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(BASE + seconds)
    }

    fn count(good: u64, total: u64) -> Count {
        Count { good, total }
    }

    #[test]
    fn a_window_is_counted_once_from_the_finest_that_has_it() {
        let mut ledger = Ledger::default();
        // The same event in all grains.
        for grain in GRAINS {
            ledger.put(grain, at(-100_000), at(0), &[(at(-50), count(1, 2))]);
        }
        for window in [60, 3_600, 20_000, 90_000, 100_000] {
            assert_eq!(ledger.sum(at(0), Duration::from_secs(window)), count(1, 2), "{window}");
        }
        assert_eq!(ledger.sum(at(0), Duration::from_secs(20)), count(0, 0));
    }

    #[test]
    fn what_is_read_again_takes_the_place_of_what_was_there() {
        let mut ledger = Ledger::default();
        let ten = Grain::TenSeconds;
        ledger.put(
            ten,
            at(-100),
            at(0),
            &[(at(-30), count(1, 1)), (at(-20), count(1, 1)), (at(0), count(1, 1))],
        );
        ledger.put(ten, at(-20), at(9), &[(at(-20), count(2, 5)), (at(0), count(3, 3))]);
        assert_eq!(ledger.sum(at(9), Duration::from_secs(60)), count(6, 9));
        // The clock went back: what is later stays for when it comes.
        ledger.put(ten, at(-40), at(-25), &[(at(-40), count(7, 7))]);
        assert_eq!(ledger.sum(at(-25), Duration::from_secs(30)), count(7, 7));
        assert_eq!(ledger.sum(at(9), Duration::from_secs(60)), count(12, 15));
    }

    proptest! {
        /// Whatever comes in whatever order: a sum is what was put there last.
        #[test]
        fn sums_are_those_of_a_plain_list(
            puts in prop::collection::vec((0_i64..60, 0_i64..30, 0_u64..9, 0_u64..9), 1..30),
            window in 1_i64..600,
        ) {
            let mut ledger = Ledger::default();
            let mut plain = std::collections::BTreeMap::new();
            ledger.put(Grain::TenSeconds, at(-600), at(-600), &[]);
            for (from, length, good, bad) in puts {
                let to = from + length;
                let steps: Vec<_> = (from..=to).map(|step| (at(step * 10), count(good, good + bad))).collect();
                ledger.put(Grain::TenSeconds, at(from * 10), at(to * 10), &steps);
                plain.extend((from..=to).map(|step| (step * 10, count(good, good + bad))));
            }
            let now = 900;
            let begin = (now - window).div_euclid(10) * 10;
            let expected = plain.range(begin..=now).fold(Count::default(), |sum, (_, step)| sum.plus(*step));
            ledger.put(Grain::TenSeconds, at(now), at(now), &[]);
            prop_assert_eq!(ledger.sum(at(now), Duration::from_secs(window.cast_unsigned())), expected);
        }
    }
}
