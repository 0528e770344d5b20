//! Times of single operations, and what is said of them.

use std::time::Duration;

/// In milliseconds, sorted when read.
#[derive(Debug, Default)]
pub struct Times(Vec<f64>);

impl Times {
    pub fn add(&mut self, span: Duration) {
        self.0.push(span.as_secs_f64() * 1e3);
    }

    pub fn merge(&mut self, other: Times) {
        self.0.extend(other.0);
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// p50, p95 and p99 by the nearest rank.
    pub fn percentiles(&mut self) -> [f64; 3] {
        self.0.sort_by(f64::total_cmp);
        [50, 95, 99].map(|percent| {
            let rank = (self.0.len() * percent).div_ceil(100).max(1);
            self.0.get(rank - 1).copied().unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let mut times = Times::default();
        assert_eq!(times.percentiles(), [0.0; 3]);
        for milliseconds in (1..=200).rev() {
            times.add(Duration::from_millis(milliseconds));
        }
        assert_eq!(times.percentiles(), [100.0, 190.0, 198.0]);
    }
}
