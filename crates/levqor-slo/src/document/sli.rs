//! `SLI` and `DataSource`: where counts come from, and what of them is good.

use super::{
    Part, Reference, Source, bounded_text, clip, description, did_you_mean,
    fields::{Fields, Issues, Node},
    reference,
};

/// The only type of source.
const LEVQOR: &str = "levqor";
/// Labels by which a series is chosen.
const LABELS_MAX: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct SliDocument {
    pub(super) metric: Metric,
    /// Data sources that it names.
    pub(super) sources: Vec<Reference>,
}

#[derive(Debug, Clone)]
pub(super) enum Metric {
    Ratio {
        part: Part,
        counted: Source,
        total: Source,
    },
    /// How many of the series' units make one of the objective's.
    Threshold {
        source: Source,
        scale: f64,
    },
}

/// An SLI's `spec`.
pub(super) fn sli(node: &Node<'_>, issues: &mut Issues) -> Option<SliDocument> {
    let mut fields = node.object(issues)?;
    description(&mut fields, issues);
    let (threshold, ratio) = (fields.take("thresholdMetric"), fields.take("ratioMetric"));
    fields.end(&["description", "ratioMetric", "thresholdMetric"], issues);
    let mut sources = Vec::new();
    let metric = match (threshold, ratio) {
        (Some(threshold), None) => threshold_metric(&threshold, &mut sources, issues),
        (None, Some(ratio)) => ratio_metric(&ratio, &mut sources, issues),
        (None, None) => {
            issues.add(&node.place, "give either `ratioMetric` or `thresholdMetric`");
            None
        }
        (Some(_), Some(_)) => {
            issues.add(&node.place, "`ratioMetric` and `thresholdMetric` are both there; leave one out");
            None
        }
    };
    Some(SliDocument { metric: metric?, sources })
}

/// A data source's `spec`.
pub(super) fn data_source(node: &Node<'_>, issues: &mut Issues) -> Option<()> {
    let mut fields = node.object(issues)?;
    description(&mut fields, issues);
    let kind = fields.need("type", "write levqor, the only one", issues);
    if let Some(details) = fields.take("connectionDetails")
        && details.object(issues).is_some_and(|mut details| !details.all().is_empty())
    {
        issues.add(&details.place, "a source of type levqor has no connection details; leave them out");
    }
    fields.end(&["connectionDetails", "description", "type"], issues);
    source_type(&kind?, issues)
}

fn source_type(node: &Node<'_>, issues: &mut Issues) -> Option<()> {
    let text = node.text(issues)?;
    if text == LEVQOR {
        return Some(());
    }
    let hint = did_you_mean(text, [LEVQOR]);
    issues.add(
        &node.place,
        format!(
            "metrics of the type {:?} cannot be read{hint}; only Levqor's own are: write levqor",
            clip(text)
        ),
    );
    None
}

fn threshold_metric(node: &Node<'_>, sources: &mut Vec<Reference>, issues: &mut Issues) -> Option<Metric> {
    let (source, scale) = metric(node, true, sources, issues)?;
    if matches!(source, Source::Evidence { .. }) {
        let remedy = "a threshold needs a series with values; for evidence use `ratioMetric`";
        issues.add(&node.place, remedy);
        return None;
    }
    Some(Metric::Threshold { source, scale })
}

fn ratio_metric(node: &Node<'_>, sources: &mut Vec<Reference>, issues: &mut Issues) -> Option<Metric> {
    let mut fields = node.object(issues)?;
    if let Some(counter) = fields.take("counter")
        && counter.flag(issues) == Some(false)
    {
        issues.add(&counter.place, "a ratio of values that go up and down is not supported; count events");
    }
    fields.refuse("raw", "ratios are computed here from good or bad and total", issues);
    fields.refuse("rawType", "ratios are computed here from good or bad and total", issues);
    let (good, bad) = (fields.take("good"), fields.take("bad"));
    let total = fields.need("total", "it counts all events", issues);
    fields.end(&["bad", "counter", "good", "total"], issues);
    let (part, counted) = match (good, bad) {
        (Some(good), None) => (Part::Good, good),
        (None, Some(bad)) => (Part::Bad, bad),
        (None, None) => {
            issues.add(&node.place, "give either `good` or `bad`");
            return None;
        }
        (Some(_), Some(_)) => {
            issues.add(&node.place, "`good` and `bad` are both there; leave one out");
            return None;
        }
    };
    let counted = metric(&counted, false, sources, issues);
    let total = metric(&total?, false, sources, issues);
    let ((counted, _), (total, _)) = (counted?, total?);
    let is_evidence = |source: &Source| matches!(source, Source::Evidence { .. });
    if is_evidence(&counted) != is_evidence(&total) {
        issues.add(&node.place, "one part is evidence and the other a series; take both from the same");
        return None;
    }
    Some(Metric::Ratio { part, counted, total })
}

