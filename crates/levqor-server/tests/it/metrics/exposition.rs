//! What is scraped, held against the rules of OpenMetrics.
//!
//! Source: OpenMetrics 1.0, "Text Format".

use std::collections::{BTreeMap, BTreeSet};

use levqor_server::features::metrics::Counter;
use serde_json::json;

use crate::support::{FAULT, GREET, TestApp};

/// A line with a number.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Everything of one name.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    has_help: bool,
    samples: Vec<Sample>,
}

/// Reads the text, or says what is wrong with it.
fn read(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current: Option<String> = None;
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with # EOF and a line feed")?;
    for line in body.lines() {
        let wrong = |problem: &str| format!("{problem}: {line}");
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (word, name) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            if current.as_deref() != Some(name) {
                if families.contains_key(name) {
                    return Err(wrong("the family comes a second time"));
                }
                families.insert(name.to_owned(), Family::default());
                current = Some(name.to_owned());
            }
            let family = families.get_mut(name).unwrap();
            if !family.samples.is_empty() {
                return Err(wrong("what a family is stands behind its samples"));
            }
            match word {
                "TYPE" => family.kind = words.next().unwrap_or("").to_owned(),
                "HELP" => family.has_help = words.next().is_some_and(|help| !help.is_empty()),
                "UNIT" => {}
                _ => return Err(wrong("a comment that is none of TYPE, HELP, UNIT")),
            }
            continue;
        }
        let sample = sample(line).ok_or_else(|| wrong("no sample"))?;
        let name = current.clone().ok_or_else(|| wrong("a sample before its family"))?;
        let family = families.get_mut(&name).unwrap();
        let suffixes: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => return Err(wrong("of no kind that we have")),
        };
        if !suffixes.iter().any(|suffix| sample.name == format!("{name}{suffix}")) {
            return Err(wrong("a sample of another family"));
        }
        if family.samples.iter().any(|other| (&other.name, &other.labels) == (&sample.name, &sample.labels)) {
            return Err(wrong("a sample comes a second time"));
        }
        family.samples.push(sample);
    }
    Ok(families)
}

