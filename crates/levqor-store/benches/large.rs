//! A database with years behind it: how long it takes to open, to take over what waits, and to show the first page.
//!
//! `cargo bench -p levqor-store --bench large`; `LARGE_ENDED` (1,000,000) and `LARGE_WAITING` (100,000) say how many runs,
//! `LARGE_DIR` where the database is made and left.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use levqor_model::{
    AccountId, NodeId, Priority, Residency, RunId, RunStatus, SeededRandom, Timestamp, TriggerKind,
    WorkflowId,
};
use levqor_store::{
    Options, Store,
    runs::{Append, NewRun, Run, RunFilter},
};

const START: i64 = 1_795_502_901_000;
const CALLS: usize = 2_000;
/// Workflows, of which one account has all.
const WORKFLOWS: usize = 20;

fn main() {
    // Test runs build benches too, but do not ask for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let number =
        |name: &str, usual: i64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (ended, waiting) = (number("LARGE_ENDED", 1_000_000), number("LARGE_WAITING", 100_000));
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let directory = std::env::var_os("LARGE_DIR").map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let path = directory.join("levqor.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");

    let random = SeededRandom::new(1);
    let now = Timestamp::from_millis(START);
    let account = AccountId::new(now, &random);
    let workflows: Vec<WorkflowId> = (0..WORKFLOWS).map(|_| WorkflowId::new(now, &random)).collect();
    if !path.exists() {
        let store = open(&path);
        let template = runtime.block_on(template(&store, account, workflows[0]));
        runtime.block_on(store.close());
        fill(&path, template, ended, waiting, account, &workflows);
    }
    let size = std::fs::metadata(&path).expect("the file").len() as f64 / 1e6;
    println!("{ended} ended runs, {waiting} waiting: {size:.0} MB in the file");

    let before = resident();
    let begun = Instant::now();
    let store = open(&path);
    let opened = begun.elapsed();
    let page = runtime.block_on(async {
        let node = NodeId::new(now, &random);
        let taken = store.own_live_runs(node, 2, now).await.expect("taken over");
        let owned = begun.elapsed();
        let page = store.runs_to_drive(None, 100).await.expect("a page");
        println!("open                              {:>9.1} ms", millis(opened));
        println!("taking {taken} runs over          {:>9.1} ms", millis(owned - opened));
        println!("first page of the runs to drive   {:>9.1} ms", millis(begun.elapsed() - owned));
        page
    });
    assert!(page.runs.is_empty(), "all wait");
    println!("memory added by all that          {:>9.1} MB", resident() - before);

    runtime.block_on(async {
        let of = |status: Option<RunStatus>, workflow_id| RunFilter {
            status,
            workflow_id,
            ..RunFilter::default()
        };
        let rows = [
            ("first page", of(None, None), None),
            ("faulted", of(Some(RunStatus::Faulted), None), None),
            ("waiting", of(Some(RunStatus::Waiting), None), None),
            ("one workflow", of(None, Some(workflows[3])), None),
            ("a page in the middle", of(None, None), Some(middle(ended))),
        ];
        for (name, filter, before) in rows {
            let mut spans = Vec::with_capacity(CALLS);
            for _ in 0..CALLS {
                let begun = Instant::now();
                let page = store.runs_of(Some(account), filter.clone(), before, 51).await.expect("a list");
                spans.push(begun.elapsed());
                assert_eq!(page.len(), 51);
            }
            show(name, &mut spans);
        }
        let mut spans = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let begun = Instant::now();
            store.run_counts(Some(account)).await.expect("counts");
            spans.push(begun.elapsed());
        }
        show("counts", &mut spans);
        prune(&store, workflows[5], ended).await;
        store.close().await;
    });
}

/// Deletes a workflow's older half, while another caller writes and looks how long it takes.
async fn prune(store: &Store, workflow: WorkflowId, ended: i64) {
    let (done, watch) = tokio::sync::watch::channel(false);
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            let mut spans = Vec::new();
            while !*watch.borrow() {
                let begun = Instant::now();
                store.readiness().await.write.expect("written");
                spans.push(begun.elapsed());
            }
            spans
        }
    });
    let begun = Instant::now();
    let deleted = store.prune_runs(workflow, made_at(ended / 2, ended)).await.expect("pruned");
    let seconds = begun.elapsed().as_secs_f64();
    done.send(true).expect("a writer");
    println!("retention: {deleted} runs deleted, {:.0}/s", deleted as f64 / seconds);
    show("a write meanwhile", &mut writer.await.expect("a writer"));
}

fn open(path: &Path) -> Store {
    Store::open(Options::file(path)).expect("a store")
}

