//! For how long each part was measured on each day: a day of which little was seen is no good day, however good that was.
//!
//! ```text
//! signed record of a day: counted from its observations ───────────────┐
//! samples of the last hours: until the next one, 15 s at most ─────────┼─► Measured, which the bars and the uptime are drawn with
//! only sums are left of a day: as many samples as one observer stores ─┘
//! ```
//!
//! Invariant: what is not known exactly is called "at most", and is never more than the samples can stand for.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Date, Timestamp, uptime::UptimeRecord};
use levqor_store::health::SampleBucket;

use super::service::FRESH;
use crate::pages::duration_words;

/// Of what has passed of a day, so much must have been measured, in hundredths; else the day is drawn as partly measured.
pub(super) const WHOLE_PERCENT: u32 = 95;
/// How often an observer stores what goes on as it was.
const STORED_EVERY: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long somebody's word stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    pub span: Duration,
    /// It was counted; else it was at most so long.
    pub is_exact: bool,
}

/// The same of a day of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredDay {
    pub region: String,
    pub component: String,
    pub day: Date,
    pub span: Duration,
}

impl Measured {
    /// Nothing yet.
    pub(super) const NONE: Self = Self { span: Duration::ZERO, is_exact: true };

    pub(super) const fn exactly(span: Duration) -> Self {
        Self { span, is_exact: true }
    }

    /// What so many samples can stand for: one observer stores no more. Of several observers this is too much, and nobody can tell.
    pub(super) fn at_most(samples: i64) -> Self {
        let samples = u32::try_from(samples.max(0)).unwrap_or(u32::MAX);
        Self { span: STORED_EVERY.saturating_mul(samples), is_exact: false }
    }

    pub(super) fn within(self, passed: Duration) -> Self {
        Self { span: self.span.min(passed), ..self }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { span: self.span.saturating_add(other.span), is_exact: self.is_exact && other.is_exact }
    }

    /// Whether that is known to be enough to speak for all of the time that has passed.
    pub(super) fn is_whole(self, passed: Duration) -> bool {
        self.is_exact && self.may_be_whole(passed)
    }

    /// Whether it would be enough. The first word of a day may come a little after its beginning.
    pub(super) fn may_be_whole(self, passed: Duration) -> bool {
        self.span.saturating_add(FRESH).saturating_mul(100) >= passed.saturating_mul(WHOLE_PERCENT)
    }

    /// In thousandths of the time that has passed.
    pub(super) fn share(self, passed: Duration) -> u32 {
        let share = self.span.as_millis().saturating_mul(1_000).checked_div(passed.as_millis()).unwrap_or(0);
        u32::try_from(share.min(1_000)).unwrap_or(1_000)
    }

    /// `3 h 20 min`, or `at most 3 h 20 min`.
    pub(super) fn words(self) -> String {
        let words = span_words(self.span);
        if self.is_exact { words } else { format!("at most {words}") }
    }
}

/// A whole day is `24 h`.
pub(super) fn span_words(span: Duration) -> String {
    if span == DAY { "24 h".to_owned() } else { duration_words(Duration::from_secs(span.as_secs())) }
}

/// As the signed record of a day has it.
pub(super) fn of_record(record: &UptimeRecord) -> Vec<MeasuredDay> {
    let micros = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    record
        .components
        .iter()
        .map(|part| MeasuredDay {
            region: part.region.clone(),
            component: part.component.clone(),
            day: record.day,
            span: micros(part.good_us.saturating_add(part.bad_us)),
        })
        .collect()
}

