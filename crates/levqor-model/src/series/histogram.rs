//! How values are spread, in bounded memory, so that the spreads of many steps and nodes can be added up.
//!
//! Buckets grow with the value: 16 to each power of two, so a quantile is off by 1/16 of itself at most. All histograms have the same
//! buckets; that is what lets them be merged.

use super::{put_varint, take_varint};

/// Sub-buckets of a power of two, as a power of two.
const SUB_BITS: u32 = 4;
const SUB: u64 = 1 << SUB_BITS;
/// About 19 hours in microseconds; larger values count as that.
const POWERS: u32 = 36;
const BUCKETS: usize = ((POWERS - SUB_BITS + 1) as usize) << SUB_BITS;

/// Counts of values by size.
///
/// Keeps the buckets between the smallest and the largest that hold something: a few hundred bytes where values are alike, four
/// kilobytes at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// The bucket of `counts[0]`.
    first: usize,
    /// Neither begins nor ends with a zero.
    counts: Vec<u64>,
}

impl Histogram {
    /// The largest value that is told apart.
    pub const VALUE_MAX: u64 = (1 << POWERS) - 1;

    pub fn add(&mut self, value: u64) {
        *self.bucket_mut(bucket_of(value)) += 1;
    }

    /// Takes the values of another one.
    pub fn merge(&mut self, other: &Self) {
        let Some(last) = other.last() else { return };
        // Makes the room at once.
        self.bucket_mut(other.first);
        self.bucket_mut(last);
        let start = other.first - self.first;
        for (own, others) in self.counts.iter_mut().skip(start).zip(&other.counts) {
            *own = own.saturating_add(*others);
        }
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The smallest value with at least that share (0 to 1) of all values at or below it, as the largest of its bucket: at most a
    /// sixteenth too large. None: there are no values.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let total = self.count();
        let rank = (total as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0);
        let mut seen = 0_u64;
        let found = self.counts.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen as f64 >= rank
        })?;
        Some(upper_bound_of(self.first + found))
    }

    /// How many values are at most that large, for certain: what may be larger is not counted. So it is never too many, and at
    /// least as many as are at most 15/16 of it.
    pub fn count_at_most(&self, value: u64) -> u64 {
        self.buckets()
            .take_while(|(bound, _)| *bound <= value)
            .fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// The buckets that hold something, smallest first: the largest value of each, and how many there are.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(place, count)| (upper_bound_of(self.first + place), *count))
    }

    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.counts.capacity() * size_of::<u64>()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// The number of filled buckets, and for each how many empty ones are before it and its count.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        put_varint(filled.clone().count() as u64, out);
        let mut next = 0;
        for (place, count) in filled {
            let bucket = self.first + place;
            put_varint((bucket - next) as u64, out);
            put_varint(*count, out);
            next = bucket + 1;
        }
    }

    /// None: these are not the bytes of one.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let found = Self::decode_from(&mut bytes)?;
        bytes.is_empty().then_some(found)
    }

    /// Takes one from the front.
    pub fn decode_from(bytes: &mut &[u8]) -> Option<Self> {
        let filled = usize::try_from(take_varint(bytes)?).ok().filter(|filled| *filled <= BUCKETS)?;
        let (mut found, mut next) = (Self::default(), 0_usize);
        for _ in 0..filled {
            let bucket = usize::try_from(take_varint(bytes)?).ok().and_then(|gap| next.checked_add(gap))?;
            let count = take_varint(bytes)?;
            if bucket >= BUCKETS || count == 0 {
                return None;
            }
            if found.counts.is_empty() {
                found.first = bucket;
            }
            found.counts.resize(bucket - found.first, 0);
            found.counts.push(count);
            next = bucket + 1;
        }
        Some(found)
    }

    /// Steps over one at the front, without making it. None: there is none.
    pub fn pass(bytes: &mut &[u8]) -> Option<()> {
        let filled = usize::try_from(take_varint(bytes)?).ok().filter(|filled| *filled <= BUCKETS)?;
        for _ in 0..filled {
            // How many empty buckets are before it, and its count.
            take_varint(bytes)?;
            take_varint(bytes)?;
        }
        Some(())
    }

    fn last(&self) -> Option<usize> {
        self.counts.len().checked_sub(1).map(|last| self.first + last)
    }

    /// The place of a bucket, with room made for it. The caller puts something there.
    fn bucket_mut(&mut self, bucket: usize) -> &mut u64 {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let missing = self.first - bucket;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bucket;
        }
        let place = bucket - self.first;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        &mut self.counts[place]
    }
}

