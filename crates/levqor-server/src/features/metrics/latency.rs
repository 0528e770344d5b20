//! A histogram of latencies over the last minutes, in bounded memory.
//!
//! Buckets grow with the value: 16 to each power of two, so a percentile is off by 1/16 of itself at most.

use std::time::Duration;

use levqor_model::Timestamp;

/// Sub-buckets of a power of two, as a power of two.
const SUB_BITS: u32 = 4;
const SUB: u64 = 1 << SUB_BITS;
/// About 19 hours in microseconds; longer ones count as that.
const POWERS: u32 = 36;
const BUCKETS: usize = ((POWERS - SUB_BITS + 1) as usize) << SUB_BITS;
/// Minutes that count.
const MINUTES: i64 = 5;

/// The percentiles of the last five to six minutes, in milliseconds; None without a request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Percentiles {
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) p99: Option<f64>,
}

#[derive(Debug)]
struct Minute {
    minute: i64,
    counts: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Latencies {
    minutes: Vec<Minute>,
}

impl Latencies {
    pub(super) fn new() -> Self {
        let minute = || Minute { minute: i64::MIN, counts: vec![0; BUCKETS] };
        Self { minutes: (0..=MINUTES).map(|_| minute()).collect() }
    }

    pub(super) fn add(&mut self, now: Timestamp, latency: Duration) {
        let minute = now.as_seconds().div_euclid(60);
        let place = minute.rem_euclid(MINUTES + 1) as usize;
        let slot = &mut self.minutes[place];
        if slot.minute != minute {
            slot.minute = minute;
            slot.counts.fill(0);
        }
        let bucket = bucket_of(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        slot.counts[bucket] = slot.counts[bucket].saturating_add(1);
    }

    pub(super) fn percentiles(&self, now: Timestamp) -> Percentiles {
        let newest = now.as_seconds().div_euclid(60);
        let mut sums = vec![0_u64; BUCKETS];
        for slot in
            self.minutes.iter().filter(|slot| slot.minute >= newest - MINUTES && slot.minute <= newest)
        {
            for (sum, count) in sums.iter_mut().zip(&slot.counts) {
                *sum += u64::from(*count);
            }
        }
        let total: u64 = sums.iter().sum();
        let percentile = |per_cent: u64| {
            // The smallest value with at least that share of all values at or below it.
            let rank = (total * per_cent).div_ceil(100).max(1);
            let mut seen = 0;
            let bucket = sums.iter().position(|count| {
                seen += count;
                seen >= rank
            })?;
            Some(upper_bound_of(bucket) as f64 / 1_000.0)
        };
        Percentiles { p50: percentile(50), p95: percentile(95), p99: percentile(99) }
    }
}

fn bucket_of(micros: u64) -> usize {
    let value = micros.min((1 << POWERS) - 1);
    if value < SUB {
        return value as usize;
    }
    let power = value.ilog2();
    let within = (value >> (power - SUB_BITS)) - SUB;
    (((power - SUB_BITS + 1) as usize) << SUB_BITS) + within as usize
}

/// The largest value of the bucket.
fn upper_bound_of(bucket: usize) -> u64 {
    let (row, within) = ((bucket as u64) >> SUB_BITS, (bucket as u64) & (SUB - 1));
    if row == 0 {
        return within;
    }
    let shift = row - 1;
    ((SUB + within + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_within_a_sixteenth(micros in 0_u64..(1 << POWERS)) {
            let bound = upper_bound_of(bucket_of(micros));
            prop_assert!(bound >= micros);
            prop_assert!(bound - micros <= micros / SUB);
            prop_assert!(bucket_of(micros) < BUCKETS);
        }
    }

    #[test]
    fn percentiles_of_a_hundred_values() {
        let now = Timestamp::from_seconds(6_000);
        let mut latencies = Latencies::new();
        for millis in 1..=100 {
            latencies.add(now, Duration::from_millis(millis));
        }
        let Percentiles { p50: Some(p50), p95: Some(p95), p99: Some(p99) } = latencies.percentiles(now)
        else {
            panic!("there are values");
        };
        assert!((50.0..54.0).contains(&p50) && (95.0..101.0).contains(&p95) && (99.0..106.0).contains(&p99));
        let later = Timestamp::from_seconds(6_000 + 6 * 60);
        assert_eq!(latencies.percentiles(later), Percentiles::default());
    }

    #[test]
    fn the_longest_duration_fits() {
        let mut latencies = Latencies::new();
        latencies.add(Timestamp::default(), Duration::MAX);
        assert!(latencies.percentiles(Timestamp::default()).p99.is_some());
    }
}
