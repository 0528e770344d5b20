//! Who may do what: the table, the document and the answers agree.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use levqor_server::{
    features,
    gateway::{PAGES, RULES},
    openapi,
};
use serde_json::json;

use crate::support::TestApp;

#[test]
fn every_operation_has_a_rule_and_every_rule_an_operation() {
    let mut document = openapi::document();
    let mut described = Vec::new();
    for (path, item) in &mut document.paths.paths {
        for (method, _) in openapi::operations(item) {
            described.push((method, path.clone()));
        }
    }
    for (method, path) in &described {
        assert!(RULES.iter().any(|(m, p, ..)| m == method && p == path), "{method} {path} has no rule");
    }
    for (method, path, ..) in RULES {
        // The document does not describe itself.
        let known = *path == "/openapi.json" || described.iter().any(|(m, p)| m == method && p == path);
        assert!(known, "{method} {path} has a rule but is not described");
    }
}

/// Paths of the router, as they are written there. It does not list them itself, but shows them.
fn routed() -> BTreeSet<String> {
    let shown = format!("{:?}", features::routes());
    let (_, node) = shown.split_once("Node {").unwrap_or_else(|| panic!("no routes in {shown:.2000}"));
    let paths = node.split('"').skip(1).step_by(2);
    // The framework's own are for what no route takes.
    paths.filter(|path| path.starts_with('/') && !path.contains("__private")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_route_has_a_rule_and_every_rule_a_route() {
    let test = TestApp::new().await;
    let mut found = BTreeSet::new();
    for path in routed() {
        // Nobody serves TRACE, and the answer says what is served.
        let answer = test.call(Method::TRACE, &path).open().await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = answer.headers()["allow"].to_str().unwrap().to_owned();
        found.extend(allowed.split(',').filter(|it| *it != "HEAD").map(|method| format!("{method} {path}")));
    }
    let rules = RULES.iter().map(|(method, path, ..)| format!("{method} {path}"));
    let ruled: BTreeSet<_> =
        rules.chain(PAGES.iter().map(|(method, path, _)| format!("{method} {path}"))).collect();
    assert!(found.len() > 90, "{found:#?}");
    assert_eq!(found.difference(&ruled).collect::<Vec<_>>(), Vec::<&String>::new(), "these have no rule");
    assert_eq!(ruled.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "these have no route");
}

#[tokio::test]
async fn ids_of_other_accounts_lead_nowhere() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", crate::support::GREET).await;
    let run =
        test.start(&workflow, 5, &json!({ "name": "Ada" })).await["run_id"].as_str().unwrap().to_owned();
    let hook = crate::triggers::make(&test, &workflow, true).await["id"].as_str().unwrap().to_owned();
    let definition =
        json!({ "definition": crate::support::document("greet", "0.2.0", crate::support::GREET) });
    let rows = [
        (Method::GET, format!("/api/workflows/{workflow}"), None),
        (Method::PUT, format!("/api/workflows/{workflow}"), Some(definition)),
        (Method::DELETE, format!("/api/workflows/{workflow}"), None),
        (Method::GET, format!("/api/workflows/{workflow}/versions"), None),
        (Method::GET, format!("/api/workflows/{workflow}/versions/0.1.0"), None),
        (Method::GET, format!("/api/workflows/{workflow}/runs"), None),
        (Method::GET, format!("/api/workflows/{workflow}/triggers"), None),
        (Method::POST, format!("/api/workflows/{workflow}/triggers"), Some(json!({ "name": "mine" }))),
        (Method::POST, format!("/api/workflows/{workflow}/triggers/{hook}/rotate"), Some(json!({}))),
        (Method::DELETE, format!("/api/workflows/{workflow}/triggers/{hook}"), None),
        (Method::POST, format!("/api/workflows/{workflow}/runs"), Some(json!({}))),
        (Method::GET, format!("/api/runs/{run}"), None),
        (Method::GET, format!("/api/runs/{run}/tasks"), None),
        (Method::GET, format!("/api/runs/{run}/events"), None),
        (Method::POST, format!("/api/runs/{run}/cancel"), Some(json!({}))),
        (Method::POST, format!("/api/runs/{run}/suspend"), None),
        (Method::POST, format!("/api/runs/{run}/resume"), None),
        (Method::POST, format!("/api/runs/{run}/retry"), Some(json!({ "from": "start" }))),
    ];
    for (method, path, body) in rows {
        let mut call = test.call(method.clone(), &path).key(&test.keys.other);
        if let Some(body) = &body {
            call = call.json(body);
        }
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}: {}", answer.text());
        answer.problem();
    }
    let mine = test.read("/api/runs").await;
    assert_eq!(mine["runs"].as_array().unwrap().len(), 1);
    let theirs = test.get("/api/runs").key(&test.keys.other).send().await.json();
    assert_eq!(theirs, json!({ "runs": [] }));
}

#[tokio::test]
async fn wrong_keys_are_told_what_is_wrong() {
    let test = TestApp::new().await;
    let unknown = format!("Bearer lvq_{}", "a".repeat(43));
    let basic = "Basic YTpi";
    let rows = [
        (unknown.as_str(), "there is no such API key"),
        ("Bearer lvq_short", "must be `Bearer lvq_…`"),
        (basic, "must be `Bearer lvq_…`"),
        ("", "must be `Bearer lvq_…`"),
    ];
    for (value, detail) in rows {
        // Also where a key is not needed: a wrong one is a mistake that its owner wants to know of.
        for path in ["/api/workflows", "/api/regions"] {
            let answer = test.get(path).header("authorization", value).send().await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value} {path}");
            assert_eq!(answer.problem(), "unauthenticated");
            assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{}", answer.text());
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        // Liveness asks nobody who they are.
        assert_eq!(test.get("/health").header("authorization", value).send().await.status, StatusCode::OK);
    }
    let lower = format!("bearer {}", test.keys.viewer);
    assert_eq!(test.get("/api/runs").header("authorization", &lower).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_reads_and_writes_from_our_own_pages_only() {
    let test = TestApp::new().await;
    let with_cookie = |call: crate::support::Call| call.header("cookie", &test.cookie);
    assert_eq!(with_cookie(test.get("/api/runs")).send().await.status, StatusCode::OK);
    let wrong = format!("{}={}", levqor_server::gateway::SESSION_COOKIE, "a".repeat(43));
    assert_eq!(test.get("/api/runs").header("cookie", &wrong).send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(test.get("/api/regions").header("cookie", &wrong).send().await.status, StatusCode::OK);

    let body = json!({ "definition": crate::support::document("greet", "0.1.0", crate::support::GREET) });
    let rows = [
        (None, StatusCode::FORBIDDEN),
        (Some("cross-site"), StatusCode::FORBIDDEN),
        (Some("same-site"), StatusCode::FORBIDDEN),
        (Some("same-origin"), StatusCode::CREATED),
    ];
    for (site, expected) in rows {
        let mut call = with_cookie(test.post("/api/workflows")).json(&body);
        if let Some(site) = site {
            call = call.header("sec-fetch-site", site);
        }
        assert_eq!(call.send().await.status, expected, "{site:?}");
    }
    test.advance(8 * 24 * 60 * 60);
    assert_eq!(with_cookie(test.get("/api/runs")).send().await.status, StatusCode::UNAUTHORIZED);
}
