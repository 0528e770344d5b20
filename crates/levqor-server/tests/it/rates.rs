//! How often one caller may ask.

use http::StatusCode;

use crate::support::TestApp;

#[tokio::test]
async fn strangers_are_limited_by_address_and_route() {
    let test = TestApp::with(|settings| settings.anonymous_requests_per_minute = 3).await;
    for left in [2, 1, 0] {
        let answer = test.get("/api/plans").from("192.0.2.1").send().await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"anonymous\";q=3;w=60"));
        assert!(answer.header("ratelimit").unwrap().starts_with(&format!("\"anonymous\";r={left};t=")));
    }
    let refused = test.get("/api/plans").from("192.0.2.1").send().await;
    assert_eq!(refused.problem(), "rate-limited");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=21).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").unwrap().starts_with("\"anonymous\";r=0;t="));
    // Another route, another address, somebody with a key, and probes go on.
    let rows = [
        test.get("/api/regions").from("192.0.2.1"),
        test.get("/api/plans").from("192.0.2.2"),
        test.get("/api/plans").from("192.0.2.1").key(&test.keys.viewer),
        test.get("/health").from("192.0.2.1"),
    ];
    for call in rows {
        assert_eq!(call.send().await.status, StatusCode::OK);
    }
    // What a header claims is not believed.
    let spoofed =
        test.get("/api/plans").from("192.0.2.1").header("x-forwarded-for", "192.0.2.9").send().await;
    assert_eq!(spoofed.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn an_ipv6_network_is_one_caller() {
    let test = TestApp::with(|settings| settings.anonymous_requests_per_minute = 1).await;
    assert_eq!(test.get("/api/plans").from("2001:db8::1").send().await.status, StatusCode::OK);
    assert_eq!(test.get("/api/plans").from("2001:db8::2").send().await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(test.get("/api/plans").from("2001:db8:0:1::2").send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn accounts_have_one_quota_for_all_their_keys_and_operators_none() {
    let test = TestApp::with(|settings| settings.account_requests_per_minute = Some(2)).await;
    for (key, expected) in [
        (&test.keys.viewer, 200),
        (&test.keys.editor, 200),
        (&test.keys.viewer, 429),
        (&test.keys.other, 200),
        (&test.keys.operator, 200),
        (&test.keys.operator, 200),
        (&test.keys.operator, 200),
    ] {
        let answer = test.get("/api/runs").key(key).send().await;
        assert_eq!(answer.status.as_u16(), expected);
    }
}

#[tokio::test]
async fn the_blueprint_says_what_is_fair() {
    let test = TestApp::with(|settings| settings.account_requests_per_minute = None).await;
    let answer = test.get("/api/runs").key(&test.keys.viewer).send().await;
    assert_eq!(answer.header("ratelimit-policy"), Some("\"account\";q=1000;w=60"));
}
