//! How much the store costs above SQLite itself, and how long small reads take.
//!
//! `cargo bench -p levqor-store`. Everything is a ratio within one run, because disks and neighbours differ.
//! The raw side writes the same rows with the same statements in one thread, 64 to a transaction, with nothing around them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use levqor_model::{
    AccountId, Priority, Random, Residency, RunId, RunStatus, SeededRandom, Timestamp, TriggerKind,
    WorkflowId,
};
use levqor_store::{
    Options, Store,
    runs::{Append, NewRun, Run},
};

const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);
const TASKS: usize = 64;
const SPAN: Duration = Duration::from_secs(3);

fn main() {
    // Test runs build benches too, but do not ask for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!("{TASKS} tasks, {} s each", SPAN.as_secs());

    let begun = Instant::now();
    let path = directory.path().join("store.db");
    let store = Store::open(Options::file(&path)).expect("a store");
    println!("open an empty database     {:>10.1} ms", begun.elapsed().as_secs_f64() * 1_000.0);

    let random = Arc::new(SeededRandom::new(1));
    let shared = (store.clone(), Arc::clone(&random));
    let accepts = runtime.block_on(rate(move |_| {
        let (store, random) = shared.clone();
        async move {
            store.accept_run(new_run(&*random)).await.expect("accepted");
        }
    }));
    println!("Store::accept_run          {accepts:>10.0} /s");

    let runs: Vec<NewRun> = (0..TASKS).map(|_| new_run(&*random)).collect();
    let ids: Vec<RunId> = runs.iter().map(|new| new.run.id).collect();
    runtime.block_on(async {
        for new in runs {
            store.accept_run(new).await.expect("accepted");
        }
    });
    let raw_path = directory.path().join("raw.db");
    copy(&runtime, &store, &path, &raw_path);

    let store = Store::open(Options::file(&path)).expect("a store");
    let appends = runtime.block_on(append_rate(&store, &ids));
    println!("Store::append              {appends:>10.0} /s");
    let raw = raw_append_rate(&raw_path, &ids);
    println!("raw SQLite, same rows      {raw:>10.0} /s");
    println!("ratio store / raw          {:>10.2}", appends / raw);

    let alone = runtime.block_on(latency(|| async {
        store.readiness().await.write.expect("written");
    }));
    println!("a lone write and read      {:>10.1} us p50 {:>8.1} us p99", alone.0, alone.1);
    let read = runtime.block_on(latency(|| async {
        store.run(None, ids[0]).await.expect("read");
    }));
    println!("a lone read of a row       {:>10.1} us p50 {:>8.1} us p99", read.0, read.1);
    let shared = store.clone();
    let reads = runtime.block_on(rate(move |task| {
        let (store, id) = (shared.clone(), ids[task]);
        async move {
            store.run(None, id).await.expect("read");
        }
    }));
    println!("reads of a row             {reads:>10.0} /s");
    runtime.block_on(store.close());
}

/// Closes the store and copies what it wrote, so that both sides begin alike.
fn copy(runtime: &tokio::runtime::Runtime, store: &Store, from: &Path, to: &Path) {
    runtime.block_on(store.close());
    std::fs::copy(from, to).expect("a copy");
}

/// A new id sorts after those before it, as in real life.
fn new_run(random: &dyn Random) -> NewRun {
    static MILLIS: AtomicI64 = AtomicI64::new(1_795_502_901_000);
    let at = Timestamp::from_millis(MILLIS.fetch_add(1, Ordering::Relaxed));
    NewRun {
        run: Run {
            id: RunId::new(at, random),
            account_id: AccountId::new(NOW, &SeededRandom::new(7)),
            workflow_id: WorkflowId::new(NOW, &SeededRandom::new(8)),
            namespace: "default".to_owned(),
            name: "hello".to_owned(),
            version: "1.0.0".to_owned(),
            status: RunStatus::Running,
            trigger: TriggerKind::Manual,
            region: "eu-west".parse().expect("a region"),
            home_region: "eu-west".parse().expect("a region"),
            residency: Residency::Anywhere,
            waiting_for: None,
            parent: None,
            depth: 0,
            retry_of: None,
            created_at: NOW,
            started_at: Some(NOW),
            ended_at: None,
            owner: None,
            epoch: 1,
            next_seq: 1,
            priority: Priority::default(),
            concurrency_key: None,
        },
        input: "x".repeat(100),
        events: Some("x".repeat(200)),
        firing: None,
        day: NOW.date(),
        claim: None,
        keeps_first_entry: false,
    }
}

