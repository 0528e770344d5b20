//! Totals and their sliding windows, in memory, with what is still to be written.
//!
//! ```text
//! add ─► total, second's bucket ─┐
//!    └─► pending ─► take ─► store.add_counts (one write a second) ─► on failure: give back
//! start: store.totals + buckets of the last five minutes ─► restore
//! asked, with other nodes beside this one ─► the same ─► renew
//! ```
//!
//! Invariant: what the store has plus `pending` is what `total` says, once restored. At most a second of counts is lost
//! when the process is killed.

use std::collections::HashMap;

use levqor_model::Timestamp;
use levqor_store::counters::Increment;

use super::Counter;

/// Seconds of the sliding window.
pub(super) const WINDOW: i64 = 300;
const COUNTERS: usize = Counter::ALL.len();
/// Entries that may wait for the store. Beyond, the older ones lose their second (not their count).
const PENDING_MAX: usize = 4 * WINDOW as usize;

/// Counts of one second, one slot in a ring of [`WINDOW`].
#[derive(Debug, Clone, Copy)]
struct Slot {
    second: i64,
    counts: [i64; COUNTERS],
}

const EMPTY: Slot = Slot { second: i64::MIN, counts: [0; COUNTERS] };

#[derive(Debug)]
pub(super) struct Totals {
    totals: [i64; COUNTERS],
    /// Of this process alone.
    own: [i64; COUNTERS],
    ring: Vec<Slot>,
    pending: HashMap<(Counter, i64), i64>,
}

impl Totals {
    pub(super) fn new() -> Self {
        let (none, ring) = ([0; COUNTERS], vec![EMPTY; WINDOW as usize]);
        Self { totals: none, own: none, ring, pending: HashMap::new() }
    }

    pub(super) fn add(&mut self, counter: Counter, now: Timestamp, by: i64) {
        let second = now.as_seconds();
        self.totals[counter.index()] += by;
        self.own[counter.index()] += by;
        self.add_to_ring(counter, second, by);
        *self.pending.entry((counter, second)).or_insert(0) += by;
    }

    fn add_to_ring(&mut self, counter: Counter, second: i64, by: i64) {
        let slot = &mut self.ring[second.rem_euclid(WINDOW) as usize];
        if slot.second < second {
            *slot = Slot { second, counts: [0; COUNTERS] };
        }
        // A clock that went back finds a newer second in the slot: the count is too old for the window.
        if slot.second == second {
            slot.counts[counter.index()] += by;
        }
    }

    pub(super) fn total(&self, counter: Counter) -> i64 {
        self.totals[counter.index()]
    }

    /// What this process has counted since it began.
    pub(super) fn own(&self, counter: Counter) -> i64 {
        self.own[counter.index()]
    }

    /// Counts of the last five minutes: the current second and the [`WINDOW`] - 1 before it.
    pub(super) fn last_5m(&self, counter: Counter, now: Timestamp) -> i64 {
        let second = now.as_seconds();
        self.ring
            .iter()
            .filter(|slot| slot.second > second - WINDOW && slot.second <= second)
            .map(|slot| slot.counts[counter.index()])
            .sum()
    }

    /// Adds what the store remembers from before this process.
    pub(super) fn restore(&mut self, totals: &[(String, i64)], buckets: &[(String, Timestamp, i64)]) {
        for (name, total) in totals {
            if let Some(counter) = Counter::parse(name) {
                self.totals[counter.index()] += total;
            }
        }
        for (name, at, count) in buckets {
            if let Some(counter) = Counter::parse(name) {
                self.add_to_ring(counter, at.as_seconds(), *count);
            }
        }
    }

    /// What the store has now, with what is still to be written: other nodes have counted, too.
    pub(super) fn renew(&mut self, totals: &[(String, i64)], buckets: &[(String, Timestamp, i64)]) {
        self.totals = [0; COUNTERS];
        self.ring.fill(EMPTY);
        self.restore(totals, buckets);
        let pending: Vec<_> = self.pending.iter().map(|(of, by)| (*of, *by)).collect();
        for ((counter, second), by) in pending {
            self.totals[counter.index()] += by;
            self.add_to_ring(counter, second, by);
        }
    }

