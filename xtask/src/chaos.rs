//! Nodes that share a PostgreSQL, under load: one after the other is killed, stopped in order, or stands still; the others are
//! watched while they go on, and at the end everything that was promised is counted.
//!
//! ```text
//! round:  load goes on ─► fault on one node ─► until its runs are others' (or: nothing happens) ─► it comes back
//! end:    wait until nothing is under way ─► compare: callers' ledger, callee's ledger, runs, events, ticks, metering
//! ```
//!
//! Callers send each start under an `Idempotency-Key`, and send it again, to the next node, until it is acknowledged.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use levqor_lab::{Postgres, Server, ServerSetup};
use levqor_testkit::{
    Client, HttpStub, Reply, Route,
    crash::{call_each_second, call_on_event, start_many, stays, two_calls_and_an_event},
    temp_dir,
};
use serde_json::{Value, json};

use crate::crash::{Ledger, all_ended, all_told, build, compare, create, get, mixed, runs_of, spread};

const REGIONS: [&str; 3] = ["eu-west", "us-east", "ap-south"];
/// Callers. Each has one request under way, and rests between two: an account has 1,000 requests a minute at each node.
const CALLERS: u64 = 6;
const REST: Duration = Duration::from_millis(500);
const CALL: Duration = Duration::from_millis(20);
/// What is watched is looked at so often: figures are as exact as that.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Longer than any fault takes to be over.
const PATIENCE: Duration = Duration::from_secs(90);
/// A stall that must not cost a node its runs is shorter than this.
const SHORT_STALL_MAX_MS: u64 = 2_000;
/// And one that must is longer than a lease.
const LONG_STALL: Duration = Duration::from_secs(9);

#[derive(Debug, Args)]
pub struct ChaosArgs {
    /// What happens to nodes.
    #[arg(long, value_enum, default_value_t = Fault::Kill)]
    fault: Fault,
    /// How often.
    #[arg(long, default_value_t = 10)]
    rounds: u64,
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// SIGKILL; the node is started again.
    Kill,
    /// SIGTERM; the node is started again.
    Drain,
    /// SIGSTOP for longer than a lease, then SIGCONT.
    Stall,
    /// SIGSTOP for up to two seconds: nothing may change hands.
    Blip,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Kill => "kill -9",
            Fault::Drain => "SIGTERM",
            Fault::Stall => "stall longer than the lease",
            Fault::Blip => "stall up to 2 s",
        })
    }
}

/// A place for a node: its directory and address stay when the process is another.
struct Seat {
    setup: ServerSetup,
    server: Server,
}

struct Cluster {
    seats: Vec<Seat>,
    key: String,
    _database: Postgres,
    _directory: tempfile::TempDir,
}

/// What was measured, from the fault on.
#[derive(Debug, Default)]
struct Times {
    /// Until others know that the node is gone.
    known: Vec<Duration>,
    /// Until all of its runs have another owner.
    taken: Vec<Duration>,
    /// Until it is back among the living.
    back: Vec<Duration>,
    /// The longest that a caller waited for the acknowledgement of one start, over all its tries.
    acknowledged: Vec<Duration>,
    runs_taken: i64,
    false_takeovers: u64,
}

/// Plays the faults and checks what is left.
///
/// # Errors
/// When something that was acknowledged is lost, done differently or counted wrongly, or a node doesn't come back.
pub fn chaos(root: &Path, args: &ChaosArgs) -> anyhow::Result<()> {
    let binary = match &args.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => build(root, args.debug)?,
    };
    tokio::runtime::Runtime::new()?.block_on(play(&binary, args))
}

