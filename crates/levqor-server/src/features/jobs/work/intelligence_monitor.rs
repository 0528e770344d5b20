//! What is unusual in the key series: the last whole quarter of an hour, held against the same one on the days before, or, where these
//! are too few, against the quarters of the last day.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Timestamp, step_start};
use serde_json::{Value, json};

use super::{
    Context, DAY, Done, Failure,
    anomalies::{self, Judged, USUAL_MIN},
    output,
    series::{self, Span, is_error},
};

const QUARTER: Duration = Duration::from_secs(15 * 60);
/// Days that say what is usual at a time of the day: as many as are read by the minute, since a longer time is read by the hour.
const DAYS: u32 = 13;

/// How a series is read.
#[derive(Debug, Clone, Copy)]
enum Read {
    /// How much it grew.
    Count,
    /// How much of it was an error.
    Errors,
    /// How much of it had this status.
    Status(&'static str),
    /// Its 95th percentile.
    P95,
}

/// What is looked at: series, words for people.
const KEYS: [(&str, &str, Read); 8] = [
    ("http_requests", "requests", Read::Count),
    ("http_requests", "failed requests", Read::Errors),
    ("http_duration_us", "time to answer (p95)", Read::P95),
    ("runs_started", "runs started", Read::Count),
    ("runs_ended", "runs faulted", Read::Status("faulted")),
    ("run_start_delay_us", "time until runs start (p95)", Read::P95),
    ("ai_requests", "AI requests", Read::Count),
    ("ai_errors", "AI errors", Read::Count),
];

pub(in super::super) async fn work(context: &Context) -> Done {
    // The last one that is over.
    let at = step_start(context.due_at, QUARTER) - QUARTER;
    let (mut unusual, mut told, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (name, title, how) in KEYS {
        let found = judge(context, name, how, at).await?;
        let verdict = match &found {
            None => {
                unknown.push(title);
                "unknown"
            }
            Some(judged) if judged.is_unusual() => {
                unusual.push(sentence(title, judged));
                "unusual"
            }
            Some(_) => "usual",
        };
        told.push(json!({
            "series": name, "what": title, "verdict": verdict, "value": found.map(|one| one.value),
            "usual": found.map(|one| one.median), "distance": found.map(|one| one.distance),
        }));
    }
    let mut summary = match unusual.is_empty() {
        true if unknown.len() == KEYS.len() => "There is too little history to say what is usual".to_owned(),
        true => "Nothing is unusual".to_owned(),
        false => unusual.join("; "),
    };
    if !unknown.is_empty() && unknown.len() < KEYS.len() {
        summary.push_str(&format!("; too little history of {}", unknown.join(", ")));
    }
    summary.push('.');
    let data: Vec<Value> = told;
    output(summary, json!({ "from": at, "until": at + QUARTER, "series": data, "unusual": unusual.len() }))
}

fn sentence(title: &str, judged: &Judged) -> String {
    let word = if judged.distance > 0.0 { "high" } else { "low" };
    let Judged { value, median, .. } = judged;
    format!("{title} are unusually {word}: {value:.0}, usual are {median:.0}")
}

async fn judge(context: &Context, name: &str, how: Read, at: Timestamp) -> Result<Option<Judged>, Failure> {
    let span = Span { from: at - DAY * DAYS, to: at + QUARTER, step: QUARTER };
    let found = series::read(context, name, span).await?;
    let measures = matches!(how, Read::P95);
    let values: BTreeMap<Timestamp, f64> = match how {
        Read::Count => found.sums(|_| true),
        Read::Errors => found.sums(is_error),
        Read::Status(wanted) => {
            found.sums(|labels| labels.get("status").is_some_and(|status| status == wanted))
        }
        Read::P95 => found
            .histograms()
            .into_iter()
            .filter_map(|(at, all)| {
                Some((at, f64::from(u32::try_from(all.quantile(0.95)?).unwrap_or(u32::MAX))))
            })
            .collect(),
    };
    // Since when anything was counted: before that, nothing says nothing.
    let anything = found.sums(|_| true);
    let Some(first) = anything.keys().chain(values.keys()).min().copied() else { return Ok(None) };
    // A step without a point is none of a counter, and not known of a measure.
    let value_at = |at: Timestamp| match values.get(&at) {
        Some(value) => Some(*value),
        None if measures || at < first => None,
        None => Some(0.0),
    };
    let Some(value) = value_at(at) else { return Ok(None) };
    let same_time = (1..=DAYS).filter_map(|day| value_at(at - DAY * day)).collect::<Vec<_>>();
    let last_day = (1..=95).filter_map(|step| value_at(at - QUARTER * step)).collect::<Vec<_>>();
    let usual = if same_time.len() >= USUAL_MIN { same_time } else { last_day };
    Ok(if measures { anomalies::judge_measure(value, &usual) } else { anomalies::judge(value, &usual) })
}