/// The packed payload and journal of a run of three tasks, as the store itself makes them.
async fn template(store: &Store, account: AccountId, workflow: WorkflowId) -> RunId {
    let at = Timestamp::from_millis(START - 4_000_000_000_000 / 1_000);
    let id = RunId::new(at, &SeededRandom::new(5));
    let run = Run {
        id,
        account_id: account,
        workflow_id: workflow,
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
    };
    let started = format!(
        r#"[{{"event":"started","at":"{at}","run":"{id}","input":{{"order":{{"id":"ord-117","items":[{{"sku":"A-7","qty":2}}]}}}},"seed":81985529216486895}}]"#
    );
    let new = NewRun {
        run,
        input: r#"{"order":{"id":"ord-117","items":[{"sku":"A-7","qty":2}]}}"#.to_owned(),
        events: Some(started),
        firing: None,
        day: at.date(),
        claim: None,
        keeps_first_entry: false,
    };
    store.accept_run(new).await.expect("accepted");
    for seq in 1..4_i64 {
        let events = format!(
            r#"[{{"event":"effect_ended","at":"{at}","effect":{seq},"outcome":{{"output":{{"status":"ok","id":"ch_3fa9{seq}","total":4200,"approved":true}}}}}}]"#
        );
        let append = Append {
            run_id: id,
            epoch: 1,
            seq,
            at,
            region: "eu-west".parse().expect("a region"),
            events: Some(events),
            status: if seq == 3 { RunStatus::Completed } else { RunStatus::Running },
            waiting_for: None,
            started_at: None,
            ended_at: None,
            output: (seq == 3).then(|| r#"{"status":"ok","total":4200}"#.to_owned()),
            error: None,
            timers_set: Vec::new(),
            timers_cleared: Vec::new(),
            event_changes: Default::default(),
            approval_changes: Default::default(),
        };
        store.append(append).await.expect("appended");
    }
    id
}

/// When the run of that number was made: one every ten seconds.
fn made_at(number: i64, of: i64) -> Timestamp {
    Timestamp::from_millis(START - (of - number) * 10_000)
}

fn middle(ended: i64) -> RunId {
    RunId::new(made_at(ended / 2, ended), &SeededRandom::new(3))
}

/// Copies of the template, written past the store to be quick; a waiting run for every tenth, with a timer.
fn fill(
    path: &Path,
    template: RunId,
    ended: i64,
    waiting: i64,
    account: AccountId,
    workflows: &[WorkflowId],
) {
    let connection = rusqlite::Connection::open(path).expect("a connection");
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN").expect("begun");
    let row = "(?1, ?2, ?3, 'default', 'hello', '1.0.0', ?4, 'manual', 'eu-west', 'eu-west',
                 '\"anywhere\"', ?6, NULL, NULL, 0, NULL, ?5, ?5, ?7, NULL, 1, 4)";
    let prepare = |sql: String| connection.prepare(&sql).expect("a statement");
    let mut hot = prepare(format!("INSERT INTO runs VALUES {row}"));
    let mut archived = prepare(format!("INSERT INTO archived_runs VALUES {row}"));
    let mut payload = prepare(format!(
        "INSERT INTO archived_payloads SELECT ?1, body FROM archived_payloads WHERE run_id = '{template}'"
    ));
    let mut segment = prepare(format!(
        "INSERT INTO journal_segments SELECT ?1, last_seq, body FROM journal_segments WHERE run_id = '{template}'"
    ));
    let mut input = prepare("INSERT INTO run_payloads VALUES (?1, 'input', '{}')".to_owned());
    let mut entry = prepare("INSERT INTO journal VALUES (?1, ?2, ?3, 'eu-west', ?4)".to_owned());
    let mut timer = prepare("INSERT INTO timers VALUES (?1, 1, ?2)".to_owned());
    let random = SeededRandom::new(9);
    let (account, text) = (account.to_string(), "x".repeat(200));
    let workflows: Vec<String> = workflows.iter().map(ToString::to_string).collect();
    let nothing: Option<&str> = None;
    for number in 0..ended {
        let at = made_at(number, ended);
        let id = RunId::new(at, &random).to_string();
        let status = if number % 100 == 0 { "faulted" } else { "completed" };
        let workflow = &workflows[number as usize % WORKFLOWS];
        archived
            .execute((&id, &account, workflow, status, at.as_micros(), nothing, at.as_micros()))
            .expect("a run");
        payload.execute([&id]).expect("a payload");
        segment.execute([&id]).expect("a segment");
        if number % 10 == 0 && number / 10 < waiting {
            let id = RunId::new(at, &random).to_string();
            let until = Timestamp::from_millis(START) + Duration::from_secs(86_400 * 365);
            let why = Some("waits for a timer");
            hot.execute((&id, &account, workflow, "waiting", at.as_micros(), why, None::<i64>))
                .expect("a run");
            input.execute([&id]).expect("a payload");
            entry.execute((&id, 0, at.as_micros(), &text)).expect("an entry");
            timer.execute((&id, until.as_micros() + number)).expect("a timer");
        }
    }
    let waits = waiting.min((ended + 9) / 10);
    let faulted = (ended + 99) / 100;
    let counts = [("completed", ended - faulted), ("faulted", faulted), ("waiting", waits)];
    for (status, runs) in counts {
        connection
            .execute(
                "INSERT INTO run_counts VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET runs = runs + excluded.runs",
                (&account, status, runs),
            )
            .expect("counts");
    }
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").expect("committed");
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

fn show(name: &str, spans: &mut [Duration]) {
    spans.sort();
    let at = |share: usize| spans.get(spans.len() * share / 1_000).copied().map_or(0.0, millis);
    let most = spans.last().copied().map_or(0.0, millis);
    println!("{name:<24} p50 {:>8.3} ms   p99 {:>8.3} ms   most {most:>8.3} ms", at(500), at(990));
}

/// Resident memory, in MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kb| kb.parse().ok()).unwrap_or(0.0)
        / 1_000.0
}
