//! kill -9 under load, again and again on one data directory; then everything that was promised is counted.
//!
//! ```text
//! cycle: start ─► load (runs are started, calls answered) ─► SIGKILL in the middle ─► start …
//! end:   start ─► wait until nothing is under way ─► compare: callers' ledger, callee's ledger, runs, metering
//! ```
//!
//! A run calls, waits, calls and emits an event; each event starts one run of a second workflow, which calls once more.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    crash::{Effect, call_on_event, effects, key_of_tick, key_of_told, keys_of, two_calls_and_an_event},
    temp_dir,
};
use serde_json::{Value, json};

use crate::run::run;

/// Requests in flight while there is load.
const CLIENTS: usize = 32;
/// How long calls take, so that some are in flight at any moment.
const CALL: Duration = Duration::from_millis(20);
/// Outputs read one by one at the end; more would meet the account's limit of requests.
const OUTPUTS_MAX: usize = 300;
/// For what is under way at the end.
const PATIENCE: Duration = Duration::from_secs(600);

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

/// What callers know.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The number in a run's input, and the run's id.
    pub(crate) acknowledged: BTreeMap<u64, String>,
    /// Sent, and not answered.
    pub(crate) in_doubt: BTreeSet<u64>,
    pub(crate) refused: u64,
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
    let (lines, wrong) = compare(&client, &workflow, &told, &BTreeMap::new(), &stub, &ledger).await?;
    println!("\n{} cycles, {} kills in {:.0?}", args.cycles, report.kills, begun.elapsed());
    println!("{lines}");
    println!("ready after a kill:              {}", spread(&mut report.ready));
    println!("first resumed call after a kill: {}", spread(&mut report.resumed));
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

