//! Stored series, through the router: recorded, asked for, refused, bounded.

use std::{sync::Arc, time::Duration};

use levqor_model::{Clock, ManualClock, Timestamp};
use levqor_server::otlp::{Exporter, TelemetrySettings};
use levqor_testkit::{HttpStub, wait_for};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde_json::{Value, json};

use crate::support::{FAULT, GREET, TestApp};

/// What a question is answered; it must be.
async fn ask(test: &TestApp, query: &str) -> Value {
    let answer = test.get(&format!("/api/metrics/query?{query}")).send().await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

/// The values of the first series.
fn values(answer: &Value) -> Vec<f64> {
    let points = answer["series"][0]["points"].as_array().into_iter().flatten();
    points.map(|point| point["value"].as_f64().unwrap()).collect()
}

#[tokio::test]
async fn what_happens_is_asked_for_afterwards() {
    let test = TestApp::new().await;
    for (name, rest) in [("greet", GREET), ("fails", FAULT)] {
        let workflow = test.save(name, rest).await;
        test.start(&workflow, 10, &json!({ "name": "Ada" })).await;
    }
    for _ in 0..3 {
        test.get("/api/regions/mars").send().await;
    }
    test.app.keep_series().await.unwrap();
    test.advance(60);
    test.get("/api/regions/mars").send().await;
    test.app.keep_series().await.unwrap();

    let answer =
        ask(&test, "name=http_requests&labels=status=4xx,route=/api/regions/%7Bcode%7D&step=60s").await;
    assert_eq!(
        answer,
        json!({
            "name": "http_requests", "kind": "counter", "aggregation": "sum", "step_seconds": 60,
            "from": "2026-11-24T11:01:00.000000Z", "to": "2026-11-24T12:01:00.000000Z",
            "series": [{
                "labels": { "region": "eu-west", "route": "/api/regions/{code}", "status": "4xx" },
                // The step that has just begun is not over: `to` is not in it.
                "points": [{ "at": "2026-11-24T12:00:00.000000Z", "value": 3.0 }],
            }],
        })
    );
    test.advance(10);
    let mars = "labels=status=4xx,route=/api/regions/%7Bcode%7D&step=60s";
    assert_eq!(values(&ask(&test, &format!("name=http_requests&{mars}")).await), [3.0, 1.0]);
    let rate = ask(&test, &format!("name=http_requests&{mars}&aggregation=rate")).await;
    assert_eq!(values(&rate), [3.0 / 60.0, 1.0 / 60.0]);

    let ended = ask(&test, "name=runs_ended&step=1h").await;
    let by_status: Vec<_> = ended["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["labels"]["status"], values(&json!({ "series": [one] }))))
        .collect();
    assert_eq!(by_status, [(&json!("completed"), vec![1.0]), (&json!("faulted"), vec![1.0])]);
    assert_eq!(values(&ask(&test, "name=runs_started&step=1h").await), [2.0]);
    let delays = ask(&test, "name=run_start_delay_us&step=1h&aggregation=count").await;
    assert_eq!((values(&delays), &delays["unit"]), (vec![2.0], &json!("microseconds")));
    // Two looks in that hour, both at nothing.
    assert_eq!(values(&ask(&test, "name=queue_depth&step=1h&aggregation=count").await), [2.0]);
    assert_eq!(values(&ask(&test, "name=queue_depth&step=1h&aggregation=max").await), [0.0]);
    let uptime = ask(&test, "name=uptime_seconds&step=1h&aggregation=last").await;
    assert_eq!(values(&uptime), [60.0]);
    assert_eq!(uptime["series"][0]["labels"]["node"], test.app.node.to_string());
    let p99 =
        ask(&test, "name=http_duration_us&labels=route=/api/regions/%7Bcode%7D&step=1h&aggregation=p99.9")
            .await;
    assert!(values(&p99)[0] > 0.0 && p99["aggregation"] == "p99.9", "{p99}");
}

#[tokio::test]
async fn series_become_one_by_their_labels() {
    let test = TestApp::new().await;
    for (a, b, by) in [("x", "1", 1), ("x", "2", 2), ("y", "1", 4)] {
        test.app.count_in("job_failures", &[("job", a), ("other", b)], by);
        test.app.observe("job_duration_us", &[("job", a), ("other", b)], by);
    }
    test.app.keep_series().await.unwrap();
    test.advance(10);
    let shown = |answer: &Value| -> Vec<(String, f64)> {
        let all = answer["series"].as_array().unwrap().iter();
        all.map(|one| (one["labels"].to_string(), values(&json!({ "series": [one] }))[0])).collect()
    };
    let rows: [(&str, &[(&str, f64)]); 4] = [
        ("name=job_failures&by=job", &[(r#"{"job":"x"}"#, 3.0), (r#"{"job":"y"}"#, 4.0)]),
        ("name=job_failures&by=other&labels=job=x", &[(r#"{"other":"1"}"#, 1.0), (r#"{"other":"2"}"#, 2.0)]),
        ("name=job_failures&by=", &[("{}", 7.0)]),
        ("name=job_duration_us&by=&aggregation=max", &[("{}", 4.0)]),
    ];
    for (query, expected) in rows {
        let found = shown(&ask(&test, query).await);
        let expected: Vec<_> =
            expected.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_is_told_why() {
    let test = TestApp::new().await;
    test.app.count_in("runs_started", &[], 1);
    test.app.keep_series().await.unwrap();
    let rows = [
        ("", "name: is missing; name a series, such as http_requests (GET /api/metrics/series lists all)"),
        (
            "name=http_request",
            "name: no series is called \"http_request\"; did you mean http_requests? GET /api/metrics/series lists all",
        ),
        (
            "name=zzzzzzzzzzzzzzzz",
            "name: no series is called \"zzzzzzzzzzzzzzzz\"; GET /api/metrics/series lists all",
        ),
        (
            "name=runs_started&labels=status=2xx",
            "labels: runs_started has no label \"status\"; it has region",
        ),
        ("name=runs_started&labels=2xx", "labels: \"2xx\" is no label with its value"),
        (
            "name=runs_started&aggregation=p95",
            "aggregation: p95 says nothing of runs_started, which is a counter; use sum or rate",
        ),
        ("name=runs_started&aggregation=mean", "aggregation: \"mean\" is none; use sum, rate, avg"),
        ("name=runs_started&from=tomorrow", "from: \"tomorrow\" is no time; write it like"),
        ("name=runs_started&from=-1h&to=-2h", "is not before to"),
        ("name=runs_started&from=-900d", "from: is more than 800 days before to"),
        ("name=runs_started&step=7s", "step: 7s is not a whole number of 10 s; use 10s or a multiple of it"),
        (
            "name=runs_started&from=-30d&step=10s",
            "step: 10s makes 259200 points, and an answer has at most 5000; use 900s or more",
        ),
        ("name=runs_started&label=x", "unknown field `label`"),
    ];
    for (query, expected) in rows {
        let answer = test.get(&format!("/api/metrics/query?{query}")).send().await;
        let problem: Value = answer.json();
        assert_eq!(answer.status, 400, "{query}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{query}: {detail}");
    }
    // What this version measures and has not seen is no mistake.
    assert_eq!(ask(&test, "name=ai_errors").await["series"], json!([]));
    assert_eq!(ask(&test, "name=runs_started&labels=region=mars").await["series"], json!([]));
    let answer = test.get("/api/metrics/series?name=http_request").send().await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[tokio::test]
async fn the_names_are_listed_with_what_they_are() {
    let test = TestApp::new().await;
    test.get("/health").send().await;
    test.get("/api/regions/mars").send().await;
    test.app.keep_series().await.unwrap();
    let all = test.read("/api/metrics/series").await;
    let find = |name: &str| all["series"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
    let requests = find("http_requests").unwrap();
    assert_eq!((&requests["kind"], &requests["count"]), (&json!("counter"), &json!(2)));
    assert!(requests["help"].as_str().unwrap().starts_with("HTTP requests answered"));
    let unseen = find("ai_errors").unwrap();
    assert_eq!((&unseen["count"], unseen.get("first_at")), (&json!(0), None));
    assert_eq!(find("http_duration_us").unwrap()["unit"], "microseconds");

    let one = test.read("/api/metrics/series?name=http_requests").await;
    assert_eq!(
        one["series"][0]["labels"],
        json!({ "region": ["eu-west"], "route": ["/api/regions/{code}", "/health"], "status": ["2xx", "4xx"] })
    );
}

#[tokio::test]
async fn stored_series_can_be_closed_to_strangers() {
    let test = TestApp::with(|settings| settings.metrics_public = false).await;
    for path in ["/api/metrics/query?name=runs", "/api/metrics/series"] {
        assert_eq!(test.get(path).send().await.problem(), "unauthenticated");
        assert_eq!(test.get(path).key(&test.keys.viewer).send().await.status, 200);
    }
}

#[tokio::test]
async fn a_restart_loses_nothing_that_was_written_and_counts_nothing_twice() {
    let test = TestApp::new().await;
    test.app.count_in("runs_started", &[], 3);
    test.app.flush().await;
    test.app.flush().await;
    // In the same step, by the next process.
    let again = test.restarted().await;
    again.app.count_in("runs_started", &[], 4);
    again.app.flush().await;
    test.advance(10);
    assert_eq!(values(&ask(&again, "name=runs_started&step=10s").await), [7.0]);
    // A process that is killed loses what it has not written, and only that.
    again.app.count_in("runs_started", &[], 100);
    let third = again.restarted().await;
    third.app.count_in("runs_started", &[], 1);
    third.app.flush().await;
    test.advance(7_200);
    third.app.keep_series().await.unwrap();
    let hours = ask(&third, "name=runs_started&step=1h&from=-6h").await;
    assert_eq!(values(&hours), [8.0]);
}

#[tokio::test]
async fn a_clock_that_jumps_loses_nothing() {
    let test = TestApp::new().await;
    let begin = test.clock.now();
    let jump = |clock: &Arc<ManualClock>, to: Timestamp| clock.set(to);
    test.app.count_in("runs_started", &[], 1);
    jump(&test.clock, begin + Duration::from_secs(86_400));
    test.app.count_in("runs_started", &[], 2);
    jump(&test.clock, begin - Duration::from_secs(3_600));
    test.app.count_in("runs_started", &[], 4);
    test.app.keep_series().await.unwrap();
    jump(&test.clock, begin + Duration::from_secs(20));
    test.app.count_in("runs_started", &[], 8);
    test.app.keep_series().await.unwrap();
    jump(&test.clock, begin + Duration::from_secs(86_400 * 2));
    test.app.keep_series().await.unwrap();
    let all = ask(&test, "name=runs_started&from=-5d&step=1h").await;
    assert_eq!(values(&all).iter().sum::<f64>(), 15.0, "{all}");
}

#[tokio::test]
async fn labels_that_explode_are_contained_and_told() {
    let test = TestApp::new().await;
    for round in 0..6 {
        for number in 0..2_000 {
            test.app.count_in("job_failures", &[("job", &format!("{round}-{number}"))], 1);
        }
        // Whoever looks takes what the threads have counted.
        test.get("/metrics").send().await;
    }
    test.app.keep_series().await.unwrap();
    test.advance(10);
    test.app.keep_series().await.unwrap();
    test.advance(10);
    let other = ask(&test, "name=job_failures&labels=job=other&step=1h").await;
    let lost = values(&other)[0];
    assert!(lost >= 8_000.0, "{other}");
    assert_eq!(values(&ask(&test, "name=job_failures&by=&step=1h").await), [12_000.0]);
    assert_eq!(values(&ask(&test, "name=metric_series_crowded&step=1h").await), [lost]);
    // Others have their places.
    assert_eq!(ask(&test, "name=runs&step=1h").await["series"].as_array().unwrap().len(), 7);
    let text = test.get("/metrics").send().await.text();
    assert!(text.contains("levqor_metric_series_crowded_total{region=\"eu-west\"}"), "{text}");
}

#[tokio::test]
async fn a_collector_gets_the_same_series() {
    let stub = HttpStub::start().await;
    let exporter = Exporter::start(
        TelemetrySettings {
            endpoint: stub.url("/otel").parse().unwrap(),
            version: "1".to_owned(),
            region: "eu-west".to_owned(),
            instance: "one".to_owned(),
            every: Duration::from_millis(20),
            timeout: Duration::from_secs(10),
            pause: Duration::from_millis(1),
        },
        Timestamp::default(),
    )
    .unwrap();
    let test = TestApp::with(|settings| settings.telemetry = Some(exporter.clone())).await;
    test.get("/api/regions/mars").send().await;
    test.app.keep_series().await.unwrap();
    let names = wait_for("the series", || async {
        let last = stub.requests_to("/otel/v1/metrics").pop()?;
        let request = ExportMetricsServiceRequest::decode(&*last.body).unwrap();
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        Some(metrics.iter().map(|metric| metric.name.clone()).collect::<Vec<_>>())
    })
    .await;
    for name in ["levqor.http_requests", "levqor.http_duration_us", "levqor.uptime_seconds"] {
        assert!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
    }
    let text = test.get("/metrics").send().await.text();
    assert!(text.contains("levqor_telemetry_dropped_total{region=\"eu-west\",signal=\"spans\"} 0"), "{text}");
}
