//! History must not slow the living: the same calls on an empty database and behind many ended runs.
//!
//! `cargo bench -p levqor-store --bench history`; `HISTORY_RUNS` says how many (300,000 when it does not).

use std::{fs::File, path::Path, time::Instant};

use levqor_model::{
    AccountId, Priority, Residency, RunId, RunStatus, SeededRandom, Timestamp, TriggerKind, WorkflowId,
};
use levqor_store::{
    Options, Store,
    runs::{Append, NewRun, Run, RunFilter},
};

const START: i64 = 1_795_502_901_000;
const CALLS: usize = 2_000;

struct World {
    store: Store,
    random: SeededRandom,
    account: AccountId,
    workflow: WorkflowId,
}

fn main() {
    // Test runs build benches too, but do not ask for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let history: i64 =
        std::env::var("HISTORY_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(300_000);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let random = SeededRandom::new(1);
    let now = Timestamp::from_millis(START);
    let (account, workflow) = (AccountId::new(now, &random), WorkflowId::new(now, &random));
    let world = |name: &str| World {
        store: open(&directory.path().join(name)),
        random: SeededRandom::new(2),
        account,
        workflow,
    };
    let empty = world("empty.db");
    let full_path = directory.path().join("full.db");
    runtime.block_on(open(&full_path).close());
    fill(&full_path, history, account, workflow);
    let begun = Instant::now();
    let full = world("full.db");
    println!("open with history          {:>10.1} ms", begun.elapsed().as_secs_f64() * 1_000.0);
    let begun = Instant::now();
    let moved = runtime.block_on(full.store.archive_ended_runs()).expect("moved");
    println!("moving to the archive      {:>10.0} runs/s", moved as f64 / begun.elapsed().as_secs_f64());

    println!("fastest tenth of {CALLS}    empty   behind {history} ended runs   ratio");
    runtime.block_on(async {
        measure(&[&empty, &full]).await;
        empty.store.close().await;
        full.store.close().await;
    });
}

fn open(path: &Path) -> Store {
    Store::open(Options::file(path)).expect("a store")
}

/// Ended runs with payloads and a journal of three entries, one in a thousand faulted and one every ten seconds, written past the store to be quick, as they were
/// before there was an archive.
fn fill(path: &Path, runs: i64, account: AccountId, workflow: WorkflowId) {
    let connection = rusqlite::Connection::open(path).expect("a connection");
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").expect("begun");
    let mut run = connection
        .prepare(
            "INSERT INTO runs VALUES (?1, ?2, ?3, 'default', 'hello', '1.0.0', ?4, 'manual', 'eu-west', 'eu-west',
                 '\"anywhere\"', NULL, NULL, NULL, 0, NULL, ?5, ?5, ?5, NULL, 1, 3)",
        )
        .expect("a statement");
    let mut payload =
        connection.prepare("INSERT INTO run_payloads VALUES (?1, 'input', ?2)").expect("a statement");
    let mut entry =
        connection.prepare("INSERT INTO journal VALUES (?1, ?2, ?3, 'eu-west', ?4)").expect("a statement");
    let random = SeededRandom::new(9);
    let (account, workflow, text) = (account.to_string(), workflow.to_string(), "x".repeat(200));
    for number in 0..runs {
        let at = Timestamp::from_millis(START - (runs - number) * 10_000);
        let id = RunId::new(at, &random).to_string();
        let status = if number % 1_000 == 0 { "faulted" } else { "completed" };
        run.execute((&id, &account, &workflow, status, at.as_micros())).expect("a run");
        payload.execute((&id, &text)).expect("a payload");
        for seq in 0..3 {
            entry.execute((&id, seq, at.as_micros(), &text)).expect("an entry");
        }
    }
    connection
        .execute(
            "INSERT INTO run_counts VALUES (?1, 'completed', ?2), (?1, 'faulted', ?3)",
            (&account, runs - runs / 1_000, runs / 1_000),
        )
        .expect("counts");
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").expect("committed");
    // What is still on its way to the disk would slow the first commits down.
    File::open(path).and_then(|file| file.sync_all()).expect("on the disk");
}

