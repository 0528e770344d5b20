//! Questions about stored series: what may be asked, and what points say.

use std::{collections::BTreeMap, fmt, time::Duration};

use levqor_model::{Point, SeriesKind, SeriesPoints, SeriesQuery, Timestamp, nearest, step_start};
use levqor_store::metrics::{Extent, Grain, Series, SeriesName};
use serde_json::Value;

use super::catalogue;
use crate::App;

/// Points of one series in one answer.
const POINTS_MAX: u128 = 5_000;
/// Points of all series in one answer.
const ALL_POINTS_MAX: usize = 50_000;
/// So many points are made when nobody says how long a step is.
const POINTS_USUAL: u128 = 300;
/// Steps that people read easily, in seconds.
const STEPS: [u64; 10] = [10, 30, 60, 300, 900, 3_600, 10_800, 21_600, 86_400, 604_800];
/// The longest time that one question is about.
const SPAN_MAX: Duration = Duration::from_secs(800 * 86_400);
const SPAN_USUAL: Duration = Duration::from_secs(3_600);
/// Labels in one question.
const LABELS_MAX: usize = 16;
/// Series of one name that are listed with their labels.
pub(super) const SERIES_MAX: usize = 1_000;

/// A question as it came.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) labels: Option<&'a str>,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
    pub(super) step: Option<&'a str>,
    pub(super) aggregation: Option<&'a str>,
    pub(super) by: Option<&'a str>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// What is wrong with a parameter, and what to do.
    #[error("{name}: {message}")]
    Parameter { name: &'static str, message: String },
    #[error(transparent)]
    Store(#[from] levqor_store::Error),
}

/// What a point is made into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Aggregation {
    Sum,
    /// A second.
    Rate,
    Avg,
    Min,
    Max,
    Last,
    Count,
    /// Per cent.
    Percentile(f64),
}

/// An answer to a question.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) name: String,
    pub(super) kind: SeriesKind,
    pub(super) unit: &'static str,
    pub(super) aggregation: Aggregation,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) step: Duration,
    pub(super) series: Vec<Line>,
}

/// The labels of a series, and its values by the start of their steps.
pub(super) type Line = (BTreeMap<String, String>, Vec<(Timestamp, f64)>);

fn wrong(name: &'static str, message: impl Into<String>) -> Error {
    Error::Parameter { name, message: message.into() }
}

/// # Errors
/// [`Error::Parameter`] for what cannot be answered.
pub(super) async fn answer(app: &App, asked: &Asked<'_>) -> Result<Answer, Error> {
    let name = match asked.name {
        Some(name) if !name.is_empty() => name,
        _ => {
            return Err(wrong(
                "name",
                "is missing; name a series, such as http_requests (GET /api/metrics/series lists all)",
            ));
        }
    };
    let labels = asked.labels.map_or(Ok(Vec::new()), read_labels)?;
    let (from, to) = read_times(asked, app.now())?;
    let step = read_step(asked.step, from, to)?;
    let aggregation = asked.aggregation.map(Aggregation::read).transpose()?;
    let by = asked.by.map(read_by).transpose()?;
    let query = SeriesQuery { name: name.to_owned(), labels: labels.clone(), from, to, step };
    let found = app.store.views().series_answer(query).await?;
    let known = catalogue::find(name);
    let kind = match (found.kind, known) {
        (Some(kind), _) => kind,
        (None, known) => nothing_found(app, name, &labels, known.map(|entry| entry.kind)).await?,
    };
    let aggregation = aggregation.unwrap_or_else(|| Aggregation::usual(kind));
    aggregation.fits(name, kind)?;
    let series = match &by {
        None => found.series,
        Some(by) => grouped(found.series, by),
    };
    let points: usize = series.iter().map(|series| series.points.len()).sum();
    if found.extent == Extent::TooMuchRead {
        return Err(wrong(
            "step",
            format!(
                "{name} has more in that time than one question reads; ask about a shorter time (from, to), or use a longer step, such as \
                 1m or 1h"
            ),
        ));
    }
    if found.extent == Extent::TooManyPoints || points > ALL_POINTS_MAX {
        return Err(wrong(
            "step",
            format!(
                "the answer has more than {ALL_POINTS_MAX} points; use a longer step, or fewer series by labels or by"
            ),
        ));
    }
    let series = series
        .into_iter()
        .map(|series| (series.labels, values(&series.points, aggregation, kind, found.step)));
    Ok(Answer {
        name: name.to_owned(),
        kind,
        unit: known.map_or("", |entry| entry.unit),
        aggregation,
        from: step_start(from, found.step),
        to,
        step: found.step,
        series: series.collect(),
    })
}

