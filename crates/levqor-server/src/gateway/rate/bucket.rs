//! How one caller stands with one limit, on this node. Pure: the time comes in, a verdict comes out.
//!
//! A node that is alone counts by itself. Nodes of one region share a limit: the region's count is a row in the store, which is
//! told of uses and asked for more in one statement. So that this costs no statement for each request, there are three ways to
//! pass:
//!
//! ```text
//! untold   a few, as long as nobody in the region is known to use the limit much: told when the row is next asked
//! leased   what the row gave; twice as many each time while they are used up within a second, the rest is given back
//! asked    else: the row is asked, and whoever waits for the answer is decided by it
//! ```
//!
//! A caller who is refused is refused from memory until the moment at which one use is free again. When the store does not answer,
//! each node lets its share pass.
//!
//! Invariant: leases are counted when they are given, so what several nodes let pass exceeds the limit by what was untold at that
//! moment at most, and that is made up for later.
//!
//! Source: ITU-T I.371, annex A (generic cell rate algorithm, virtual scheduling).

/// Whoever does not use up a lease within this time gives the rest back.
pub(super) const LEASE_US: i64 = 1_000_000;
/// A lease is no larger than this, whatever is left.
const LEASE_MAX: u32 = 128;
/// So many in ten thousand of a quota pass untold on each node: of 1,000 a minute, three.
const UNTOLD_SHARE: i64 = 30;

/// A limit: `most` is its window, `step` what one use takes of it. In microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) step: i64,
    pub(super) most: i64,
}

/// The time, and how many nodes share the limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: i64,
    pub(super) nodes: u32,
}

/// What a node thinks of a caller. Times at which something is over are in the past when there is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// When the quota would be whole again, by the uses that only this node knows of.
    own: i64,
    /// The same for what passed untold, as if all other nodes did the same.
    untold: i64,
    /// The same by the region's count, as it was told last.
    region: i64,
    /// Uses that the region's count has given to this node, and how long they are kept.
    leased: u32,
    lease_ends: i64,
    /// Uses to ask for next.
    want: u32,
    /// Nothing is left in the region until then.
    refused_until: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass {
        remaining: u32,
    },
    /// Until one use is free.
    Refuse {
        wait: i64,
    },
    Ask,
}

/// What is said to the region's count: uses that it does not know of (negative: some come back), and how many are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) owed: i64,
    pub(super) wanted: u32,
}

impl Quota {
    /// None for no limit.
    pub(super) fn per_minute(uses: u32) -> Option<Self> {
        const MINUTE: i64 = 60_000_000;
        (uses > 0).then(|| Self { step: (MINUTE / i64::from(uses)).max(1), most: MINUTE })
    }

    /// Uses that fit into so much of the window.
    fn uses(self, span: i64) -> u32 {
        u32::try_from(span.max(0) / self.step).unwrap_or(u32::MAX)
    }

    /// How much of the window may pass untold on one node.
    fn untold(self) -> i64 {
        (self.most / 10_000 * UNTOLD_SHARE).max(self.step)
    }
}

impl Bucket {
    /// The next use.
    pub(super) fn take(&mut self, quota: Quota, moment: Moment) -> Verdict {
        self.settle(quota, moment.now);
        if moment.nodes > 1 { self.take_among(quota, moment) } else { self.take_alone(quota, moment.now) }
    }

    /// A clock that was set back must not keep anybody out for longer than the window.
    fn settle(&mut self, quota: Quota, now: i64) {
        for until in [&mut self.own, &mut self.untold, &mut self.region] {
            *until = (*until).min(now.saturating_add(2 * quota.most));
        }
        self.refused_until = self.refused_until.min(now.saturating_add(2 * quota.most));
        self.lease_ends = self.lease_ends.min(now.saturating_add(LEASE_US));
    }

    fn take_alone(&mut self, quota: Quota, now: i64) -> Verdict {
        // What the others knew of, when there were others.
        let used = self.own.max(now) + (self.region - now).max(0);
        (self.region, self.refused_until) = (0, 0);
        self.own = used;
        let room = now + quota.most - used;
        if room < quota.step {
            return Verdict::Refuse { wait: quota.step - room };
        }
        self.own += quota.step;
        Verdict::Pass { remaining: quota.uses(room) - 1 }
    }

    fn take_among(&mut self, quota: Quota, moment: Moment) -> Verdict {
        let now = moment.now;
        if self.leased > 0 && self.lease_ends > now {
            self.leased -= 1;
            return Verdict::Pass { remaining: self.remaining(quota, now) };
        }
        if self.refused_until > now {
            return Verdict::Refuse { wait: self.refused_until - now };
        }
        let untold = quota.untold().saturating_mul(i64::from(moment.nodes));
        if self.leased == 0 && self.region <= now && self.pass_slowly(quota, moment, untold) {
            return Verdict::Pass { remaining: self.remaining(quota, now) };
        }
        Verdict::Ask
    }

