//! Three-task runs over HTTP, from the start to the result in the answer.

use anyhow::{Context as _, ensure};
use levqor_store::bench_support;
use serde_json::json;

use super::{
    Bench,
    client::{Client, Load, Until, load},
    exchange::Echo,
    node::Node,
    report::{Line, Unit},
    workflows,
};

const CLIENTS: usize = 64;
/// A run is at least two commits, each after the other: accepted, ended.
const COMMITS: usize = 2;

pub fn many_clients(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let node = Node::start(bench, "runs-64")?;
    let path = node.create(&workflows::three_tasks())?;
    let (load, cpu) = measure(bench, &node, &path, CLIENTS)?;
    let (runs, mut times) = (load.per_second, load.times);
    let body = json!({ "input": { "n": 1 }, "wait_seconds": 30 }).to_string();
    let run = node.connect()?.json("POST", &path, &body)?;
    let run = run["run_id"].as_str().context("a run has an id")?.parse()?;
    drop(node.server);

    let bytes = bench_support::bytes_of_run(&node.scratch.database(), run)?;
    let raw_path = node.scratch.0.join("raw.db");
    let rows = bench_support::raw_rows_per_second(&raw_path, bytes / COMMITS, CLIENTS, bench.span() / 2)?;
    let raw = rows / COMMITS as f64;
    Ok(vec![
        Line::new(
            format!("three-task runs over HTTP, {CLIENTS} clients, start to result"),
            Unit::PerSecond,
            runs,
        )
        .floor(5_000.0)
        .aim(15_000.0)
        .spread(times.percentiles())
        .cpu(cpu),
        Line::new("share of the raw commits", Unit::Percent, 100.0 * runs / raw).aim(30.0),
        Line::new(
            format!("raw: commits of the same {bytes} bytes a run by plain SQLite, {CLIENTS} rows each"),
            Unit::PerSecond,
            raw,
        ),
        raw_exchange(bench, CLIENTS)?,
    ])
}

pub fn one_client(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let node = Node::start(bench, "runs-1")?;
    let path = node.create(&workflows::three_tasks())?;
    let (load, cpu) = measure(bench, &node, &path, 1)?;
    let mut times = load.times;
    let spread = times.percentiles();
    Ok(vec![
        Line::new("the same, one client, p50", Unit::Milliseconds, spread[0])
            .floor(3.0)
            .aim(1.0)
            .spread(spread)
            .cpu(cpu),
        Line::new("the same, one client, p99", Unit::Milliseconds, spread[2]).floor(8.0).aim(4.0),
        raw_exchange(bench, 1)?,
    ])
}

fn measure(bench: &Bench, node: &Node, path: &str, clients: usize) -> anyhow::Result<(Load, f64)> {
    let body = json!({ "input": { "n": 21 }, "wait_seconds": 30 }).to_string();
    let start = |client: &mut Client| {
        let run = client.send("POST", path, &body)?;
        let is_done = run.windows(20).any(|part| part == b"\"status\":\"completed\"");
        ensure!(is_done, "a run is not completed: {}", String::from_utf8_lossy(run));
        Ok(())
    };
    // The first ones fill caches.
    load(clients, Until::Count(clients * 20), || node.connect(), start)?;
    let cpu = node.cpu_seconds();
    let load = load(clients, Until::Span(bench.span()), || node.connect(), start)?;
    Ok((load, node.cpu_seconds() - cpu))
}

/// What the machine does over HTTP when nothing is to be done.
fn raw_exchange(bench: &Bench, clients: usize) -> anyhow::Result<Line> {
    let echo = Echo::start()?;
    let body = json!({ "input": { "n": 21 }, "wait_seconds": 30 }).to_string();
    let load = load(
        clients,
        Until::Span(bench.span() / 4),
        || Client::connect(echo.address, "none"),
        |client| client.send("POST", "/echo", &body).map(drop),
    )?;
    let mut times = load.times;
    Ok(Line::new(format!("raw: bare HTTP echo, {clients} clients"), Unit::PerSecond, load.per_second)
        .spread(times.percentiles()))
}
