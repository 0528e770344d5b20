//! What arrives at a collector, read with the official messages.

use std::{collections::BTreeMap, time::Duration};

use levqor_model::{Point, SeriesKind, Values};
use levqor_testkit::{HttpStub, Reply, Route, wait_for};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{AggregationTemporality, Metric, metric::Data, number_data_point},
    trace::v1::{Span as Told, span::SpanKind as ToldKind, status::StatusCode},
};
use prost::Message;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);

fn settings(stub: &HttpStub) -> TelemetrySettings {
    TelemetrySettings {
        endpoint: stub.url("").parse().unwrap(),
        version: "1.2.3".to_owned(),
        region: "eu-west".to_owned(),
        instance: "one".to_owned(),
        every: Duration::from_millis(20),
        timeout: Duration::from_millis(200),
        pause: Duration::from_millis(1),
    }
}

fn a_span(name: &str) -> Span {
    Span {
        trace: [7; 16],
        id: [8; 8],
        parent: Some([9; 8]),
        name: name.to_owned(),
        kind: SpanKind::Server,
        began_at: NOW,
        ended_at: NOW + Duration::from_millis(5),
        attributes: vec![
            ("text".to_owned(), Attribute::Text("é".to_owned())),
            ("whole".to_owned(), Attribute::Whole(-3)),
            ("fraction".to_owned(), Attribute::Fraction(0.5)),
            ("flag".to_owned(), Attribute::Flag(true)),
        ],
        error: Some("it broke".to_owned()),
    }
}

fn plain(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(flag) => flag.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |attribute: &KeyValue| {
        let value = attribute.value.as_ref().and_then(|any| any.value.as_ref()).map(text).unwrap_or_default();
        (attribute.key.clone(), value)
    };
    attributes.iter().map(pair).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn spans_of(stub: &HttpStub, count: usize) -> Vec<Told> {
    wait_for("the spans", || async {
        let requests = stub.requests_to("/v1/traces");
        let decoded =
            requests.iter().map(|request| ExportTraceServiceRequest::decode(&*request.body).unwrap());
        let spans: Vec<_> = decoded
            .flat_map(|request| request.resource_spans)
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect();
        (spans.len() >= count).then_some(spans)
    })
    .await
}

#[tokio::test]
async fn spans_arrive_as_the_protocol_has_them() {
    let stub = HttpStub::start().await;
    let exporter = Exporter::start(settings(&stub), NOW).unwrap();
    exporter.tell_span(a_span("GET /a"));
    let spans = spans_of(&stub, 1).await;
    let span = &spans[0];
    assert_eq!((span.trace_id.as_slice(), span.span_id.as_slice()), (&[7; 16][..], &[8; 8][..]));
    assert_eq!((span.parent_span_id.as_slice(), span.name.as_str()), (&[9; 8][..], "GET /a"));
    assert_eq!(span.kind(), ToldKind::Server);
    assert_eq!(span.start_time_unix_nano, 1_795_502_901_000_000_000);
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 5_000_000);
    let expected = pairs(&[("text", "é"), ("whole", "-3"), ("fraction", "0.5"), ("flag", "true")]);
    assert_eq!(plain(&span.attributes), expected);
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "it broke"));

    let requests = stub.requests_to("/v1/traces");
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].header("content-type"), Some("application/x-protobuf"));
    let request = ExportTraceServiceRequest::decode(&*requests[0].body).unwrap();
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    let expected = pairs(&[
        ("service.name", "levqor"),
        ("service.version", "1.2.3"),
        ("service.instance.id", "one"),
        ("cloud.region", "eu-west"),
    ]);
    assert_eq!(plain(&resource.attributes), expected);
    assert_eq!(exporter.dropped(), [("spans", 0), ("points", 0)]);
}

fn series(name: &str, kind: SeriesKind, status: &str) -> Series {
    Series { name: name.to_owned(), labels: pairs(&[("status", status)]), kind }
}

async fn metrics_of(stub: &HttpStub, wanted: impl Fn(&[Metric]) -> bool) -> Vec<Metric> {
    wait_for("the metrics", || async {
        let last = stub.requests_to("/v1/metrics").pop()?;
        let request = ExportMetricsServiceRequest::decode(&*last.body).unwrap();
        let scope = request.resource_metrics[0].scope_metrics[0].clone();
        wanted(&scope.metrics).then_some(scope.metrics)
    })
    .await
}

