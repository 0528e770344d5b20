//! kill -9 under load, again and again on one data directory; then everything that was promised is counted.
//!
//! ```text
//! cycle: start ─► load (runs are started, calls answered) ─► SIGKILL in the middle ─► start …
//! end:   start ─► wait until nothing is under way ─► compare: callers' ledger, callee's ledger, runs, metering
//! ```
//!
//! A run calls, waits, calls and emits an event; each event starts one run of a second workflow, which calls once more.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;
use levqor_lab::{Server, ServerSetup};
use levqor_testkit::{
    Client, HttpStub, Reply, Route,
    crash::{call_on_event, two_calls_and_an_event},
    temp_dir,
};
use serde_json::json;

use crate::{
    checker::{Ledger, all_ended, all_told, compare, create, mixed, spread},
    run::run,
};

/// Requests in flight while there is load.
const CLIENTS: usize = 32;
/// How long calls take, so that some are in flight at any moment.
const CALL: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub struct CrashArgs {
    /// How often the server is killed.
    #[arg(long, default_value_t = 10)]
    cycles: u64,
    /// Runs of a cycle; the kill comes after a part of them. An account has 1,000 requests a minute.
    #[arg(long, default_value_t = 300)]
    runs: u64,
    /// The binary to kill; built when left out.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Build and kill the debug build.
    #[arg(long, conflicts_with = "binary")]
    debug: bool,
    /// Chooses the moments of the kills.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Default)]
struct Report {
    kills: u64,
    /// From the start of the process to its first call for a run that was there before.
    resumed: Vec<Duration>,
    ready: Vec<Duration>,
}

/// Kills the server `cycles` times and checks what is left.
///
/// # Errors
/// When something that was acknowledged is lost, done differently or counted wrongly, and when the server doesn't start.
pub fn crash(root: &Path, args: &CrashArgs) -> anyhow::Result<()> {
    let binary = match &args.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => build(root, args.debug)?,
    };
    tokio::runtime::Runtime::new()?.block_on(play(&binary, args))
}

/// Builds the binary; where it is.
///
/// # Errors
/// The compiler's.
pub fn build(root: &Path, debug: bool) -> anyhow::Result<PathBuf> {
    let mut arguments = vec!["build", "--locked", "--package", "levqor"];
    if !debug {
        arguments.push("--release");
    }
    run(root, "cargo", &arguments, &[])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join(if debug { "debug" } else { "release" }).join("levqor"))
}

async fn play(binary: &Path, args: &CrashArgs) -> anyhow::Result<()> {
    let begun = Instant::now();
    let stub = HttpStub::start().await;
    for path in ["/first", "/second", "/third"] {
        stub.route(Route::new(path).reply(Reply::json(&json!({ "ok": true })).after(CALL)));
    }
    let directory = temp_dir();
    let setup = ServerSetup::new(binary, directory.path())?
        .env("LEVQOR_EGRESS_ALLOW", "127.0.0.1/32")
        .env("LEVQOR_LOG", "warn");
    let mut server = Server::start(&setup).await?;
    let key = server.line("lvq_").await?.trim().to_owned();
    let client = Client::new(server.address(), &key);
    // First the one that listens: what is emitted before it exists starts nothing.
    let told = create(&client, &call_on_event(&stub)).await?;
    let workflow = create(&client, &two_calls_and_an_event(&stub, 1)).await?;

    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let numbers = Arc::new(AtomicU64::new(0));
    let mut report = Report::default();
    for cycle in 0..args.cycles {
        let client = Client::new(server.address(), &key);
        let target = acknowledged(&ledger) + 1 + mixed(args.seed, cycle) % args.runs.max(1);
        let load = load(&client, &workflow, args.runs, &ledger, &numbers);
        let kill = async {
            let patience = Instant::now() + Duration::from_secs(30);
            while acknowledged(&ledger) < target && Instant::now() < patience {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            server.kill()
        };
        let (killed, ()) = tokio::join!(kill, load);
        killed?;
        report.kills += 1;

        // What the dead process had sent arrives before the next one begins.
        tokio::time::sleep(2 * CALL).await;
        let sent = stub.count();
        let started = Instant::now();
        let resumed = async {
            while stub.count() == sent {
                if started.elapsed() > Duration::from_secs(30) {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Some(started.elapsed())
        };
        let ready = async {
            let server = Server::start(&setup).await;
            (server, started.elapsed())
        };
        let (resumed, (again, ready)) = tokio::join!(resumed, ready);
        server = again.with_context(|| format!("after kill {}", cycle + 1))?;
        report.ready.push(ready);
        report.resumed.extend(resumed);
        println!(
            "cycle {:>4}: {} acknowledged so far, ready after {ready:.0?}, first resumed call after {}",
            cycle + 1,
            acknowledged(&ledger),
            resumed.map_or_else(|| "more than 30 s".to_owned(), |span| format!("{span:.0?}")),
        );
    }

    let client = Client::new(server.address(), &key);
    all_ended(&client).await?;
    let told = all_told(&client, &workflow, &told).await?;
    let ledger = std::mem::take(&mut *ledger.lock().unwrap_or_else(PoisonError::into_inner));
    let findings = compare(&client, &workflow, &told, &[], &stub, &ledger).await?;
    println!("\n{} cycles, {} kills in {:.0?}", args.cycles, report.kills, begun.elapsed());
    println!("{findings}");
    println!("ready after a kill:              {}", spread(&mut report.ready));
    println!("first resumed call after a kill: {}", spread(&mut report.resumed));
    let wrong = &findings.wrong;
    if !wrong.is_empty() {
        bail!(
            "{} promises are broken:\n  {}\nlog of the last server:\n{}",
            wrong.len(),
            wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n  "),
            server.log()
        );
    }
    println!("0 violations");
    Ok(())
}

fn acknowledged(ledger: &Mutex<Ledger>) -> u64 {
    ledger.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.len() as u64
}

/// Starts up to `runs` runs, with several clients, until the server is gone.
async fn load(
    client: &Client,
    workflow: &str,
    runs: u64,
    ledger: &Arc<Mutex<Ledger>>,
    numbers: &Arc<AtomicU64>,
) {
    let last = numbers.load(Ordering::SeqCst) + runs;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, ledger, numbers) = (client.clone(), Arc::clone(ledger), Arc::clone(numbers));
        let path = format!("/api/workflows/{workflow}/runs");
        clients.spawn(async move {
            loop {
                let number = numbers.fetch_add(1, Ordering::SeqCst);
                if number >= last {
                    return;
                }
                let answer = client.post(&path, &json!({ "input": { "n": number } })).await;
                let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                match answer {
                    Ok(answer) if matches!(answer.status, 200 | 202) => {
                        let run = answer.body["run_id"].as_str().unwrap_or_default().to_owned();
                        ledger.acknowledged.insert(number, run);
                    }
                    Ok(answer) if answer.status < 500 => ledger.refused += 1,
                    // A server's error promises nothing.
                    Ok(_) => drop(ledger.in_doubt.insert(number)),
                    Err(_) => {
                        ledger.in_doubt.insert(number);
                        return;
                    }
                }
            }
        });
    }
    while clients.join_next().await.is_some() {}
    numbers.store(last.max(numbers.load(Ordering::SeqCst)), Ordering::SeqCst);
}
