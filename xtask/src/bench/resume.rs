//! kill -9 with many runs in flight: how long after the next start the first of them goes on.

use std::time::{Duration, Instant};

use anyhow::ensure;
use levqor_lab::Server;

use super::{
    Bench,
    client::{Until, load},
    exchange::Echo,
    node::{Node, setup},
    report::{Line, Unit},
    times::Times,
    workflows,
};

const PATIENCE: Duration = Duration::from_secs(60);

pub fn resume(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let echo = Echo::start()?;
    let mut node = Node::start(bench, "resume")?;
    let path = node.create(&workflows::held_call(&echo))?;
    let runs = bench.amount(10_000, 200);
    load(64, Until::Count(runs), || node.connect(), |client| client.send("POST", &path, "{}").map(drop))?;
    let mut times = Times::default();
    for _ in 0..bench.amount(5, 2) {
        node.server.kill()?;
        // What the dead process had sent has been counted: the echo counts before it waits.
        std::thread::sleep(Duration::from_millis(200));
        let called = echo.requests();
        let setup = setup(bench, &node.scratch.0)?;
        let begun = Instant::now();
        node.server = Server::spawn(&setup)?;
        while echo.requests() == called {
            ensure!(begun.elapsed() < PATIENCE, "no run goes on:\n{}", node.server.log());
            std::thread::sleep(Duration::from_micros(500));
        }
        times.add(begun.elapsed());
        bench.runtime.block_on(node.server.ready())?;
    }
    let spread = times.percentiles();
    Ok(vec![
        Line::new(
            format!("first call of a run after kill -9 with {runs} in flight, from the start of the process"),
            Unit::Milliseconds,
            spread[0],
        )
        .floor(1_000.0)
        .aim(300.0)
        .spread(spread),
    ])
}
