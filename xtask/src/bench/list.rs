//! The first page of the run list behind a long past.

use anyhow::ensure;
use levqor_lab::Server;

use super::{
    Bench,
    client::{Client, Until, load},
    history,
    node::setup,
    report::{Line, Unit},
};

pub fn first_page(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let history = history::history(bench)?;
    let setup = setup(bench, &history.directory)?;
    let server = bench.runtime.block_on(Server::start(&setup))?;
    let load = load(
        1,
        Until::Count(bench.amount(1_000, 50)),
        || Client::connect(server.address(), &history.key),
        |client| {
            let page = client.send("GET", "/api/runs", "")?;
            ensure!(page.starts_with(b"{\"runs\":[{"), "the page has no runs");
            Ok(())
        },
    )?;
    let mut times = load.times;
    let spread = times.percentiles();
    let what = format!("first page of the run list with {} ended runs, p99", history.ended);
    Ok(vec![Line::new(what, Unit::Milliseconds, spread[2]).floor(30.0).aim(10.0).spread(spread)])
}
