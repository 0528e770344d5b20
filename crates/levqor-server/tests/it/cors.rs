//! Pages of other sites.

use http::{Method, StatusCode};
use levqor_server::gateway::RULES;

use crate::support::{Answer, Call, TestApp};

const APP: &str = "https://app.example.com";

async fn with_origin() -> TestApp {
    TestApp::with(|settings| {
        settings.gateway.cors_origins = vec![APP.parse().unwrap(), "http://localhost:3000".parse().unwrap()]
    })
    .await
}

fn preflight(test: &TestApp, path: &str, origin: &str) -> Call {
    let call = test.call(Method::OPTIONS, path).header("origin", origin);
    call.header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization")
}

/// No header lets a page read, or write, anything.
fn assert_denied(answer: &Answer) {
    for name in answer.headers.keys() {
        assert!(!name.as_str().starts_with("access-control-"), "{name}: {:?}", answer.headers);
    }
}

#[tokio::test]
async fn nobody_is_let_in_by_default() {
    let test = TestApp::new().await;
    for origin in [APP, "null", "https://evil.example"] {
        let answer = preflight(&test, "/api/workflows", origin).send().await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_denied(&answer);
        assert_denied(&test.get("/api/plans").header("origin", origin).send().await);
    }
}

#[tokio::test]
async fn a_named_site_may_call_with_a_key_and_without_cookies() {
    let test = with_origin().await;
    let answer = preflight(&test, "/api/workflows", APP).send().await;
    assert_eq!((answer.status, answer.bytes.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
    let methods: Vec<_> = answer.header("access-control-allow-methods").unwrap().split(", ").collect();
    for (method, path, ..) in RULES {
        assert!(methods.contains(&method.as_str()), "{method} {path}");
    }
    assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert!(answer.header("vary").unwrap().contains("Origin"));
    let read = test.get("/api/runs").header("origin", APP).key(&test.keys.viewer).send().await;
    assert_eq!((read.status, read.header("access-control-allow-origin")), (StatusCode::OK, Some(APP)));
    assert!(read.header("access-control-expose-headers").unwrap().contains("retry-after"));
    assert_eq!(read.header("access-control-allow-credentials"), None);
    // A refusal can be read, too, and a session is of no use from there.
    let refused = test.get("/api/runs").header("origin", APP).send().await;
    assert_eq!(
        (refused.problem().as_str(), refused.header("access-control-allow-origin")),
        ("unauthenticated", Some(APP))
    );
    let write = test.post("/api/workflows").header("origin", APP).header("cookie", &test.cookie);
    assert_eq!(write.json(&serde_json::json!({})).send().await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn other_sites_pages_and_plain_options_get_nothing() {
    let test = with_origin().await;
    let strangers = [
        "https://evil.example",
        "null",
        "*",
        "",
        "https://app.example.com.evil.example",
        "https://app.example.com:8443",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com/",
    ];
    for origin in strangers {
        let answer = preflight(&test, "/api/workflows", origin).send().await;
        assert_denied(&answer);
        assert!(answer.header("vary").unwrap().contains("Origin"), "caches keep the answers apart");
        let read = test.get("/api/plans").header("origin", origin).send().await;
        assert_denied(&read);
        assert_eq!(read.header("vary"), Some("Origin"));
    }
    for path in ["/dashboard", "/signin", "/health", "/openapi.json", "/apix"] {
        assert_denied(&preflight(&test, path, APP).send().await);
    }
    let options = test.call(Method::OPTIONS, "/api/runs").header("origin", APP).send().await;
    assert_eq!(options.status, StatusCode::METHOD_NOT_ALLOWED, "this is no preflight");
}