fn sample(line: &str) -> Option<Sample> {
    let is_name = |name: &str| {
        name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, value) = rest.split_once("=\"")?;
            let mut end = None;
            let mut escaped = false;
            for (at, letter) in value.char_indices() {
                match letter {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '"' => {
                        end = Some(at);
                        break;
                    }
                    _ => {}
                }
            }
            let end = end?;
            if !is_name(label) || labels.insert(label.to_owned(), value[..end].to_owned()).is_some() {
                return None;
            }
            rest = &value[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    is_name(name).then(|| Sample { name: name.to_owned(), labels, value })
}

/// What must hold of all samples of a family together.
fn check(name: &str, family: &Family) -> Result<(), String> {
    if family.kind.is_empty() || !family.has_help {
        return Err(format!("{name} does not say what it is"));
    }
    let mut histograms: BTreeMap<BTreeMap<String, String>, Vec<&Sample>> = BTreeMap::new();
    for sample in &family.samples {
        if sample.labels.get("region").is_none_or(String::is_empty) {
            return Err(format!("{name} has a sample without a region"));
        }
        if family.kind == "counter" && (sample.value < 0.0 || !sample.value.is_finite()) {
            return Err(format!("{name} counts to {}", sample.value));
        }
        let mut labels = sample.labels.clone();
        labels.remove("le");
        histograms.entry(labels).or_default().push(sample);
    }
    if family.kind != "histogram" {
        return Ok(());
    }
    for (labels, samples) in histograms {
        let of = |suffix: &str| {
            let wanted = format!("{name}{suffix}");
            samples.iter().filter(|sample| sample.name == wanted).collect::<Vec<_>>()
        };
        let buckets = of("_bucket");
        let bounds: Vec<f64> = buckets
            .iter()
            .filter_map(|bucket| {
                bucket.labels["le"].trim_start_matches('+').replace("Inf", "inf").parse().ok()
            })
            .collect();
        let (count, sum) = (of("_count"), of("_sum"));
        let is_rising = |values: &[f64]| values.windows(2).all(|pair| pair[0] <= pair[1]);
        let counts: Vec<f64> = buckets.iter().map(|bucket| bucket.value).collect();
        let good = count.len() == 1
            && sum.len() == 1
            && bounds.len() == buckets.len()
            && bounds.last() == Some(&f64::INFINITY)
            && is_rising(&bounds)
            && is_rising(&counts)
            && counts.last() == Some(&count[0].value);
        if !good {
            return Err(format!("{name} {labels:?} is no histogram: {bounds:?} {counts:?}"));
        }
    }
    Ok(())
}

fn checked(text: &str) -> BTreeMap<String, Family> {
    let families = read(text).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
    for (name, family) in &families {
        check(name, family).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
    }
    families
}

#[tokio::test]
async fn what_is_scraped_keeps_the_rules() {
    let test = TestApp::new().await;
    let families = checked(&test.get("/metrics").send().await.text());
    assert!(families["levqor_uptime_seconds"].samples.len() == 1);
    for (name, rest) in [("greets", GREET), ("fails", FAULT)] {
        let workflow = test.save(name, rest).await;
        test.start(&workflow, 10, &json!({ "name": "Ada" })).await;
    }
    for path in ["/health", "/api/regions/mars", "/nothing", "/api/metrics/app", "/%22%0a"] {
        test.get(path).send().await;
    }
    test.call("BREW".parse().unwrap(), "/health").send().await;
    test.app.count(Counter::AiRequests);
    test.app.keep_series().await.unwrap();
    let families = checked(&test.get("/metrics").send().await.text());
    let names: BTreeSet<&str> = families.keys().map(String::as_str).collect();
    for name in [
        "levqor_build",
        "levqor_http_answers",
        "levqor_http_duration_seconds",
        "levqor_runs",
        "levqor_queued_runs",
        "levqor_store_queue_depth",
        "levqor_metric_series",
        "levqor_requests",
        "levqor_ai_requests",
    ] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
    let durations = &families["levqor_http_duration_seconds"].samples;
    let counts = durations.iter().filter(|sample| sample.name.ends_with("_count"));
    let answers = &families["levqor_http_answers"].samples;
    assert_eq!(
        counts.map(|sample| sample.value).sum::<f64>(),
        answers.iter().map(|sample| sample.value).sum::<f64>(),
        "each answer took some time"
    );
    assert!(answers.iter().any(|sample| sample.labels["method"] == "other"));
}

#[test]
fn the_check_finds_what_is_wrong() {
    let good = "# HELP levqor_a A.\n# TYPE levqor_a counter\nlevqor_a_total{region=\"x\"} 1\n# EOF\n";
    assert_eq!(checked(good).len(), 1);
    let rows = [
        ("# HELP levqor_a A.\n# TYPE levqor_a counter\nlevqor_a_total{region=\"x\"} 1\n", "# EOF"),
        ("# HELP levqor_a A.\n# TYPE levqor_a counter\nlevqor_a{region=\"x\"} 1\n# EOF\n", "another family"),
        ("levqor_a{region=\"x\"} 1\n# EOF\n", "before its family"),
        ("# TYPE levqor_a gauge\nlevqor_a{region=\"x} 1\n# EOF\n", "no sample"),
        ("# TYPE levqor_a gauge\nlevqor_a{region=\"x\"} one\n# EOF\n", "no sample"),
        (
            "# TYPE levqor_a gauge\nlevqor_a{region=\"x\"} 1\nlevqor_a{region=\"x\"} 2\n# EOF\n",
            "a second time",
        ),
        ("# TYPE a gauge\n# TYPE b gauge\n# TYPE a gauge\n# EOF\n", "a second time"),
        (
            "# TYPE levqor_a gauge\nlevqor_a{region=\"x\"} 1\n# HELP levqor_a A.\n# EOF\n",
            "behind its samples",
        ),
    ];
    for (text, expected) in rows {
        let problem = read(text).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
    let histogram = |buckets: &str| {
        format!(
            "# HELP h H.\n# TYPE h histogram\nh_sum{{region=\"x\"}} 1\nh_count{{region=\"x\"}} 2\n{buckets}# EOF\n"
        )
    };
    let rows = [
        ("h_bucket{region=\"x\",le=\"1.0\"} 1\nh_bucket{region=\"x\",le=\"+Inf\"} 2\n", true),
        ("h_bucket{region=\"x\",le=\"1.0\"} 3\nh_bucket{region=\"x\",le=\"+Inf\"} 2\n", false),
        ("h_bucket{region=\"x\",le=\"1.0\"} 1\n", false),
        ("h_bucket{region=\"x\",le=\"+Inf\"} 1\n", false),
    ];
    for (buckets, is_good) in rows {
        let families = read(&histogram(buckets)).unwrap();
        assert_eq!(check("h", &families["h"]).is_ok(), is_good, "{buckets}");
    }
}