    /// Takes what is to be written.
    pub(super) fn take_pending(&mut self) -> Vec<Increment> {
        let mut increments: Vec<_> = self
            .pending
            .drain()
            .map(|((counter, second), by)| Increment {
                name: counter.name(),
                at: Timestamp::from_seconds(second),
                by,
            })
            .collect();
        increments.sort_by_key(|increment| (increment.at, increment.name));
        increments
    }

    /// Takes back what could not be written.
    pub(super) fn give_back(&mut self, increments: Vec<Increment>) {
        let crowded = self.pending.len() + increments.len() > PENDING_MAX;
        // When the store is away for long, one bucket a counter keeps the totals right and the memory bounded.
        let oldest = increments.iter().map(|increment| increment.at).min();
        for increment in increments {
            let Some(counter) = Counter::parse(increment.name) else { continue };
            let at = if crowded { oldest.unwrap_or(increment.at) } else { increment.at };
            *self.pending.entry((counter, at.as_seconds())).or_insert(0) += increment.by;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + second)
    }

    #[test]
    fn the_window_slides_by_the_second() {
        let mut totals = Totals::new();
        totals.add(Counter::Requests, at(0), 1);
        totals.add(Counter::Requests, at(10), 2);
        let rows = [(0, 1), (9, 1), (10, 3), (299, 3), (300, 2), (309, 2), (310, 0), (10_000, 0)];
        for (now, expected) in rows {
            assert_eq!(totals.last_5m(Counter::Requests, at(now)), expected, "at second {now}");
        }
        assert_eq!(totals.total(Counter::Requests), 3);
        assert_eq!(totals.total(Counter::Errors), 0);
    }

    #[test]
    fn a_clock_that_goes_back_loses_no_total() {
        let mut totals = Totals::new();
        totals.add(Counter::Errors, at(600), 1);
        totals.add(Counter::Errors, at(300), 1);
        assert_eq!(totals.total(Counter::Errors), 2);
        assert_eq!(totals.last_5m(Counter::Errors, at(600)), 1);
    }

    #[test]
    fn what_was_not_written_is_written_later() {
        let mut totals = Totals::new();
        totals.add(Counter::Requests, at(0), 5);
        let taken = totals.take_pending();
        assert!(totals.take_pending().is_empty());
        totals.add(Counter::Requests, at(0), 1);
        totals.give_back(taken);
        let again = totals.take_pending();
        assert_eq!(again, [Increment { name: "requests", at: at(0), by: 6 }]);
    }

    #[test]
    fn a_store_that_stays_away_costs_no_endless_memory() {
        let mut totals = Totals::new();
        for second in 0..5_000 {
            totals.add(Counter::Requests, at(second), 1);
            let taken = totals.take_pending();
            totals.give_back(taken);
            assert!(totals.pending.len() <= PENDING_MAX);
        }
        assert_eq!(totals.take_pending().iter().map(|increment| increment.by).sum::<i64>(), 5_000);
    }

    #[test]
    fn a_restart_goes_on_where_the_last_process_ended() {
        let mut totals = Totals::new();
        totals.add(Counter::Requests, at(100), 1);
        totals.restore(
            &[("requests".to_owned(), 40), ("a_name_of_another_version".to_owned(), 9)],
            &[("requests".to_owned(), at(50), 4)],
        );
        assert_eq!(totals.total(Counter::Requests), 41);
        assert_eq!(totals.last_5m(Counter::Requests, at(100)), 5);
        assert_eq!(totals.last_5m(Counter::Requests, at(350)), 1);
        assert_eq!(totals.own(Counter::Requests), 1);
    }

    #[test]
    fn what_others_have_counted_is_read_beside_what_waits_here() {
        let mut totals = Totals::new();
        totals.add(Counter::Requests, at(100), 1);
        let written = totals.take_pending();
        totals.add(Counter::Requests, at(101), 2);
        // The store has this process's first one, and seven of others.
        let (all, buckets) = ([("requests".to_owned(), 8)], [("requests".to_owned(), at(100), 8)]);
        for _ in 0..2 {
            totals.renew(&all, &buckets);
            assert_eq!(totals.total(Counter::Requests), 10);
            assert_eq!(totals.last_5m(Counter::Requests, at(101)), 10);
            assert_eq!(totals.own(Counter::Requests), 3);
        }
        assert_eq!((written.len(), totals.take_pending().len()), (1, 1));
    }
}
