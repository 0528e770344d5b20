//! Timers of runs: due soon in memory, the rest in the database.
//!
//! Invariant: every timer at or before `loaded` that has not fired is in `near`. Timers are set in the database first
//! (with the journal entry that asks for them) and here after; so a crash loses nothing, and a timer fires late rather
//! than never. It never fires early: due times are compared with the injected clock, however the waiting was done.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use levqor_flow::machine::EffectId;
use levqor_model::{RunId, Timestamp};
use levqor_store::timers::Timer;
use tokio::sync::Notify;

use crate::{core::Core, registry::Mail};

/// How far ahead timers are held in memory.
const HORIZON: Duration = Duration::from_secs(60);
/// More than this many are left in the database until nearer ones have fired.
const NEAR_MAX: usize = 100_000;
const PAGE: usize = 1_000;
/// A clock that stands or jumps is looked at again after this long.
const NAP_MAX: Duration = Duration::from_secs(5);

type Key = (Timestamp, RunId, EffectId);

#[derive(Debug, Default)]
struct Near {
    timers: BTreeSet<Key>,
    loaded: Loaded,
    /// While the database is read: timers set meanwhile, whose rows that read may have missed.
    late: Option<Vec<Key>>,
}

/// How far the database has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Loaded {
    #[default]
    Nothing,
    /// Up to this timer.
    Key(Key),
    /// All that are due then or before.
    Until(Timestamp),
}

