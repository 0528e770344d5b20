//! Values as they come, until they are a point.

use super::{Histogram, Point};
use crate::Timestamp;

/// Values of one series in one step, such as durations in microseconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values {
    histogram: Histogram,
    sum: u64,
    min: u64,
    max: u64,
    last: u64,
}

impl Values {
    pub fn add(&mut self, value: u64) {
        self.min = if self.is_empty() { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.sum = self.sum.saturating_add(value);
        self.last = value;
        self.histogram.add(value);
    }

    /// Takes those of another one, which are as late or later.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.min = if self.is_empty() { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
        self.last = other.last;
        self.histogram.merge(&other.histogram);
    }

    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// None: there are no values.
    pub fn into_point(self, at: Timestamp) -> Option<Point> {
        let count = self.histogram.count();
        (count > 0).then_some(Point {
            at,
            count,
            sum: self.sum as f64,
            min: self.min as f64,
            max: self.max as f64,
            last: self.last as f64,
            histogram: Some(self.histogram),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Values {
        let mut found = Values::default();
        values.iter().for_each(|value| found.add(*value));
        found
    }

    proptest! {
        #[test]
        fn merging_is_adding(first in prop::collection::vec(any::<u64>(), 0..50), second in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut merged = of(&first);
            merged.merge(&of(&second));
            let all: Vec<_> = first.iter().chain(&second).copied().collect();
            prop_assert_eq!(&merged, &of(&all));
            let point = merged.into_point(Timestamp::default());
            prop_assert_eq!(point.as_ref().map(|point| point.min), all.iter().min().map(|least| *least as f64));
            prop_assert_eq!(point.map(|point| point.max), all.iter().max().map(|most| *most as f64));
        }
    }
}