/// The kind of a series that has no point with these labels.
///
/// # Errors
/// When there is no such series, or it does not have such a label.
async fn nothing_found(
    app: &App,
    name: &str,
    labels: &[(String, String)],
    known: Option<SeriesKind>,
) -> Result<SeriesKind, Error> {
    let some = app.store.views().series_of_name(name.to_owned(), 1).await?;
    let Some(Series { labels: has, kind, .. }) = some.first() else {
        return known.ok_or_else(|| {
            let near = nearest(name, catalogue::all().map(|entry| entry.name));
            let near = near.map(|near| format!(" did you mean {near}?")).unwrap_or_default();
            let name = clip(name);
            wrong("name", format!("no series is called {name:?};{near} GET /api/metrics/series lists all"))
        });
    };
    match labels.iter().find(|(label, _)| !has.contains_key(label)) {
        Some((label, _)) => {
            let names: Vec<_> = has.keys().map(String::as_str).collect();
            Err(wrong("labels", format!("{name} has no label {label:?}; it has {}", names.join(", "))))
        }
        None => Ok(*kind),
    }
}

/// Names that were measured.
pub(super) async fn names(app: &App) -> Result<Vec<SeriesName>, levqor_store::Error> {
    app.store.views().series_names().await
}

/// The series of one name.
///
/// # Errors
/// [`Error::Parameter`] when there are none.
pub(super) async fn of_name(app: &App, name: &str) -> Result<Vec<Series>, Error> {
    let found = app.store.views().series_of_name(name.to_owned(), SERIES_MAX).await?;
    if found.is_empty() {
        nothing_found(app, name, &[], catalogue::find(name).map(|entry| entry.kind)).await?;
    }
    Ok(found)
}

/// Series that are the same in these labels become one.
fn grouped(series: Vec<SeriesPoints>, by: &[String]) -> Vec<SeriesPoints> {
    let mut groups: BTreeMap<BTreeMap<String, String>, BTreeMap<Timestamp, Point>> = BTreeMap::new();
    for SeriesPoints { mut labels, points } in series {
        labels.retain(|label, _| by.iter().any(|kept| kept == label));
        let group = groups.entry(labels).or_default();
        for point in points {
            group.entry(point.at).and_modify(|there| there.merge(&point)).or_insert(point);
        }
    }
    groups
        .into_iter()
        .map(|(labels, points)| SeriesPoints { labels, points: points.into_values().collect() })
        .collect()
}

fn values(
    points: &[Point],
    aggregation: Aggregation,
    kind: SeriesKind,
    step: Duration,
) -> Vec<(Timestamp, f64)> {
    points
        .iter()
        .filter_map(|point| aggregation.of(point, kind, step).map(|value| (point.at, value)))
        .collect()
}

impl Aggregation {
    const WORDS: &'static str =
        "sum, rate, avg, min, max, last, count, or a percentile such as p50, p95, p99.9";

