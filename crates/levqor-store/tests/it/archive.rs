//! Runs that have ended are out of the way, and everything that could be asked of them before still can.

use levqor_model::{AccountId, NodeId, RunId, RunStatus, Timestamp, WorkflowId};
use levqor_store::{
    Error, Store,
    runs::{Accepted, Append, JournalEntry, RunCounts, RunFilter},
};

use crate::backend::Beside;
use crate::support::{NOW, World, open_gate, region, step};

/// A store in a file, which a test can look into.
pub(crate) struct Filed {
    pub(crate) world: World,
    pub(crate) account: AccountId,
    pub(crate) workflow: WorkflowId,
    pub(crate) beside: Beside,
}

impl Filed {
    pub(crate) fn new() -> Self {
        let (options, beside) = Beside::new();
        let world = World::over(options);
        let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
        Self { world, account, workflow, beside }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.world.store
    }

    pub(crate) async fn start(&self, input: String) -> RunId {
        let mut new = self.world.run(self.account, self.workflow, NOW);
        new.input = input;
        let id = new.run.id;
        self.store().accept_run(new).await.unwrap();
        id
    }

    /// Rows of a table.
    pub(crate) fn count(&self, table: &str) -> i64 {
        self.beside.count(table)
    }

    /// Rows of (runs, run_payloads, journal), then of (archived_runs, archived_payloads, journal_segments).
    fn counts(&self) -> ([i64; 3], [i64; 3]) {
        (
            ["runs", "run_payloads", "journal"].map(|table| self.count(table)),
            ["archived_runs", "archived_payloads", "journal_segments"].map(|table| self.count(table)),
        )
    }

    fn execute(&self, sql: &str, id: RunId) {
        self.beside.change(sql, &id.to_string());
    }

    async fn reopen(&self, id: RunId, seq: i64, node: NodeId) -> bool {
        let events = r#"["retried"]"#.to_owned();
        self.store().reopen_run(id, 5, node, seq, NOW, region("us-east"), events, open_gate()).await.unwrap()
    }
}

/// All that can be asked of a run.
async fn told(store: &Store, id: RunId) -> impl PartialEq + std::fmt::Debug {
    (
        store.run(None, id).await.unwrap(),
        store.payloads(id).await.unwrap(),
        store.journal(id, None, 10_000).await.unwrap(),
        store.runs_of(None, RunFilter::default(), None, 10).await.unwrap(),
        store.run_counts(None).await.unwrap(),
    )
}

fn end(id: RunId, seq: i64, status: RunStatus) -> Append {
    Append { output: Some("{\"is\":\"out\"}".to_owned()), ..step(id, seq, status) }
}

#[tokio::test]
async fn a_run_that_ends_leaves_the_hot_tables() {
    let filed = Filed::new();
    let id = filed.start("{}".to_owned()).await;
    assert_eq!(filed.counts(), ([1, 1, 1], [0, 0, 0]));
    filed.store().append(end(id, 1, RunStatus::Completed)).await.unwrap();
    assert_eq!(filed.counts(), ([0, 0, 0], [1, 1, 1]));
    let payloads = filed.store().payloads(id).await.unwrap().unwrap();
    assert_eq!((payloads.input.as_str(), payloads.output.as_deref()), ("{}", Some("{\"is\":\"out\"}")));
    let stale = filed.store().append(step(id, 2, RunStatus::Running)).await;
    assert_eq!(stale, Err(Error::Stale(id)));
}

#[tokio::test]
async fn a_large_run_is_moved_later_and_reads_the_same() {
    let filed = Filed::new();
    let id = filed.start(format!("\"{}\"", "in".repeat(150_000))).await;
    for seq in 1..30 {
        let events = Some(format!("[\"{seq}\",\"{}\"]", "x".repeat(100_000)));
        filed.store().append(Append { events, ..step(id, seq, RunStatus::Running) }).await.unwrap();
    }
    filed.store().append(end(id, 30, RunStatus::Completed)).await.unwrap();
    assert_eq!(filed.count("runs"), 1, "too much for the append that ends it");
    let before = told(filed.store(), id).await;
    assert_eq!(filed.store().archive_ended_runs().await, Ok(1));
    assert_eq!(filed.store().archive_ended_runs().await, Ok(0));
    let (hot, archived) = filed.counts();
    assert_eq!((hot, archived[..2].to_vec()), ([0, 0, 0], vec![1, 1]));
    assert!(archived[2] > 1, "in pieces: {archived:?}");
    assert_eq!(told(filed.store(), id).await, before);
}

