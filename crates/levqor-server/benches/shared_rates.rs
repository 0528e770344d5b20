//! Three nodes that share their limits over one PostgreSQL, hammered in real time: what passes, what it costs, how long requests wait.
//!
//! `cargo bench -p levqor-server --bench shared_rates [seconds]`. Client, nodes and database are on one machine.

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

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use levqor_lab::Postgres;
use levqor_store::{Options, Place, PostgresOptions};
use support::TestApp;

const NODES: usize = 3;
/// Requests under way at once on each node.
const CLIENTS: usize = 8;

/// What came of one way to hammer.
struct Found {
    sent: u64,
    passed: u64,
    /// Microseconds of each request that passed.
    waits: Vec<f64>,
    statements: i64,
    seconds: f64,
}

/// Statements that the database has committed.
fn commits(url: &str) -> i64 {
    let ask = || {
        let mut client = postgres::Client::connect(url, postgres::NoTls).unwrap();
        // What was counted is told by each connection once it rests.
        let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
        client.query_one(sql, &[]).unwrap().get(0)
    };
    std::thread::scope(|scope| scope.spawn(ask).join().unwrap())
}

async fn hammer(nodes: &[TestApp], by_account: bool, span: Duration, url: &str) -> Found {
    let began = Instant::now();
    let before = commits(url);
    let clients = nodes.iter().flat_map(|node| (0..CLIENTS).map(move |_| node.clone())).map(|node| {
        tokio::spawn(async move {
            let (mut sent, mut waits) = (0_u64, Vec::new());
            while began.elapsed() < span {
                let call = node.get("/api/plans").from("192.0.2.1");
                let call = if by_account { call.key(&node.keys.viewer) } else { call };
                let asked = Instant::now();
                let passed = call.open().await.status().is_success();
                sent += 1;
                if passed {
                    waits.push(asked.elapsed().as_secs_f64() * 1e6);
                }
                // Half a millisecond between two of a client's requests, or there is nothing but refusals from memory.
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
            (sent, waits)
        })
    });
    let (mut sent, mut waits) = (0, Vec::new());
    for client in join_all(clients).await {
        let (more, mut theirs) = client.unwrap();
        sent += more;
        waits.append(&mut theirs);
    }
    let seconds = began.elapsed().as_secs_f64();
    waits.sort_unstable_by(f64::total_cmp);
    Found { sent, passed: waits.len() as u64, waits, statements: commits(url) - before, seconds }
}

fn tell(what: &str, quota: f64, found: &Found) {
    let expected = quota + quota * found.seconds / 60.0;
    let at = |share: f64| found.waits[((found.waits.len() - 1) as f64 * share) as usize];
    println!(
        "{what:<20} {:>9} sent {:>7} passed {:>9.1} by one count {:>+6.2} % {:>8.0} µs p50 {:>8.0} µs p99 {:>7.1} commits/s {:>9.4} a request",
        found.sent,
        found.passed,
        expected,
        (found.passed as f64 / expected - 1.0) * 100.0,
        at(0.5),
        at(0.99),
        found.statements as f64 / found.seconds,
        found.statements as f64 / found.sent as f64,
    );
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args().find_map(|argument| argument.parse::<f64>().ok());
    let real = std::env::args().any(|argument| argument == "--bench");
    let span = Duration::from_secs_f64(seconds.unwrap_or(if real { 30.0 } else { 0.3 }));
    let url = Postgres::shared().database().unwrap();
    let options =
        || Options { place: Place::Postgres(PostgresOptions::new(url.clone())), ..Options::default() };
    let nodes = TestApp::region_over(NODES, options, |settings| {
        settings.anonymous_requests_per_minute = 100;
        settings.account_requests_per_minute = Some(1_000);
    })
    .await;
    // The nodes' clock goes as ours does.
    let (clock, start, began) = (Arc::clone(&nodes[0].clock), nodes[0].app.now(), Instant::now());
    let ticking = tokio::spawn(async move {
        loop {
            clock.set(start + began.elapsed());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let talking: Vec<_> = nodes
        .iter()
        .cloned()
        .map(|node| {
            tokio::spawn(async move {
                loop {
                    node.app.share_callers().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            })
        })
        .collect();
    // What the nodes' talk costs by itself.
    let (before, rested) = (commits(&url), Instant::now());
    tokio::time::sleep(span.min(Duration::from_secs(10))).await;
    println!("at rest: {:.1} commits/s", (commits(&url) - before) as f64 / rested.elapsed().as_secs_f64());
    tell("without a key", 100.0, &hammer(&nodes, false, span, &url).await);
    tell("an account", 1_000.0, &hammer(&nodes, true, span, &url).await);
    ticking.abort();
    for talk in talking {
        talk.abort();
    }
}