    /// Nobody can be asked: the node's own share passes, and is told of later.
    pub(super) fn take_share(&mut self, quota: Quota, moment: Moment) -> Verdict {
        self.settle(quota, moment.now);
        if self.pass_slowly(quota, moment, quota.most) {
            return Verdict::Pass { remaining: self.remaining(quota, moment.now) };
        }
        let step = quota.step.saturating_mul(i64::from(moment.nodes));
        Verdict::Refuse { wait: (self.untold + step - moment.now - quota.most).max(1) }
    }

    /// Lets one pass while no more than `most` is used up, by a clock that is as slow as there are nodes.
    fn pass_slowly(&mut self, quota: Quota, moment: Moment, most: i64) -> bool {
        let (now, nodes) = (moment.now, i64::from(moment.nodes));
        let next = self.untold.max(now) + quota.step.saturating_mul(nodes);
        if next > now + most {
            return false;
        }
        self.untold = next;
        self.own = self.own.max(now) + quota.step;
        true
    }

    /// What to tell and to ask; from then on it counts as told.
    pub(super) fn wish(&mut self, quota: Quota, moment: Moment) -> Wish {
        let Moment { now, nodes } = moment;
        let idle = self.lease_ends + LEASE_US < now;
        let unused = i64::from(std::mem::take(&mut self.leased));
        let owed = (self.own - now).max(0) - unused * quota.step;
        self.own = now;
        if idle || unused > 0 || self.want == 0 {
            self.want = 1;
        }
        let room = quota.uses(now + quota.most - self.region.max(now));
        let fair = (room / (2 * nodes.max(1))).clamp(1, LEASE_MAX);
        Wish { owed, wanted: self.want.min(fair) }
    }

    /// The region's count did not answer: what it was to be told is still untold.
    pub(super) fn unsaid(&mut self, now: i64, wish: Wish) {
        self.own = self.own.max(now) + wish.owed.max(0);
    }

    /// The region's count has given `granted`, and will be whole again at `region`.
    pub(super) fn granted(&mut self, quota: Quota, now: i64, granted: u32, region: i64) {
        self.hear(quota, region);
        if granted > 0 {
            self.leased += granted;
            self.lease_ends = now + LEASE_US;
            self.want = self.want.saturating_mul(2).min(LEASE_MAX);
        }
    }

    /// How the region's count stands, as another node has left it.
    pub(super) fn hear(&mut self, quota: Quota, region: i64) {
        self.region = region;
        self.refused_until = region + quota.step - quota.most;
    }

    /// What is to be given back of a lease that is over.
    pub(super) fn give_back(&mut self, quota: Quota, now: i64) -> Option<Wish> {
        if self.leased == 0 || self.lease_ends > now {
            return None;
        }
        let unused = std::mem::take(&mut self.leased);
        self.want = 1;
        Some(Wish { owed: -i64::from(unused) * quota.step, wanted: 0 })
    }

    /// Nothing is known that matters.
    pub(super) fn is_at_rest(&self, now: i64) -> bool {
        self.weight() <= now && self.leased == 0
    }

    /// Who has used up most is forgotten last.
    pub(super) fn weight(&self) -> i64 {
        self.own.max(self.region).max(self.untold)
    }

    /// Whether one more would pass, for a node that counts by itself.
    pub(super) fn has_room(&self, quota: Quota, now: i64) -> bool {
        self.own.max(now) + quota.step <= now + quota.most
    }