impl Loaded {
    fn covers(self, key: Key) -> bool {
        match self {
            Loaded::Nothing => false,
            Loaded::Key(last) => key <= last,
            Loaded::Until(until) => key.0 <= until,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    near: Mutex<Near>,
    /// Rings when something nearer was set, or the clock was moved.
    pub(crate) bell: Notify,
}

impl Timers {
    /// A timer whose row is durable.
    pub(crate) fn set(&self, run: RunId, effect: EffectId, at: Timestamp) {
        let key = (at, run, effect);
        let mut near = self.near();
        if !near.loaded.covers(key) {
            if let Some(late) = &mut near.late {
                late.push(key);
            }
            return;
        }
        let first = near.timers.first().is_none_or(|first| key < *first);
        near.timers.insert(key);
        near.bound(NEAR_MAX);
        drop(near);
        if first {
            self.bell.notify_one();
        }
    }

    pub(crate) fn clear(&self, run: RunId, effect: EffectId, at: Timestamp) {
        self.near().timers.remove(&(at, run, effect));
    }

    /// Reads the database anew: timers that fired for runs which could not be woken come again.
    pub(crate) fn reload(&self) {
        self.near().loaded = Loaded::Nothing;
        self.bell.notify_one();
    }

    pub(crate) fn len(&self) -> usize {
        self.near().timers.len()
    }

    /// Takes what is due, and says how long it is until the next.
    fn take_due(&self, now: Timestamp) -> (Vec<Key>, Option<Duration>) {
        let mut near = self.near();
        let mut due = Vec::new();
        while let Some(first) = near.timers.first().copied().filter(|first| first.0 <= now) {
            near.timers.remove(&first);
            due.push(first);
        }
        let next = near.timers.first().map(|first| first.0.since(now));
        (due, next)
    }

    fn near(&self) -> MutexGuard<'_, Near> {
        self.near.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Near {
    fn bound(&mut self, max: usize) {
        while self.timers.len() > max {
            self.timers.pop_last();
            self.loaded = self.timers.last().map_or(Loaded::Nothing, |last| Loaded::Key(*last));
        }
    }
}

/// Fires timers until the engine stops.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        let now = core.clock.now();
        let refilled = refill(&core, now).await;
        let (due, next) = core.timers.take_due(now);
        for (at, run, effect) in due {
            if !core.registry.deliver(run, Mail::Due { effect, at }) {
                // Loading finds what is due by itself.
                core.registry.wake(run);
            }
        }
        let nap = match refilled {
            Ok(true) => continue,
            Ok(false) => next.unwrap_or(NAP_MAX).min(NAP_MAX),
            Err(reason) => {
                tracing::warn!(error = %reason, "timers could not be read; trying again");
                Duration::from_secs(1)
            }
        };
        // Rounded up: the async timer counts in milliseconds, and one wake too many costs more than one late.
        let nap = nap + Duration::from_millis(1);
        tokio::select! {
            () = core.soft.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
            () = core.timers.bell.notified() => {}
        }
    }
}

/// Reads the next page when memory doesn't reach half the horizon; true when there may be more to read.
async fn refill(core: &Core, now: Timestamp) -> Result<bool, levqor_store::Error> {
    let (loaded, room) = {
        let near = core.timers.near();
        (near.loaded, NEAR_MAX.saturating_sub(near.timers.len()))
    };
    if room < PAGE || matches!(loaded, Loaded::Until(until) if until >= now + HORIZON / 2) {
        return Ok(false);
    }
    let from = match loaded {
        Loaded::Nothing => None,
        Loaded::Key((due_at, run_id, effect)) => Some(Timer { run_id, effect, due_at }),
        Loaded::Until(until) => {
            least_run().map(|run_id| Timer { run_id, effect: 0, due_at: until + Duration::from_micros(1) })
        }
    };
    let until = now + HORIZON;
    core.timers.near().late = Some(Vec::new());
    let page = core.faults.store(core.store.due_timers(from, until, PAGE)).await;
    let mut near = core.timers.near();
    let late = near.late.take().unwrap_or_default();
    let page = page?;
    if near.loaded != loaded {
        // Reloaded or cut short meanwhile: what was read may have a gap before it.
        return Ok(true);
    }
    let more = page.len() == PAGE;
    let keys = page.iter().map(|timer| (timer.due_at, timer.run_id, timer.effect));
    near.loaded = match keys.clone().next_back() {
        Some(last) if more => Loaded::Key(last),
        _ => Loaded::Until(until),
    };
    near.timers.extend(keys);
    let loaded = near.loaded;
    near.timers.extend(late.into_iter().filter(|key| loaded.covers(*key)));
    Ok(more)
}

/// Sorts before every run's id.
fn least_run() -> Option<RunId> {
    "run_00000000000000000000000000".parse().ok()
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;

    use super::*;

    fn run(number: i64) -> RunId {
        RunId::new(Timestamp::from_seconds(number), &SeededRandom::new(1))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn only_what_is_due_is_taken_and_only_what_is_near_is_held() {
        let timers = Timers::default();
        timers.set(run(1), 1, at(10));
        assert_eq!(timers.len(), 0, "nothing was loaded yet: the row is in the database");
        timers.near().loaded = Loaded::Until(at(60));
        timers.set(run(1), 1, at(10));
        timers.set(run(2), 1, at(20));
        timers.set(run(3), 1, at(61));
        assert_eq!(timers.len(), 2);
        assert_eq!(timers.take_due(at(9)), (vec![], Some(Duration::from_secs(1))));
        assert_eq!(timers.take_due(at(10)).0, vec![(at(10), run(1), 1)]);
        timers.clear(run(2), 1, at(20));
        assert_eq!(timers.take_due(at(100)), (vec![], None));
    }

    #[test]
    fn beyond_the_bound_the_farthest_are_left_to_the_database() {
        let mut near = Near { loaded: Loaded::Until(at(60)), ..Near::default() };
        for second in 1..=5 {
            near.timers.insert((at(second), run(second), 1));
        }
        near.bound(3);
        assert_eq!(near.timers.len(), 3);
        assert!(near.loaded.covers((at(3), run(3), 1)));
        assert!(!near.loaded.covers((at(4), run(4), 1)));
    }

    #[test]
    fn the_least_run_is_an_id() {
        assert!(least_run().is_some_and(|least| least < run(0)));
    }
}
