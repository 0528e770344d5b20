//! Addresses that are written oddly: none leads to a route that its plain form leads to, and none past the tables.

use http::{Method, StatusCode};

use crate::support::TestApp;

/// Other ways to write `/api/runs`, and ways out of a folder.
const ODD: &[&str] = &[
    "//api/runs",
    "/api//runs",
    "/api/runs/",
    "/api/./runs",
    "/./api/runs",
    "/api/../api/runs",
    "/docs/../api/runs",
    "/docs/%2e%2e/api/runs",
    "/docs/..%2fapi%2fruns",
    "/docs/%2e%2e%2fapi%2fruns",
    "/docs/..%5capi%5cruns",
    "/docs/%252e%252e%252fapi%252fruns",
    "/api%2fruns",
    "/%61pi/runs",
    "/api/%72uns",
    "/API/runs",
    "/Api/Runs",
    "/api/RUNS",
    "/api/runs%00",
    "/api/runs%00.html",
    "/api/runs%20",
    "/api/runs;jsessionid=1",
    "/api/runs;/",
    "/api/runs.json",
    "/api/runs%23",
    "/api/runs%3f",
    "/api/runs%0d%0aX-Evil:%201",
    "/api/runs/%2e%2e",
    "/.%2e/api/runs",
    "/health/../api/runs",
    "/health/%2e%2e/api/runs",
    "/metrics/..;/api/runs",
    "/assets/..%2f..%2fapi%2fruns",
    "/assets/../dashboard",
    "/dashboard/",
    "//dashboard",
    "/DASHBOARD",
    "/dash%62oard",
    "/signin/../dashboard",
    "/signin/%2e%2e/dashboard",
];

/// Ways to files of the machine.
const FILES: &[&str] = &[
    "/assets/../../../../etc/passwd",
    "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/assets/..%252f..%252fetc%252fpasswd",
    "/assets/%2fetc%2fpasswd",
    "/assets/....//....//etc/passwd",
    "/docs/..%2f..%2fCargo.toml",
    "/docs/%2fetc%2fpasswd",
    "/docs/problems/..%2f..%2fREADME",
    "/docs/problems/%00",
    "/docs/file:%2f%2f%2fetc%2fpasswd",
    "/.env",
    "/.git/config",
    "/levqor-data/levqor.db",
    "/Cargo.toml",
];

#[tokio::test]
async fn odd_addresses_lead_nowhere_whoever_asks() {
    let test = TestApp::new().await;
    for path in ODD.iter().chain(FILES) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            for who in ["nobody", "operator", "session"] {
                let call = test.call(method.clone(), path);
                let call = match who {
                    "operator" => call.key(&test.keys.operator),
                    "session" => call.header("cookie", &test.cookie).header("sec-fetch-site", "same-origin"),
                    _ => call,
                };
                let answer = call.open().await;
                let status = answer.status();
                let refused =
                    [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::UNAUTHORIZED];
                assert!(refused.contains(&status), "{method} {path} by {who}: {status}");
                assert!(!answer.headers().contains_key("x-evil"), "{path}");
            }
        }
    }
}

/// What decodes to another address is looked up as it is written, by the router and by the tables alike.
#[tokio::test]
async fn what_is_encoded_in_a_parameter_stays_in_it() {
    let test = TestApp::new().await;
    for id in [
        "..%2f..%2fkeys",
        "%2e%2e",
        "wf_1%2fruns",
        "%00",
        "%ff%fe",
        "a%0d%0ab",
        "%F0%9F%92%A9",
        "*",
        "'%20OR%201=1--",
    ] {
        for path in [
            format!("/api/runs/{id}"),
            format!("/api/workflows/{id}"),
            format!("/api/workflows/{id}/runs"),
            format!("/api/runs/{id}/tasks"),
        ] {
            let anybody = test.get(&path).send().await;
            assert_eq!(anybody.status, StatusCode::UNAUTHORIZED, "{path}");
            let answer = test.get(&path).key(&test.keys.owner).send().await;
            assert!(
                matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST),
                "{path}: {}",
                answer.status
            );
            answer.problem();
        }
    }
}

#[tokio::test]
async fn other_methods_reach_no_route() {
    let test = TestApp::new().await;
    for method in ["TRACE", "CONNECT", "PATCH", "PROPFIND", "get", "DEBUG", "X"] {
        for path in ["/api/runs", "/api/keys", "/dashboard", "/signin"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = test.call(method.clone(), path).key(&test.keys.operator).open().await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
    // What a header says about the method is not heard.
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let path = format!("/api/keys/key_{}", "0".repeat(26));
        let answer = test.post(&path).key(&test.keys.operator).header(header, "DELETE").send().await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{header}");
    }
}