/// Of days that begin after that moment, which is what the buckets reach back to, and that are not signed yet.
pub(super) fn of_buckets(
    buckets: &[SampleBucket],
    from: Timestamp,
    signed_until: Option<Date>,
) -> Vec<MeasuredDay> {
    let mut days: BTreeMap<(&str, &str, Date), i64> = BTreeMap::new();
    for bucket in buckets {
        let day = bucket.at.date();
        if day.start() < from || signed_until.is_some_and(|signed| day <= signed) {
            continue;
        }
        let sum = days.entry((&bucket.region, &bucket.component, day)).or_default();
        *sum = sum.saturating_add(bucket.measured_us);
    }
    days.into_iter()
        .map(|((region, component, day), micros)| MeasuredDay {
            region: region.to_owned(),
            component: component.to_owned(),
            day,
            span: Duration::from_micros(u64::try_from(micros).unwrap_or(0)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_day_is_whole_when_nearly_all_of_it_was_measured() {
        let rows = [
            (24 * HOUR, 24 * HOUR, true),
            (23 * HOUR, 24 * HOUR, true),
            (22 * HOUR, 24 * HOUR, false),
            (3 * HOUR, 24 * HOUR, false),
            // Today, an hour after midnight.
            (HOUR, HOUR, true),
            (HOUR / 2, HOUR, false),
            // The first word came after some seconds.
            (Duration::from_secs(1), Duration::from_secs(10), true),
            (Duration::ZERO, Duration::ZERO, true),
        ];
        for (span, passed, whole) in rows {
            assert_eq!(Measured::exactly(span).is_whole(passed), whole, "{span:?} of {passed:?}");
        }
        assert_eq!(Measured::exactly(6 * HOUR).share(24 * HOUR), 250);
        assert_eq!(Measured::exactly(HOUR).share(Duration::ZERO), 0);
    }

    #[test]
    fn what_only_sums_tell_is_called_at_most() {
        let counted = Measured::at_most(2_400).within(24 * HOUR);
        assert_eq!((counted.words().as_str(), counted.is_exact), ("at most 3 h 20 min", false));
        // Several observers, or a flapping part: a day has no more than it has.
        let many = Measured::at_most(60_000).within(24 * HOUR);
        assert_eq!(many.words(), "at most 24 h");
        assert!(many.may_be_whole(24 * HOUR) && !many.is_whole(24 * HOUR), "nobody knows");
        let both = Measured::exactly(HOUR).and(counted);
        assert_eq!((both.span, both.is_exact), (Duration::from_secs(15_600), false));
        assert_eq!(Measured::NONE.and(Measured::exactly(HOUR)).words(), "1 h");
    }

    #[test]
    fn buckets_tell_of_whole_days_that_are_not_signed() {
        let bucket = |at: &str, component: &str, seconds: i64| SampleBucket {
            region: "eu-west".to_owned(),
            component: component.to_owned(),
            at: at.parse().unwrap(),
            good: 1,
            total: 1,
            timed: 0,
            latency_us: 0,
            latency_us_max: 0,
            measured_us: seconds * 1_000_000,
        };
        let buckets = [
            bucket("2026-11-22T23:30:00Z", "api", 1_800),
            bucket("2026-11-23T00:00:00Z", "api", 1_800),
            bucket("2026-11-23T12:00:00Z", "api", 600),
            bucket("2026-11-24T00:00:00Z", "api", 100),
            bucket("2026-11-24T00:30:00Z", "runs", 5),
        ];
        let from = "2026-11-22T20:00:00Z".parse().unwrap();
        let found = |signed: Option<&str>| -> Vec<(String, String, u64)> {
            of_buckets(&buckets, from, signed.map(|day| day.parse().unwrap()))
                .into_iter()
                .map(|one| (one.component, one.day.to_string(), one.span.as_secs()))
                .collect()
        };
        let row = |part: &str, day: &str, seconds| (part.to_owned(), day.to_owned(), seconds);
        let today = [row("api", "2026-11-24", 100), row("runs", "2026-11-24", 5)];
        assert_eq!(found(Some("2026-11-23")), today);
        let yesterday = row("api", "2026-11-23", 2_400);
        assert_eq!(found(None), [yesterday, today[0].clone(), today[1].clone()], "not of a day that is cut");
    }
}
