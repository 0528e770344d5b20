//! Callers of one limit, so many at most.
//!
//! When it is full, a newcomer takes the place of somebody at rest; else of whoever has used up least among a few. So a crowd of
//! addresses that each ask once cannot have those forgotten who ask too often.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::bucket::Bucket;

const SHARDS: usize = 16;
/// Callers in one shard: 65,536 in all, some 7 MB.
const SHARD_MAX: usize = 4_096;
/// Callers that are compared when one must go.
const COMPARED: usize = 8;
/// A full shard is searched for those at rest no more often than this, in microseconds.
const TIDY_EVERY: i64 = 100_000;

#[derive(Debug)]
pub(super) struct Table([Mutex<Shard>; SHARDS]);

#[derive(Debug, Default)]
struct Shard {
    callers: HashMap<i64, Bucket>,
    tidied_at: i64,
}

impl Table {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    /// The caller's bucket, which is a new one for a stranger.
    pub(super) fn with<T>(&self, caller: i64, now: i64, work: impl FnOnce(&mut Bucket) -> T) -> T {
        let place = caller.unsigned_abs() as usize % SHARDS;
        let mut shard = self.0[place].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.callers.len() >= SHARD_MAX && !shard.callers.contains_key(&caller) {
            shard.make_room(now);
        }
        work(shard.callers.entry(caller).or_default())
    }

    /// Forgets those at rest.
    pub(super) fn prune(&self, now: i64) {
        for shard in &self.0 {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.callers.retain(|_, bucket| !bucket.is_at_rest(now));
            if shard.callers.capacity() > 4 * shard.callers.len() + 64 {
                shard.callers.shrink_to_fit();
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().unwrap().callers.len()).sum()
    }
}

impl Shard {
    fn make_room(&mut self, now: i64) {
        if now.saturating_sub(self.tidied_at) >= TIDY_EVERY {
            self.tidied_at = now;
            self.callers.retain(|_, bucket| !bucket.is_at_rest(now));
            if self.callers.len() < SHARD_MAX {
                return;
            }
        }
        let least = self.callers.iter().take(COMPARED).min_by_key(|(_, bucket)| bucket.weight());
        if let Some(caller) = least.map(|(caller, _)| *caller) {
            self.callers.remove(&caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::rate::bucket::{Moment, Quota, Verdict};

    #[test]
    fn a_crowd_of_strangers_is_bounded_and_hides_nobody_who_asks_too_often() {
        let (table, quota) = (Table::new(), Quota::per_minute(100).unwrap());
        let take = |caller: i64, now| table.with(caller, now, |it| it.take(quota, Moment { now, nodes: 1 }));
        let now = 1_000_000_000;
        while matches!(take(-1, now), Verdict::Pass { .. }) {}
        for stranger in 0..200_000 {
            take(stranger, now + stranger);
        }
        assert!(table.len() <= SHARDS * SHARD_MAX, "{}", table.len());
        assert!(matches!(take(-1, now + 200_000), Verdict::Refuse { .. }), "it is still remembered");
        table.prune(now + 300_000_000);
        assert_eq!(table.len(), 0);
    }
}