async fn measure(worlds: &[&World; 2]) {
    let mut ids = [Vec::new(), Vec::new()];
    for (world, ids) in worlds.iter().zip(&mut ids) {
        for number in 0..CALLS {
            let new = new_run(world, START + number as i64);
            ids.push(new.run.id);
            world.store.accept_run(new).await.expect("accepted");
        }
    }
    compare("accept_run", async |side, number| {
        let new = new_run(worlds[side], START + 1_000_000 + number as i64);
        worlds[side].store.accept_run(new).await.expect("accepted");
    })
    .await;
    compare("append, to the end", async |side, number| {
        worlds[side].store.append(end(ids[side][number])).await.expect("appended");
    })
    .await;
    let workflow_id = Some(worlds[0].workflow);
    let created_until = Some(Timestamp::from_millis(START - 100_000_000));
    // Of a rare status and of long ago the empty side finds nothing: there the ratio is that of 50 rows to none.
    let filters = [
        ("list", RunFilter::default()),
        ("list of a rare status", RunFilter { status: Some(RunStatus::Faulted), ..RunFilter::default() }),
        ("list of a live status", RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() }),
        ("list of a workflow", RunFilter { workflow_id, ..RunFilter::default() }),
        ("list of long ago", RunFilter { created_until, ..RunFilter::default() }),
    ];
    for (name, filter) in filters {
        compare(name, async |side, _| {
            let World { store, account, .. } = worlds[side];
            store.runs_of(Some(*account), filter.clone(), None, 50).await.expect("a list");
        })
        .await;
    }
    compare("run_counts", async |side, _| {
        worlds[side].store.run_counts(None).await.expect("counts");
    })
    .await;
    compare("runs_to_drive", async |side, _| {
        worlds[side].store.runs_to_drive(None, 50).await.expect("runs");
    })
    .await;
}

fn new_run(world: &World, millis: i64) -> NewRun {
    let at = Timestamp::from_millis(millis);
    NewRun {
        run: Run {
            id: RunId::new(at, &world.random),
            account_id: world.account,
            workflow_id: world.workflow,
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
            created_at: at,
            started_at: Some(at),
            ended_at: None,
            owner: None,
            epoch: 1,
            next_seq: 1,
            priority: Priority::default(),
            concurrency_key: None,
        },
        input: "x".repeat(200),
        events: Some("x".repeat(200)),
        firing: None,
        day: at.date(),
        claim: None,
        keeps_first_entry: false,
    }
}

fn end(run_id: RunId) -> Append {
    Append {
        run_id,
        epoch: 1,
        seq: 1,
        at: Timestamp::from_millis(START),
        region: "eu-west".parse().expect("a region"),
        events: Some("x".repeat(200)),
        status: RunStatus::Completed,
        waiting_for: None,
        started_at: None,
        ended_at: None,
        output: Some("x".repeat(200)),
        error: None,
        timers_set: Vec::new(),
        timers_cleared: Vec::new(),
        event_changes: Default::default(),
        approval_changes: Default::default(),
    }
}

/// Prints what the fastest tenth of so many calls stays below on each side. Calls take turns, and slow ones are left out:
/// a neighbour on the same disk must not decide which side looks slow.
async fn compare(name: &str, call: impl AsyncFn(usize, usize)) {
    let mut spans = [Vec::with_capacity(CALLS), Vec::with_capacity(CALLS)];
    for number in 0..CALLS {
        for turn in 0..2 {
            let side = (turn + number) % 2;
            let begun = Instant::now();
            call(side, number).await;
            spans[side].push(begun.elapsed());
        }
    }
    let [empty, full] = spans.map(|mut spans| {
        spans.sort();
        spans[CALLS / 10].as_secs_f64() * 1e6
    });
    println!("{name:<24} {empty:>8.1} us {full:>20.1} us {:>12.2}", full / empty);
}
