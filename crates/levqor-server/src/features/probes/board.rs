//! What this node sees: a view of each target, its last looks, and what of them is to be kept.
//!
//! Bounded: targets are those of the definitions, looks are a ring for each, and what waits for the store is thinned and capped.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use levqor_model::{Date, NodeId, RegionCode, Timestamp};
use levqor_store::probes::{ProbeDay, ProbeResult};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    look::{Look, Shared, Step, Target},
    verdict::{State, View},
};

/// Looks of one target that are kept in memory.
const LOOKS: usize = 60;
/// A look that is like the one before is kept in the store once in this time.
const KEPT_EVERY: Duration = Duration::from_secs(30);
/// Results that wait for the store. The oldest go first.
const WAITING_MAX: usize = 5_000;
/// Sums that wait for it: a day, a target and a probe each.
const SUMS_MAX: usize = 10_000;

/// A probe and one of its targets.
pub(super) type Key = (Arc<str>, String);

/// What was seen of one target.
#[derive(Debug, Default)]
struct Watch {
    view: View,
    fresh: Duration,
    /// Newest first.
    looks: VecDeque<Seen>,
    kept: Option<(Instant, bool)>,
}

/// A look that is told.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) at: Timestamp,
    pub(super) latency_us: i64,
    pub(super) fault: Option<String>,
    pub(super) certificate: Option<Timestamp>,
    pub(super) steps: Vec<Step>,
}

/// What a node says of one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) probe: String,
    pub(super) target: String,
    pub(super) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latency_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<Timestamp>,
}

/// What this node sees.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    watches: BTreeMap<Key, Watch>,
    results: VecDeque<ProbeResult>,
    sums: BTreeMap<(Key, Date), ProbeDay>,
}

/// Which node looks, and where it is.
#[derive(Debug, Clone)]
pub(super) struct Observer {
    pub(super) node: NodeId,
    pub(super) region: RegionCode,
}

impl Board {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a look. True when the view of the target changed.
    pub(super) fn see(&self, own: &Observer, definition: &Shared, target: &Target, look: &Look) -> bool {
        let key: Key = (definition.name.as_str().into(), target.name.clone());
        let mut inner = self.inner();
        let inner = &mut *inner;
        let watch = inner.watches.entry(key.clone()).or_default();
        watch.fresh = definition.fresh();
        let latency_us = i64::try_from(look.latency().as_micros()).unwrap_or(i64::MAX);
        watch.looks.truncate(LOOKS - 1);
        watch.looks.push_front(Seen {
            at: look.at,
            latency_us,
            fault: look.fault.clone(),
            certificate: look.certificate,
            steps: look.steps.clone(),
        });
        let good = look.is_good();
        let result = ProbeResult {
            probe: definition.name.clone(),
            target: target.name.clone(),
            region: own.region.clone(),
            node: own.node,
            at: look.at,
            good,
            latency_us: Some(latency_us),
            reason: look.fault.clone(),
        };
        sum(&mut inner.sums, key, &result, latency_us);
        let is_new =
            watch.kept.is_none_or(|(at, was)| was != good || look.ended.duration_since(at) >= KEPT_EVERY);
        if is_new {
            watch.kept = Some((look.ended, good));
            inner.results.push_back(result);
            while inner.results.len() > WAITING_MAX {
                inner.results.pop_front();
            }
        }
        watch.view.forget_old(look.ended, watch.fresh);
        watch.view.see(look.began, look.ended, good)
    }

    /// What this node says of all targets now.
    pub(super) fn entries(&self, now: Instant) -> Vec<Entry> {
        let inner = self.inner();
        let entry = |((probe, target), watch): (&Key, &Watch)| {
            let last = watch.looks.front();
            Entry {
                probe: probe.to_string(),
                target: target.clone(),
                state: watch.view.state(now, watch.fresh),
                at: last.map(|look| look.at),
                latency_us: last.map(|look| look.latency_us),
                reason: last.and_then(|look| look.fault.clone()),
                certificate: last.and_then(|look| look.certificate),
            }
        };
        inner.watches.iter().map(entry).collect()
    }

