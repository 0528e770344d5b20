//! The points of one step in few bytes.
//!
//! ```text
//! version, number of points, then for each, by the number of its series:
//! distance to the series before, what follows (flags), count unless 1 or the histogram's, sum [min max last], [histogram]
//! ```
//!
//! Whole numbers, which nearly all are, take a byte or two; others eight.

use levqor_model::{Histogram, Point, Timestamp, put_varint, take_varint};

const VERSION: u8 = 1;

/// There was one observation, so that all numbers are the same one.
const ONE: u8 = 1;
/// All numbers are whole.
const WHOLE: u8 = 2;
const HISTOGRAM: u8 = 4;

/// Beyond, a fraction may have been rounded away.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// By the numbers of their series, in order.
pub(super) fn pack<'a>(points: impl ExactSizeIterator<Item = (i64, &'a Point)>) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_varint(points.len() as u64, &mut out);
    let mut before = 0;
    for (series, point) in points {
        put_varint(series.wrapping_sub(before).cast_unsigned(), &mut out);
        before = series;
        put(point, &mut out);
    }
    out
}

fn put(point: &Point, out: &mut Vec<u8>) {
    let Point { at: _, count, sum, min, max, last, histogram } = point;
    let numbers = [*sum, *min, *max, *last];
    let is_one = *count == 1 && histogram.is_none() && numbers.iter().all(|number| number == sum);
    let numbers = if is_one { &numbers[..1] } else { &numbers[..] };
    let are_whole = numbers.iter().all(|number| number.fract() == 0.0 && number.abs() <= WHOLE_MAX);
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    out.push(flag(is_one, ONE) | flag(are_whole, WHOLE) | flag(histogram.is_some(), HISTOGRAM));
    if !is_one && histogram.is_none() {
        put_varint(*count, out);
    }
    for number in numbers {
        if are_whole {
            put_varint(zigzag(*number as i64), out);
        } else {
            out.extend(number.to_le_bytes());
        }
    }
    if let Some(histogram) = histogram {
        histogram.encode_into(out);
    }
}

/// Gives each point to `take`, with the number of its series, when that `is_wanted`: others are stepped over and not made. None: these
/// are not the bytes of a row; some may have been given.
pub(super) fn unpack(
    mut bytes: &[u8],
    at: Timestamp,
    mut is_wanted: impl FnMut(i64) -> bool,
    mut take: impl FnMut(i64, Point),
) -> Option<()> {
    let bytes = &mut bytes;
    if take_byte(bytes)? != VERSION {
        return None;
    }
    let mut before = 0_i64;
    for _ in 0..take_varint(bytes)? {
        let series = before.wrapping_add(take_varint(bytes)?.cast_signed());
        before = series;
        if is_wanted(series) {
            take(series, take_point(bytes, at)?);
        } else {
            pass_point(bytes)?;
        }
    }
    bytes.is_empty().then_some(())
}

/// What follows for a point. None: flags that are not known, or that exclude each other.
fn take_flags(bytes: &mut &[u8]) -> Option<u8> {
    let flags = take_byte(bytes)?;
    let are_known = flags & !(ONE | WHOLE | HISTOGRAM) == 0;
    let are_both = flags & ONE != 0 && flags & HISTOGRAM != 0;
    (are_known && !are_both).then_some(flags)
}

/// Steps over what [`take_point`] takes.
fn pass_point(bytes: &mut &[u8]) -> Option<()> {
    let flags = take_flags(bytes)?;
    let has = |flag: u8| flags & flag != 0;
    if !has(ONE) && !has(HISTOGRAM) {
        take_varint(bytes)?;
    }
    let numbers = if has(ONE) { 1 } else { 4 };
    for _ in 0..numbers {
        if has(WHOLE) {
            take_varint(bytes)?;
        } else {
            *bytes = bytes.get(size_of::<f64>()..)?;
        }
    }
    if has(HISTOGRAM) { Histogram::pass(bytes) } else { Some(()) }
}