#[tokio::test]
async fn series_arrive_as_sums_since_the_start() {
    let stub = HttpStub::start().await;
    let exporter = Exporter::start(settings(&stub), NOW).unwrap();
    let later = NOW + Duration::from_secs(20);
    let mut values = Values::default();
    [100, 127, 128, 300, 100_000_000].into_iter().for_each(|value| values.add(value));
    let durations = values.into_point(NOW).unwrap();
    let tell = |by: f64, level: f64| {
        vec![
            (series("requests", SeriesKind::Counter, "2xx"), Point::of(NOW, by)),
            (series("depth", SeriesKind::Gauge, "x"), Point::of(NOW, level)),
            (series("duration_us", SeriesKind::Histogram, "2xx"), durations.clone()),
        ]
    };
    exporter.tell_points(NOW, tell(3.0, 9.0));
    exporter.tell_points(later, tell(4.0, 5.0));
    let is_second = |metrics: &[Metric]| matches!(&metrics[0].data, Some(Data::Gauge(gauge)) if gauge.data_points[0].time_unix_nano > 1_795_502_920_000_000_000);
    let metrics = metrics_of(&stub, is_second).await;
    let names: Vec<_> = metrics.iter().map(|metric| (metric.name.as_str(), metric.unit.as_str())).collect();
    assert_eq!(names, [("levqor.depth", ""), ("levqor.duration_us", "us"), ("levqor.requests", "")]);

    let Some(Data::Gauge(gauge)) = &metrics[0].data else { panic!("a gauge") };
    assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(5.0)));
    let Some(Data::Sum(sum)) = &metrics[2].data else { panic!("a sum") };
    assert!(sum.is_monotonic && sum.aggregation_temporality() == AggregationTemporality::Cumulative);
    assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsDouble(7.0)));
    assert_eq!(sum.data_points[0].start_time_unix_nano, 1_795_502_901_000_000_000);
    assert_eq!(plain(&sum.data_points[0].attributes), pairs(&[("status", "2xx")]));
    let Some(Data::Histogram(histogram)) = &metrics[1].data else { panic!("a histogram") };
    assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
    let point = &histogram.data_points[0];
    assert_eq!((point.count, point.sum), (10, Some(200_001_310.0)));
    assert_eq!((point.min, point.max), (Some(100.0), Some(100_000_000.0)));
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), 10);
    // Each value is in the bucket in which it belongs: at most 127, 255, 511, and beyond the last.
    assert_eq!(point.explicit_bounds[..3], [127.0, 255.0, 511.0]);
    assert_eq!(point.bucket_counts[..3], [4, 2, 2]);
    assert_eq!(point.bucket_counts.last(), Some(&2));
}

#[tokio::test]
async fn a_collector_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let stub = HttpStub::start().await;
    stub.route(
        Route::new("/v1/traces")
            .replies(2, Reply::status(503))
            .replies(1, Reply::status(400))
            .reply(Reply::status(200)),
    );
    let exporter = Exporter::start(settings(&stub), NOW).unwrap();
    // Two answers of 503, then the refusal: the span is gone.
    exporter.tell_span(a_span("one"));
    wait_for("the refusal", || async { (exporter.dropped()[0].1 == 1).then_some(()) }).await;
    assert_eq!(stub.requests_to("/v1/traces").len(), 3);
    exporter.tell_span(a_span("two"));
    let spans = spans_of(&stub, 4).await;
    assert_eq!(spans.last().unwrap().name, "two");
    assert_eq!(exporter.dropped(), [("spans", 1), ("points", 0)]);
}

#[tokio::test]
async fn a_collector_that_hangs_holds_up_nobody() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/v1/traces").reply(Reply::hang()));
    stub.route(Route::new("/v1/metrics").reply(Reply::hang()));
    let patient = TelemetrySettings { timeout: Duration::from_secs(600), ..settings(&stub) };
    let exporter = Exporter::start(patient, NOW).unwrap();
    exporter.tell_points(NOW, vec![(series("requests", SeriesKind::Counter, "2xx"), Point::of(NOW, 1.0))]);
    exporter.tell_span(a_span("first"));
    wait_for("both to hang", || async { (stub.count() == 2).then_some(()) }).await;
    for _ in 0..SPANS_MAX + 100 {
        exporter.tell_span(a_span("more"));
    }
    assert_eq!(exporter.dropped()[0], ("spans", 100));
    // The end of the process waits for as long as it was told, and not for the collector.
    exporter.close(Duration::from_millis(50)).await;
    assert_eq!(stub.count(), 2);
}

#[tokio::test]
async fn what_is_left_is_sent_at_the_end() {
    let stub = HttpStub::start().await;
    let slow = TelemetrySettings { every: Duration::from_secs(600), ..settings(&stub) };
    let exporter = Exporter::start(slow, NOW).unwrap();
    for _ in 0..600 {
        exporter.tell_span(a_span("last"));
    }
    exporter.tell_points(NOW, vec![(series("requests", SeriesKind::Counter, "2xx"), Point::of(NOW, 1.0))]);
    exporter.close(Duration::from_secs(60)).await;
    assert_eq!(spans_of(&stub, 600).await.len(), 600);
    assert!(!stub.requests_to("/v1/metrics").is_empty());
}

#[tokio::test]
async fn a_level_that_nobody_looks_at_any_more_is_not_told() {
    let settings = settings(&HttpStub::start().await);
    let mut sums = Sums::new(NOW);
    let names = |sums: &Sums| {
        let request = ExportMetricsServiceRequest::decode(&*encode::metrics(&settings, sums)).unwrap();
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        metrics.iter().map(|metric| metric.name.clone()).collect::<Vec<_>>()
    };
    let level = |name: &str| (series(name, SeriesKind::Gauge, "x"), Point::of(NOW, 1.0));
    let count = (series("requests", SeriesKind::Counter, "2xx"), Point::of(NOW, 1.0));
    sums.add(NOW, vec![level("findings"), level("depth"), count]);
    assert_eq!(names(&sums), ["levqor.depth", "levqor.findings", "levqor.requests"]);
    sums.add(NOW + Duration::from_secs(90), vec![level("depth")]);
    assert_eq!(names(&sums), ["levqor.depth", "levqor.requests"], "a sum stays what it is");
    sums.add(NOW + Duration::from_secs(100), vec![level("findings")]);
    assert_eq!(names(&sums), ["levqor.depth", "levqor.findings", "levqor.requests"]);
}

#[test]
fn series_without_a_place_are_counted() {
    let mut sums = Sums::new(NOW);
    let points = |from: u32| {
        (from..from + 6_000)
            .map(|number| (series("requests", SeriesKind::Counter, &number.to_string()), Point::of(NOW, 1.0)))
            .collect()
    };
    assert_eq!(sums.add(NOW, points(0)), 0);
    assert_eq!(sums.add(NOW, points(6_000)), 2_000);
    assert_eq!(sums.add(NOW, points(0)), 0);
}
