//! Counters: exact members, sliding windows, totals that survive.

mod exposition;
mod series;

use levqor_server::features::metrics::Counter;
use serde_json::{Value, json};

use crate::support::{FAULT, GREET, TestApp};

#[tokio::test]
async fn the_members_are_those_that_were_promised() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    test.start(&workflow, 10, &json!({ "name": "Ada" })).await;
    let fails = test.save("fails", FAULT).await;
    test.start(&fails, 10, &json!({})).await;
    let mut metrics = test.get("/api/metrics/app").send().await.json();
    let latency = metrics["latency_ms"].take();
    for percentile in ["p50", "p95", "p99"] {
        assert!(latency[percentile].as_f64().unwrap() > 0.0, "{latency}");
    }
    let expected = json!({
        "status": "ok", "region": "eu-west", "uptime_seconds": 0,
        "ai_requests_total": 0, "ai_requests_last_5m": 0,
        "errors_total": 0, "errors_last_5m": 0,
        "ai_openai_calls_total": 0, "ai_openai_calls_last_5m": 0,
        "ai_openai_errors_total": 0, "ai_openai_errors_last_5m": 0,
        "requests_total": 4, "latency_ms": null,
        "runs": { "pending": 0, "running": 0, "waiting": 0, "suspended": 0, "completed": 1, "faulted": 1, "cancelled": 0, "stuck": 0 },
        "business_metrics": {
            "consultations_booked": 0, "consultations_run": 0, "support_auto_requests": 0,
            "support_auto_escalations": 0, "lifecycle_ticks": 0, "pricing_cta_clicks": 0,
            "trial_feedback_submissions": 0,
        },
        "metrics_type": "persistent",
        "scheduler": { "jobs": 0, "running": 0 },
    });
    assert_eq!(metrics, expected);
}

async fn ai_requests(test: &TestApp) -> (i64, i64) {
    let metrics: Value = test.get("/api/metrics/app").send().await.json();
    (metrics["ai_requests_total"].as_i64().unwrap(), metrics["ai_requests_last_5m"].as_i64().unwrap())
}

#[tokio::test]
async fn the_window_slides_and_the_total_stays() {
    let test = TestApp::new().await;
    test.app.count(Counter::AiRequests);
    test.advance(200);
    test.app.count(Counter::AiRequests);
    assert_eq!(ai_requests(&test).await, (2, 2));
    test.advance(99);
    assert_eq!(ai_requests(&test).await, (2, 2));
    test.advance(1);
    assert_eq!(ai_requests(&test).await, (2, 1));
    test.advance(200);
    assert_eq!(ai_requests(&test).await, (2, 0));
}

#[tokio::test]
async fn counts_survive_a_restart_with_their_window() {
    let test = TestApp::new().await;
    for _ in 0..3 {
        test.app.count(Counter::AiRequests);
    }
    test.app.flush().await;
    test.app.flush().await;
    test.advance(100);
    let again = test.restarted().await;
    again.app.count(Counter::AiRequests);
    assert_eq!(ai_requests(&again).await, (4, 4));
    again.app.flush().await;
    test.advance(250);
    let later = again.restarted().await;
    assert_eq!(ai_requests(&later).await, (4, 1));
}

#[tokio::test]
async fn a_process_that_writes_before_it_reads_counts_nothing_twice() {
    let test = TestApp::new().await;
    test.app.count(Counter::AiRequests);
    test.app.flush().await;
    let again = test.restarted().await;
    again.app.count(Counter::AiRequests);
    again.app.flush().await;
    assert_eq!(ai_requests(&again).await, (2, 2));
    assert_eq!(ai_requests(&again.restarted().await).await, (2, 2));
}

#[tokio::test]
async fn nodes_have_the_same_totals_and_each_process_what_it_has_counted() {
    let nodes = TestApp::region(2, |_| {}).await;
    for node in &nodes {
        assert_eq!(ai_requests(node).await, (0, 0), "all have read the totals of before");
    }
    nodes[0].app.count(Counter::AiRequests);
    for _ in 0..2 {
        nodes[1].app.count(Counter::AiRequests);
    }
    nodes[1].app.flush().await;
    assert_eq!(ai_requests(&nodes[0]).await, (3, 3), "also with what it has not written yet");
    nodes[0].app.flush().await;
    for node in &nodes {
        assert_eq!(ai_requests(node).await, (3, 3));
    }
    for (node, own) in nodes.iter().zip([1, 2]) {
        let text = node.get("/metrics").send().await.text();
        let line = format!("levqor_ai_requests_total{{region=\"eu-west\"}} {own}");
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn prometheus_reads_the_same_numbers() {
    let test = TestApp::new().await;
    test.app.count(Counter::AiRequests);
    test.get("/api/regions/mars").send().await;
    let answer = test.get("/metrics").send().await;
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text();
    let lines = [
        "levqor_ai_requests_total{region=\"eu-west\"} 1",
        "levqor_http_answers_total{region=\"eu-west\",method=\"GET\",route=\"/api/regions/{code}\",status=\"404\"} 1",
        "levqor_runs{region=\"eu-west\",status=\"completed\"} 0",
        "levqor_uptime_seconds{region=\"eu-west\"} 0",
        "# EOF",
    ];
    for line in lines {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("mars"), "labels are routes, not paths");
}

#[tokio::test]
async fn metrics_can_be_closed_to_strangers() {
    let test = TestApp::with(|settings| settings.metrics_public = false).await;
    assert_eq!(test.get("/metrics").send().await.problem(), "unauthenticated");
    assert_eq!(test.get("/metrics").key(&test.keys.viewer).send().await.status, 200);
}
