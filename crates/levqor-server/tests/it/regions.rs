//! Regions are what was seen, not what was declared.

use http::StatusCode;

use crate::support::TestApp;

#[tokio::test]
async fn the_registry_with_what_is_so_now() {
    let test = TestApp::new().await;
    let body = test.get("/api/regions").send().await.json();
    assert_eq!(body["current"], "eu-west");
    let rows: Vec<_> = body["regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| {
            (
                region["code"].as_str().unwrap(),
                region["status"].as_str().unwrap(),
                region["nodes_live"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(rows, [("eu-west", "active", 1), ("us-east", "planned", 0), ("ap-south", "planned", 0)]);
    let one = test.get("/api/regions/eu-west").send().await.json();
    assert_eq!(one, body["regions"][0]);
    assert_eq!(one["replication"]["mode"], "single database");
    for unknown in [&one["replication"]["lag_seconds"], &one["latency_ms"]] {
        assert!(unknown.is_null());
    }
}

#[tokio::test]
async fn an_active_region_that_is_not_ready_is_down() {
    let test = TestApp::new().await;
    test.app.stopping.cancel();
    let region = test.get("/api/regions/eu-west").send().await.json();
    assert_eq!((region["status"].as_str(), region["declared"].as_str()), (Some("down"), Some("active")));
    assert_eq!(region["reason"], "its nodes are alive but not ready");
}

#[tokio::test]
async fn an_unknown_code_names_the_known_ones() {
    let test = TestApp::new().await;
    let answer = test.get("/api/regions/mars-north").send().await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.problem(), "region-not-found");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("eu-west, us-east, ap-south"), "{detail}");
}