    fn read(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "sum" => Aggregation::Sum,
            "rate" => Aggregation::Rate,
            "avg" => Aggregation::Avg,
            "min" => Aggregation::Min,
            "max" => Aggregation::Max,
            "last" => Aggregation::Last,
            "count" => Aggregation::Count,
            _ => {
                let per_cent = text.strip_prefix('p').and_then(|number| {
                    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                    number
                        .parse::<f64>()
                        .ok()
                        .filter(|per_cent| is_plain && *per_cent > 0.0 && *per_cent < 100.0)
                });
                return per_cent.map(Aggregation::Percentile).ok_or_else(|| {
                    wrong("aggregation", format!("{:?} is none; use {}", clip(text), Self::WORDS))
                });
            }
        })
    }

    fn usual(kind: SeriesKind) -> Self {
        match kind {
            SeriesKind::Counter => Aggregation::Sum,
            SeriesKind::Gauge => Aggregation::Avg,
            SeriesKind::Histogram => Aggregation::Percentile(95.0),
        }
    }

    fn fits(self, name: &str, kind: SeriesKind) -> Result<(), Error> {
        let instead = match (self, kind) {
            (Aggregation::Percentile(_), SeriesKind::Counter) => "sum or rate",
            (Aggregation::Percentile(_) | Aggregation::Sum | Aggregation::Rate, SeriesKind::Gauge) => {
                "avg, min, max or last"
            }
            _ => return Ok(()),
        };
        Err(wrong(
            "aggregation",
            format!("{self} says nothing of {name}, which is a {}; use {instead}", kind.as_str()),
        ))
    }

    /// None: the point does not say.
    fn of(self, point: &Point, kind: SeriesKind, step: Duration) -> Option<f64> {
        Some(match self {
            Aggregation::Sum => point.sum,
            Aggregation::Rate if kind == SeriesKind::Histogram => point.count as f64 / step.as_secs_f64(),
            Aggregation::Rate => point.sum / step.as_secs_f64(),
            Aggregation::Avg => point.mean(),
            Aggregation::Min => point.min,
            Aggregation::Max => point.max,
            Aggregation::Last => point.last,
            Aggregation::Count => point.count as f64,
            Aggregation::Percentile(per_cent) => point.histogram.as_ref()?.quantile(per_cent / 100.0)? as f64,
        })
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Aggregation::Sum => "sum",
            Aggregation::Rate => "rate",
            Aggregation::Avg => "avg",
            Aggregation::Min => "min",
            Aggregation::Max => "max",
            Aggregation::Last => "last",
            Aggregation::Count => "count",
            Aggregation::Percentile(per_cent) => return write!(f, "p{per_cent}"),
        })
    }
}

/// `region=eu-west,status=5xx`, or a JSON object of texts where a value has a comma.
fn read_labels(text: &str) -> Result<Vec<(String, String)>, Error> {
    const REMEDY: &str = "write them like region=eu-west,status=5xx, or as a JSON object of texts";
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let labels: Vec<(String, String)> = if text.trim_start().starts_with('{') {
        let Ok(Value::Object(members)) = serde_json::from_str(text) else {
            return Err(wrong("labels", format!("is no JSON object; {REMEDY}")));
        };
        let pair = |(label, value): (String, Value)| match value {
            Value::String(value) => Ok((label, value)),
            other => {
                Err(wrong("labels", format!("the value of {label:?} is {other}, which is no text; {REMEDY}")))
            }
        };
        members.into_iter().map(pair).collect::<Result<_, _>>()?
    } else {
        let pair = |part: &str| match part.split_once('=') {
            Some((label, value)) if !label.trim().is_empty() => {
                Ok((label.trim().to_owned(), value.to_owned()))
            }
            _ => Err(wrong("labels", format!("{:?} is no label with its value; {REMEDY}", clip(part)))),
        };
        text.split(',').map(pair).collect::<Result<_, _>>()?
    };
    if labels.len() > LABELS_MAX {
        return Err(wrong("labels", format!("has {} labels; use at most {LABELS_MAX}", labels.len())));
    }
    Ok(labels)
}

fn read_by(text: &str) -> Result<Vec<String>, Error> {
    let by: Vec<_> =
        text.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect();
    if by.len() > LABELS_MAX {
        return Err(wrong("by", format!("has {} labels; use at most {LABELS_MAX}", by.len())));
    }
    Ok(by)
}

fn read_times(asked: &Asked<'_>, now: Timestamp) -> Result<(Timestamp, Timestamp), Error> {
    let to = asked.to.map_or(Ok(now), |text| read_moment("to", text, now))?;
    let from = asked.from.map_or(Ok(to - SPAN_USUAL), |text| read_moment("from", text, now))?;
    if from >= to {
        return Err(wrong("from", format!("{from} is not before to, which is {to}; exchange them")));
    }
    if to.since(from) > SPAN_MAX {
        let days = SPAN_MAX.as_secs() / 86_400;
        return Err(wrong("from", format!("is more than {days} days before to; ask about a shorter time")));
    }
    Ok((from, to))
}

