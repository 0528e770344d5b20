//! Runs whose time is over: gone with all that hangs on them, and the disk with them.

use std::time::Duration;

use levqor_model::{RunId, RunStatus, Timestamp, WorkflowId};
use levqor_store::runs::{Append, Deleted, KeptBy, RunCounts};

use crate::{
    archive::Filed,
    support::{NODE_EPOCH, NOW, region, step, version},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A run that began and ended at these times.
async fn ended(filed: &Filed, workflow: WorkflowId, began: Timestamp, ended: Timestamp) -> RunId {
    let new = filed.world.run(filed.account, workflow, began);
    let id = new.run.id;
    filed.store().accept_run(new).await.unwrap();
    let end = Append { at: ended, ended_at: Some(ended), ..step(id, 1, RunStatus::Completed) };
    filed.store().append(end).await.unwrap();
    id
}

async fn is_there(filed: &Filed, id: RunId) -> bool {
    filed.store().run(None, id).await.unwrap().is_some()
}

#[tokio::test]
async fn only_what_ended_before_then_is_forgotten() {
    let filed = Filed::new();
    let store = filed.store();
    let other = filed.world.workflow_id(NOW);
    let cut = NOW + DAY * 10;
    let mut old = Vec::new();
    for second in 0..150 {
        old.push(ended(&filed, filed.workflow, NOW + Duration::from_secs(second), NOW + DAY).await);
    }
    let long = ended(&filed, filed.workflow, NOW, cut + DAY).await;
    let young = ended(&filed, filed.workflow, cut + DAY, cut + DAY).await;
    let others = ended(&filed, other, NOW, NOW).await;
    let live = filed.start("{}".to_owned()).await;

    assert_eq!(store.newest_pruned_run(filed.account).await, Ok(None));
    assert_eq!(store.prune_runs(filed.workflow, cut).await, Ok(150));
    assert_eq!(store.prune_runs(filed.workflow, cut).await, Ok(0));
    for id in &old {
        assert!(!is_there(&filed, *id).await);
    }
    assert_eq!(store.payloads(old[0]).await, Ok(None));
    assert_eq!(store.journal(old[0], None, 10).await, Ok(vec![]));
    for id in [long, young, others, live] {
        assert!(is_there(&filed, id).await, "{id}");
    }
    assert_eq!((filed.count("archived_payloads"), filed.count("journal_segments")), (3, 3));
    let counts = RunCounts { pending: 1, completed: 3, ..RunCounts::default() };
    assert_eq!(store.run_counts(Some(filed.account)).await, Ok(counts));
    let used = store.usage(Some(filed.account), NOW.date(), (NOW + DAY * 20).date()).await.unwrap();
    assert_eq!(used.runs, 154, "what was used stays used");
    assert_eq!(store.newest_pruned_run(filed.account).await, Ok(old.iter().max().copied()));
    assert_eq!(store.newest_pruned_run(filed.world.account_id()).await, Ok(None));

    // An older one that goes later does not make the mark older.
    assert_eq!(store.prune_runs(other, cut).await, Ok(1));
    assert_eq!(store.newest_pruned_run(filed.account).await, Ok(old.iter().max().copied()));
}

#[tokio::test]
async fn a_run_goes_when_it_is_told_to_but_not_before_its_end() {
    let filed = Filed::new();
    let store = filed.store();
    let live = filed.start("{}".to_owned()).await;
    assert_eq!(store.delete_run(filed.account, live, NOW).await, Ok(Deleted::Lives(RunStatus::Pending)));
    assert!(is_there(&filed, live).await);
    let gone = ended(&filed, filed.workflow, NOW, NOW).await;
    assert_eq!(
        store.delete_run(filed.world.account_id(), gone, NOW).await,
        Ok(Deleted::Missing),
        "another account"
    );
    assert!(is_there(&filed, gone).await);
    assert_eq!(store.delete_run(filed.account, gone, NOW).await, Ok(Deleted::Yes));
    assert_eq!(store.delete_run(filed.account, gone, NOW).await, Ok(Deleted::Missing));
    assert!(!is_there(&filed, gone).await);
    assert_eq!(store.run_counts(None).await, Ok(RunCounts { pending: 1, ..RunCounts::default() }));
    assert_eq!(store.newest_pruned_run(filed.account).await, Ok(None), "time had nothing to do with it");

    // One that is not in the archive yet, because it is large.
    let large = filed.start(format!("\"{}\"", "x".repeat(400_000))).await;
    store.append(step(large, 1, RunStatus::Completed)).await.unwrap();
    assert_eq!(filed.count("runs"), 2);
    assert_eq!(store.delete_run(filed.account, large, NOW).await, Ok(Deleted::Yes));
    assert_eq!(
        (filed.count("runs"), filed.count("run_payloads"), filed.count("journal_segments")),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn a_run_that_another_waits_for_stays() {
    let filed = Filed::new();
    let store = filed.store();
    let parent = filed.start("{}".to_owned()).await;
    let mut child = filed.world.run(filed.account, filed.workflow, NOW);
    child.run.parent = Some((parent, 1));
    let id = child.run.id;
    store.accept_run(child).await.unwrap();
    store.append(step(id, 1, RunStatus::Completed)).await.unwrap();
    assert_eq!(store.prune_runs(filed.workflow, NOW + DAY).await, Ok(0));
    assert_eq!(store.delete_run(filed.account, id, NOW).await, Ok(Deleted::NeededBy(parent)));
    store.append(step(parent, 1, RunStatus::Completed)).await.unwrap();
    assert_eq!(store.prune_runs(filed.workflow, NOW + DAY).await, Ok(2));
}

#[tokio::test]
async fn a_long_journal_goes_in_steps() {
    let filed = Filed::new();
    let id = filed.start("{}".to_owned()).await;
    let entries = 128 * 35;
    // Many at once, so that one commit takes many.
    for from in (1..entries).step_by(500) {
        let steps = (from..entries.min(from + 500)).map(|seq| {
            let append =
                Append { region: region("eu-west"), epoch: NODE_EPOCH, ..step(id, seq, RunStatus::Running) };
            filed.store().append(append)
        });
        for done in futures_in_order(steps).await {
            done.unwrap();
        }
    }
    filed.store().append(step(id, entries, RunStatus::Completed)).await.unwrap();
    assert_eq!(filed.count("journal_segments"), 36);
    assert_eq!(filed.store().prune_runs(filed.workflow, NOW + DAY).await, Ok(1));
    assert_eq!((filed.count("journal_segments"), filed.count("journal_leftovers")), (0, 0));
}

/// Polls all of them, so that they queue in this order.
async fn futures_in_order<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (one, output) in all.iter_mut().filter(|(_, output)| output.is_none()) {
            match one.as_mut().poll(context) {
                std::task::Poll::Ready(value) => *output = Some(value),
                std::task::Poll::Pending => waiting = true,
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    all.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn each_workflow_says_for_itself_how_long_its_runs_are_kept() {
    let filed = Filed::new();
    let store = filed.store();
    let documents = [
        (r#"{"document":{"metadata":{"levqor":{"retention":30}}}}"#, Some(30)),
        (r#"{"document":{"metadata":{"levqor":{"retention":"long"}}}}"#, None),
        (r#"{"document":{}}"#, None),
        ("not JSON", None),
    ];
    let mut expected = Vec::new();
    for (number, (document, days)) in documents.iter().enumerate() {
        let (workflow, mut first) = filed.world.workflow(filed.account, &format!("w{number}"), NOW);
        first.definition = (*document).to_owned();
        expected.push(KeptBy { workflow_id: workflow.id, days: *days });
        store.create_workflow(workflow, first, None).await.unwrap();
    }
    expected.sort_by_key(|one| one.workflow_id);
    assert_eq!(store.retention_by_workflow(None, 10).await, Ok(expected.clone()));
    let first = store.retention_by_workflow(None, 1).await.unwrap();
    assert_eq!(store.retention_by_workflow(Some(first[0].workflow_id), 10).await.unwrap(), expected[1..]);

    // The current version decides; a deleted workflow still has runs.
    let id = expected[0].workflow_id;
    let mut second = version(id, "2.0.0", NOW + DAY);
    second.definition = r#"{"document":{"metadata":{"levqor":{"retention":7}}}}"#.to_owned();
    store.add_version(filed.account, second, None, None).await.unwrap();
    store.delete_workflow(filed.account, id, NOW + DAY).await.unwrap();
    let all = store.retention_by_workflow(None, 10).await.unwrap();
    let found = all.iter().find(|one| one.workflow_id == id).map(|one| one.days);
    assert_eq!(found, Some(Some(7)));
}
