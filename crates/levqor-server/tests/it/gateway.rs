//! What is around every answer.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{GREET, TestApp};

#[tokio::test]
async fn every_answer_names_its_region_and_its_request() {
    let test = TestApp::new().await;
    let rows = [
        (Method::GET, "/health", StatusCode::OK),
        (Method::GET, "/api/regions", StatusCode::OK),
        (Method::GET, "/nowhere", StatusCode::NOT_FOUND),
        (Method::GET, "/api/nowhere", StatusCode::NOT_FOUND),
        (Method::DELETE, "/api/regions", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/api/runs", StatusCode::UNAUTHORIZED),
        (Method::OPTIONS, "/api/runs", StatusCode::METHOD_NOT_ALLOWED),
    ];
    let mut seen = std::collections::HashSet::new();
    for (method, path, status) in rows {
        let answer = test.call(method.clone(), path).header("x-request-id", "req_mine").send().await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.header("x-levqor-region"), Some("eu-west"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id.starts_with("req_0") && seen.insert(id), "ids are ours and new");
        if !status.is_success() {
            answer.problem();
        }
    }
    let answer = test.call(Method::DELETE, "/api/regions").send().await;
    assert_eq!(answer.problem(), "method-not-allowed");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn people_get_problems_as_pages_and_programs_as_json() {
    let test = TestApp::new().await;
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    let page = test.get("/nowhere").header("accept", browser).send().await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains(page.header("x-request-id").unwrap()));
    let api = test.get("/api/nowhere").header("accept", browser).send().await;
    assert_eq!(api.problem(), "not-found");
}

#[tokio::test]
async fn bodies_are_refused_with_what_is_wrong() {
    let test = TestApp::with(|settings| settings.body_bytes_max = 1_000).await;
    let big = json!({ "definition": "x".repeat(2_000) }).to_string();
    let rows: &[(&str, &str, &str, &str)] = &[
        ("text/plain", "{}", "unsupported-media-type", "application/json"),
        ("application/json", "{\"definition\": ", "bad-request", "line 1, column 15"),
        ("application/json", "[1]", "bad-request", "the body"),
        ("application/json", "{}", "bad-request", "missing field `definition`"),
        ("application/json", "{\"definition\": {}, \"colour\": 1}", "bad-request", "unknown field `colour`"),
        (
            "application/json",
            "{\"definition\": 7}",
            "bad-request",
            "/definition: must be the workflow as an object",
        ),
        ("application/json", &big, "body-too-large", "1000 bytes"),
    ];
    for (content_type, body, slug, part) in rows {
        let call = test.post("/api/workflows/validate").key(&test.keys.viewer);
        let answer = call.body(content_type, (*body).to_owned()).send().await;
        assert_eq!(answer.problem(), *slug, "{body}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(part), "{detail}");
    }
    // Without a length, the bytes themselves are counted.
    let chunks = (0..20).map(|_| Ok::<_, std::io::Error>("x".repeat(100)));
    let body = axum::body::Body::from_stream(futures_util::stream::iter(chunks));
    let answer = test
        .post("/api/workflows/validate")
        .key(&test.keys.viewer)
        .body("application/json", body)
        .send()
        .await;
    assert_eq!(answer.problem(), "body-too-large");
}

#[tokio::test]
async fn strangers_are_refused_before_their_body_is_read() {
    let test = TestApp::new().await;
    let never =
        axum::body::Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    let answer = test.post("/api/workflows").body("application/json", never).send().await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_can_read_them() {
    let test = TestApp::new().await;
    let whole = test.get("/openapi.json").send().await;
    assert_eq!(whole.header("content-encoding"), None);
    let packed = test.get("/openapi.json").header("accept-encoding", "gzip").send().await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.bytes.len() < whole.bytes.len() / 4);
    let small = test.get("/health").header("accept-encoding", "gzip").send().await;
    assert_eq!(small.header("content-encoding"), None);
}

#[tokio::test]
async fn a_full_node_says_so_and_stays_alive() {
    let test = TestApp::with(|settings| settings.requests_max = 0).await;
    let answer = test.get("/api/regions").send().await;
    assert_eq!(answer.problem(), "overloaded");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(test.get("/health").send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let test =
        TestApp::with(|settings| settings.request_timeout = std::time::Duration::from_millis(50)).await;
    let never =
        axum::body::Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
    let answer = test
        .post("/api/workflows/validate")
        .key(&test.keys.viewer)
        .body("application/json", never)
        .send()
        .await;
    assert_eq!(answer.problem(), "overloaded");
}

#[tokio::test]
async fn a_handler_that_panics_is_a_server_error_and_a_forgotten_route_is_closed() {
    let test = TestApp::new().await;
    let boom =
        axum::Router::new().route("/api/boom", axum::routing::get(async || -> () { panic!("a secret") }));
    let test = TestApp { router: levqor_server::gateway::wrap(boom, test.app.clone()), ..test };
    let answer = test.get("/api/boom").key(&test.keys.operator).send().await;
    assert_eq!(answer.problem(), "internal");
    assert!(!answer.text().contains("secret"));
    assert_eq!(answer.header("x-levqor-region"), Some("eu-west"));
    // The route is not in the table of rules, so nobody but operators gets that far.
    assert_eq!(test.get("/api/boom").send().await.problem(), "unauthenticated");
    assert_eq!(test.get("/api/boom").key(&test.keys.owner).send().await.problem(), "forbidden");
}

#[tokio::test]
async fn server_errors_hide_their_cause() {
    let test = TestApp::new().await;
    test.store.close().await;
    let answer = test.get("/api/runs").key(&test.keys.viewer).send().await;
    assert_eq!(answer.problem(), "draining");
    assert!(answer.header("retry-after").is_some());
    let metrics = test.get("/api/metrics/app").send().await.json();
    assert_eq!((metrics["status"].as_str(), &metrics["runs"]), (Some("degraded"), &serde_json::Value::Null));
    assert_eq!(metrics["errors_total"], 1);
}

#[tokio::test]
async fn pages_of_lists_are_walked_to_the_end() {
    let test = TestApp::new().await;
    for number in 0..7 {
        test.advance(1);
        test.save(&format!("greet-{number}"), GREET).await;
    }
    let mut names = Vec::new();
    let mut path = "/api/workflows?limit=3".to_owned();
    for _ in 0..10 {
        let page = test.read(&path).await;
        names.extend(
            page["workflows"].as_array().unwrap().iter().map(|w| w["name"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/workflows?limit=3&cursor={cursor}");
    }
    let expected: Vec<_> = (0..7).rev().map(|number| format!("greet-{number}")).collect();
    assert_eq!(names, expected);

    let rows = [
        ("limit=0", "bad-parameter"),
        ("limit=201", "bad-parameter"),
        ("limit=x", "bad-parameter"),
        ("colour=red", "bad-parameter"),
        ("cursor=abc", "bad-cursor"),
        ("cursor=", "bad-cursor"),
    ];
    for (query, slug) in rows {
        let answer = test.get(&format!("/api/workflows?{query}")).key(&test.keys.viewer).send().await;
        assert_eq!(answer.problem(), slug, "{query}: {}", answer.text());
    }
    let cursor = test.read("/api/workflows?limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    let other_list = test.get(&format!("/api/runs?cursor={cursor}")).key(&test.keys.viewer).send().await;
    assert_eq!(other_list.problem(), "bad-cursor");
}

#[tokio::test]
async fn ids_that_are_none_lead_nowhere() {
    let test = TestApp::new().await;
    for (path, slug) in [
        ("/api/workflows/1", "workflow-not-found"),
        ("/api/workflows/run_01ARZ3NDEKTSV4RRFFQ69G5FAV", "workflow-not-found"),
        ("/api/runs/%F0%9F%92%A9", "run-not-found"),
        ("/api/runs/run_01ARZ3NDEKTSV4RRFFQ69G5FAV", "run-not-found"),
    ] {
        let answer = test.get(path).key(&test.keys.viewer).send().await;
        assert_eq!(answer.problem(), slug, "{path}");
    }
    let bytes = test.get("/api/runs/%FF").key(&test.keys.viewer).send().await;
    assert!(bytes.status.is_client_error());
    bytes.problem();
}