    fn remaining(&self, quota: Quota, now: i64) -> u32 {
        let used = self.region.max(now) + (self.own - now).max(0);
        self.leased.saturating_add(quota.uses(now + quota.most - used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Quota = Quota { step: 6_000_000, most: 60_000_000 };
    const STEP: i64 = TEN.step;

    fn at(now: i64, nodes: u32) -> Moment {
        Moment { now: now + 1_000_000_000, nodes }
    }

    fn pass(remaining: u32) -> Verdict {
        Verdict::Pass { remaining }
    }

    #[test]
    fn alone_a_burst_passes_and_then_one_at_a_time() {
        let mut bucket = Bucket::default();
        for left in (0..10).rev() {
            assert_eq!(bucket.take(TEN, at(0, 1)), pass(left));
        }
        assert_eq!(bucket.take(TEN, at(0, 1)), Verdict::Refuse { wait: STEP });
        assert_eq!(bucket.take(TEN, at(STEP - 1, 1)), Verdict::Refuse { wait: 1 });
        assert_eq!(bucket.take(TEN, at(STEP, 1)), pass(0));
        assert_eq!(bucket.take(TEN, at(STEP, 1)), Verdict::Refuse { wait: STEP });
        assert_eq!(bucket.take(TEN, at(99 * STEP, 1)), pass(9));
        assert!(!bucket.is_at_rest(at(99 * STEP, 1).now) && bucket.is_at_rest(at(100 * STEP, 1).now));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_out_for_long() {
        let mut bucket = Bucket::default();
        for _ in 0..11 {
            bucket.take(TEN, at(3_600_000_000, 1));
        }
        let Verdict::Refuse { wait } = bucket.take(TEN, at(0, 1)) else { panic!("the quota was used up") };
        assert!(wait <= TEN.most + STEP, "{wait}");
    }

    #[test]
    fn among_others_the_first_passes_untold_and_the_next_asks() {
        let mut bucket = Bucket::default();
        let moment = at(0, 3);
        assert_eq!(bucket.take(TEN, moment), pass(9));
        assert_eq!(bucket.take(TEN, moment), Verdict::Ask);
        assert_eq!(bucket.wish(TEN, moment), Wish { owed: STEP, wanted: 1 });
        bucket.granted(TEN, moment.now, 1, moment.now + 2 * STEP);
        assert_eq!(bucket.take(TEN, moment), pass(8));
        assert_eq!(
            bucket.take(TEN, moment),
            Verdict::Ask,
            "the region's count is known: nothing passes untold"
        );
        // Twice as many, but no more than a fair share of what is left.
        assert_eq!(bucket.wish(TEN, moment), Wish { owed: 0, wanted: 1 });
        let mut slow = Bucket::default();
        for use_ in 0..5 {
            assert_eq!(
                slow.take(TEN, at(use_ * 3 * STEP, 3)),
                pass(9),
                "at a third of the rate nobody is asked"
            );
        }
    }

    #[test]
    fn leases_grow_while_they_are_used_up_and_the_rest_comes_back() {
        let thousand = Quota::per_minute(1_000).unwrap();
        let mut bucket = Bucket { want: 1, lease_ends: at(0, 3).now, ..Bucket::default() };
        let mut sizes = Vec::new();
        for round in 0..9 {
            let moment = at(round * 1_000, 3);
            let wish = bucket.wish(thousand, moment);
            sizes.push(wish.wanted);
            bucket.granted(thousand, moment.now, wish.wanted, moment.now);
            for _ in 0..wish.wanted {
                assert!(matches!(bucket.take(thousand, moment), Verdict::Pass { .. }));
            }
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 128, 128]);
        let moment = at(10_000, 3);
        bucket.granted(thousand, moment.now, 5, moment.now);
        assert_eq!(bucket.give_back(thousand, moment.now), None);
        let later = moment.now + LEASE_US;
        assert_eq!(bucket.give_back(thousand, later), Some(Wish { owed: -5 * thousand.step, wanted: 0 }));
        assert_eq!(bucket.give_back(thousand, later), None, "once");
        bucket.granted(thousand, later, 7, later);
        let idle = Moment { now: later + 9 * LEASE_US, nodes: 3 };
        let wish = bucket.wish(thousand, idle);
        assert_eq!(
            wish,
            Wish { owed: -7 * thousand.step, wanted: 1 },
            "an old lease comes back, and it begins small again"
        );
    }

    #[test]
    fn who_is_refused_is_refused_from_memory_until_a_use_is_free_or_others_give_back() {
        let mut bucket = Bucket::default();
        let moment = at(0, 3);
        bucket.granted(TEN, moment.now, 0, moment.now + TEN.most);
        assert_eq!(bucket.take(TEN, moment), Verdict::Refuse { wait: STEP });
        assert_eq!(bucket.take(TEN, at(STEP - 1, 3)), Verdict::Refuse { wait: 1 });
        assert_eq!(bucket.take(TEN, at(STEP, 3)), Verdict::Ask);
        bucket.hear(TEN, moment.now + TEN.most - STEP);
        assert_eq!(bucket.take(TEN, moment), Verdict::Ask);
    }

    #[test]
    fn without_the_store_each_node_lets_its_share_pass_and_tells_of_it_later() {
        let (mut bucket, moment) = (Bucket::default(), at(0, 3));
        bucket.take(TEN, moment);
        let wish = bucket.wish(TEN, moment);
        bucket.unsaid(moment.now, wish);
        let passed =
            (0..10).filter(|_| matches!(bucket.take_share(TEN, moment), Verdict::Pass { .. })).count();
        assert_eq!(passed, 2, "three of ten, with the one before");
        assert_eq!(bucket.take_share(TEN, moment), Verdict::Refuse { wait: 2 * STEP });
        assert!(matches!(bucket.take_share(TEN, at(2 * STEP, 3)), Verdict::Pass { .. }));
        assert_eq!(bucket.wish(TEN, at(2 * STEP, 3)).owed, 2 * STEP);
    }

    #[test]
    fn what_the_others_knew_counts_for_the_one_that_is_left() {
        let mut bucket = Bucket::default();
        bucket.hear(TEN, at(0, 2).now + 9 * STEP);
        assert_eq!(bucket.take(TEN, at(0, 1)), pass(0));
        assert_eq!(bucket.take(TEN, at(0, 1)), Verdict::Refuse { wait: STEP });
    }
}
