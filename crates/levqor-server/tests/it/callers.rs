//! Who the caller is, as far as it shows, and whose word on it is believed.

use std::{cell::RefCell, io, sync::Once};

use axum::{Router, routing::get};
use http::StatusCode;
use levqor_server::{
    gateway::{Client, ForwardedHeader, wrap},
    router,
};

use crate::{
    pages::Browser,
    support::{Answer, TestApp},
};

const PROXY: &str = "10.0.0.1";

async fn show(client: Client) -> String {
    let country = client.country.map(|country| country.to_string()).unwrap_or_default();
    format!("{} {country} {}", client.address.0, client.fingerprint)
}

/// A node behind a proxy, whose one route shows what a handler learns of its caller.
async fn behind_proxy(header: ForwardedHeader) -> TestApp {
    let test = TestApp::with(|settings| {
        settings.gateway.trusted_proxies = "10.0.0.0/8".parse().unwrap();
        settings.gateway.forwarded_header = header;
    })
    .await;
    let routes = Router::new().route("/docs", get(show));
    TestApp { router: wrap(routes, test.app.clone()), ..test }
}

async fn seen(test: &TestApp, from: &str, headers: &[(&'static str, &str)]) -> (String, String, String) {
    let mut call = test.get("/docs").from(from);
    for (name, value) in headers {
        call = call.header(name, value);
    }
    let text = call.send().await.text();
    let mut words = text.split(' ').map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap(), words.next().unwrap())
}

#[tokio::test]
async fn a_trusted_proxy_says_who_sent_and_nobody_else_does() {
    let test = behind_proxy(ForwardedHeader::XForwardedFor).await;
    // What `levqor edge` sends, with what a stranger had written at the left.
    let edge = [
        ("x-forwarded-for", "127.0.0.1, 203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example.com"),
        ("x-levqor-country", "DE"),
        ("via", "1.1 edge-1"),
    ];
    let (address, country, _) = seen(&test, PROXY, &edge).await;
    assert_eq!((address.as_str(), country.as_str()), ("203.0.113.9", "DE"));
    let (address, country, _) = seen(&test, "198.51.100.1", &edge).await;
    assert_eq!((address.as_str(), country.as_str()), ("198.51.100.1", ""), "anybody can write headers");
    let (address, country, _) = seen(&test, PROXY, &[("forwarded", "for=203.0.113.9")]).await;
    assert_eq!((address.as_str(), country.as_str()), (PROXY, ""), "the other header is not read");
    for (name, value) in
        [("x-real-ip", "203.0.113.9"), ("x-client-ip", "203.0.113.9"), ("cf-connecting-ip", "203.0.113.9")]
    {
        assert_eq!(seen(&test, PROXY, &[(name, value)]).await.0, PROXY, "{name}");
    }
    let other = behind_proxy(ForwardedHeader::Forwarded).await;
    let both = [("forwarded", "for=\"[2001:db8::1]:7\""), ("x-forwarded-for", "203.0.113.9")];
    assert_eq!(seen(&other, PROXY, &both).await.0, "2001:db8::1");
    // Without a proxy that is trusted, which is the default.
    let alone = TestApp::new().await;
    let alone = TestApp { router: wrap(Router::new().route("/docs", get(show)), alone.app.clone()), ..alone };
    assert_eq!(seen(&alone, PROXY, &both).await.0, PROXY);
    assert_eq!(seen(&alone, "127.0.0.1", &edge).await.0, "127.0.0.1");
}

#[tokio::test]
async fn requests_of_one_program_share_a_fingerprint_and_nothing_is_left_with_it() {
    let test = behind_proxy(ForwardedHeader::XForwardedFor).await;
    let browser = [("user-agent", "Browser/1"), ("accept-language", "de")];
    let (_, _, first) = seen(&test, PROXY, &browser).await;
    let (_, _, second) = seen(&test, "198.51.100.1", &browser).await;
    assert_eq!(first, second, "wherever it is");
    assert_ne!(first, seen(&test, PROXY, &[("user-agent", "Browser/2"), browser[1]]).await.2);
    let answer = test.get("/docs").from(PROXY).header("user-agent", "Browser/1").send().await;
    assert!(answer.headers.get("set-cookie").is_none(), "nobody is followed");
    // Keys of one millisecond have no order.
    test.advance(1);
    crate::keyring::rotate(&TestApp { router: router(test.app.clone()), ..test.clone() }, &["signing"]).await;
    assert_eq!(first, seen(&test, PROXY, &browser).await.2, "a new key makes no new caller");
    test.advance(24 * 60 * 60);
    assert_ne!(first, seen(&test, PROXY, &browser).await.2, "nor for longer than a day");
}

#[tokio::test]
async fn limits_behind_a_proxy_count_its_callers_and_not_the_proxy() {
    let test = TestApp::with(|settings| {
        settings.gateway.trusted_proxies = PROXY.parse().unwrap();
        settings.anonymous_requests_per_minute = 1;
    })
    .await;
    let ask =
        |from: &str, told: &str| test.get("/api/plans").from(from).header("x-forwarded-for", told).send();
    assert_eq!(ask(PROXY, "203.0.113.1").await.status, StatusCode::OK);
    assert_eq!(ask(PROXY, "203.0.113.2").await.status, StatusCode::OK);
    assert_eq!(ask(PROXY, "203.0.113.1").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(PROXY, "9.9.9.9, 203.0.113.1").await.status, StatusCode::TOO_MANY_REQUESTS);
    // A stranger gets no second quota by naming others.
    assert_eq!(ask("198.51.100.1", "203.0.113.3").await.status, StatusCode::OK);
    assert_eq!(ask("198.51.100.1", "203.0.113.4").await.status, StatusCode::TOO_MANY_REQUESTS);
}

/// What links and redirects are made of is the operator's setting and no header.
#[tokio::test]
async fn no_host_that_a_caller_names_gets_into_an_answer() {
    let test = TestApp::with(|settings| settings.gateway.trusted_proxies = PROXY.parse().unwrap()).await;
    let evil: [(&str, &str); 6] = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-prefix", "/evil.example"),
        ("x-original-url", "/evil.example"),
        ("forwarded", "for=1.2.3.4;host=evil.example;proto=gopher"),
    ];
    for path in [
        "/",
        "/signin",
        "/dashboard",
        "/nowhere",
        "/api/runs",
        "/openapi.json",
        "/api/regions/snapshot",
        "/status",
    ] {
        for from in [PROXY, "198.51.100.1"] {
            let mut call = test.page(path).from(from);
            for (name, value) in evil {
                call = call.header(name, value);
            }
            let answer: Answer = call.send().await;
            let whole = format!("{:?} {}", answer.headers, answer.text());
            assert!(!whole.contains("evil.example") && !whole.contains("gopher"), "{path}: {whole}");
        }
    }
}

