//! What the process holds when it has nothing to do, and what runs that wait add.

use std::time::Duration;

use super::{
    Bench,
    client::{Until, load},
    node::Node,
    report::{Line, Unit},
    workflows,
};

/// After which a server that has started has nothing to do.
const SETTLED: Duration = Duration::from_secs(2);

pub fn memory(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let node = Node::start(bench, "memory")?;
    let path = node.create(&workflows::long_wait())?;
    std::thread::sleep(SETTLED);
    let idle = node.resident_mb();
    // An account may have 100,000 runs that have not ended.
    let runs = bench.amount(100_000, 1_000);
    let cpu = node.cpu_seconds();
    let load =
        load(64, Until::Count(runs), || node.connect(), |client| client.send("POST", &path, "{}").map(drop))?;
    node.quiet(&["pending", "running"])?;
    std::thread::sleep(SETTLED);
    let full = node.resident_mb();
    let mut times = load.times;
    Ok(vec![
        Line::new("resident memory, idle", Unit::Megabytes, idle).floor(40.0).aim(20.0),
        Line::new(format!("added by {runs} waiting runs"), Unit::Megabytes, full - idle)
            .floor(60.0)
            .aim(20.0),
        Line::new("runs accepted, 64 clients", Unit::PerSecond, load.per_second)
            .spread(times.percentiles())
            .cpu(node.cpu_seconds() - cpu),
    ])
}
