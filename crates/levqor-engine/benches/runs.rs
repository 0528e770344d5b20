//! How many durable runs of three pure tasks a second, against the same rows written without an engine.
//!
//! `cargo bench -p levqor-engine --bench runs [seconds]`. Both figures come from the same process, disk and minute, so their ratio
//! is what to compare between machines and versions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use levqor_engine::{Engine, Limits, Setup, StartRun, Vault, egress};
use levqor_flow::{document, machine::Surroundings};
use levqor_model::{
    AccountId, Clock, NodeId, Random, RunId, RunStatus, SystemClock, SystemRandom, TriggerKind, WorkflowId,
};
use levqor_store::{
    Options, Store,
    accounts::Account,
    runs::{Append, NewRun, Run},
    workflows::{Version, Workflow},
};
use serde_json::json;

const STARTERS: usize = 64;
const ROUNDS: u32 = 3;
const DOCUMENT: &str = "
document: { dsl: '1.0.1', namespace: bench, name: three, version: '1.0.0' }
do:
  - first: { set: { n: '${ .n + 1 }' } }
  - second: { set: { n: '${ .n * 2 }', even: '${ .n % 2 == 0 }' } }
  - third: { set: { result: '${ .n }' } }
";

struct Bench {
    store: Store,
    account: AccountId,
    workflow: WorkflowId,
}

fn main() {
    // `cargo test --benches` passes --test or nothing: a short run shows that the benchmark works.
    let seconds = std::env::args().find_map(|argument| argument.parse::<f64>().ok()).unwrap_or(3.0);
    let span = Duration::from_secs_f64(seconds);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        // In turn, so that a busy neighbour hurts both.
        let (mut raw, mut driven) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            raw += without_engine(span / ROUNDS).await / f64::from(ROUNDS);
            driven += with_engine(span / ROUNDS).await / f64::from(ROUNDS);
        }
        println!("store alone {raw:.0} runs/s, engine {driven:.0} runs/s, ratio {:.2}", driven / raw);
    });
}

async fn without_engine(span: Duration) -> f64 {
    let directory = levqor_testkit::temp_dir();
    let bench = Arc::new(Bench::open(directory.path().join("raw.db")).await);
    measure("store alone, 2 commits a run", span, move |number| {
        let bench = Arc::clone(&bench);
        async move { bench.raw(number).await }
    })
    .await
}

async fn with_engine(span: Duration) -> f64 {
    let directory = levqor_testkit::temp_dir();
    let bench = Arc::new(Bench::open(directory.path().join("runs.db")).await);
    let engine = bench.engine().await;
    let driven = engine.clone();
    let rate = measure("engine, 3 tasks a run", span, move |number| {
        let (bench, engine) = (Arc::clone(&bench), driven.clone());
        async move { bench.driven(&engine, number).await }
    })
    .await;
    engine.drain(Duration::from_secs(10)).await;
    rate
}

/// Has all starters work for the span; prints and gives how often a second they came through.
async fn measure<F>(
    what: &str,
    span: Duration,
    work: impl Fn(u64) -> F + Send + Sync + Clone + 'static,
) -> f64
where
    F: Future<Output = ()> + Send,
{
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let begun = Instant::now();
    let mut starters = Vec::new();
    for _ in 0..STARTERS {
        let (done, stop, work) = (Arc::clone(&done), Arc::clone(&stop), work.clone());
        starters.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                work(done.fetch_add(1, Ordering::Relaxed)).await;
            }
        }));
    }
    tokio::time::sleep(span).await;
    stop.store(true, Ordering::Relaxed);
    for starter in starters {
        starter.await.expect("the starter works");
    }
    let rate = done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    println!("{what}: {rate:.0} runs/s");
    rate
}