/// RFC 3339, or a span back from now.
fn read_moment(name: &'static str, text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let back = match text {
        "now" => Some(Duration::ZERO),
        _ => text.strip_prefix('-').and_then(read_span),
    };
    match back {
        Some(back) => Ok(now - back),
        // A plus in an address is a blank.
        None => text.replace(' ', "+").parse().map_err(|_| {
            let text = clip(text);
            wrong(
                name,
                format!(
                    "{text:?} is no time; write it like 2026-11-24T06:48:21Z, or like -1h for an hour ago"
                ),
            )
        }),
    }
}

/// `90s`, `15m`, `6h`, `30d`, or seconds.
fn read_span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

fn read_step(text: Option<&str>, from: Timestamp, to: Timestamp) -> Result<Duration, Error> {
    let span = to.since(from);
    let points = |step: Duration| span.as_micros().div_ceil(step.as_micros().max(1));
    let mut steps = STEPS.into_iter().map(Duration::from_secs);
    let Some(text) = text else {
        let longest = Duration::from_secs(STEPS[STEPS.len() - 1]);
        return Ok(steps.find(|step| points(*step) <= POINTS_USUAL).unwrap_or(longest));
    };
    let fine = Grain::Fine.span();
    let step = read_span(text).ok_or_else(|| {
        wrong("step", format!("{:?} is no span of time; write it like 10s, 5m or 1h", clip(text)))
    })?;
    if step < fine || !step.as_secs().is_multiple_of(fine.as_secs()) {
        return Err(wrong(
            "step",
            format!("{text} is not a whole number of {} s; use 10s or a multiple of it", fine.as_secs()),
        ));
    }
    if points(step) > POINTS_MAX {
        let least = steps.find(|step| points(*step) <= POINTS_MAX).map_or(0, |step| step.as_secs());
        return Err(wrong(
            "step",
            format!(
                "{text} makes {} points, and an answer has at most {POINTS_MAX}; use {least}s or more",
                points(step)
            ),
        ));
    }
    Ok(step)
}

