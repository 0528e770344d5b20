//! A database with a long past and many runs that wait: made once a run of the tool, shared by the workloads that need it.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use levqor_store::bench_support;
use serde_json::json;

use super::{Bench, node::Node, workflows};

/// The key and the directory of a server that has stopped.
#[derive(Debug)]
pub struct History {
    pub directory: PathBuf,
    pub key: String,
    pub ended: usize,
    pub waiting: usize,
}

/// The history of this run of the tool, made now when nobody needed it before.
///
/// # Errors
/// When it can't be made.
pub fn history(bench: &Bench) -> anyhow::Result<History> {
    let (ended, waiting) = (bench.amount(1_000_000, 5_000), bench.amount(100_000, 500));
    let directory = directory(bench);
    let key_file = directory.join("key");
    if let Ok(key) = fs::read_to_string(&key_file) {
        return Ok(History { directory, key, ended, waiting });
    }
    // What a run that was killed left behind.
    let _ = fs::remove_dir_all(&directory);
    let node = Node::start(bench, "history-maker")?;
    let start = |definition, status: &str| -> anyhow::Result<_> {
        let path = node.create(&definition)?;
        let body = json!({ "input": { "n": 1 }, "wait_seconds": 1 }).to_string();
        let run = node.connect()?.json("POST", &path, &body)?;
        ensure!(run["status"] == status, "a run is not {status}: {run}");
        Ok(run["run_id"].as_str().context("a run has an id")?.parse()?)
    };
    let done = start(workflows::three_tasks(), "completed")?;
    let patient = start(workflows::long_wait(), "waiting")?;
    drop(node.server);
    eprintln!("  making {ended} ended and {waiting} waiting runs …");
    bench_support::copy_run(&node.scratch.database(), done, ended)?;
    bench_support::copy_run(&node.scratch.database(), patient, waiting)?;
    fs::write(node.scratch.0.join("key"), &node.key)?;
    fs::rename(&node.scratch.0, &directory)?;
    Ok(History { directory, key: node.key, ended, waiting })
}

/// Takes the history away.
pub fn forget(bench: &Bench) {
    // It may not have been needed.
    let _ = fs::remove_dir_all(directory(bench));
}

fn directory(bench: &Bench) -> PathBuf {
    bench.scratch.join(format!("history-{}", std::process::id()))
}