thread_local! {
    /// What this thread logs, while somebody wants to know.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From here on what this thread logs is kept.
pub fn keep_log() {
    static ONCE: Once = Once::new();
    // For the whole process: one for a thread alone may miss what other threads have logged before.
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt().json().with_writer(|| Lines).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    LINES.set(Some(Vec::new()));
}

/// What this thread has logged since [`keep_log`], as text and line by line.
pub fn kept_log() -> (String, Vec<serde_json::Value>) {
    let text = String::from_utf8(LINES.take().unwrap()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (text, lines)
}

#[tokio::test]
async fn the_access_log_tells_network_country_and_fingerprint_but_no_address() {
    keep_log();
    let test = TestApp::with(|settings| settings.gateway.trusted_proxies = PROXY.parse().unwrap()).await;
    let call = test.get("/api/plans?email=ada@example.com").from(PROXY).key(&test.keys.viewer);
    call.header("x-forwarded-for", "203.0.113.77").header("x-levqor-country", "FR").send().await;
    test.get("/signin/link/a-secret-token").from("2001:db8:1:2:3::4").send().await;
    let (text, told) = kept_log();
    let access: Vec<_> = told.iter().filter(|line| line["fields"]["http.route"].is_string()).collect();
    assert_eq!(access.len(), 2, "{text}");
    let fields = &access[0]["fields"];
    assert_eq!(fields["client.network"], "203.0.113.0/24");
    assert_eq!(fields["client.country"], "FR");
    assert_eq!(fields["client.fingerprint"].as_str().unwrap().len(), 16);
    assert_eq!(access[1]["fields"]["client.network"], "2001:db8:1::/48");
    assert_eq!(access[1]["fields"]["http.route"], "/signin/link/{token}");
    for hidden in
        ["203.0.113.77", "2001:db8:1:2:3::4", "a-secret-token", "ada@example.com", &test.keys.viewer, PROXY]
    {
        assert!(!text.contains(hidden), "{hidden} is in the log: {text}");
    }
}