/// A text that somebody sent, short enough for a message.
fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);

    fn said<T: fmt::Debug>(result: Result<T, Error>) -> String {
        result.map_or_else(|error| error.to_string(), |value| format!("{value:?}"))
    }

    #[test]
    fn labels_are_read_or_refused() {
        let rows = [
            ("", "[]"),
            ("region=eu-west,status=5xx", r#"[("region", "eu-west"), ("status", "5xx")]"#),
            ("route=/a?b=c", r#"[("route", "/a?b=c")]"#),
            (r#"{"route":"a,b"}"#, r#"[("route", "a,b")]"#),
            (
                "status",
                "labels: \"status\" is no label with its value; write them like region=eu-west,status=5xx, or as a JSON object of texts",
            ),
            (
                "=5xx",
                "labels: \"=5xx\" is no label with its value; write them like region=eu-west,status=5xx, or as a JSON object of texts",
            ),
            (
                r#"{"status":5}"#,
                "labels: the value of \"status\" is 5, which is no text; write them like region=eu-west,status=5xx, or as a JSON object of texts",
            ),
            (
                "{",
                "labels: is no JSON object; write them like region=eu-west,status=5xx, or as a JSON object of texts",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(said(read_labels(text)), expected, "{text}");
        }
        let many: Vec<_> = (0..17).map(|label| format!("l{label}=v")).collect();
        assert_eq!(said(read_labels(&many.join(","))), "labels: has 17 labels; use at most 16");
    }

    #[test]
    fn times_are_read_or_refused() {
        let rows = [
            (None, None, "2026-11-24T05:48:21.000000Z to 2026-11-24T06:48:21.000000Z"),
            (Some("-15m"), None, "2026-11-24T06:33:21.000000Z to 2026-11-24T06:48:21.000000Z"),
            (Some("-2d"), Some("-1d"), "2026-11-22T06:48:21.000000Z to 2026-11-23T06:48:21.000000Z"),
            (
                Some("2026-11-24T00:00:00Z"),
                Some("now"),
                "2026-11-24T00:00:00.000000Z to 2026-11-24T06:48:21.000000Z",
            ),
            (
                Some("2026-11-24T01:00:00 01:00"),
                None,
                "2026-11-24T00:00:00.000000Z to 2026-11-24T06:48:21.000000Z",
            ),
            (
                None,
                Some("2026-11-20T12:00:00Z"),
                "2026-11-20T11:00:00.000000Z to 2026-11-20T12:00:00.000000Z",
            ),
            (
                Some("yesterday"),
                None,
                "from: \"yesterday\" is no time; write it like 2026-11-24T06:48:21Z, or like -1h for an hour ago",
            ),
            (
                None,
                Some("-1w"),
                "to: \"-1w\" is no time; write it like 2026-11-24T06:48:21Z, or like -1h for an hour ago",
            ),
            (
                Some("now"),
                None,
                "from: 2026-11-24T06:48:21.000000Z is not before to, which is 2026-11-24T06:48:21.000000Z; exchange them",
            ),
            (Some("-801d"), None, "from: is more than 800 days before to; ask about a shorter time"),
            (
                Some("-99999999999999999999d"),
                None,
                "from: \"-99999999999999999999d\" is no time; write it like 2026-11-24T06:48:21Z, or like -1h for an hour ago",
            ),
        ];
        for (from, to, expected) in rows {
            let asked = Asked { from, to, ..Asked::default() };
            let found = read_times(&asked, NOW);
            let found = found.map_or_else(|error| error.to_string(), |(from, to)| format!("{from} to {to}"));
            assert_eq!(found, expected, "{from:?} {to:?}");
        }
    }

    #[test]
    fn steps_are_read_or_refused() {
        let rows = [
            (3_600, None, "30s"),
            (600, None, "10s"),
            (86_400, None, "300s"),
            (400 * 86_400, None, "604800s"),
            (3_600, Some("10s"), "10s"),
            (3_600, Some("60"), "60s"),
            (86_400, Some("1h"), "3600s"),
            (3_600, Some("0s"), "step: 0s is not a whole number of 10 s; use 10s or a multiple of it"),
            (3_600, Some("25s"), "step: 25s is not a whole number of 10 s; use 10s or a multiple of it"),
            (3_600, Some("soon"), "step: \"soon\" is no span of time; write it like 10s, 5m or 1h"),
            (
                86_400,
                Some("10s"),
                "step: 10s makes 8640 points, and an answer has at most 5000; use 30s or more",
            ),
        ];
        for (span, text, expected) in rows {
            let found = read_step(text, NOW - Duration::from_secs(span), NOW);
            let found = found.map_or_else(|error| error.to_string(), |step| format!("{}s", step.as_secs()));
            assert_eq!(found, expected, "{span} {text:?}");
        }
    }

    #[test]
    fn aggregations_are_read_and_fit_their_kinds() {
        for word in ["sum", "rate", "avg", "min", "max", "last", "count", "p50", "p95", "p99.9"] {
            assert_eq!(Aggregation::read(word).unwrap().to_string(), word);
        }
        for text in ["", "median", "p", "p0", "p100", "p-5", "pNaN", "p1e1", "P95"] {
            let refused = said(Aggregation::read(text));
            assert!(
                refused.starts_with("aggregation: ") && refused.ends_with("p50, p95, p99.9"),
                "{refused}"
            );
        }
        let rows = [
            (
                "p95",
                SeriesKind::Counter,
                "aggregation: p95 says nothing of x, which is a counter; use sum or rate",
            ),
            (
                "rate",
                SeriesKind::Gauge,
                "aggregation: rate says nothing of x, which is a gauge; use avg, min, max or last",
            ),
            ("p95", SeriesKind::Histogram, "()"),
            ("rate", SeriesKind::Histogram, "()"),
            ("max", SeriesKind::Counter, "()"),
        ];
        for (word, kind, expected) in rows {
            assert_eq!(said(Aggregation::read(word).unwrap().fits("x", kind)), expected);
        }
    }

    #[test]
    fn a_mistyped_name_is_found() {
        let rows = [
            ("http_request", Some("http_requests")),
            ("httprequests", Some("http_requests")),
            ("runs_start", Some("runs_started")),
            ("nothing_like_it_at_all", None),
        ];
        for (name, expected) in rows {
            assert_eq!(nearest(name, catalogue::all().map(|entry| entry.name)), expected, "{name}");
        }
    }
}
