//! How fast the evidence log takes records, and how fast a copy of it is verified.
//!
//! `cargo bench -p levqor-store --bench audit`. Writing is compared with a write of one row that leaves no record, verifying with
//! the hashing alone, within one run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use levqor_model::{
    AccountId, NodeId, RunId, SeededRandom, Timestamp,
    audit::{Record, RecordHash, Verifier},
};
use levqor_store::{Options, Store};
use serde_json::json;

const NOW: Timestamp = Timestamp::from_seconds(1_795_502_901);
const TASKS: usize = 64;
const SPAN: Duration = Duration::from_secs(5);
const CHAINS: u64 = 10;
const RECORDS_OF_A_CHAIN: u64 = 100_000;

fn main() {
    // Test runs build benches too, but do not ask for figures.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let random = SeededRandom::new(1);
    let (account, run) = (AccountId::new(NOW, &random), RunId::new(NOW, &random));
    let store = Store::open(Options::file(directory.path().join("store.db"))).expect("a store");
    let store = store.recording_as(NodeId::new(NOW, &random), &"eu-west".parse().expect("a region"));
    println!("{TASKS} tasks, {} s each, synchronous=FULL", SPAN.as_secs());
    let bare = runtime.block_on(rate(&store, async move |store: &Store| {
        store.nudge(run, "{}".to_owned(), NOW).await.expect("written");
    }));
    println!("a row without a record     {bare:>10.0} /s");
    let noted = runtime.block_on(rate(&store, async move |store: &Store| {
        let details = json!({ "from": "failed", "network": "192.0.2.0/24" });
        store.note_wish(account, run, "run.retry_asked", details, NOW).await.expect("written");
    }));
    println!("a record                   {noted:>10.0} /s");
    println!("ratio record / row         {:>10.2}", noted / bare);
    runtime.block_on(store.close());
    verify();
}

/// How often a second these tasks get `work` done.
async fn rate(store: &Store, work: impl AsyncFn(&Store) + Clone) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let tasks = (0..TASKS).map(|_| {
        let (work, done) = (work.clone(), Arc::clone(&done));
        async move {
            while begun.elapsed() < SPAN {
                work(store).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    futures_util::future::join_all(tasks).await;
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// A million records, as lines of an export.
fn verify() {
    let (mut verifying, mut hashing) = (Duration::ZERO, Duration::ZERO);
    let mut verifier = Verifier::new(Vec::new());
    for chain in 0..CHAINS {
        let lines = lines(chain);
        let begun = Instant::now();
        for line in &lines {
            verifier.push(&serde_json::from_slice::<Record>(line).expect("a record"));
        }
        verifying += begun.elapsed();
        let records: Vec<Record> =
            lines.iter().map(|line| serde_json::from_slice(line).expect("a record")).collect();
        let begun = Instant::now();
        assert!(records.iter().all(|record| record.computed_hash() == record.hash));
        hashing += begun.elapsed();
    }
    let report = verifier.finish();
    assert!(report.is_whole() && report.records == CHAINS * RECORDS_OF_A_CHAIN, "{report:?}");
    println!("{} records verified from lines in {:.2} s", report.records, verifying.as_secs_f64());
    println!("of that, hashing           {:>10.2} s", hashing.as_secs_f64());
}

fn lines(chain: u64) -> Vec<Vec<u8>> {
    let random = SeededRandom::new(chain);
    let node = NodeId::new(NOW, &random).to_string();
    let account = AccountId::new(NOW, &random);
    let mut previous = RecordHash::NONE;
    let record = |seq| {
        let record = Record {
            chain: node.clone(),
            seq,
            at: NOW + Duration::from_secs(seq),
            region: "eu-west".to_owned(),
            kind: "key.created".to_owned(),
            author: "user usr_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            account: Some(account),
            subject: format!("key_{seq:026}"),
            details: r#"{"prefix":"lvq_abcdef","role":"editor","operator":false,"expires_at":null,"network":"192.0.2.0/24"}"#
                .to_owned(),
            request_id: Some("req_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()),
            previous,
            hash: RecordHash::NONE,
        }
        .hashed();
        previous = record.hash;
        serde_json::to_vec(&record).expect("a line")
    };
    (1..=RECORDS_OF_A_CHAIN).map(record).collect()
}