fn take_point(bytes: &mut &[u8], at: Timestamp) -> Option<Point> {
    let flags = take_flags(bytes)?;
    let has = |flag: u8| flags & flag != 0;
    let mut count = 1;
    if !has(ONE) && !has(HISTOGRAM) {
        count = take_varint(bytes)?;
    }
    let sum = take_number(bytes, has(WHOLE))?;
    if has(ONE) {
        return Some(Point::of(at, sum));
    }
    let min = take_number(bytes, has(WHOLE))?;
    let max = take_number(bytes, has(WHOLE))?;
    let last = take_number(bytes, has(WHOLE))?;
    let mut histogram = None;
    if has(HISTOGRAM) {
        let found = Histogram::decode_from(bytes)?;
        count = found.count();
        histogram = Some(found);
    }
    Some(Point { at, count, sum, min, max, last, histogram })
}

fn take_number(bytes: &mut &[u8], is_whole: bool) -> Option<f64> {
    if is_whole {
        return Some(unzigzag(take_varint(bytes)?) as f64);
    }
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(f64::from_le_bytes(*number))
}

fn take_byte(bytes: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*byte)
}

/// Small numbers of either sign become small ones.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use levqor_model::Values;
    use proptest::prelude::*;

    use super::*;

    const AT: Timestamp = Timestamp::from_seconds(1_795_502_900);

    fn unpacked(bytes: &[u8]) -> Option<Vec<(i64, Point)>> {
        some_unpacked(bytes, |_| true)
    }

    fn some_unpacked(bytes: &[u8], is_wanted: impl Fn(i64) -> bool) -> Option<Vec<(i64, Point)>> {
        let mut found = Vec::new();
        unpack(bytes, AT, is_wanted, |series, point| found.push((series, point)))?;
        Some(found)
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            (-1_000_i64..1_000).prop_map(|number| number as f64),
            any::<i64>().prop_map(|number| number as f64),
            -1e18..1e18,
            Just(0.1),
        ]
    }

    fn point() -> impl Strategy<Value = Point> {
        prop_oneof![
            number().prop_map(|value| Point::of(AT, value)),
            (1_u64.., number(), number(), number(), number()).prop_map(|(count, sum, min, max, last)| {
                Point { at: AT, count, sum, min, max, last, histogram: None }
            }),
            prop::collection::vec(any::<u32>(), 1..40).prop_map(|values| {
                let mut observed = Values::default();
                values.iter().for_each(|value| observed.add(u64::from(*value)));
                observed.into_point(AT).unwrap()
            }),
        ]
    }

    proptest! {
        #[test]
        fn points_survive(points in prop::collection::btree_map(any::<i64>(), point(), 0..40)) {
            let packed = pack(points.iter().map(|(series, point)| (*series, point)));
            prop_assert_eq!(unpacked(&packed), Some(points.into_iter().collect()));
        }

        #[test]
        fn what_is_stepped_over_is_as_long_as_what_is_taken(
            points in prop::collection::btree_map(any::<i64>(), point(), 0..40),
        ) {
            let packed = pack(points.iter().map(|(series, point)| (*series, point)));
            let is_even = |series: i64| series % 2 == 0;
            let even: Vec<_> = points.into_iter().filter(|(series, _)| is_even(*series)).collect();
            prop_assert_eq!(some_unpacked(&packed, is_even), Some(even));
            prop_assert_eq!(some_unpacked(&packed, |_| false), Some(Vec::new()));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = unpacked(&bytes);
            let _ = some_unpacked(&bytes, |_| false);
        }
    }

    #[test]
    fn an_ordinary_row_takes_few_bytes() {
        let ones: Vec<(i64, Point)> = (0..1_000).map(|series| (series, Point::of(AT, 7.0))).collect();
        let packed = pack(ones.iter().map(|(series, point)| (*series, point)));
        assert!(packed.len() < 3_010, "{}", packed.len());
    }

    #[test]
    fn what_is_no_row_is_refused() {
        // Nothing, another version, a point that is missing, unknown flags, bytes at the end.
        for bytes in [&[][..], &[2, 0], &[1, 1], &[1, 1, 1, 0xf0, 2], &[1, 0, 0], &[1, 1, 1, 5, 2]] {
            assert_eq!(unpacked(bytes), None, "{bytes:?}");
            assert_eq!(some_unpacked(bytes, |_| false), None, "{bytes:?}");
        }
    }
}
