//! What the gateway costs: the same empty handler alone and behind the whole of it, in turns, in one process.
//!
//! `cargo bench -p levqor-server --bench gateway`. No sockets: what is measured is what every request passes, from the router on. The
//! last row writes the access log as a node in production does, to nowhere.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

mod described {
    use http::Method;

    use crate::support::Answer;

    /// Nothing is checked here.
    pub fn check(_method: &Method, _path: &str, _answer: &Answer) {}
}
#[expect(dead_code, reason = "a bench needs less than the tests do")]
#[path = "../tests/it/support.rs"]
mod support;

use std::{io, time::Instant};

use axum::{Router, body::Body, routing::get};
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use levqor_server::gateway::wrap;
use support::TestApp;
use tower::ServiceExt;
use tracing_subscriber::fmt::format::FmtSpan;

/// A route that anybody may call, with or without a key.
const PATH: &str = "/api/plans";

async fn empty() {}

fn request(headers: &HeaderMap) -> Request<Body> {
    let mut request = Request::get(PATH).body(Body::empty()).unwrap();
    *request.headers_mut() = headers.clone();
    request
}

async fn ask(router: &Router, headers: &HeaderMap) -> f64 {
    let (router, request) = (router.clone(), request(headers));
    let began = Instant::now();
    let answer = router.oneshot(request).await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.into_body().collect().await.unwrap();
    began.elapsed().as_secs_f64() * 1e6
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

async fn compare(what: &str, bare: &Router, guarded: &Router, headers: &HeaderMap, pairs: usize) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        left.push(ask(bare, headers).await);
        right.push(ask(guarded, headers).await);
    }
    left.sort_unstable_by(f64::total_cmp);
    right.sort_unstable_by(f64::total_cmp);
    let (a, b) = (at(&left, 0.5), at(&right, 0.5));
    println!(
        "{what:<22} {a:>10.1} µs {b:>12.1} µs {:>9.1} µs {:>11.1} µs",
        b - a,
        at(&right, 0.99) - at(&left, 0.99)
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let pairs = if std::env::args().any(|argument| argument == "--bench") { 50_000 } else { 50 };
    let test = TestApp::with(|settings| {
        // Limits that are counted and never reached.
        settings.anonymous_requests_per_minute = 10_000_000;
        settings.account_requests_per_minute = Some(10_000_000);
        settings.gateway.trusted_proxies = "127.0.0.1".parse().unwrap();
        settings.gateway.block_high_risk = true;
    })
    .await;
    let bare = Router::new().route(PATH, get(empty));
    let guarded = wrap(Router::new().route(PATH, get(empty)), test.app.clone());
    let mut stranger = HeaderMap::new();
    for (name, value) in [
        (header::HOST, "api.example.com"),
        (header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        (header::ACCEPT, "application/json"),
        (header::ACCEPT_LANGUAGE, "en-GB,en;q=0.9,de;q=0.8"),
        (header::ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
        (header::HeaderName::from_static("x-forwarded-for"), "198.51.100.7, 203.0.113.9"),
    ] {
        stranger.insert(name, value.parse().unwrap());
    }
    let mut known = stranger.clone();
    known.insert(header::AUTHORIZATION, format!("Bearer {}", test.keys.viewer).parse().unwrap());
    let mut reader = stranger.clone();
    reader.insert(header::COOKIE, format!("levqor_theme=dark; {}", test.cookie).parse().unwrap());
    println!("caller                  alone p50   gateway p50   added p50     added p99");
    compare("without a key", &bare, &guarded, &stranger, pairs).await;
    compare("with a key", &bare, &guarded, &known, pairs).await;
    compare("with a session", &bare, &guarded, &reader, pairs).await;
    let log = tracing_subscriber::fmt().json().with_span_events(FmtSpan::NONE).with_writer(io::sink);
    log.init();
    compare("with a key, and a log", &bare, &guarded, &known, pairs).await;
}
