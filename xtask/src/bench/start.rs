//! From spawning the process to the first 200 of `/ready`, which looks at the database and the lease.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use levqor_lab::Server;

use super::{
    Bench, history,
    node::{Scratch, resident_mb, setup},
    report::{Line, Unit},
    times::Times,
};

/// Between two looks; a server that is polled without a pause has less of the machine.
const PAUSE: Duration = Duration::from_micros(500);
/// For a server that will not come.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn start(bench: &Bench) -> anyhow::Result<Vec<Line>> {
    let mut first = Times::default();
    for nth in 0..bench.amount(11, 3) {
        let scratch = Scratch::new(bench, &format!("start-{nth}"))?;
        first.add(until_ready(bench, &scratch.0)?.0);
    }
    let history = history::history(bench)?;
    let mut again = Times::default();
    let mut resident = 0.0;
    for _ in 0..bench.amount(5, 2) {
        let (took, process) = until_ready(bench, &history.directory)?;
        again.add(took);
        resident = process;
    }
    let (first, again) = (first.percentiles(), again.percentiles());
    let after = format!("{} ended and {} waiting runs", history.ended, history.waiting);
    Ok(vec![
        Line::new("first start in an empty directory to ready", Unit::Milliseconds, first[0])
            .floor(100.0)
            .aim(40.0)
            .spread(first),
        Line::new(format!("start to ready with {after}"), Unit::Milliseconds, again[0])
            .floor(1_000.0)
            .aim(250.0)
            .spread(again),
        Line::new(format!("resident memory after a start with {after}"), Unit::Megabytes, resident),
    ])
}

/// How long it took, and the process's memory then. The process is killed.
fn until_ready(bench: &Bench, directory: &Path) -> anyhow::Result<(Duration, f64)> {
    let setup = setup(bench, directory)?;
    let begun = Instant::now();
    let mut server = Server::spawn(&setup)?;
    while !is_ready(setup.address) {
        ensure!(server.exit_code()?.is_none(), "the server ended:\n{}", server.log());
        ensure!(begun.elapsed() < PATIENCE, "the server is not ready:\n{}", server.log());
        std::thread::sleep(PAUSE);
    }
    Ok((begun.elapsed(), resident_mb(server.id())))
}

fn is_ready(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut head = [0; 12];
    write!(stream, "GET /ready HTTP/1.1\r\nHost: levqor\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut head).is_ok()
        && &head == b"HTTP/1.1 200"
}
