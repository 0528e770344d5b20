//! What ten thousand stored series cost a node: processor, memory, disk; and what one count costs whoever counts.
//!
//! `cargo bench -p levqor-server --bench metrics`. The clock is moved by hand, so that an hour takes as long as its work takes: every
//! series is touched in every step of ten seconds, steps are written and rolled up as the node's jobs do it, into a database on disk. The
//! same hour without those series is taken away: what is left is theirs.

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

use std::{fs, hint::black_box, path::Path, time::Instant};

use levqor_store::Options;
use support::TestApp;

/// Names with labels, and how many of them: counters, levels, and values with their distribution.
const COUNTERS: usize = 4_000;
const LEVELS: usize = 4_000;
const VALUES: usize = 2_000;
/// A job rounds off a step twice; each touches every series.
const ROUNDS_OF_STEP: u64 = 2;

/// Seconds of the processor that this process has used, by the system's clock of hundredths.
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, rest) = text.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

/// Megabytes in memory.
fn resident() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
}

fn size(directory: &Path) -> u64 {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn touch(test: &TestApp, labels: &[String], round: u64) {
    let app = &test.app;
    for (number, label) in labels.iter().take(COUNTERS).enumerate() {
        app.count_in("bench_counter", &[("route", label), ("status", "2xx")], number as u64 % 90 + round % 7);
    }
    for (number, label) in labels.iter().take(LEVELS).enumerate() {
        app.look("bench_level", &[("node", label)], (number as u64 * 31 + round) as f64 / 8.0);
    }
    for (number, label) in labels.iter().take(VALUES).enumerate() {
        for value in 0..3 {
            app.observe("bench_us", &[("route", label)], (number as u64 + 1) * 37 * (value + 1) + round * 11);
        }
    }
}

/// Minutes of a node's life: seconds of the processor, and bytes on disk.
async fn live(minutes: u64, labels: &[String]) -> (f64, f64, u64) {
    let directory = tempfile::tempdir().unwrap();
    let test = TestApp::over(Options::file(directory.path().join("levqor.db")), |_| {}).await;
    let begun = processor();
    for round in 0..minutes * 6 * ROUNDS_OF_STEP {
        touch(&test, labels, round);
        test.app.keep_series().await.unwrap();
        test.advance(10 / ROUNDS_OF_STEP);
    }
    let (used, memory) = (processor() - begun, resident());
    test.store.close().await;
    (used, memory, size(directory.path()))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let minutes = if is_bench { 60 } else { 1 };
    let labels: Vec<String> = (0..COUNTERS.max(LEVELS))
        .map(|number| format!("/api/things/{number}/of/an/ordinary/length"))
        .collect();
    let (idle, memory_before, disk_idle) = live(minutes, &[]).await;
    let (busy, memory, disk) = live(minutes, &labels).await;
    let span = (minutes * 60) as f64;
    println!(
        "{} series for {minutes} minutes, all of them touched {ROUNDS_OF_STEP} times in each step",
        COUNTERS + LEVELS + VALUES
    );
    println!("processor, of one core     {:>10.2} %", (busy - idle) / span * 100.0);
    println!("of that, without series    {:>10.2} %", idle / span * 100.0);
    println!("memory                     {:>10.1} MB", memory - memory_before);
    println!(
        "disk, an hour              {:>10.1} MB",
        (disk.saturating_sub(disk_idle)) as f64 / 1e6 * 60.0 / minutes as f64
    );

    let test = TestApp::new().await;
    let times: u32 = if is_bench { 2_000_000 } else { 1_000 };
    let each = |work: &dyn Fn(u64)| {
        let begun = Instant::now();
        (0..u64::from(times)).for_each(|number| work(black_box(number)));
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(times)
    };
    let counted = each(&|_| test.app.count_in("bench_counter", &[("status", "2xx")], 1));
    let observed = each(&|number| test.app.observe("bench_us", &[("route", "/a")], number % 100_000));
    println!("a count                    {counted:>10.0} ns");
    println!("a value                    {observed:>10.0} ns");
}