impl Bench {
    async fn open(path: std::path::PathBuf) -> Self {
        let store = Store::open(Options::file(path)).expect("a store");
        let (now, random) = (SystemClock.now(), SystemRandom);
        let account = AccountId::new(now, &random);
        let row = Account { id: account, name: "Bench".into(), plan: "agency".into(), created_at: now };
        store.create_account(row).await.expect("an account");
        let workflow = WorkflowId::new(now, &random);
        let row = Workflow {
            id: workflow,
            account_id: account,
            namespace: "bench".into(),
            name: "three".into(),
            version: "1.0.0".into(),
            title: None,
            created_at: now,
            updated_at: now,
        };
        let definition = document::read(DOCUMENT).expect("a document").to_string();
        let version = Version {
            workflow_id: workflow,
            version: "1.0.0".into(),
            definition,
            source: None,
            functions: None,
            created_at: now,
        };
        store.create_workflow(row, version, None).await.expect("a workflow");
        Self { store, account, workflow }
    }

    async fn engine(&self) -> Engine {
        let setup = Setup {
            store: self.store.clone(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            node: NodeId::new(SystemClock.now(), &SystemRandom),
            region: "eu-west".parse().expect("a region"),
            surroundings: Arc::new(Surroundings::default()),
            egress: egress::Policy::default(),
            processes: levqor_engine::processes::Policy::default(),
            handlers: levqor_engine::handlers::Handlers::default(),
            limits: Limits { runs_per_account: i64::MAX, running_per_account: i64::MAX, ..Limits::default() },
            vault: Vault::new(&levqor_model::Secret::new("test")),
            sink: None,
            cluster: levqor_engine::Cluster::Alone,
        };
        Engine::start(setup).await.expect("an engine")
    }

    /// Accepted durably, run to its end, the end durable.
    async fn driven(&self, engine: &Engine, number: u64) {
        let request = StartRun {
            account_id: self.account,
            workflow_id: self.workflow,
            version: None,
            input: json!({ "n": number }),
            trigger: TriggerKind::Manual,
            residency: None,
            home_region: None,
        };
        let run = engine.start_run(request).await.expect("a run").run.id;
        let detail = engine.wait_ended(self.account, run, Duration::from_secs(60)).await.expect("an end");
        assert_eq!(detail.run.status, RunStatus::Completed);
    }

    /// The same rows, without anything that thinks.
    async fn raw(&self, number: u64) {
        let now = SystemClock.now();
        let id = RunId::new(now, &SystemRandom);
        let region: levqor_model::RegionCode = "eu-west".parse().expect("a region");
        let run = Run {
            id,
            account_id: self.account,
            workflow_id: self.workflow,
            namespace: "bench".into(),
            name: "three".into(),
            version: "1.0.0".into(),
            status: RunStatus::Running,
            trigger: TriggerKind::Manual,
            region: region.clone(),
            home_region: region.clone(),
            residency: levqor_model::Residency::default(),
            waiting_for: None,
            parent: None,
            depth: 0,
            retry_of: None,
            created_at: now,
            started_at: Some(now),
            ended_at: None,
            owner: None,
            epoch: 1,
            next_seq: 1,
            priority: levqor_model::Priority::default(),
            concurrency_key: None,
        };
        let input = json!({ "n": number });
        let events =
            json!([{ "event": "started", "at": now, "run": id, "input": input, "seed": SystemRandom.u64() }]);
        let new = NewRun {
            run,
            input: input.to_string(),
            events: Some(events.to_string()),
            firing: None,
            day: now.date(),
            claim: None,
            keeps_first_entry: false,
        };
        self.store.accept_run(new).await.expect("accepted");
        let append = Append {
            run_id: id,
            epoch: 1,
            seq: 1,
            at: now,
            region,
            events: None,
            status: RunStatus::Completed,
            waiting_for: None,
            started_at: Some(now),
            ended_at: Some(now),
            output: Some("{\"result\":1}".into()),
            error: None,
            timers_set: Vec::new(),
            timers_cleared: Vec::new(),
            event_changes: Default::default(),
            approval_changes: Default::default(),
        };
        self.store.append(append).await.expect("appended");
    }
}