pub(crate) async fn create(client: &Client, definition: &Value) -> anyhow::Result<String> {
    let answer = client.post("/api/workflows", &json!({ "definition": definition })).await?;
    match answer.body["id"].as_str() {
        Some(id) if answer.status == 201 => Ok(id.to_owned()),
        _ => bail!("the workflow was refused with {}: {}", answer.status, answer.body),
    }
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

/// Asks again when there were too many requests.
pub(crate) async fn get(client: &Client, path: &str) -> anyhow::Result<Value> {
    loop {
        let answer = client.get(path).await?;
        match answer.status {
            200 => return Ok(answer.body),
            429 => tokio::time::sleep(Duration::from_secs(1)).await,
            status => bail!("GET {path} gave {status}: {}", answer.body),
        }
    }
}

pub(crate) async fn all_ended(client: &Client) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    // Twice in a row: between two pages a run may move from one to the other.
    let mut quiet = 0;
    while quiet < 2 {
        let mut under_way = 0;
        for status in ["pending", "running", "waiting"] {
            let page = get(client, &format!("/api/runs?status={status}&limit=1")).await?;
            under_way += page["runs"].as_array().map_or(0, Vec::len);
        }
        quiet = if under_way == 0 { quiet + 1 } else { 0 };
        if Instant::now() > deadline {
            bail!("runs are still under way after {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

/// The runs that events have started, when there is one for each run that has emitted, or when no more of them come.
pub(crate) async fn all_told(
    client: &Client,
    workflow: &str,
    told: &str,
) -> anyhow::Result<BTreeMap<String, String>> {
    let deadline = Instant::now() + PATIENCE / 10;
    loop {
        let emitted =
            runs_of(client, workflow).await?.values().filter(|status| *status == "completed").count();
        let runs = runs_of(client, told).await?;
        if runs.len() >= emitted || Instant::now() > deadline {
            all_ended(client).await?;
            return runs_of(client, told).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// All runs of the workflow with their status.
pub(crate) async fn runs_of(client: &Client, workflow: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut runs = BTreeMap::new();
    let mut path = format!("/api/runs?workflow={workflow}&limit=200");
    loop {
        let page = get(client, &path).await?;
        for run in page["runs"].as_array().into_iter().flatten() {
            let text = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
            runs.insert(text("run_id"), text("status"));
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/runs?workflow={workflow}&limit=200&cursor={cursor}"),
            None => return Ok(runs),
        }
    }
}

/// The figures, and whatever is wrong. `others`: runs of other workflows, by status.
pub(crate) async fn compare(
    client: &Client,
    workflow: &str,
    told: &BTreeMap<String, String>,
    others: &BTreeMap<String, String>,
    stub: &HttpStub,
    ledger: &Ledger,
) -> anyhow::Result<(String, Vec<String>)> {
    let mut wrong = Vec::new();
    let runs = runs_of(client, workflow).await?;
    let lost: Vec<_> = ledger.acknowledged.values().filter(|run| !runs.contains_key(*run)).collect();
    wrong.extend(lost.iter().map(|run| format!("{run} was acknowledged and is lost")));
    wrong.extend(
        runs.iter()
            .chain(told)
            .chain(others)
            .filter(|(_, status)| *status != "completed")
            .map(|(run, status)| format!("{run} is {status}")),
    );
    let (least, most) = (ledger.acknowledged.len(), ledger.acknowledged.len() + ledger.in_doubt.len());
    if !(least..=most).contains(&runs.len()) {
        wrong.push(format!("{} runs are there, of {least} to {most} that may be", runs.len()));
    }

    let effects = effects(stub);
    let expected: BTreeSet<String> = runs
        .keys()
        .flat_map(|run| keys_of(run))
        .chain(told.keys().map(|run| key_of_told(run)))
        .chain(others.keys().map(|run| key_of_tick(run)))
        .collect();
    wrong.extend(
        expected
            .iter()
            .filter(|key| !effects.contains_key(*key))
            .map(|key| format!("{key} never reached the callee")),
    );
    for (key, effect) in &effects {
        if !expected.contains(key) {
            wrong.push(format!("nobody asked for {key}"));
        }
        if !effect.is_constant {
            wrong.push(format!("{key} was sent with different requests"));
        }
    }
    for (number, run) in &ledger.acknowledged {
        for key in keys_of(run) {
            if effects.get(&key).is_some_and(|effect| effect.first.json()["n"] != *number) {
                wrong.push(format!("{key} was sent with the input of another run"));
            }
        }
    }
    wrong.extend(events_lost_or_doubled(&runs, told, &effects));
    let step = ledger.acknowledged.len().div_ceil(OUTPUTS_MAX).max(1);
    for (number, run) in ledger.acknowledged.iter().step_by(step).filter(|(_, run)| runs.contains_key(*run)) {
        let output = get(client, &format!("/api/runs/{run}")).await?["output"].take();
        if output != json!({ "n": number }) {
            wrong.push(format!("{run} gave {output} for the input {number}"));
        }
    }

    let metered = get(client, "/api/usage/summary").await?["runs"].as_u64().unwrap_or_default();
    let there = runs.len() + told.len() + others.len();
    if metered != there as u64 {
        wrong.push(format!("{metered} runs are metered and {there} are there"));
    }
    let repeats: usize = effects.values().map(|effect| effect.deliveries - 1).sum();
    let lines = format!(
        "runs:    {least} acknowledged, {} lost; {} in doubt, of which {} are there; {} refused\n\
         events:  {} emitted, {} runs started by them\n\
         effects: {} by idempotency key, {repeats} repeated\n\
         metered: {metered} runs",
        lost.len(),
        ledger.in_doubt.len(),
        runs.len().saturating_sub(least),
        ledger.refused,
        runs.len(),
        told.len(),
        effects.len(),
    );
    Ok((lines, wrong))
}

/// Each run emits its number once, and each event starts one run, which sends the number on.
fn events_lost_or_doubled(
    runs: &BTreeMap<String, String>,
    told: &BTreeMap<String, String>,
    effects: &BTreeMap<String, Effect>,
) -> Vec<String> {
    let number = |key: &str| effects.get(key).and_then(|effect| effect.first.json()["n"].as_u64());
    let mut heard: BTreeMap<u64, usize> = BTreeMap::new();
    for number in told.keys().filter_map(|run| number(&key_of_told(run))) {
        *heard.entry(number).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for run in runs.keys() {
        let Some(number) = number(&keys_of(run)[0]) else { continue };
        match heard.remove(&number) {
            Some(1) => {}
            Some(times) => wrong.push(format!("the event of {run} started {times} runs")),
            None => wrong.push(format!("the event of {run} started no run")),
        }
    }
    wrong.extend(
        heard.keys().map(|number| format!("an event with {number} started a run; nobody emitted it")),
    );
    wrong
}

pub(crate) fn spread(spans: &mut [Duration]) -> String {
    spans.sort_unstable();
    match (spans.get(spans.len() / 2), spans.last()) {
        (Some(median), Some(most)) => format!("median {median:.0?}, most {most:.0?}"),
        _ => "never".to_owned(),
    }
}

/// A number that looks random.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (the mixing of SplitMix64).
pub(crate) fn mixed(seed: u64, nth: u64) -> u64 {
    let mut mixed = seed.wrapping_add((nth + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
