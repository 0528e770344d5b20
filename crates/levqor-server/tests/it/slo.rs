//! Objectives over stored series and evidence, judged as the server does it.

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use levqor_model::{Point, SeriesKind, Timestamp, Values};
use levqor_server::features::alerts::look;
use levqor_store::{
    health::Sample,
    metrics::{Series, SeriesBatch},
};
use serde_json::Value;

use crate::support::TestApp;

/// What nodes measure.
struct Measured<'a> {
    test: &'a TestApp,
    batches: u64,
}

impl Measured<'_> {
    async fn number(&self, name: &str, labels: &[(&str, &str)], kind: SeriesKind) -> i64 {
        let labels: BTreeMap<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let series = Series { name: name.to_owned(), labels, kind };
        self.test.store.series_numbers(vec![series], self.test.app.now()).await.unwrap()[0].unwrap()
    }

    /// Ten seconds in which so many requests came, of which so many failed, each in so many milliseconds.
    async fn step(&mut self, requests: u32, failed: u32, millis: u64) {
        let at = self.test.app.now();
        let (counter, gauge, kind) = (SeriesKind::Counter, SeriesKind::Gauge, SeriesKind::Histogram);
        let good = self.number("http_requests", &[("status", "2xx")], counter).await;
        let bad = self.number("http_requests", &[("status", "5xx")], counter).await;
        let depth = self.number("store_queue_depth", &[], gauge).await;
        let duration = self.number("http_duration_us", &[], kind).await;
        let mut points = vec![("store_queue_depth", depth, Point::of(at, 0.0))];
        if requests > failed {
            points.push(("http_requests", good, Point::of(at, f64::from(requests - failed))));
        }
        if failed > 0 {
            points.push(("http_requests", bad, Point::of(at, f64::from(failed))));
        }
        let mut values = Values::default();
        (0..requests).for_each(|_| values.add(millis * 1_000));
        points.extend(values.into_point(at).map(|point| ("http_duration_us", duration, point)));
        self.batches += 1;
        let batch = SeriesBatch::new(
            self.batches,
            at,
            points.iter().map(|(name, number, point)| (*name, *number, point)),
        );
        self.test.store.add_series_points(batch, at).await.unwrap();
        let sample = Sample {
            region: self.test.app.region.code.clone(),
            node: self.test.app.node,
            component: "api".to_owned(),
            at,
            good: true,
            latency_us: None,
            reason: None,
        };
        self.test.store.add_samples(vec![sample]).await.unwrap();
        self.test.clock.advance(Duration::from_secs(10));
        look(&self.test.app).await.unwrap();
    }
}

async fn slos(test: &TestApp) -> BTreeMap<String, Value> {
    let answer = test.get("/api/ops/slos").key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let all = answer.json()["slos"].as_array().unwrap().clone();
    all.into_iter().map(|slo| (slo["name"].as_str().unwrap().to_owned(), slo)).collect()
}

fn statuses(slos: &BTreeMap<String, Value>) -> String {
    let all: Vec<_> =
        slos.iter().map(|(name, slo)| format!("{name} {}", slo["status"].as_str().unwrap())).collect();
    all.join(", ")
}