async fn play(binary: &Path, args: &ChaosArgs) -> anyhow::Result<()> {
    if args.owned > 0 {
        return take_over_many(binary, args).await;
    }
    let begun = Instant::now();
    let stub = HttpStub::start().await;
    for path in ["/first", "/second", "/third", "/tick"] {
        stub.route(Route::new(path).reply(Reply::json(&json!({ "ok": true })).after(CALL)));
    }
    let mut cluster = Cluster::start(binary).await?;
    let client = cluster.client(0);
    let told = create(&client, &call_on_event(&stub)).await?;
    let workflow = create(&client, &two_calls_and_an_event(&stub, 1)).await?;
    let ticks = create(&client, &call_each_second(&stub)).await?;
    let callers = Callers::begin(&cluster, &workflow);
    let mut times = Times::default();
    for round in 0..args.rounds {
        let victim = usize::try_from(mixed(args.seed, 2 * round)).unwrap_or_default() % cluster.seats.len();
        // Some load before, another moment each time.
        tokio::time::sleep(Duration::from_millis(500 + mixed(args.seed, 2 * round + 1) % 1_000)).await;
        callers.longest();
        cluster
            .fault(args, round, victim, &mut times)
            .await
            .with_context(|| format!("round {}", round + 1))?;
        times.acknowledged.push(callers.longest());
        println!(
            "round {:>4}: {} in {}; {} acknowledged so far, the longest wait for one {:.2?}",
            round + 1,
            args.fault,
            REGIONS[victim],
            callers.acknowledged(),
            times.acknowledged.last().copied().unwrap_or_default(),
        );
    }
    let ledger = callers.end().await;

    let client = cluster.client(0);
    let missed = missed_ticks(&client, &ticks).await?;
    stop_ticking(&client, &ticks).await?;
    all_ended(&client).await?;
    let told = all_told(&client, &workflow, &told).await?;
    let ticked = runs_of(&client, &ticks).await?;
    let (lines, mut wrong) = compare(&client, &workflow, &told, &ticked, &stub, &ledger).await?;
    wrong.extend(missed);
    if times.false_takeovers > 0 {
        wrong.push(format!("{} nodes were stopped that only stalled", times.false_takeovers));
    }
    println!("\n{} rounds of {} in {:.0?}", args.rounds, args.fault, begun.elapsed());
    println!("{lines}");
    println!("ticks:   {} firings of a schedule of one second", ticked.len());
    println!("known to be gone after:       {}", spread(&mut times.known));
    println!("all runs taken over after:    {} ({} runs in all)", spread(&mut times.taken), times.runs_taken);
    println!("back among the living after:  {}", spread(&mut times.back));
    println!("longest wait for a start:     {}", spread(&mut times.acknowledged));
    if !wrong.is_empty() {
        bail!(
            "{} promises are broken:\n  {}\nlog of the first node:\n{}",
            wrong.len(),
            wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n  "),
            cluster.seats[0].server.log()
        );
    }
    println!("0 violations");
    Ok(())
}

/// Runs that wait for a day go from node to node, as the faults have it; none may be lost.
async fn take_over_many(binary: &Path, args: &ChaosArgs) -> anyhow::Result<()> {
    ensure!(args.fault != Fault::Blip, "a short stall takes nothing over; choose another fault");
    let mut cluster = Cluster::start(binary).await?;
    let client = cluster.client(0);
    let workflow = create(&client, &stays()).await?;
    let many = create(&client, &start_many(args.owned)).await?;
    cluster.own(0, &many, args.owned).await?;
    let mut times = Times::default();
    for round in 0..args.rounds {
        // Whoever has them, which is never the one that has just come back.
        let all = nodes(&cluster.client(0)).await?;
        let victim = REGIONS
            .iter()
            .position(|region| {
                find(&all, |node| node["region"] == *region && node["runs"] != 0) != Value::Null
            })
            .context("nobody has the runs")?;
        cluster
            .fault(args, round, victim, &mut times)
            .await
            .with_context(|| format!("round {}", round + 1))?;
        println!(
            "round {:>4}: {} in {}; all taken over after {:.2?}",
            round + 1,
            args.fault,
            REGIONS[victim],
            times.taken.last().copied().unwrap_or_default(),
        );
    }
    let runs = runs_of(&cluster.client(0), &workflow).await?;
    let waiting = runs.values().filter(|status| *status == "waiting").count() as u64;
    println!("\n{} rounds of {}, {} runs taken over in all", args.rounds, args.fault, times.runs_taken);
    println!("known to be gone after:    {}", spread(&mut times.known));
    println!("all runs taken over after: {}", spread(&mut times.taken));
    ensure!(waiting == args.owned, "{waiting} of {} runs wait", args.owned);
    println!("0 violations: all {waiting} runs wait");
    Ok(())
}

impl Cluster {
    async fn start(binary: &Path) -> anyhow::Result<Self> {
        let database = Postgres::start(&[], &[]).context("PostgreSQL")?;
        let url = database.database()?;
        let directory = temp_dir();
        let mut seats: Vec<Seat> = Vec::new();
        let mut key = String::new();
        for region in REGIONS {
            let own = directory.path().join(region);
            std::fs::create_dir_all(&own)?;
            let setup = ServerSetup::new(binary, &own)?
                .env("LEVQOR_EGRESS_ALLOW", "127.0.0.1/32")
                .env("LEVQOR_LOG", "warn")
                .env("LEVQOR_DATABASE_URL", &url)
                .env("SECURITY_HMAC_SECRET", "the same on all nodes of this test")
                .env("LEVQOR_REGION", region);
            let server = Server::start(&setup).await?;
            if seats.is_empty() {
                key = server.line("lvq_").await?.trim().to_owned();
            }
            seats.push(Seat { setup, server });
        }
        Ok(Self { seats, key, _database: database, _directory: directory })
    }

    fn client(&self, seat: usize) -> Client {
        Client::new(self.seats[seat].setup.address, &self.key)
    }

