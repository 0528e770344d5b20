//! How fast requests were answered over the last minutes, in bounded memory.

use levqor_model::{Histogram, Timestamp};

/// Minutes that count.
const MINUTES: i64 = 5;

/// The percentiles of the last five to six minutes, in milliseconds; None without a request.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Percentiles {
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// Microseconds by minute; a minute takes the place of the one that left the window.
#[derive(Debug, Default)]
pub(super) struct Latencies([(i64, Histogram); (MINUTES + 1) as usize]);

impl Latencies {
    /// Durations of requests in one step.
    pub(super) fn merge(&mut self, at: Timestamp, durations: &Histogram) {
        let minute = minute_of(at);
        let (taken_by, histogram) = &mut self.0[minute.rem_euclid(MINUTES + 1) as usize];
        if *taken_by != minute {
            *taken_by = minute;
            *histogram = Histogram::default();
        }
        histogram.merge(durations);
    }

    pub(super) fn percentiles(&self, now: Timestamp) -> Percentiles {
        let newest = minute_of(now);
        let mut all = Histogram::default();
        for (minute, histogram) in &self.0 {
            if (newest - MINUTES..=newest).contains(minute) {
                all.merge(histogram);
            }
        }
        let percentile = |share| all.quantile(share).map(|micros| micros as f64 / 1_000.0);
        Percentiles { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99) }
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_seconds().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durations(millis: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        millis.into_iter().for_each(|millis| histogram.add(millis * 1_000));
        histogram
    }

    #[test]
    fn percentiles_of_a_hundred_values() {
        let now = Timestamp::from_seconds(6_000);
        let mut latencies = Latencies::default();
        latencies.merge(now, &durations(1..=50));
        latencies.merge(now, &durations(51..=100));
        let Percentiles { p50: Some(p50), p95: Some(p95), p99: Some(p99) } = latencies.percentiles(now)
        else {
            panic!("there are values");
        };
        assert!((50.0..54.0).contains(&p50) && (95.0..101.0).contains(&p95) && (99.0..106.0).contains(&p99));
        let later = Timestamp::from_seconds(6_000 + 6 * 60);
        assert_eq!(latencies.percentiles(later), Percentiles::default());
    }

    #[test]
    fn a_minute_leaves_the_window_and_another_takes_its_place() {
        let at = |minute: i64| Timestamp::from_seconds(minute * 60);
        let mut latencies = Latencies::default();
        latencies.merge(at(100), &durations([1_000]));
        latencies.merge(at(101), &durations([2]));
        assert!(latencies.percentiles(at(105)).p99.unwrap() > 900.0);
        assert!(latencies.percentiles(at(106)).p99.unwrap() < 3.0);
        latencies.merge(at(106), &durations([4]));
        assert!((4.0..5.0).contains(&latencies.percentiles(at(106)).p99.unwrap()));
        // The clock went back: what is in its future does not count.
        assert!(latencies.percentiles(at(102)).p99.unwrap() < 3.0);
    }
}
