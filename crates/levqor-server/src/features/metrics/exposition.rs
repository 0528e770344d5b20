//! The counters as Prometheus reads them.
//!
//! Labels have few values: routes as they are written in the router, methods and statuses of HTTP.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use levqor_model::Values;
use levqor_store::runs::RunCounts;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, text::encode},
    metrics::{MetricType, info::Info},
    registry::Registry,
};

use super::{
    Counter,
    level::{Level, Look, Shape},
    tally::Seen,
};
use crate::app::Parts;

/// What `/metrics` is sent as.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds, and in microseconds. A value within a sixteenth of a bound may count for the next one.
const DURATION_BUCKETS: [(f64, u64); 12] = [
    (0.001, 1_000),
    (0.0025, 2_500),
    (0.005, 5_000),
    (0.01, 10_000),
    (0.025, 25_000),
    (0.05, 50_000),
    (0.1, 100_000),
    (0.25, 250_000),
    (0.5, 500_000),
    (1.0, 1_000_000),
    (2.5, 2_500_000),
    (10.0, 10_000_000),
];

/// What this process has answered since it began.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    /// By route, method and status.
    counts: BTreeMap<(Box<str>, &'static str, u16), u64>,
    /// By route; microseconds.
    durations: BTreeMap<Box<str>, Values>,
}

impl Answers {
    pub(super) fn add(&mut self, seen: &Seen) {
        for (route, seen) in &seen.routes {
            for (method, status, count) in &seen.answers {
                *self.counts.entry((route.clone(), *method, *status)).or_default() += count;
            }
            self.durations.entry(route.clone()).or_default().merge(&seen.durations);
        }
    }
}

/// Everything that is scraped at once.
#[derive(Debug)]
pub(super) struct Exposition {
    pub(super) answers: Answers,
    pub(super) looks: Vec<Look>,
    /// What this process has counted of what has a total. Whoever scrapes each node adds them up.
    pub(super) totals: Vec<(Counter, i64)>,
}

impl Exposition {
    /// Text for Prometheus.
    pub(super) fn text(self, parts: &Parts) -> String {
        let region = (Cow::Borrowed("region"), Cow::Owned(parts.region.code.to_string()));
        let mut registry = Registry::with_prefix_and_labels("levqor", [region].into_iter());
        let build =
            Info::new([("version", parts.settings.version.clone()), ("build", parts.settings.build.clone())]);
        registry.register("build", "What is running", build);
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    fn encode_answers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "HTTP requests answered by this process";
        let mut metric = encoder.encode_descriptor("http_answers", help, None, MetricType::Counter)?;
        for ((route, method, status), count) in &self.answers.counts {
            let status = status.to_string();
            let labels = [("method", *method), ("route", &**route), ("status", status.as_str())];
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
        let help = "Time to the head of the answer";
        let mut metric =
            encoder.encode_descriptor("http_duration_seconds", help, None, MetricType::Histogram)?;
        for (route, durations) in &self.answers.durations {
            let histogram = durations.histogram();
            let mut below = 0;
            let mut buckets = Vec::with_capacity(DURATION_BUCKETS.len() + 1);
            for (bound, micros) in DURATION_BUCKETS {
                let at_most = histogram.count_at_most(micros);
                buckets.push((bound, at_most - below));
                below = at_most;
            }
            let count = histogram.count();
            buckets.push((f64::INFINITY, count - below));
            let seconds = durations.sum() as f64 / 1_000_000.0;
            let labels = [("route", &**route)];
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)?;
        }
        Ok(())
    }

    fn encode_looks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for level in Level::ALL {
            let mut looks = self.looks.iter().filter(|look| look.level == *level).peekable();
            if looks.peek().is_none() {
                continue;
            }
            let kind = match level.shape() {
                Shape::Gauge => MetricType::Gauge,
                Shape::Counter => MetricType::Counter,
            };
            let mut metric = encoder.encode_descriptor(level.shown(), level.help(), None, kind)?;
            for look in looks {
                let labels: Vec<_> =
                    look.label.iter().map(|(label, value)| (*label, value.as_str())).collect();
                let mut metric = metric.encode_family(&labels)?;
                match level.shape() {
                    Shape::Gauge => metric.encode_gauge(&look.value)?,
                    Shape::Counter => metric.encode_counter::<NoLabelSet, _, u64>(
                        &u64::try_from(look.value).unwrap_or(0),
                        None,
                    )?,
                }
            }
        }
        Ok(())
    }

    fn encode_totals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (counter, total) in &self.totals {
            let mut metric =
                encoder.encode_descriptor(counter.name(), counter.help(), None, MetricType::Counter)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&u64::try_from(*total).unwrap_or(0), None)?;
        }
        Ok(())
    }
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_answers(&mut encoder)?;
        self.encode_looks(&mut encoder)?;
        self.encode_totals(&mut encoder)
    }
}

/// The counts with their statuses' names.
pub(super) fn by_status(counts: &RunCounts) -> [(&'static str, i64); 7] {
    let RunCounts { pending, running, waiting, suspended, completed, faulted, cancelled } = *counts;
    [
        ("pending", pending),
        ("running", running),
        ("waiting", waiting),
        ("suspended", suspended),
        ("completed", completed),
        ("faulted", faulted),
        ("cancelled", cancelled),
    ]
}
