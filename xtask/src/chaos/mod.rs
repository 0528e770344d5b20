//! Regions that share a PostgreSQL, under load: a part of them is killed, stopped, stands still, is cut off or has a wrong clock; the
//! others are watched while they go on, and at the end everything that was promised is counted.
//!
//! ```text
//! round:  load goes on ─► fault ─► until its runs are others' (or: nothing happens) ─► all is as it was
//! end:    wait until nothing is under way ─► compare: callers' ledger, callee's ledger, runs, events, messages, ticks, metering
//! ```

mod callers;
mod clock;
mod cluster;
mod fault;
mod look;
mod probe;
mod report;
mod round;
mod schedule;
mod takeover;
mod verdicts;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use levqor_testkit::{
    Client, HttpStub, Reply, Route,
    crash::{
        call_each_second, call_on_event, call_on_message, effects, key_of_hooked, key_of_tick, only_says,
        two_calls_and_an_event,
    },
};
use serde_json::json;

use self::{
    callers::{Callers, Told},
    cluster::{Cluster, REGIONS},
    fault::{Chance, Fault},
    probe::Prober,
    report::Report,
    schedule::{missed_ticks, stop_ticking},
    takeover::take_over_many,
    verdicts::Verdicts,
};
use crate::{
    checker::{Others, all_ended, all_told, compare, create, runs_of},
    crash::build,
};

const CALL: Duration = Duration::from_millis(20);
/// Violations that are told one by one.
const WRONG_MAX: usize = 20;

#[derive(Debug, Args)]
pub struct ChaosArgs {
    /// What happens.
    #[arg(long, value_enum, default_value_t = Fault::Kill)]
    fault: Fault,
    /// How often.
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// Put an edge in front: all load goes through it, the region that it prefers at that moment is the victim, and a probe measures when reads and writes are
    /// good again.
    #[arg(long)]
    edge: bool,
    /// A read and a write of the probe so often, in milliseconds.
    #[arg(long, default_value_t = 20)]
    probe_ms: u64,
    /// Instead of load: so many runs that wait, all of the victim's, and how fast they are taken over.
    #[arg(long, default_value_t = 0)]
    owned: u64,
    /// The binary to run; built when left out.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Build and run the debug build.
    #[arg(long, conflicts_with = "binary")]
    debug: bool,
    /// Chooses victims and moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write what the nodes and the edge print into this directory, at the end or when a round fails.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Print the report as JSON, and what happens meanwhile to standard error.
    #[arg(long)]
    json: bool,
}

impl ChaosArgs {
    fn tell(&self, line: &str) {
        if self.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }
}

/// Plays the faults and checks what is left.
///
/// # Errors
/// When something that was acknowledged is lost, done differently or counted wrongly, or a node doesn't come back.
pub fn chaos(root: &Path, args: &ChaosArgs) -> anyhow::Result<()> {
    ensure!(
        args.fault != Fault::Blackhole || args.edge,
        "there is no wire to the edge without --edge; add it"
    );
    let binary = match &args.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => build(root, args.debug)?,
    };
    tokio::runtime::Runtime::new()?.block_on(async {
        if args.owned > 0 { take_over_many(&binary, args).await } else { play(&binary, args).await }
    })
}

/// The workflows of the load, by their ids, and the path of the webhook.
struct Load {
    told: String,
    calls: String,
    ticks: String,
    hooked: String,
    says: String,
    hook: String,
}

impl Load {
    async fn create(client: &Client, stub: &HttpStub) -> anyhow::Result<Self> {
        // First those that listen: what is emitted before they exist starts nothing.
        let told = create(client, &call_on_event(stub)).await?;
        let calls = create(client, &two_calls_and_an_event(stub, 1)).await?;
        let hooked = create(client, &call_on_message(stub)).await?;
        let says = create(client, &only_says()).await?;
        let made = client
            .post(&format!("/api/workflows/{hooked}/triggers"), &json!({ "name": "load", "signed": false }))
            .await?;
        let hook =
            made.body["url"].as_str().and_then(|url| url.find("/hooks/").map(|at| url[at..].to_owned()));
        let hook = hook.with_context(|| format!("the webhook was refused: {}", made.body))?;
        let ticks = create(client, &call_each_second(stub)).await?;
        Ok(Self { told, calls, ticks, hooked, says, hook })
    }
}

