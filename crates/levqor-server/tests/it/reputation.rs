//! Addresses that make many errors.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::TestApp;

const BAD: &str = "192.0.2.66";

async fn fail(test: &TestApp, times: u32) {
    for _ in 0..times {
        let answer = test.get("/api/nowhere").from(BAD).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}

async fn suspects(test: &TestApp) -> Vec<Value> {
    let answer = test.get("/api/ops/reputation").key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["addresses"].as_array().unwrap().clone()
}

#[tokio::test]
async fn fifty_errors_make_an_address_suspicious_and_nothing_is_refused_by_default() {
    let test = TestApp::new().await;
    fail(&test, 49).await;
    assert_eq!(suspects(&test).await, Vec::<Value>::new());
    fail(&test, 1).await;
    let found = suspects(&test).await;
    assert_eq!(found, [json!({ "address": BAD, "errors": 50, "until": "2026-11-24T12:05:10.000000Z" })]);
    assert_eq!(test.get("/api/plans").from(BAD).send().await.status, StatusCode::OK, "it is only told of");
    test.advance(311);
    assert_eq!(suspects(&test).await, Vec::<Value>::new(), "errors are forgotten by themselves");
}

#[tokio::test]
async fn a_suspicious_address_is_refused_when_the_operator_wants_that() {
    let test = TestApp::with(|settings| settings.gateway.block_high_risk = true).await;
    fail(&test, 50).await;
    for path in ["/api/plans", "/docs", "/nowhere"] {
        let refused = test.get(path).from(BAD).send().await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (StatusCode::FORBIDDEN, "address-blocked"),
            "{path}"
        );
        assert_eq!(refused.header("retry-after"), Some("311"));
    }
    let by_key = test.get("/api/runs").from(BAD).key(&test.keys.owner).send().await;
    assert_eq!(by_key.problem(), "address-blocked", "a customer's key changes nothing");
    assert_eq!(test.get("/api/plans").from("192.0.2.67").send().await.status, StatusCode::OK);
    for path in ["/health", "/ready"] {
        assert_eq!(test.get(path).from(BAD).send().await.status, StatusCode::OK, "{path}");
    }
    // Operators get in, see it and put it right.
    let call = test.get("/api/ops/reputation").from(BAD).key(&test.keys.operator);
    let seen = call.send().await.json();
    assert_eq!(
        (&seen["blocking"], &seen["addresses"][0]["errors"]),
        (&json!(true), &json!(50)),
        "refusals do not count"
    );
    let path = format!("/api/ops/reputation/{BAD}");
    let forgiven = test.call(Method::DELETE, &path).from(BAD).key(&test.keys.operator).send().await;
    assert_eq!(forgiven.status, StatusCode::NO_CONTENT);
    let audit = test.get("/api/ops/audit?kind=address.forgiven").key(&test.keys.operator).send().await.json();
    assert_eq!(audit["records"][0]["subject"], "192.0.2.0/24", "the evidence log has it, masked: {audit}");
    assert_eq!(test.get("/api/plans").from(BAD).send().await.status, StatusCode::OK);
    // Or time does.
    fail(&test, 50).await;
    test.advance(311);
    assert_eq!(test.get("/api/plans").from(BAD).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn errors_of_known_callers_and_of_health_routes_count_against_nobody() {
    let test = TestApp::new().await;
    for _ in 0..60 {
        test.get("/api/nowhere").from(BAD).key(&test.keys.viewer).send().await;
        test.get("/api/nowhere").from(BAD).key(&test.keys.operator).send().await;
        test.get("/health").from(BAD).header("authorization", "Bearer wrong").send().await;
        test.get("/api/plans").from(BAD).send().await;
    }
    assert_eq!(suspects(&test).await, Vec::<Value>::new());
    // A wrong key is no caller that is known; nor is a secret address that nobody has.
    for _ in 0..25 {
        test.get("/api/runs").from(BAD).header("authorization", "Bearer wrong").send().await;
        test.post("/hooks/guess").from(BAD).send().await;
    }
    assert_eq!(suspects(&test).await.len(), 1);
}

#[tokio::test]
async fn an_ipv6_network_has_one_reputation() {
    let test = TestApp::new().await;
    for host in 0..50 {
        test.get("/api/nowhere").from(&format!("2001:db8::{host:x}")).send().await;
    }
    assert_eq!(suspects(&test).await[0]["address"], "2001:db8::");
    let path = "/api/ops/reputation/2001:db8::77";
    test.call(Method::DELETE, path).key(&test.keys.operator).send().await;
    assert_eq!(suspects(&test).await, Vec::<Value>::new());
    let odd = test.call(Method::DELETE, "/api/ops/reputation/nobody").key(&test.keys.operator).send().await;
    assert_eq!(odd.problem(), "bad-parameter");
}

#[tokio::test]
async fn the_list_is_paged() {
    let test = TestApp::new().await;
    for host in 1..=5 {
        for _ in 0..50 {
            test.get("/api/nowhere").from(&format!("192.0.2.{host}")).send().await;
        }
    }
    let (mut path, mut found) = ("/api/ops/reputation?limit=2".to_owned(), Vec::new());
    for _ in 0..3 {
        let page = test.get(&path).key(&test.keys.operator).send().await.json();
        found.extend(page["addresses"].as_array().unwrap().iter().map(|it| it["address"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/ops/reputation?limit=2&cursor={cursor}");
    }
    assert_eq!(found, (1..=5).map(|host| json!(format!("192.0.2.{host}"))).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_nodes_of_a_region_know_together() {
    let nodes = TestApp::region(2, |settings| settings.gateway.block_high_risk = true).await;
    for node in &nodes {
        fail(node, 30).await;
    }
    let talk = async || {
        for node in nodes.iter().chain(&nodes) {
            node.app.share_callers().await.unwrap();
        }
    };
    talk().await;
    for node in &nodes {
        assert_eq!(suspects(node).await[0]["errors"], 60);
        assert_eq!(node.get("/api/plans").from(BAD).send().await.status, StatusCode::FORBIDDEN);
    }
    nodes[0].advance(1);
    let path = format!("/api/ops/reputation/{BAD}");
    nodes[0].call(Method::DELETE, &path).key(&nodes[0].keys.operator).send().await;
    nodes[0].advance(1);
    talk().await;
    for node in &nodes {
        assert_eq!(node.get("/api/plans").from(BAD).send().await.status, StatusCode::OK);
        assert_eq!(suspects(node).await, Vec::<Value>::new());
    }
}
