//! Liveness, readiness, and the samples of oneself.

use http::StatusCode;
use levqor_model::Timestamp;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn liveness_has_its_members() {
    let test = TestApp::new().await;
    test.advance(61);
    let health = test.get("/health").send().await.json();
    let expected = json!({
        "status": "ok", "version": env!("CARGO_PKG_VERSION"), "build": "unknown", "region": "eu-west",
        "uptime_seconds": 61, "timestamp": 1_795_521_661,
    });
    assert_eq!(health, expected);
}

#[tokio::test]
async fn a_whole_node_is_ready() {
    let test = TestApp::new().await;
    let answer = test.get("/ready").send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let ready = answer.json();
    assert_eq!(ready["status"], "ready");
    for check in ["database_read", "database_write", "migrations", "disk", "lease", "clock", "engine"] {
        assert_eq!(ready["checks"][check]["ok"], true, "{check}: {ready}");
    }
}

/// What `/ready` complains of.
async fn complaints(test: &TestApp) -> Vec<String> {
    let answer = test.get("/ready").send().await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let ready = answer.json();
    assert_eq!(ready["status"], "not_ready");
    let checks = ready["checks"].as_object().unwrap();
    checks.iter().filter(|(_, verdict)| verdict["ok"] == false).map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn a_node_without_a_database_is_not_ready() {
    let test = TestApp::new().await;
    test.store.close().await;
    let complaints = complaints(&test).await;
    assert!(complaints.contains(&"database_write".to_owned()), "{complaints:?}");
    assert!(complaints.contains(&"lease".to_owned()), "{complaints:?}");
}

#[tokio::test]
async fn a_clock_that_goes_back_is_found_out() {
    let test = TestApp::new().await;
    let begin = test.app.now();
    assert!(levqor_server::features::health::service::assess(&test.app).await.is_ready());
    test.clock.set(begin - std::time::Duration::from_secs(60));
    assert_eq!(complaints(&test).await, ["clock"]);
    assert!(levqor_server::features::health::service::assess(&test.app).await.is_ready(), "it was told once");
    test.clock.set(Timestamp::from_seconds(0));
    let found = levqor_server::features::health::service::assess(&test.app).await;
    assert!(found.checks.iter().any(|check| check.name == "clock" && check.failure.is_some()));
}

#[tokio::test]
async fn a_node_that_stops_is_not_ready() {
    let test = TestApp::new().await;
    test.app.stopping.cancel();
    assert_eq!(complaints(&test).await, ["engine"]);
}

#[tokio::test]
async fn what_was_seen_is_recorded() {
    let test = TestApp::new().await;
    levqor_server::features::health::service::sample(&test.app).await.unwrap();
    let samples = test.store.latest_samples().await.unwrap();
    let mut seen: Vec<_> = samples.iter().map(|sample| (sample.component.as_str(), sample.good)).collect();
    seen.sort_unstable();
    // This server has no socket, so there is no API to observe, and nothing is said about it.
    assert_eq!(seen, [("database", true), ("engine", true)]);
}
