//! Samples whose time has not come: clocks of nodes differ, and one that was set back leaves behind what it said before.
//!
//! Such a sample speaks from the moment on in which it was seen here first, and not from its own. Else a node whose clock is ten seconds
//! ahead would be well for ten seconds longer than its last word is evidence for, and a good word of before a clock was set back would
//! hide the bad ones that come after it.

use std::collections::BTreeMap;

use levqor_model::{NodeId, Timestamp};
use levqor_store::health::Sample;

/// When each was seen first: by observer, region, component, and the time that it bears.
#[derive(Debug, Default)]
pub(super) struct Early(BTreeMap<(NodeId, String, String, Timestamp), Timestamp>);

impl Early {
    /// Gives each early one the time at which it was seen first. Those that are not there any more are forgotten.
    pub(super) fn settle(&mut self, samples: &mut [Sample], now: Timestamp) {
        let before = std::mem::take(&mut self.0);
        for sample in samples {
            if before.is_empty() && sample.at <= now {
                continue;
            }
            let key = (sample.node, sample.region.to_string(), sample.component.clone(), sample.at);
            let seen = match before.get(&key) {
                Some(seen) => (*seen).min(now),
                None if sample.at > now => now,
                None => continue,
            };
            self.0.insert(key, seen);
            sample.at = seen;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use levqor_model::SeededRandom;

    use super::super::{service::State, voices::state};
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_503_701);

    fn after(seconds: u64) -> Timestamp {
        NOW + Duration::from_secs(seconds)
    }

    fn sample(good: bool, at: Timestamp) -> Sample {
        Sample {
            region: "eu-west".parse().unwrap(),
            node: NodeId::new(NOW, &SeededRandom::new(1)),
            component: "api".to_owned(),
            at,
            good,
            latency_us: None,
            reason: None,
        }
    }

    /// What is so by samples as they are stored, the newest first, as the page sees them then.
    fn judged(early: &mut Early, stored: &[Sample], now: Timestamp) -> State {
        let mut samples = stored.to_vec();
        early.settle(&mut samples, now);
        samples.sort_by_key(|sample| std::cmp::Reverse(sample.at));
        state(&samples.iter().collect::<Vec<_>>(), now)
    }

    #[test]
    fn a_clock_that_is_ahead_makes_no_evidence_last_longer() {
        let mut early = Early::default();
        // Stored now, by a clock that is ten seconds ahead; then nothing more is said.
        let stored = [sample(true, after(10))];
        assert_eq!(judged(&mut early, &stored, NOW), State::Operational);
        assert_eq!(judged(&mut early, &stored, after(15)), State::Operational);
        assert_eq!(judged(&mut early, &stored, after(16)), State::Unknown);
    }

    #[test]
    fn what_was_said_before_a_clock_was_set_back_hides_nothing() {
        let mut early = Early::default();
        // The clock was ten seconds further, and all was well.
        let mut stored = vec![sample(true, after(10)), sample(true, after(5))];
        assert_eq!(judged(&mut early, &stored, NOW), State::Operational);
        stored.extend([sample(false, after(1)), sample(false, after(3))]);
        assert_eq!(judged(&mut early, &stored, after(3)), State::Down);
    }

    #[test]
    fn what_is_in_time_is_left_as_it_is_and_nothing_is_kept_for_long() {
        let mut early = Early::default();
        let mut samples = [sample(true, NOW), sample(true, after(1))];
        early.settle(&mut samples, NOW);
        assert_eq!((samples[0].at, samples[1].at, early.0.len()), (NOW, NOW, 1));
        early.settle(&mut [sample(true, NOW)], after(60));
        assert!(early.0.is_empty());
    }
}