async fn firing(test: &TestApp) -> Vec<String> {
    let answer = test.get("/api/ops/alerts?state=firing&rule=slo&limit=200").key(&test.keys.operator);
    let all = answer.send().await.json()["alerts"].as_array().unwrap().clone();
    let mut names: Vec<_> = all
        .iter()
        .map(|alert| format!("{} {}", alert["rule"].as_str().unwrap(), alert["subject"].as_str().unwrap()))
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn nothing_is_green_before_somebody_has_looked() {
    let test = TestApp::new().await;
    let found = slos(&test).await;
    assert_eq!(
        statuses(&found),
        "availability unknown, error-rate unknown, latency unknown, requests unknown, run-start unknown"
    );
    assert_eq!(found["requests"]["unknown"], "nobody has judged it yet");
    assert!(found["requests"]["budget"]["left_percent"].is_null());
}

#[tokio::test]
async fn one_of_ten_requests_fails_and_somebody_is_called_in_time() {
    let test = TestApp::new().await;
    let mut measured = Measured { test: &test, batches: 0 };
    for _ in 0..60 {
        measured.step(100, 0, 20).await;
    }
    let found = slos(&test).await;
    assert_eq!(
        statuses(&found),
        "availability met, error-rate met, latency met, requests met, run-start quiet"
    );
    assert_eq!(found["requests"]["budget"]["left_percent"], 100.0);
    assert!(firing(&test).await.is_empty(), "{:?}", firing(&test).await);

    let begun = test.app.now();
    let mut called: Option<Timestamp> = None;
    for _ in 0..12 {
        measured.step(100, 10, 20).await;
        if called.is_none() && firing(&test).await.contains(&"slo.burn requests".to_owned()) {
            called = Some(test.app.now());
        }
    }
    let after = called.expect("somebody is called").since(begun);
    assert!(after <= Duration::from_secs(120), "{after:?}");
    let found = slos(&test).await;
    assert_eq!(found["requests"]["status"], "burning");
    assert_eq!(found["error-rate"]["status"], "burning", "{}", found["error-rate"]);
    assert_eq!(found["latency"]["status"], "met");
    assert!(found["requests"]["budget"]["left_percent"].as_f64().unwrap() < 0.0, "{}", found["requests"]);

    // All fails: within ten seconds of the step that shows it. Then nothing is measured any more.
    let test = TestApp::new().await;
    let mut measured = Measured { test: &test, batches: 0 };
    for _ in 0..30 {
        measured.step(100, 0, 20).await;
    }
    measured.step(100, 100, 20).await;
    assert!(firing(&test).await.contains(&"slo.burn requests".to_owned()), "{:?}", firing(&test).await);
    for _ in 0..40 {
        test.clock.advance(Duration::from_secs(10));
        look(&test.app).await.unwrap();
    }
    let now = firing(&test).await;
    assert!(now.contains(&"slo.burn requests".to_owned()), "silence ends no alert: {now:?}");
    assert!(now.contains(&"slo.burn.unknown requests".to_owned()), "{now:?}");
    assert!(statuses(&slos(&test).await).contains("requests unknown"), "{}", statuses(&slos(&test).await));
}

#[tokio::test]
async fn slow_answers_break_the_latency_objective_only() {
    let test = TestApp::new().await;
    let mut measured = Measured { test: &test, batches: 0 };
    for _ in 0..30 {
        measured.step(50, 0, 100).await;
    }
    for _ in 0..30 {
        measured.step(50, 0, 3_000).await;
    }
    let found = slos(&test).await;
    assert_eq!(
        statuses(&found),
        "availability met, error-rate met, latency burning, requests met, run-start quiet"
    );
    assert_eq!(firing(&test).await, ["slo.budget latency", "slo.policy latency/latency-above-target"]);
}

#[tokio::test]
async fn budgets_have_a_history_and_bad_questions_are_refused() {
    let test = TestApp::new().await;
    let mut measured = Measured { test: &test, batches: 0 };
    for _ in 0..130 {
        measured.step(10, 0, 20).await;
    }
    let get = |query: &str| {
        let path = format!("/api/ops/slos/requests/history{query}");
        let call = test.get(&path).key(&test.keys.operator);
        async { call.send().await }
    };
    let answer = get("?step=600").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let points = answer.json()["points"].as_array().unwrap().clone();
    assert_eq!(points.len(), 3, "{points:#?}");
    assert_eq!((&points[2]["left_percent"], &points[2]["bad"]), (&Value::from(100.0), &Value::from(0)));
    for (query, problem) in [
        ("?step=7", "no multiple of 600"),
        ("?from=2026-11-24T12:00:00Z&to=2026-11-24T11:00:00Z", "is not before"),
        ("?from=2020-01-01T00:00:00Z&step=600", "more than 2000 points"),
        ("?stepp=600", "stepp"),
    ] {
        let refused = get(query).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}: {}", refused.text());
        assert!(refused.text().contains(problem), "{query}: {}", refused.text());
    }
    let missing = test.get("/api/ops/slos/none/history").key(&test.keys.operator).send().await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}