#[tokio::test]
async fn runs_that_ended_before_there_was_an_archive_are_moved() {
    let filed = Filed::new();
    let mut ids = Vec::new();
    for _ in 0..70 {
        let id = filed.start("{}".to_owned()).await;
        // As the first schema left them.
        filed.execute("UPDATE runs SET status = 'faulted', ended_at = created_at WHERE run_id = $1", id);
        ids.push(id);
    }
    let live = filed.start("{}".to_owned()).await;
    let reopened = ids.pop().unwrap();
    assert!(filed.reopen(reopened, 1, filed.world.node_id()).await, "also one that was not moved yet");
    let before = told(filed.store(), ids[3]).await;
    assert_eq!(filed.store().archive_ended_runs().await, Ok(69));
    assert_eq!((filed.count("runs"), filed.count("archived_runs")), (2, 69));
    assert_eq!(told(filed.store(), ids[3]).await, before);
    let drive = filed.store().runs_to_drive(None, 10).await.unwrap().runs;
    let mut expected = vec![live, reopened];
    expected.sort();
    assert_eq!(drive.iter().map(|run| run.id).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_long_journal_reads_the_same_whatever_it_is_kept_in() {
    let filed = Filed::new();
    let id = filed.start("{}".to_owned()).await;
    let mut expected = filed.store().journal(id, None, 10).await.unwrap();
    for seq in 1..700 {
        let at = Timestamp::from_micros(NOW.as_micros() + seq * 7 % 5);
        let code = if seq / 50 % 2 == 0 { "eu-west" } else { "us-east" };
        let append = Append {
            at,
            region: region(code),
            // Some change only the row, and are no entry.
            events: Some(format!("[{seq}]")),
            ..step(id, seq, RunStatus::Running)
        };
        filed.store().append(append.clone()).await.unwrap();
        expected.push(JournalEntry { seq, at, region: region(code), events: format!("[{seq}]") });
    }
    let (hot, archived) = filed.counts();
    assert_eq!((hot, archived), ([1, 1, 700 % 128], [0, 0, 5]));
    let check = async |expected: &[JournalEntry]| {
        for limit in [1, 7, 128, 256, 10_000] {
            let mut found: Vec<JournalEntry> = Vec::new();
            loop {
                let after = found.last().map(|entry| entry.seq);
                let page = filed.store().journal(id, after, limit).await.unwrap();
                assert!(page.len() <= limit);
                if page.is_empty() {
                    break;
                }
                found.extend(page);
            }
            assert_eq!(found, expected, "pages of {limit}");
        }
        assert_eq!(filed.store().journal(id, None, 0).await, Ok(Vec::new()));
    };
    check(&expected).await;
    let last = step(id, 700, RunStatus::Cancelled);
    expected.push(JournalEntry {
        seq: 700,
        at: last.at,
        region: last.region.clone(),
        events: "[700]".to_owned(),
    });
    filed.store().append(last).await.unwrap();
    assert_eq!(filed.counts(), ([0, 0, 0], [1, 1, 6]));
    check(&expected).await;
}

#[tokio::test]
async fn a_retried_run_comes_back_whole_and_can_end_again() {
    let filed = Filed::new();
    let (store, node) = (filed.store(), filed.world.node_id());
    let id = filed.start("[1]".to_owned()).await;
    let fault = Append { error: Some("{}".to_owned()), ..step(id, 1, RunStatus::Faulted) };
    store.append(fault).await.unwrap();
    assert_eq!(filed.count("runs"), 0);
    assert!(!filed.reopen(id, 1, node).await, "it has moved on");
    assert_eq!(filed.counts(), ([0, 0, 0], [1, 1, 1]), "a refusal moves nothing");
    assert!(filed.reopen(id, 2, node).await);
    assert!(!filed.reopen(id, 2, node).await, "once");
    assert_eq!(filed.counts(), ([1, 1, 1], [0, 0, 1]));
    let payloads = store.payloads(id).await.unwrap().unwrap();
    assert_eq!((payloads.input.as_str(), payloads.error), ("[1]", None));
    store.append(Append { epoch: 5, ..end(id, 3, RunStatus::Completed) }).await.unwrap();
    assert_eq!(filed.counts(), ([0, 0, 0], [1, 1, 2]));
    let events: Vec<_> =
        store.journal(id, None, 10).await.unwrap().into_iter().map(|entry| entry.events).collect();
    assert_eq!(events, [r#"["accepted"]"#, "[1]", r#"["retried"]"#, "[3]"]);
    assert_eq!(store.run_counts(None).await, Ok(RunCounts { completed: 1, ..RunCounts::default() }));
    assert!(!filed.reopen(id, 4, node).await, "it has not faulted");
}

#[tokio::test]
async fn a_start_that_was_long_ago_is_not_repeated() {
    let filed = Filed::new();
    let store = filed.store();
    let mut first = filed.world.run(filed.account, filed.workflow, NOW);
    first.run.parent = Some((filed.world.run_id(NOW), 7));
    store.accept_run(first.clone()).await.unwrap();
    store.append(end(first.run.id, 1, RunStatus::Completed)).await.unwrap();
    let already = Ok(Accepted::Already(first.run.id));
    assert_eq!(store.accept_run(first.clone()).await, already, "same id");
    let mut second = filed.world.run(filed.account, filed.workflow, NOW);
    second.run.parent = first.run.parent;
    assert_eq!(store.accept_run(second).await, already, "same parent effect");
    assert_eq!(filed.count("runs"), 0);
}

#[tokio::test]
async fn damage_in_the_archive_is_told_with_the_run() {
    let filed = Filed::new();
    let id = filed.start("{}".to_owned()).await;
    filed.store().append(end(id, 1, RunStatus::Completed)).await.unwrap();
    filed.beside.damage("journal_segments", &id.to_string(), b"\x09");
    filed.beside.damage("archived_payloads", &id.to_string(), b"\x01\xff");
    let journal = filed.store().journal(id, None, 10).await;
    let payloads = filed.store().payloads(id).await;
    for reason in [journal.map(drop), payloads.map(drop)] {
        let Err(Error::Decode(reason)) = reason else { panic!("{reason:?}") };
        assert!(reason.contains(&id.to_string()), "{reason}");
    }
    assert!(filed.store().run(None, id).await.unwrap().is_some(), "the rest is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_reader_sees_a_run_once_while_it_moves_to_and_fro() {
    let filed = Filed::new();
    let (store, node) = (filed.store().clone(), filed.world.node_id());
    let id = filed.start("{}".to_owned()).await;
    let (done, watch) = tokio::sync::watch::channel(false);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, watch) = (store.clone(), watch.clone());
            tokio::spawn(async move {
                let mut looks = 0;
                while !*watch.borrow() {
                    assert!(store.run(None, id).await.unwrap().is_some());
                    assert!(store.payloads(id).await.unwrap().is_some());
                    let listed = store.runs_of(None, RunFilter::default(), None, 10).await.unwrap();
                    assert_eq!(listed.len(), 1);
                    let journal = store.journal(id, None, 10_000).await.unwrap();
                    assert!(journal.iter().map(|entry| entry.seq).eq(0..journal.len() as i64));
                    looks += 1;
                }
                looks
            })
        })
        .collect();
    let mut seq = 1;
    for round in 0..60 {
        let epoch = if round == 0 { 1 } else { 5 };
        store.append(Append { epoch, ..step(id, seq, RunStatus::Faulted) }).await.unwrap();
        assert!(filed.reopen(id, seq + 1, node).await);
        seq += 2;
    }
    done.send(true).unwrap();
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
}