async fn play(binary: &Path, args: &ChaosArgs) -> anyhow::Result<()> {
    let begun = Instant::now();
    let stub = HttpStub::start().await;
    for path in ["/first", "/second", "/third", "/tick", "/hooked"] {
        stub.route(Route::new(path).reply(Reply::json(&json!({ "ok": true })).after(CALL)));
    }
    let mut cluster = Cluster::start(binary, args).await?;
    let load = Load::create(&cluster.client(0), &stub).await?;
    let callers = Callers::begin(&cluster.front(), &load.calls, &load.hook);
    let prober = cluster.edge.as_ref().map(|edge| {
        let client = Client::new(edge.address(), &cluster.key);
        Prober::begin(&client, &load.says, Duration::from_millis(args.probe_ms.max(1)))
    });
    let verdicts =
        cluster.edge.as_ref().map(|edge| Verdicts::watch(Client::new(edge.address(), &cluster.key)));
    let mut report = Report::default();
    report.fault = args.fault.to_string();
    report.binary = binary.display().to_string();
    report.seed = args.seed;
    report.rounds = args.rounds;
    report.with_edge = args.edge;
    for number in 0..args.rounds {
        let chance = Chance { seed: args.seed, round: number };
        tokio::time::sleep(chance.before()).await;
        // With an edge, whoever has all the traffic.
        let victim = match &verdicts {
            Some(verdicts) => verdicts.preferred().await?,
            None => chance.victim(cluster.seats.len()),
        };
        callers.so_far();
        let round = cluster.fault(args.fault, chance, victim).await;
        if round.is_err() || number + 1 == args.rounds {
            write_logs(&cluster, args)?;
        }
        let round = round.with_context(|| format!("round {}", number + 1))?;
        let (longest, failed) = callers.so_far();
        let probed = prober.as_ref().map(|prober| prober.windows(round.begun));
        report.add(&round, longest, probed);
        report.turned_away(
            verdicts.as_ref().and_then(|verdicts| verdicts.turned_after(REGIONS[victim], round.begun)),
        );
        let good = probed.map_or_else(String::new, |[reads, writes]| {
            format!("; reads good after {:.2?}, writes after {:.2?}", reads.good_after, writes.good_after)
        });
        args.tell(&format!(
            "round {:>4}: {} in {}{}; {} acknowledged so far, {failed} failed, the longest wait {longest:.2?}{good}",
            number + 1,
            args.fault,
            REGIONS[victim],
            round.words(),
            callers.acknowledged(),
        ));
    }
    let told = callers.end().await;
    if let Some(prober) = prober {
        report.instead[1] = prober.end().await;
    }
    check(&cluster.client(0), &load, told, &stub, &mut report).await?;
    report.took = begun.elapsed();
    if args.json {
        println!("{:#}", report.json());
    } else {
        println!("\n{report}");
    }
    let wrong = &report.findings.wrong;
    if !wrong.is_empty() {
        let logs: Vec<_> = cluster.seats.iter().map(|seat| seat.node.server().log()).collect();
        bail!(
            "{} promises are broken:\n  {}\nlogs of the nodes:\n{}",
            wrong.len(),
            wrong.iter().take(WRONG_MAX).cloned().collect::<Vec<_>>().join("\n  "),
            logs.join("\n---\n")
        );
    }
    Ok(())
}

fn write_logs(cluster: &Cluster, args: &ChaosArgs) -> anyhow::Result<()> {
    let Some(directory) = &args.logs else { return Ok(()) };
    std::fs::create_dir_all(directory)?;
    let nodes = cluster.seats.iter().map(|seat| (seat.node.region(), seat.node.server()));
    let edge = cluster.edge.iter().map(|edge| ("edge", edge.server()));
    for (name, server) in nodes.chain(edge) {
        std::fs::write(directory.join(format!("{name}.log")), server.log())?;
    }
    Ok(())
}

/// Waits until nothing is under way, and compares.
async fn check(
    client: &Client,
    load: &Load,
    told: Told,
    stub: &HttpStub,
    report: &mut Report,
) -> anyhow::Result<()> {
    let missed = missed_ticks(client, &load.ticks).await?;
    stop_ticking(client, &load.ticks).await?;
    all_ended(client).await?;
    let heard = all_told(client, &load.calls, &load.told).await?;
    let ticks = runs_of(client, &load.ticks).await?;
    let hooked = runs_of(client, &load.hooked).await?;
    let says = runs_of(client, &load.says).await?;
    report.ticks = ticks.len();
    report.failed = told.failed;
    report.instead[0] = told.instead.clone();
    report.messages = (told.hooked.len(), told.unheard);
    let wrong_messages = wrong_messages(&told, &hooked, stub);
    let others = [
        Others { runs: ticks, key: Some(key_of_tick) },
        Others { runs: hooked, key: Some(key_of_hooked) },
        Others { runs: says, key: None },
    ];
    report.findings = compare(client, &load.calls, &heard, &others, stub, &told.ledger).await?;
    report.findings.wrong.extend(missed);
    report.findings.wrong.extend(wrong_messages);
    report.judge();
    Ok(())
}

/// Each message that was acknowledged started one run, and it is the run that the answer named.
fn wrong_messages(told: &Told, hooked: &BTreeMap<String, String>, stub: &HttpStub) -> Vec<String> {
    let effects = effects(stub);
    let mut by_number: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for run in hooked.keys() {
        let effect = effects.get(&key_of_hooked(run));
        if let Some(number) = effect.and_then(|effect| effect.first.json()["n"].as_u64()) {
            by_number.entry(number).or_default().push(run);
        }
    }
    let mut wrong = Vec::new();
    for (number, run) in &told.hooked {
        match by_number.get(number).map(Vec::as_slice) {
            Some([one]) if *one == run.as_str() => {}
            other => wrong.push(format!("message {number} was acknowledged as {run}; it started {other:?}")),
        }
    }
    for (number, runs) in by_number.iter().filter(|(_, runs)| runs.len() > 1) {
        wrong.push(format!("message {number} started {} runs", runs.len()));
    }
    wrong
}
