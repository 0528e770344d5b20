//! `levqor metrics`: which series a server stores, and what they were over a time.

use std::io::{IsTerminal, stdout};

use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::client::{or_tell, send_as_anyone, word};
use crate::{
    Exit,
    cli::{MetricsArgs, MetricsCommand, MetricsQueryArgs},
    console::{say, table},
};

/// Letters of a curve.
const CURVE_MAX: usize = 60;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub async fn metrics(args: &MetricsArgs, as_json: bool) -> Exit {
    let (client, path) = match &args.command {
        MetricsCommand::List { name, client } => (client, list_path(name.as_deref())),
        MetricsCommand::Query(query) => (&query.client, query_path(query)),
    };
    let found = match or_tell(send_as_anyone(client, &path, None).await) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    if as_json {
        say(format_args!("{found:#}"));
        return Exit::Done;
    }
    match &args.command {
        MetricsCommand::List { name, .. } => show_list(&found, name.is_some()),
        MetricsCommand::Query(query) => show_answer(&found, query.points),
    }
    Exit::Done
}

fn list_path(name: Option<&str>) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(name.map(|name| ("name", name)));
    format!("api/metrics/series?{}", query.finish())
}

fn query_path(args: &MetricsQueryArgs) -> String {
    let labels = args.labels.join(",");
    let pairs = [
        ("name", Some(args.name.as_str())),
        ("labels", Some(labels.as_str()).filter(|labels| !labels.is_empty())),
        ("from", args.from.as_deref()),
        ("to", args.to.as_deref()),
        ("step", args.step.as_deref()),
        ("aggregation", args.aggregation.as_deref()),
        ("by", args.by.as_deref()),
    ];
    let mut query = Serializer::new(String::new());
    query.extend_pairs(pairs.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))));
    format!("api/metrics/query?{}", query.finish())
}

fn show_list(found: &Value, with_labels: bool) {
    let all = || found["series"].as_array().into_iter().flatten();
    let rows = all().map(|one| {
        vec![
            word(&one["name"]),
            word(&one["kind"]),
            word(&one["unit"]),
            word(&one["count"]),
            word(&one["help"]),
        ]
    });
    say(format_args!("{}", table(&["name", "kind", "unit", "series", "what it is"], rows)));
    if with_labels {
        let labels = all().filter_map(|one| one["labels"].as_object()).flatten();
        let rows = labels.map(|(label, values)| {
            let values: Vec<_> = values.as_array().into_iter().flatten().map(word).collect();
            vec![label.clone(), values.join(", ")]
        });
        say(format_args!("\n{}", table(&["label", "values"], rows)));
    }
}

fn show_answer(found: &Value, with_points: bool) {
    let series = || found["series"].as_array().into_iter().flatten();
    let unit = found["unit"].as_str().map(|unit| format!(", {unit}")).unwrap_or_default();
    say(format_args!(
        "{} ({}{unit}), steps of {} s, {} to {}",
        word(&found["name"]),
        word(&found["aggregation"]),
        word(&found["step_seconds"]),
        word(&found["from"]),
        word(&found["to"])
    ));
    if series().next().is_none() {
        return say("nothing was measured in that time");
    }
    if with_points {
        let rows = series().flat_map(|one| {
            let labels = labels_of(one);
            let points = one["points"].as_array().into_iter().flatten();
            points.map(move |point| vec![word(&point["at"]), shown(point["value"].as_f64()), labels.clone()])
        });
        return say(format_args!("{}", table(&["at", "value", "labels"], rows)));
    }
    let with_curve = stdout().is_terminal();
    let rows = series().map(|one| {
        let values = values_of(one);
        let least = values.iter().copied().reduce(f64::min);
        let most = values.iter().copied().reduce(f64::max);
        let mut row = vec![
            labels_of(one),
            values.len().to_string(),
            shown(least),
            shown(most),
            shown(values.last().copied()),
        ];
        if with_curve {
            row.push(curve(&values));
        }
        row
    });
    let mut heads = vec!["labels", "points", "least", "most", "newest"];
    if with_curve {
        heads.push("curve");
    }
    say(format_args!("{}", table(&heads, rows)));
}

fn labels_of(series: &Value) -> String {
    let labels = series["labels"].as_object().into_iter().flatten();
    let shown: Vec<_> = labels.map(|(label, value)| format!("{label}={}", word(value))).collect();
    if shown.is_empty() { "-".to_owned() } else { shown.join(" ") }
}

fn values_of(series: &Value) -> Vec<f64> {
    let points = series["points"].as_array().into_iter().flatten();
    points.filter_map(|point| point["value"].as_f64()).collect()
}

/// Whole numbers as such, others with three digits after the point.
fn shown(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.3}"),
    }
}

/// The values as bars from nothing to the most; of many, the most of each few.
fn curve(values: &[f64]) -> String {
    let each = values.len().div_ceil(CURVE_MAX).max(1);
    let most_of = |some: &[f64]| some.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bars: Vec<f64> = values.chunks(each).map(most_of).collect();
    let most = most_of(&bars).max(0.0);
    let bar = |value: &f64| {
        let share = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        // Rounded up, so that little is told from nothing.
        BARS[((share * 7.0).ceil() as usize).min(BARS.len() - 1)]
    };
    bars.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_from_nothing_to_the_most() {
        let rows: [(&[f64], &str); 5] = [
            (&[], ""),
            (&[0.0, 0.0], "▁▁"),
            (&[0.0, 1.0, 7.0], "▁▂█"),
            (&[-1.0, 0.001, 100.0], "▁▂█"),
            (&[3.5], "█"),
        ];
        for (values, expected) in rows {
            assert_eq!(curve(values), expected, "{values:?}");
        }
        let many: Vec<_> = (0..1_000).map(f64::from).collect();
        let shown = curve(&many);
        assert!(shown.chars().count() <= CURVE_MAX && shown.ends_with('█'), "{shown}");
    }

    #[test]
    fn numbers_are_short() {
        for (value, expected) in
            [(None, "-"), (Some(3.0), "3"), (Some(0.25), "0.250"), (Some(1e12), "1000000000000")]
        {
            assert_eq!(shown(value), expected);
        }
    }
}