/// Calls per second by as many tasks as there are numbers.
async fn rate<F, R>(call: F) -> f64
where
    F: Fn(usize) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send,
{
    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let call = call.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                while begun.elapsed() < SPAN {
                    call(task).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.expect("a task");
    }
    total as f64 / begun.elapsed().as_secs_f64()
}

async fn append_rate(store: &Store, ids: &[RunId]) -> f64 {
    let begun = Instant::now();
    let tasks: Vec<_> = ids
        .iter()
        .map(|id| {
            let (store, id) = (store.clone(), *id);
            tokio::spawn(async move {
                let mut seq = 1;
                while begun.elapsed() < SPAN {
                    store.append(append(id, seq)).await.expect("appended");
                    seq += 1;
                }
                seq - 1
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.expect("a task");
    }
    total as f64 / begun.elapsed().as_secs_f64()
}

fn append(run_id: RunId, seq: i64) -> Append {
    Append {
        run_id,
        epoch: 1,
        seq,
        at: NOW,
        region: "eu-west".parse().expect("a region"),
        events: Some("x".repeat(200)),
        status: RunStatus::Running,
        waiting_for: None,
        started_at: None,
        ended_at: None,
        output: None,
        error: None,
        timers_set: Vec::new(),
        timers_cleared: Vec::new(),
        event_changes: Default::default(),
        approval_changes: Default::default(),
    }
}

/// The statements of an append, 64 to a transaction.
fn raw_append_rate(path: &Path, ids: &[RunId]) -> f64 {
    let connection = rusqlite::Connection::open(path).expect("a connection");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;
             PRAGMA cache_size = -32768;",
        )
        .expect("pragmas");
    let mut select = connection
        .prepare(
            "SELECT account_id, status FROM runs
             WHERE run_id = ?1 AND epoch = ?2 AND next_seq = ?3 AND ended_at IS NULL",
        )
        .expect("a statement");
    let mut update = connection
        .prepare(
            "UPDATE runs SET region = ?5, waiting_for = NULL, next_seq = ?6
             WHERE run_id = ?1 AND epoch = ?2 AND next_seq = ?3 AND status = ?4",
        )
        .expect("a statement");
    let mut insert = connection
        .prepare("INSERT INTO journal (run_id, seq, at, region, events) VALUES (?1, ?2, ?3, ?4, ?5)")
        .expect("a statement");
    let (ids, events) = (ids.iter().map(RunId::to_string).collect::<Vec<_>>(), "x".repeat(200));
    let (begun, mut seq, mut total) = (Instant::now(), 1_i64, 0_u64);
    while begun.elapsed() < SPAN {
        connection.execute_batch("BEGIN IMMEDIATE").expect("begun");
        for id in &ids {
            let row: (String, String) =
                select.query_row((id, 1, seq), |row| Ok((row.get(0)?, row.get(1)?))).expect("the run");
            update.execute((id, 1, seq, &row.1, "eu-west", seq + 1)).expect("updated");
            insert.execute((id, seq, NOW.as_micros(), "eu-west", &events)).expect("inserted");
            total += 1;
        }
        connection.execute_batch("COMMIT").expect("committed");
        seq += 1;
    }
    total as f64 / begun.elapsed().as_secs_f64()
}

/// Median and 99th percentile of a call that has the machine for itself, in microseconds.
async fn latency<F, R>(call: F) -> (f64, f64)
where
    F: Fn() -> R,
    R: Future<Output = ()>,
{
    let mut spans = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < SPAN {
        let one = Instant::now();
        call().await;
        spans.push(one.elapsed().as_secs_f64() * 1e6);
    }
    spans.sort_by(f64::total_cmp);
    (spans[spans.len() / 2], spans[spans.len() * 99 / 100])
}
