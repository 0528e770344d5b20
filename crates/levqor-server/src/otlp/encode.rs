//! Spans and series as messages of OTLP.

use std::collections::BTreeMap;

use levqor_model::{Point, SeriesKind, Timestamp};

use super::{
    Attribute, Span, SpanKind, TelemetrySettings,
    protobuf::Message,
    sums::{Sum, Sums},
};

/// The name under which everything is told.
const SERVICE: &str = "levqor";

/// `AggregationTemporality`: since the start.
const CUMULATIVE: u64 = 2;
/// `Status.StatusCode`.
const ERROR: u64 = 2;

/// Upper bounds of histograms' buckets: powers of two less one, where our own buckets end as well, so that each value is in the
/// bucket in which it belongs. In microseconds they go from 127 µs to 67 s.
const BOUNDS: std::ops::RangeInclusive<u32> = 7..=26;

/// `ExportTraceServiceRequest`.
pub(super) fn traces(settings: &TelemetrySettings, spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.message(1, |resource| put_resource(resource, settings));
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| put_scope(scope, settings));
            for span in spans {
                scope_spans.message(2, |message| put_span(message, span));
            }
        });
    });
    request.into_bytes()
}

/// `ExportMetricsServiceRequest`.
pub(super) fn metrics(settings: &TelemetrySettings, sums: &Sums) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_metrics| {
        resource_metrics.message(1, |resource| put_resource(resource, settings));
        resource_metrics.message(2, |scope_metrics| {
            scope_metrics.message(1, |scope| put_scope(scope, settings));
            for (name, series) in &sums.names {
                let told = sums.of(series);
                if !told.is_empty() {
                    scope_metrics.message(2, |metric| put_metric(metric, name, series.kind, &told, sums));
                }
            }
        });
    });
    request.into_bytes()
}

fn put_resource(resource: &mut Message, settings: &TelemetrySettings) {
    let attributes = [
        ("service.name", SERVICE),
        ("service.version", settings.version.as_str()),
        ("service.instance.id", settings.instance.as_str()),
        ("cloud.region", settings.region.as_str()),
    ];
    for (name, value) in attributes {
        resource.message(1, |attribute| put_text(attribute, name, value));
    }
}

fn put_scope(scope: &mut Message, settings: &TelemetrySettings) {
    scope.text(1, SERVICE);
    scope.text(2, &settings.version);
}

/// `Span`.
fn put_span(message: &mut Message, span: &Span) {
    let Span { trace, id, parent, name, kind, began_at, ended_at, attributes, error } = span;
    message.bytes(1, trace);
    message.bytes(2, id);
    if let Some(parent) = parent {
        message.bytes(4, parent);
    }
    message.text(5, name);
    message.number(
        6,
        match kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
        },
    );
    message.fixed64(7, nanos(*began_at));
    message.fixed64(8, nanos(*ended_at));
    for (name, value) in attributes {
        message.message(9, |attribute| put_attribute(attribute, name, value));
    }
    if let Some(error) = error {
        message.message(15, |status| {
            status.text(2, error);
            status.number(3, ERROR);
        });
    }
}

/// `Metric`.
fn put_metric(metric: &mut Message, name: &str, kind: SeriesKind, told: &[&Sum], sums: &Sums) {
    metric.text(1, &format!("{SERVICE}.{name}"));
    if name.ends_with("_us") {
        metric.text(3, "us");
    }
    let times = (sums.began_at, sums.told_at);
    let each = told.iter();
    match kind {
        SeriesKind::Gauge => metric.message(5, |gauge| {
            each.for_each(|sum| {
                let times = (sums.began_at, sum.told_at);
                gauge.message(1, |point| put_number(point, &sum.labels, times, sum.point.last));
            });
        }),
        SeriesKind::Counter => metric.message(7, |counter| {
            each.for_each(|sum| {
                counter.message(1, |point| put_number(point, &sum.labels, times, sum.point.sum))
            });
            counter.number(2, CUMULATIVE);
            counter.number(3, 1);
        }),
        SeriesKind::Histogram => metric.message(9, |histogram| {
            each.for_each(|sum| {
                histogram.message(1, |point| put_histogram(point, &sum.labels, times, &sum.point))
            });
            histogram.number(2, CUMULATIVE);
        }),
    }
}

/// `NumberDataPoint`.
fn put_number(
    point: &mut Message,
    labels: &BTreeMap<String, String>,
    (began_at, told_at): (Timestamp, Timestamp),
    value: f64,
) {
    point.fixed64(2, nanos(began_at));
    point.fixed64(3, nanos(told_at));
    point.double(4, value);
    for (label, value) in labels {
        point.message(7, |attribute| put_text(attribute, label, value));
    }
}

/// `HistogramDataPoint`.
fn put_histogram(
    message: &mut Message,
    labels: &BTreeMap<String, String>,
    (began_at, told_at): (Timestamp, Timestamp),
    point: &Point,
) {
    message.fixed64(2, nanos(began_at));
    message.fixed64(3, nanos(told_at));
    message.fixed64(4, point.count);
    message.double(5, point.sum);
    let bounds: Vec<u64> = BOUNDS.map(|power| (1 << power) - 1).collect();
    let mut counts = Vec::with_capacity(bounds.len() + 1);
    let mut below = 0;
    for bound in &bounds {
        let at_most = point.histogram.as_ref().map_or(0, |histogram| histogram.count_at_most(*bound));
        counts.push(at_most - below);
        below = at_most;
    }
    counts.push(point.count.saturating_sub(below));
    message.all_fixed64(6, counts.into_iter());
    message.all_fixed64(7, bounds.into_iter().map(|bound| (bound as f64).to_bits()));
    for (label, value) in labels {
        message.message(9, |attribute| put_text(attribute, label, value));
    }
    message.double(11, point.min);
    message.double(12, point.max);
}

/// `KeyValue`.
fn put_attribute(attribute: &mut Message, name: &str, value: &Attribute) {
    attribute.text(1, name);
    attribute.message(2, |any| match value {
        Attribute::Text(text) => any.text(1, text),
        Attribute::Flag(flag) => any.number(2, u64::from(*flag)),
        Attribute::Whole(number) => any.number(3, number.cast_unsigned()),
        Attribute::Fraction(number) => any.double(4, *number),
    });
}

fn put_text(attribute: &mut Message, name: &str, value: &str) {
    attribute.text(1, name);
    attribute.message(2, |any| any.text(1, value));
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(0).saturating_mul(1_000)
}
