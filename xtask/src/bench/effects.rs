//! Runs that call something: one call after the other, and many at once.

use std::time::Instant;

use anyhow::ensure;
use serde_json::{Value, json};

use super::{
    Bench,
    exchange::Echo,
    node::Node,
    report::{Line, Unit},
    times::Times,
    workflows,
};

pub fn sequence(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let calls = bench.amount(400, 20);
    let echo = Echo::start()?;
    let line = repeat(bench, &echo, "effects", calls, &workflows::calls_in_sequence(&echo, calls))?;
    let what = format!("{calls} calls in sequence, start to result");
    Ok(vec![line(what).floor(2_000.0).aim(800.0)])
}

pub fn fork(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let branches = bench.amount(100, 10);
    let echo = Echo::start()?;
    let line = repeat(bench, &echo, "fork", branches, &workflows::fork(&echo, branches))?;
    let what = format!("fork into {branches} branches with a call each, and join");
    Ok(vec![line(what).floor(300.0).aim(80.0)])
}

/// The median of several runs, after one that fills caches.
fn repeat(
    bench: &Bench,
    echo: &Echo,
    name: &str,
    calls: usize,
    definition: &Value,
) -> anyhow::Result<impl FnOnce(String) -> Line + use<>> {
    let node = Node::start(bench, name)?;
    let path = node.create(definition)?;
    let mut client = node.connect()?;
    let body = json!({ "input": { "n": 1 }, "wait_seconds": 60 }).to_string();
    let mut times = Times::default();
    let repeats = bench.amount(9, 2);
    let mut cpu = 0.0;
    for nth in 0..=repeats {
        if nth == 1 {
            cpu = node.cpu_seconds();
        }
        let called = echo.requests();
        let begun = Instant::now();
        let run = client.json("POST", &path, &body)?;
        let took = begun.elapsed();
        ensure!(run["status"] == "completed", "a run is not completed: {run}");
        ensure!(echo.requests() - called == calls, "{} calls came", echo.requests() - called);
        if nth > 0 {
            times.add(took);
        }
    }
    let cpu = node.cpu_seconds() - cpu;
    let spread = times.percentiles();
    Ok(move |what| Line::new(what, Unit::Milliseconds, spread[0]).spread(spread).cpu(cpu))
}
