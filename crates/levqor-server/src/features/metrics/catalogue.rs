//! What the stored series are: their names, what they count, in which unit.

use levqor_model::SeriesKind;

use super::{
    Counter,
    level::{Level, Shape},
};

/// What there is to know of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) kind: SeriesKind,
    /// `microseconds`, or nothing for numbers of things and what says it in its name.
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
}

use SeriesKind::{Counter as Counts, Histogram};

const MICROSECONDS: &str = "microseconds";

const fn entry(name: &'static str, kind: SeriesKind, unit: &'static str, help: &'static str) -> Entry {
    Entry { name, kind, unit, help }
}

/// Those that are neither totals nor levels. What a feature records by a name of its own has its line here.
const OTHERS: &[Entry] = &[
    entry("ai_errors", Counts, "", "AI requests that failed by no fault of the caller"),
    entry("http_duration_us", Histogram, MICROSECONDS, "Time to the head of the answer, by route"),
    entry(
        "http_requests",
        Counts,
        "",
        "HTTP requests answered, by route and class of the status (2xx to 5xx)",
    ),
    entry("job_duration_us", Histogram, MICROSECONDS, "Rounds of background jobs, by job"),
    entry("job_failures", Counts, "", "Rounds of background jobs that failed, by job"),
    entry("run_start_delay_us", Histogram, MICROSECONDS, "From the acceptance of a run to its first step"),
    entry("runs_ended", Counts, "", "Runs that ended, by status (completed, faulted, cancelled)"),
    entry("runs_started", Counts, "", "Runs that began"),
];

/// All that this version knows of.
pub(super) fn all() -> impl Iterator<Item = Entry> {
    let totals = Counter::ALL.iter().map(|counter| entry(counter.name(), Counts, "", counter.help()));
    let levels = Level::ALL.iter().map(|level| {
        let kind = match level.shape() {
            Shape::Gauge => SeriesKind::Gauge,
            Shape::Counter => Counts,
        };
        entry(level.stored(), kind, "", level.help())
    });
    OTHERS.iter().copied().chain(totals).chain(levels)
}

pub(super) fn find(name: &str) -> Option<Entry> {
    all().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_stands_once_and_says_what_it_is() {
        let names: BTreeSet<_> = all().map(|entry| entry.name).collect();
        assert_eq!(names.len(), all().count());
        for entry in all() {
            assert!(!entry.help.is_empty() && entry.name.len() <= 64, "{entry:?}");
            assert!(
                entry
                    .name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            );
            let in_micros = entry.name.ends_with("_us");
            assert_eq!(entry.unit == MICROSECONDS, in_micros, "{entry:?}");
        }
    }
}