    /// The last looks at a target, newest first.
    pub(super) fn looks(&self, probe: &str, target: &str) -> Vec<Seen> {
        let key: Key = (probe.into(), target.to_owned());
        self.inner().watches.get(&key).map(|watch| watch.looks.iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether looks from here have begun to fail, and not for long enough to say that the target is down.
    pub(super) fn is_in_doubt(&self, (probe, target): &(String, String)) -> bool {
        let key: Key = (probe.as_str().into(), target.clone());
        self.inner().watches.get(&key).is_some_and(|watch| watch.view.is_in_doubt(Instant::now()))
    }

    /// Forgets what is looked at no more.
    pub(super) fn retain(&self, is_there: impl Fn(&Key) -> bool) {
        self.inner().watches.retain(|key, _| is_there(key));
    }

    /// What is to be kept, which is then the caller's.
    pub(super) fn take(&self) -> (Vec<ProbeResult>, Vec<ProbeDay>) {
        let mut inner = self.inner();
        let sums = std::mem::take(&mut inner.sums).into_values().collect();
        (inner.results.drain(..).collect(), sums)
    }

    /// The store could not take it.
    pub(super) fn give_back(&self, results: Vec<ProbeResult>, sums: Vec<ProbeDay>) {
        let mut inner = self.inner();
        let inner = &mut *inner;
        for result in results.into_iter().rev() {
            inner.results.push_front(result);
        }
        while inner.results.len() > WAITING_MAX {
            inner.results.pop_front();
        }
        for one in sums {
            let key: Key = (one.probe.as_str().into(), one.target.clone());
            match inner.sums.entry((key, one.day)) {
                std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(one)),
                std::collections::btree_map::Entry::Occupied(mut entry) => add(entry.get_mut(), &one),
            }
        }
        while inner.sums.len() > SUMS_MAX {
            inner.sums.pop_first();
        }
    }
}

fn sum(sums: &mut BTreeMap<(Key, Date), ProbeDay>, key: Key, result: &ProbeResult, latency_us: i64) {
    let day = result.at.date();
    let empty = || ProbeDay {
        probe: result.probe.clone(),
        target: result.target.clone(),
        region: result.region.clone(),
        day,
        good: 0,
        total: 0,
        latency_sum_us: 0,
        latency_max_us: 0,
    };
    let good = i64::from(result.good);
    let latency = if result.good { latency_us } else { 0 };
    let one = ProbeDay { good, total: 1, latency_sum_us: latency, latency_max_us: latency, ..empty() };
    add(sums.entry((key, day)).or_insert_with(empty), &one);
}

fn add(sum: &mut ProbeDay, one: &ProbeDay) {
    sum.good = sum.good.saturating_add(one.good);
    sum.total = sum.total.saturating_add(one.total);
    sum.latency_sum_us = sum.latency_sum_us.saturating_add(one.latency_sum_us);
    sum.latency_max_us = sum.latency_max_us.max(one.latency_max_us);
}

#[cfg(test)]
mod tests {
    use levqor_model::SeededRandom;

    use super::{super::definition::Definitions, *};

    fn look(at: Timestamp, began: Instant, fault: Option<&str>) -> Look {
        Look {
            at,
            began,
            ended: began + Duration::from_millis(5),
            fault: fault.map(str::to_owned),
            certificate: None,
            steps: Vec::new(),
        }
    }

    #[test]
    fn what_is_like_before_is_kept_now_and_then_and_everything_is_counted() {
        let now = Timestamp::from_seconds(1_795_502_901);
        let own =
            Observer { node: NodeId::new(now, &SeededRandom::new(1)), region: "eu-west".parse().unwrap() };
        let definition = Definitions::shipped().find("reach").cloned().unwrap();
        let target = Target { name: "us-east".to_owned(), region: None, addresses: Vec::new() };
        let (board, start) = (Board::default(), Instant::now());
        for half in 0..200 {
            let span = Duration::from_millis(half * 500);
            let fault = (half == 50).then_some("no answer");
            board.see(&own, &definition, &target, &look(now + span, start + span, fault));
        }
        let (results, sums) = board.take();
        // The first, one each 30 s, the failure and what came after it.
        let shown: Vec<_> =
            results.iter().map(|result| (result.at.since(now).as_millis(), result.good)).collect();
        assert_eq!(shown, [(0, true), (25_000, false), (25_500, true), (55_500, true), (85_500, true)]);
        assert_eq!((sums.len(), sums[0].total, sums[0].good, sums[0].latency_max_us), (1, 200, 199, 5_000));
        assert_eq!(board.take(), (Vec::new(), Vec::new()));
        board.give_back(results.clone(), sums.clone());
        board.give_back(Vec::new(), sums.clone());
        let (again, summed) = board.take();
        assert_eq!((again, summed[0].total), (results, 400));
        assert_eq!(board.looks("reach", "us-east").len(), LOOKS);
        let entries = board.entries(start + Duration::from_secs(100));
        assert_eq!((entries.len(), entries[0].state, entries[0].latency_us), (1, State::Up, Some(5_000)));
        assert_eq!(board.entries(start + Duration::from_secs(104))[0].state, State::Unknown);
        let later = Duration::from_secs(200);
        board.see(&own, &definition, &target, &look(now + later, start + later, Some("no answer")));
        assert_eq!(board.entries(start + later)[0].state, State::Unknown, "what was good is of long ago");
        board.retain(|_| false);
        assert!(board.entries(start).is_empty());
    }
}
