//! How often each of very many may do something: so many times at once, and one more after each while. Bounded, whoever comes.
//!
//! Kept of each is one moment: when they have rested, which is when they may do it as often as at first. Whoever has rested is forgotten,
//! since nothing distinguishes them from a stranger. When the place is full, the newcomer takes that of whoever has rested soonest: that
//! is whoever has used least. So a crowd of networks that each ask once has one another forgotten, and whoever has used up what they may
//! is the last to be; to be forgotten they would need as many others who have used up as much, and each of those might have asked itself.
//!
//! Names are kept as numbers made with a key of the process: a mailbox is counted and not remembered, and nobody can choose a name that
//! has the number of another one.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher as _, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So many at once, and how long it takes to earn another.
pub(crate) type Allowance = (u32, Duration);

/// Who is remembered at once: some 2 MB.
const REMEMBERED_MAX: usize = 32_768;
/// Those who have rested and are forgotten on the occasion of a use: more than one comes with each.
const FORGOTTEN_AT_ONCE: usize = 4;

/// What each may do, on this node.
#[derive(Debug)]
pub(crate) struct Allowances {
    /// How long one use takes to be earned again, in microseconds.
    every: u64,
    /// The same of all uses but one.
    ahead: u64,
    remembered_max: usize,
    names: RandomState,
    began: Instant,
    known: Mutex<Known>,
}

/// Moments are microseconds since the beginning.
#[derive(Debug, Default)]
struct Known {
    /// When each will have rested, by the number of their name.
    rested_at: HashMap<u64, u64>,
    /// The same pairs in the order of those moments.
    order: BTreeSet<(u64, u64)>,
}

impl Allowances {
    pub(crate) fn new(allowance: Allowance) -> Self {
        Self::bounded(allowance, REMEMBERED_MAX)
    }

    fn bounded((burst, every): Allowance, remembered_max: usize) -> Self {
        let every = micros(every);
        Self {
            every,
            ahead: every.saturating_mul(u64::from(burst.saturating_sub(1))),
            remembered_max,
            names: RandomState::new(),
            began: Instant::now(),
            known: Mutex::default(),
        }
    }

    /// Uses one. Who is refused loses nothing by having asked.
    ///
    /// # Errors
    /// How long it takes until they may do it once more.
    pub(crate) fn take(&self, who: &(impl Hash + ?Sized)) -> Result<(), Duration> {
        self.take_at(who, micros(self.began.elapsed()))
    }

    fn take_at(&self, who: &(impl Hash + ?Sized), now: u64) -> Result<(), Duration> {
        let name = self.names.hash_one(who);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget_rested(now);
        let before = known.rested_at.get(&name).copied();
        let from = before.unwrap_or(now).max(now);
        let latest = now.saturating_add(self.ahead);
        if from > latest {
            return Err(Duration::from_micros(from - latest));
        }
        match before {
            Some(before) => {
                known.order.remove(&(before, name));
            }
            None if known.rested_at.len() >= self.remembered_max => known.forget_first(),
            None => {}
        }
        let rested_at = from.saturating_add(self.every);
        known.rested_at.insert(name, rested_at);
        known.order.insert((rested_at, name));
        Ok(())
    }

    #[cfg(test)]
    fn remembered(&self) -> usize {
        let known = self.known.lock().unwrap();
        assert_eq!(known.rested_at.len(), known.order.len());
        known.order.len()
    }
}

impl Known {
    fn forget_rested(&mut self, now: u64) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            if self.order.first().is_none_or(|(rested_at, _)| *rested_at > now) {
                break;
            }
            self.forget_first();
        }
        if self.rested_at.capacity() > 4 * self.rested_at.len() + 1_024 {
            self.rested_at.shrink_to_fit();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, name)) = self.order.pop_first() {
            self.rested_at.remove(&name);
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// Three at once, and one more each ten seconds.
    fn three(remembered_max: usize) -> Allowances {
        Allowances::bounded((3, Duration::from_secs(10)), remembered_max)
    }

    #[test]
    fn uses_are_earned_again_one_by_one() {
        let all = three(100);
        let mut now = 0;
        assert_eq!((0..5).filter(|_| all.take_at("ada", now).is_ok()).count(), 3);
        assert_eq!(all.take_at("ada", now), Err(Duration::from_secs(10)));
        now += 4 * SECOND;
        assert_eq!(all.take_at("ada", now), Err(Duration::from_secs(6)), "asking in vain costs nothing");
        assert_eq!(all.take_at("bob", now), Ok(()), "others are others");
        now += 6 * SECOND;
        assert_eq!(all.take_at("ada", now), Ok(()));
        assert_eq!(all.take_at("ada", now), Err(Duration::from_secs(10)));
        now += 60 * SECOND;
        assert_eq!((0..5).filter(|_| all.take_at("ada", now).is_ok()).count(), 3, "never more than at first");
    }

    #[test]
    fn a_crowd_of_strangers_is_bounded_and_has_nobody_forgotten_who_used_all() {
        let all = three(1_000);
        while all.take_at("ada", 0).is_ok() {}
        for stranger in 0..50_000_u64 {
            assert_eq!(all.take_at(&stranger, stranger), Ok(()), "each of them may");
        }
        assert_eq!(all.remembered(), 1_000);
        assert!(all.take_at("ada", 50_000).is_err(), "they are still remembered");
        // Those who have rested go, a few with each use, and what they took is given back.
        for _ in 0..300 {
            let _ = all.take_at("bob", 100 * SECOND);
        }
        assert_eq!(all.remembered(), 1);
        assert!(all.known.lock().unwrap().rested_at.capacity() < 1_000);
    }
}