    /// Has the node of that seat own so many runs that wait.
    async fn own(&self, seat: usize, many: &str, count: u64) -> anyhow::Result<()> {
        let client = self.client(seat);
        let begun = Instant::now();
        let answer = client.post(&format!("/api/workflows/{many}/runs"), &json!({})).await?;
        ensure!(matches!(answer.status, 200 | 202), "the runs were refused: {}", answer.body);
        loop {
            let node = node_in(&client, REGIONS[seat]).await?;
            let owned = node["runs"].as_u64().unwrap_or_default();
            if owned >= count {
                println!("{} owns {owned} runs after {:.0?}", REGIONS[seat], begun.elapsed());
                return Ok(());
            }
            ensure!(begun.elapsed() < Duration::from_secs(600), "{owned} of {count} runs are there");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// One fault, until it is over and the node is back.
    async fn fault(
        &mut self,
        args: &ChaosArgs,
        round: u64,
        victim: usize,
        times: &mut Times,
    ) -> anyhow::Result<()> {
        // Asked of a node that nothing happens to.
        let client = self.client((victim + 1) % self.seats.len());
        let node =
            node_in(&client, REGIONS[victim]).await?["node_id"].as_str().unwrap_or_default().to_owned();
        let begun = Instant::now();
        match args.fault {
            Fault::Kill => self.seats[victim].server.kill()?,
            Fault::Drain => self.signal(victim, "-TERM")?,
            Fault::Stall => self.signal(victim, "-STOP")?,
            Fault::Blip => {
                let span = Duration::from_millis(100 + mixed(args.seed, round) % (SHORT_STALL_MAX_MS - 100));
                self.signal(victim, "-STOP")?;
                tokio::time::sleep(span).await;
                self.signal(victim, "-CONT")?;
                // Whoever would take its runs has had the time to.
                tokio::time::sleep(Duration::from_secs(1)).await;
                let is_live = node_called(&client, &node).await?["state"] == "live";
                times.false_takeovers += u64::from(!is_live);
                return Ok(());
            }
        }
        let gone = until(&client, &node, begun, |node| node["state"] == "stopped").await?;
        times.known.push(gone);
        let taken = until(&client, &node, begun, |node| node["runs"] == 0).await?;
        times.taken.push(taken);
        times.runs_taken += taken_from(&client, &node).await?;
        let again = Instant::now();
        match args.fault {
            Fault::Stall => {
                tokio::time::sleep(LONG_STALL.saturating_sub(begun.elapsed())).await;
                self.signal(victim, "-CONT")?;
            }
            Fault::Kill | Fault::Drain | Fault::Blip => {
                let seat = &mut self.seats[victim];
                // A drained process ends by itself.
                while args.fault == Fault::Drain && seat.server.exit_code()?.is_none() {
                    ensure!(again.elapsed() < PATIENCE, "the drained process does not end");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                seat.server = Server::spawn(&seat.setup)?;
            }
        }
        loop {
            let back = node_in(&client, REGIONS[victim]).await?;
            if back["state"] == "live" && back["node_id"] != node.as_str() {
                times.back.push(again.elapsed());
                return self.seats[victim].server.ready().await;
            }
            ensure!(
                again.elapsed() < PATIENCE,
                "the node does not come back:\n{}",
                self.seats[victim].server.log()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn signal(&self, seat: usize, name: &str) -> anyhow::Result<()> {
        let id = self.seats[seat].server.id().to_string();
        ensure!(Command::new("kill").args([name, &id]).status()?.success(), "kill {name} {id} failed");
        Ok(())
    }
}

/// The nodes as that server tells them.
async fn nodes(client: &Client) -> anyhow::Result<Value> {
    get(client, "/api/ops/nodes").await
}

fn find(nodes: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    nodes["nodes"].as_array().into_iter().flatten().find(|node| wanted(node)).cloned().unwrap_or_default()
}

/// The newest node of the region.
async fn node_in(client: &Client, region: &str) -> anyhow::Result<Value> {
    Ok(find(&nodes(client).await?, |node| node["region"] == region))
}

async fn node_called(client: &Client, id: &str) -> anyhow::Result<Value> {
    Ok(find(&nodes(client).await?, |node| node["node_id"] == id))
}

/// Runs that were taken over from the node.
async fn taken_from(client: &Client, id: &str) -> anyhow::Result<i64> {
    let all = nodes(client).await?;
    let from =
        all["takeovers"].as_array().into_iter().flatten().filter(|takeover| takeover["from_node"] == id);
    Ok(from.filter_map(|takeover| takeover["runs"].as_i64()).sum())
}

/// How long after `begun` the node is seen to be so.
async fn until(
    client: &Client,
    node: &str,
    begun: Instant,
    is_so: impl Fn(&Value) -> bool,
) -> anyhow::Result<Duration> {
    loop {
        if is_so(&node_called(client, node).await?) {
            return Ok(begun.elapsed());
        }
        ensure!(begun.elapsed() < PATIENCE, "node {node} is not seen to be gone");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Those who start runs, until they are told to end.
struct Callers {
    ledger: Arc<Mutex<Ledger>>,
    longest: Arc<Mutex<Duration>>,
    stop: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<()>,
}

impl Callers {
    fn begin(cluster: &Cluster, workflow: &str) -> Self {
        let (ledger, longest) = (Arc::<Mutex<Ledger>>::default(), Arc::<Mutex<Duration>>::default());
        let (stop, numbers) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = tokio::task::JoinSet::new();
        for caller in 0..CALLERS {
            let clients: Vec<Client> = (0..cluster.seats.len()).map(|seat| cluster.client(seat)).collect();
            let (ledger, longest) = (Arc::clone(&ledger), Arc::clone(&longest));
            let (stop, numbers) = (Arc::clone(&stop), Arc::clone(&numbers));
            let path = format!("/api/workflows/{workflow}/runs");
            tasks.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let number = numbers.fetch_add(1, Ordering::SeqCst);
                    let begun = Instant::now();
                    let run = start(&clients, &path, caller + number, number).await;
                    note(&ledger, &longest, number, run, begun.elapsed());
                    tokio::time::sleep(REST).await;
                }
            });
        }
        Self { ledger, longest, stop, tasks }
    }

    /// The longest wait since this was asked last.
    fn longest(&self) -> Duration {
        std::mem::take(&mut *self.longest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn acknowledged(&self) -> usize {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.len()
    }

    async fn end(mut self) -> Ledger {
        self.stop.store(true, Ordering::SeqCst);
        while self.tasks.join_next().await.is_some() {}
        std::mem::take(&mut *self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn note(
    ledger: &Mutex<Ledger>,
    longest: &Mutex<Duration>,
    number: u64,
    run: Option<String>,
    waited: Duration,
) {
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    match run {
        Some(run) => drop(ledger.acknowledged.insert(number, run)),
        None => drop(ledger.in_doubt.insert(number)),
    }
    let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
    *longest = waited.max(*longest);
}

/// Sends the start to one node after the other until it is acknowledged.
async fn start(clients: &[Client], path: &str, first: u64, number: u64) -> Option<String> {
    /// A node that stands still answers nothing; the next one is asked then.
    const TRY: Duration = Duration::from_millis(1_500);
    let begun = Instant::now();
    let (body, key) = (json!({ "input": { "n": number } }), format!("start-{number}"));
    let mut turn = usize::try_from(first).unwrap_or_default();
    while begun.elapsed() < PATIENCE {
        let client = &clients[turn % clients.len()];
        turn += 1;
        let request = client.post_once(path, &body, &key);
        let answer = tokio::time::timeout(TRY.max(begun.elapsed()), request).await;
        if let Ok(Ok(answer)) = answer
            && matches!(answer.status, 200 | 202)
        {
            return answer.body["run_id"].as_str().map(str::to_owned);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// Deletes the workflow that ticks, and with it its schedule.
async fn stop_ticking(client: &Client, ticks: &str) -> anyhow::Result<()> {
    let answer = client.delete(&format!("/api/workflows/{ticks}")).await?;
    ensure!(matches!(answer.status, 200 | 204), "the schedule could not be stopped: {}", answer.body);
    Ok(())
}

/// Each second since the schedule began has fired, in order, up to the one that fired last.
async fn missed_ticks(client: &Client, ticks: &str) -> anyhow::Result<Vec<String>> {
    let workflow = get(client, &format!("/api/workflows/{ticks}")).await?;
    let schedule = &workflow["schedule"];
    let time = |value: &Value| value.as_str().and_then(seconds_of);
    let (Some(begun), Some(last)) = (time(&workflow["created_at"]), time(&schedule["last"])) else {
        bail!("the schedule never fired: {schedule}");
    };
    let expected = (last - begun).rem_euclid(24.0 * 3_600.0);
    let [fired, missed, skipped] =
        ["fired", "missed", "skipped"].map(|name| schedule[name].as_f64().unwrap_or_default());
    if (fired - expected).abs() < 0.5 && missed + skipped < 0.5 {
        return Ok(Vec::new());
    }
    Ok(vec![format!("of {expected} due times {fired} fired, {missed} were missed and {skipped} skipped")])
}

/// Seconds of the day of a time in RFC 3339, UTC.
fn seconds_of(text: &str) -> Option<f64> {
    let time = text.split('T').nth(1)?.trim_end_matches('Z');
    let mut parts = time.split(':').map(|part| part.parse::<f64>().ok());
    Some(parts.next()?? * 3_600.0 + parts.next()?? * 60.0 + parts.next()??)
}