/// `{ metricSource: … }`.
fn metric(
    node: &Node<'_>,
    has_unit: bool,
    sources: &mut Vec<Reference>,
    issues: &mut Issues,
) -> Option<(Source, f64)> {
    let mut fields = node.object(issues)?;
    let source = fields.need("metricSource", "it says where the numbers come from", issues);
    fields.end(&["metricSource"], issues);
    let source = source?;
    let mut fields = source.object(issues)?;
    let named = fields.take("metricSourceRef").and_then(|node| reference(&node, issues));
    let kind = fields.take("type");
    if named.is_none() && kind.is_none() {
        issues.add(&source.place, "give `type: levqor`, or `metricSourceRef` with the name of a DataSource");
    }
    sources.extend(named);
    let kind = kind.map(|kind| source_type(&kind, issues));
    let spec = fields.need("spec", "it names a `series` or a component as `evidence`", issues);
    fields.end(&["metricSourceRef", "spec", "type"], issues);
    let read = query(&spec?, has_unit, issues);
    if kind == Some(None) { None } else { read }
}

/// What a source of type levqor is asked.
fn query(node: &Node<'_>, has_unit: bool, issues: &mut Issues) -> Option<(Source, f64)> {
    let mut fields = node.object(issues)?;
    let (series, evidence) = (fields.take("series"), fields.take("evidence"));
    match (series, evidence) {
        (Some(series), None) => series_of(&series, fields, has_unit, issues),
        (None, Some(evidence)) => Some((evidence_of(&evidence, fields, issues)?, 1.0)),
        (None, None) => {
            // A slip of the finger in one of the two is named.
            fields.end(&["evidence", "labels", "region", "series", "unit", "verdict"], issues);
            issues.add(&node.place, "name a `series`, or a component as `evidence`");
            None
        }
        (Some(_), Some(_)) => {
            issues.add(&node.place, "`series` and `evidence` are both there; leave one out");
            None
        }
    }
}

fn series_of(
    series: &Node<'_>,
    mut fields: Fields<'_>,
    has_unit: bool,
    issues: &mut Issues,
) -> Option<(Source, f64)> {
    let name = word(series, issues);
    let mut labels = Vec::new();
    if let Some(node) = fields.take("labels")
        && let Some(mut object) = node.object(issues)
    {
        let all = object.all();
        if all.len() > LABELS_MAX {
            issues.add(&node.place, format!("more than {LABELS_MAX} labels; leave some out"));
        }
        for (key, value) in all.into_iter().take(LABELS_MAX) {
            let good = is_word(key);
            if !good {
                issues.add(&value.place, format!("{:?} is no name of a label", clip(key)));
            }
            if let Some(text) = bounded_text(&value, 128, issues).filter(|_| good) {
                labels.push((key.to_owned(), text));
            }
        }
    }
    labels.sort();
    let scale = if has_unit {
        fields.take("unit").map_or(Some(1.0), |node| unit(series, &node, issues))
    } else {
        fields.refuse("unit", "events have none", issues);
        Some(1.0)
    };
    let known: &[&str] = if has_unit { &["labels", "series", "unit"] } else { &["labels", "series"] };
    fields.end(known, issues);
    Some((Source::Series { name: name?, labels }, scale?))
}

fn evidence_of(node: &Node<'_>, mut fields: Fields<'_>, issues: &mut Issues) -> Option<Source> {
    let component = word(node, issues);
    let region = match fields.take("region") {
        None => Some(None),
        Some(node) => super::name_of(&node, issues).map(Some),
    };
    let good = match fields.take("verdict") {
        None => Some(None),
        Some(node) => match node.text(issues) {
            Some("good") => Some(Some(true)),
            Some("bad") => Some(Some(false)),
            Some(other) => {
                let hint = did_you_mean(other, ["good", "bad"]);
                let message = format!("{:?} is no verdict{hint}; write good or bad", clip(other));
                issues.add(&node.place, message);
                None
            }
            None => None,
        },
    };
    fields.end(&["evidence", "region", "verdict"], issues);
    Some(Source::Evidence { component: component?, region: region?, good: good? })
}

/// How many units of the series make one of `unit`. By their names, series of times are kept in microseconds or milliseconds.
fn unit(series: &Node<'_>, node: &Node<'_>, issues: &mut Issues) -> Option<f64> {
    let text = node.text(issues)?;
    let micros = match text {
        "us" => 1.0,
        "ms" => 1_000.0,
        "s" => 1_000_000.0,
        _ => {
            issues.add(&node.place, format!("{:?} is no unit here; write us, ms or s", clip(text)));
            return None;
        }
    };
    let name = series.text(issues)?;
    if name.ends_with("_us") {
        Some(micros)
    } else if name.ends_with("_ms") {
        Some(micros / 1_000.0)
    } else {
        let name = clip(name);
        issues
            .add(&node.place, format!("the series {name} is none of times (…_us, …_ms); leave the unit out"));
        None
    }
}

/// A name of a series or a component.
fn word(node: &Node<'_>, issues: &mut Issues) -> Option<String> {
    let text = node.text(issues)?;
    if is_word(text) {
        return Some(text.to_owned());
    }
    issues.add(
        &node.place,
        format!("{:?} is no name of a series or component; it takes letters, digits, _ and -", clip(text)),
    );
    None
}

fn is_word(text: &str) -> bool {
    let inside =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(inside)
        && !text.starts_with(|first: char| first.is_ascii_digit())
}
