//! The last day of a component in pictures: how long it took to answer, and how often it was bad. The same in a table.

use std::time::Duration;

use levqor_model::Timestamp;
use levqor_store::health::SampleBucket;
use maud::{Markup, html};

use super::snapshot::CHARTED;
use crate::pages::{
    components::{
        charts::{Column, columns},
        table::table,
    },
    duration_words, percent_down, plural,
};

const HOUR_SECONDS: i64 = 3_600;

/// An hour of a component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Hour {
    at: Timestamp,
    good: i64,
    total: i64,
    timed: i64,
    latency_us: i64,
    latency_us_max: i64,
}

impl Hour {
    fn mean_us(&self) -> Option<u64> {
        u64::try_from(self.latency_us.checked_div(self.timed)?).ok()
    }

    fn bad(&self) -> i64 {
        self.total - self.good
    }
}

/// All hours that touch the last day, also those of which nothing is known.
fn hours(region: &str, component: &str, buckets: &[SampleBucket], now: Timestamp) -> Vec<Hour> {
    let of = |at: Timestamp| at.as_seconds().div_euclid(HOUR_SECONDS);
    let (first, last) = (of(now - CHARTED) + 1, of(now));
    let own: Vec<&SampleBucket> =
        buckets.iter().filter(|bucket| bucket.region == region && bucket.component == component).collect();
    (first..=last)
        .map(|hour| {
            let at = Timestamp::from_seconds(hour * HOUR_SECONDS);
            own.iter().filter(|bucket| of(bucket.at) == hour).fold(
                Hour { at, ..Hour::default() },
                |sum, bucket| Hour {
                    at,
                    good: sum.good + bucket.good,
                    total: sum.total + bucket.total,
                    timed: sum.timed + bucket.timed,
                    latency_us: sum.latency_us + bucket.latency_us,
                    latency_us_max: sum.latency_us_max.max(bucket.latency_us_max),
                },
            )
        })
        .collect()
}

pub(super) fn last_day(
    region: &str,
    component: &str,
    title: &str,
    buckets: &[SampleBucket],
    now: Timestamp,
) -> Markup {
    let hours = hours(region, component, buckets, now);
    if hours.iter().all(|hour| hour.total == 0) {
        return html! {};
    }
    let timed = hours.iter().any(|hour| hour.timed > 0);
    html! {
        details id={ "day-" (region) "-" (component) } {
            summary { "The last 24 hours" }
            @if timed { (latency(title, &hours)) }
            (errors(title, &hours))
            (figures(title, &hours, timed))
        }
    }
}

fn latency(title: &str, hours: &[Hour]) -> Markup {
    let top = hours.iter().filter_map(Hour::mean_us).max().unwrap_or(0).max(1);
    let shown: Vec<Column> = hours
        .iter()
        .map(|hour| Column {
            height: hour.mean_us().and_then(|mean| u32::try_from(mean.saturating_mul(1_000) / top).ok()),
            class: "level",
            title: match hour.mean_us() {
                Some(mean) => format!("{}: {} on average", clock(hour.at), micros(mean)),
                None => format!("{}: no data", clock(hour.at)),
            },
        })
        .collect();
    let label = format!("{title}: time to answer by the hour, the longest average is {}", micros(top));
    html! { div { p.small.quiet { "Time to answer, up to " (micros(top)) } (columns(&label, &shown)) } }
}

fn errors(title: &str, hours: &[Hour]) -> Markup {
    let bad: i64 = hours.iter().map(Hour::bad).sum();
    let total: i64 = hours.iter().map(|hour| hour.total).sum();
    let shown: Vec<Column> = hours
        .iter()
        .map(|hour| Column {
            height: (hour.total > 0)
                .then(|| u32::try_from(hour.bad().saturating_mul(1_000) / hour.total).unwrap_or(1_000))
                // However few there are, they are seen.
                .map(|share| if hour.bad() > 0 { share.max(1) } else { share }),
            class: "bad",
            title: if hour.total > 0 {
                format!(
                    "{}: {} bad of {}",
                    clock(hour.at),
                    hour.bad(),
                    plural(hour.total, "sample", "samples")
                )
            } else {
                format!("{}: no data", clock(hour.at))
            },
        })
        .collect();
    let words = format!("{bad} bad of {}", plural(total, "sample", "samples"));
    let label = format!("{title}: share of bad samples by the hour, {words}");
    html! { div { p.small.quiet { "Bad samples: " (words) } (columns(&label, &shown)) } }
}

fn figures(title: &str, hours: &[Hour], timed: bool) -> Markup {
    let mut heads = vec![("Hour (UTC)", false), ("Samples", true), ("Good", true)];
    if timed {
        heads.extend([("On average", true), ("At most", true)]);
    }
    table(
        &format!("{title}, the last 24 hours"),
        &heads,
        &html! {
            @for hour in hours.iter().filter(|hour| hour.total > 0) {
                tr {
                    th scope="row" { (clock(hour.at)) }
                    td.num data-label="Samples" { (hour.total) }
                    td.num data-label="Good" { (percent_down(hour.good, hour.total).unwrap_or_default()) }
                    @if timed {
                        td.num data-label="On average" { @if let Some(mean) = hour.mean_us() { (micros(mean)) } @else { "no data" } }
                        td.num data-label="At most" {
                            @if hour.timed > 0 { (micros(hour.latency_us_max.unsigned_abs())) } @else { "no data" }
                        }
                    }
                }
            }
        },
    )
}

fn micros(micros: u64) -> String {
    duration_words(Duration::from_micros(micros))
}

/// `24 Nov 07:00`.
fn clock(at: Timestamp) -> String {
    at.to_jiff().strftime("%d %b %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_summed_and_what_is_not_known_is_said() {
        let now: Timestamp = "2026-11-24T12:10:00Z".parse().unwrap();
        let bucket = |at: &str, good, total, latency_us| SampleBucket {
            region: "eu-west".to_owned(),
            component: "api".to_owned(),
            at: at.parse().unwrap(),
            good,
            total,
            timed: good,
            latency_us,
            latency_us_max: 9_000,
            measured_us: total * 5_000_000,
        };
        let all = [
            bucket("2026-11-24T10:00:00Z", 300, 360, 600_000),
            bucket("2026-11-24T10:30:00Z", 360, 360, 720_000),
            bucket("2026-11-24T12:00:00Z", 0, 10, 0),
            bucket("2026-11-22T12:00:00Z", 1, 1, 1),
        ];
        let hours = hours("eu-west", "api", &all, now);
        assert_eq!(hours.len(), 24);
        assert_eq!((hours[21].good, hours[21].total, hours[21].mean_us()), (660, 720, Some(2_000)));
        assert_eq!((hours[22].total, hours[23].bad(), hours[23].mean_us()), (0, 10, None));
        let shown = last_day("eu-west", "api", "API", &all, now).into_string();
        for part in
            ["70 bad of 730 samples", "2.0 ms", "24 Nov 11:00: no data", "id=\"day-eu-west-api\"", "<table"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert_eq!(last_day("eu-west", "mail", "Mail", &all, now).into_string(), "");
    }
}