fn bucket_of(value: u64) -> usize {
    let value = value.min(Histogram::VALUE_MAX);
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

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.add(*value));
        histogram
    }

    /// Small and large ones, as durations have them.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(
            (0_u32..40, any::<u64>()).prop_map(|(bits, value)| value >> (63 - bits)),
            0..200,
        )
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_within_a_sixteenth(value in 0_u64..=Histogram::VALUE_MAX) {
            let bound = upper_bound_of(bucket_of(value));
            prop_assert!(bound >= value);
            prop_assert!(bound - value <= value / SUB);
            prop_assert!(bucket_of(value) < BUCKETS);
        }

        #[test]
        fn merging_is_adding(first in values(), second in values()) {
            let mut merged = of(&first);
            merged.merge(&of(&second));
            let all: Vec<_> = first.iter().chain(&second).copied().collect();
            prop_assert_eq!(&merged, &of(&all));
            prop_assert_eq!(merged.count(), all.len() as u64);
        }

        #[test]
        fn a_quantile_is_the_value_within_a_sixteenth(values in values(), share in 0.0_f64..=1.0) {
            let mut sorted: Vec<_> = values.iter().map(|value| *value.min(&Histogram::VALUE_MAX)).collect();
            sorted.sort_unstable();
            let rank = ((sorted.len() as f64 * share).ceil() as usize).max(1);
            let Some(expected) = sorted.get(rank - 1).copied() else {
                prop_assert_eq!(of(&values).quantile(share), None);
                return Ok(());
            };
            let found = of(&values).quantile(share).unwrap();
            prop_assert!(found >= expected && found - expected <= expected / SUB, "{} for {}", found, expected);
        }

        #[test]
        fn what_is_counted_as_small_is_small(values in values(), limit in 0_u64..(1 << 30)) {
            let at_most = |limit| values.iter().filter(|value| **value <= limit).count() as u64;
            let found = of(&values).count_at_most(limit);
            prop_assert!(found <= at_most(limit));
            prop_assert!(found >= at_most(limit - limit.div_ceil(SUB)));
        }

        #[test]
        fn bytes_keep_all_of_it(values in values()) {
            let histogram = of(&values);
            prop_assert_eq!(Histogram::decode(&histogram.encode()), Some(histogram));
        }

        #[test]
        fn foreign_bytes_are_refused_or_read_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(found) = Histogram::decode(&bytes) {
                prop_assert!(found.counts.len() <= BUCKETS);
                prop_assert_eq!(Histogram::decode(&found.encode()), Some(found));
            }
        }
    }

    #[test]
    fn values_of_a_hundred() {
        let hundred = of(&(1..=100).map(|millis| millis * 1_000).collect::<Vec<_>>());
        let rows =
            [(0.0, 1_000), (0.5, 50_000), (0.95, 95_000), (0.999, 100_000), (1.0, 100_000), (7.0, 100_000)];
        for (share, expected) in rows {
            let found = hundred.quantile(share).unwrap();
            assert!((expected..=expected + expected / SUB).contains(&found), "{share}: {found}");
        }
        assert_eq!(hundred.count_at_most(u64::MAX), 100);
        assert_eq!(hundred.count_at_most(0), 0);
    }

    #[test]
    fn none_has_no_quantile_and_few_bytes() {
        let none = Histogram::default();
        assert_eq!((none.count(), none.quantile(0.5), none.count_at_most(9)), (0, None, 0));
        assert_eq!(none.encode(), [0]);
        let mut merged = Histogram::default();
        merged.merge(&none);
        assert_eq!(merged, none);
    }

    #[test]
    fn the_largest_value_fits() {
        let largest = of(&[u64::MAX, Histogram::VALUE_MAX]);
        assert_eq!(largest.quantile(0.5), Some(Histogram::VALUE_MAX));
        assert_eq!(largest.bytes(), size_of::<Histogram>() + largest.counts.capacity() * 8);
    }

    #[test]
    fn bytes_of_something_else_are_refused() {
        // Too many buckets, a bucket too far, an empty one, one that ends early, one with more after it.
        let rows: [&[u8]; 6] = [&[0xff, 0xff, 3], &[1, 0xff, 0xff, 3, 1], &[1, 0, 0], &[1, 0], &[0, 0], &[]];
        for bytes in rows {
            assert_eq!(Histogram::decode(bytes), None, "{bytes:?}");
        }
    }
}
