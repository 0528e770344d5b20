//! What the figures were taken on: they say nothing without it.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::Instant,
};

use serde::Serialize;

use super::{Bench, node::Scratch, times::Times};

/// Writes that the disk is asked to make durable, one by one.
const SYNCS: usize = 200;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub system: String,
    pub processor: String,
    pub cores: usize,
    pub memory_gb: u64,
    pub levqor: String,
    pub rust: String,
    pub sqlite: &'static str,
    /// How SQLite makes commits durable.
    pub fsync: &'static str,
    /// p50, p95, p99 of writing a page and waiting for the disk.
    pub fsync_ms: [f64; 3],
    /// Over a minute, before the run.
    pub load_average: f64,
}

impl Machine {
    /// Others work on the machine too: every figure is pessimistic.
    pub fn is_loaded(&self) -> bool {
        self.load_average > self.cores as f64 / 4.0
    }
}

/// # Errors
/// When the disk can't be written.
pub fn look(root: &Path, bench: &Bench) -> anyhow::Result<Machine> {
    let load_average = load_average();
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |path: &str, name: &str| {
        let text = text(path);
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches([' ', '\t', ':', '=']).trim_matches('"').to_owned()
    };
    let memory_kb: u64 =
        field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let printed = |program: &Path, argument: &str| {
        let output = Command::new(program).arg(argument).current_dir(root).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    Ok(Machine {
        system: format!(
            "{}, Linux {}",
            field("/etc/os-release", "PRETTY_NAME"),
            text("/proc/sys/kernel/osrelease").trim()
        ),
        processor: field("/proc/cpuinfo", "model name"),
        cores: std::thread::available_parallelism().map_or(1, Into::into),
        memory_gb: memory_kb / 1_000_000,
        levqor: printed(&bench.binary, "--version"),
        rust: printed(Path::new("rustc"), "--version"),
        sqlite: levqor_store::bench_support::sqlite_version(),
        fsync: "write-ahead log, synchronous=FULL",
        fsync_ms: fsync(bench)?,
        load_average,
    })
}

/// How many processes wanted to run, over the last minute.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

fn fsync(bench: &Bench) -> anyhow::Result<[f64; 3]> {
    let scratch = Scratch::new(bench, "fsync")?;
    let mut file = File::create(scratch.0.join("file"))?;
    let mut times = Times::default();
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.add(begun.elapsed());
    }
    Ok(times.percentiles())
}
