//! The queue of runs: whoever comes and goes in whatever order, limits hold, turns are fair, and nobody is forgotten.

use std::collections::BTreeMap;

use levqor_model::{AccountId, NodeId, Priority, Random, RunId, RunStatus, SeededRandom, WorkflowId};
use levqor_store::{
    Conflict, Error,
    nodes::NewNode,
    queue::{Admitted, Ahead, Assumed, Claimer, ConcurrencyKey, Gate, QueueFull},
    runs::{Append, Run},
};

use crate::support::{NODE_EPOCH, NOW, World, region};

const RUNNING_MAX: i64 = 3;
const KEY_LIMIT: u32 = 2;

/// What a test knows of a run.
#[derive(Debug, Clone)]
struct Known {
    id: RunId,
    account: AccountId,
    priority: u64,
    key: Option<String>,
    /// How many came before.
    nth: usize,
}

fn gate(key: Option<&str>, has_place: bool, stride: i64) -> Gate {
    Gate {
        key: key.map(|key| ConcurrencyKey { text: key.to_owned(), limit: KEY_LIMIT }),
        has_place,
        running_max: RUNNING_MAX,
        queued_max: 1_000,
        queued_total_max: 10_000,
        stride,
        assumed: None,
    }
}

/// The same each time: what others have is not claimed.
fn claiming_node() -> NodeId {
    "node_00000000000000000000000001".parse().unwrap()
}

fn claimer() -> Claimer {
    Claimer {
        node: claiming_node(),
        epoch: NODE_EPOCH,
        region: region("eu-west"),
        alone: false,
        begun_only: false,
    }
}

async fn admit(world: &World, account: AccountId, workflow: WorkflowId, gate: Gate) -> (RunId, Admitted) {
    admit_with(world, account, workflow, 5, gate).await
}

async fn admit_with(
    world: &World,
    account: AccountId,
    workflow: WorkflowId,
    priority: u64,
    gate: Gate,
) -> (RunId, Admitted) {
    let mut new = world.run(account, workflow, NOW);
    new.run.priority = Priority::new(priority).unwrap();
    (new.run.id, world.store.admit_run(new, gate, None).await.unwrap())
}

#[tokio::test]
async fn a_run_given_to_a_node_that_has_gone_is_found() {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let node = world.node_id();
    let lease = std::time::Duration::from_secs(60);
    let new =
        NewNode { id: node, region: region("us-east"), version: "1.0.0".to_owned(), lease, alone: false };
    world.store.register_node(new, NOW).await.unwrap();
    world.store.stop_node(node, NOW).await.unwrap();
    assert_eq!(world.store.node_emptied(node, NOW).await, Ok(true));
    assert_eq!(world.store.left_runs().await, Ok(Vec::new()));
    let mut new = world.run(account, workflow, NOW);
    new.run.owner = Some(node);
    assert_eq!(world.store.admit_run(new, gate(None, false, 1), None).await, Ok(Admitted::Queued));
    let left = world.store.left_runs().await.unwrap();
    assert_eq!(left.iter().map(|left| (left.node, left.runs)).collect::<Vec<_>>(), [(node, 1)]);
    assert_eq!(world.store.node_emptied(node, NOW).await, Ok(false), "it has a run");
}

async fn end(world: &World, id: RunId, status: RunStatus) {
    let append = step(world, id, status).await;
    world.store.append(append).await.unwrap();
}

async fn step(world: &World, id: RunId, status: RunStatus) -> Append {
    let run = row(world, id).await;
    Append {
        run_id: id,
        epoch: run.epoch,
        seq: run.next_seq,
        at: NOW,
        region: region("eu-west"),
        events: Some("[]".to_owned()),
        status,
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

async fn row(world: &World, id: RunId) -> Run {
    world.store.run(None, id).await.unwrap().unwrap()
}

async fn claim(world: &World, running_max: i64) -> Vec<RunId> {
    world.store.claim_runs(claimer(), 10, running_max, NOW).await.unwrap()
}

/// Thousands of random steps; after each, what must hold is looked up.
#[tokio::test]
async fn what_is_taken_for_granted_of_a_workflow_is_checked_as_the_run_is_accepted() {
    let world = World::new();
    let account = world.account().await;
    let workflow = world.saved(account, "hello", None).await;
    let refused = Err(Error::Conflict(Conflict::WorkflowMoved));
    let begun = Ok(Admitted::Running);
    let assumed = |version: Option<&str>| Some(Assumed { version: version.map(str::to_owned) });
    let rows = [
        (workflow, account, assumed(Some("1.0.0")), begun.clone()),
        (workflow, account, assumed(None), begun.clone()),
        (workflow, account, None, begun),
        (workflow, account, assumed(Some("0.9.0")), refused.clone()),
        (workflow, world.account_id(), assumed(None), refused.clone()),
        (world.workflow_id(NOW), account, assumed(None), refused.clone()),
    ];
    for (workflow, account, assumed, expected) in rows {
        let gate = Gate { assumed: assumed.clone(), ..gate(None, true, 1) };
        let admitted = world.store.admit_run(world.run(account, workflow, NOW), gate, None).await;
        assert_eq!(admitted, expected, "{assumed:?}");
    }
    assert!(world.store.delete_workflow(account, workflow, NOW).await.unwrap());
    let gate = Gate { assumed: assumed(None), ..gate(None, true, 1) };
    assert_eq!(world.store.admit_run(world.run(account, workflow, NOW), gate, None).await, refused);
    assert_eq!(world.store.run_counts(Some(account)).await.unwrap().running, 3);
}

#[tokio::test]
async fn whatever_happens_limits_hold_and_the_first_of_the_most_urgent_begins() {
    for seed in 0..12 {
        let world = World::new();
        let dice = SeededRandom::new(seed);
        let accounts: Vec<AccountId> = (0..4).map(|_| world.account_id()).collect();
        let workflow = world.workflow_id(NOW);
        // Without keys the order is simple, and is checked; with them the limits are.
        let with_keys = seed % 2 == 1;
        let (mut queued, mut running): (Vec<Known>, Vec<Known>) = (Vec::new(), Vec::new());
        for nth in 0..250 {
            match dice.u64() % 10 {
                0..=4 => {
                    let account = accounts[(dice.u64() % 4) as usize];
                    let priority = 1 + dice.u64() % 9;
                    let key = (with_keys && dice.u64().is_multiple_of(2))
                        .then(|| format!("key-{}", dice.u64() % 3));
                    let gate = gate(key.as_deref(), dice.u64().is_multiple_of(2), 1_000);
                    let (id, admitted) = admit_with(&world, account, workflow, priority, gate).await;
                    let known = Known { id, account, priority, key, nth };
                    match admitted {
                        Admitted::Running => running.push(known),
                        Admitted::Queued => queued.push(known),
                        other => panic!("{other:?}"),
                    }
                }
                5..=6 => {
                    let limit = 1 + (dice.u64() % 3) as usize;
                    let claimed = world.store.claim_runs(claimer(), limit, RUNNING_MAX, NOW).await.unwrap();
                    for id in claimed {
                        let place = queued.iter().position(|known| known.id == id).expect("it was queued");
                        let known = queued.remove(place);
                        if !with_keys {
                            let first = queued
                                .iter()
                                .filter(|other| other.account == known.account)
                                .min_by_key(|other| (9 - other.priority, other.nth));
                            let before = first.is_none_or(|first| {
                                (9 - known.priority, known.nth) < (9 - first.priority, first.nth)
                            });
                            assert!(before, "seed {seed}: {known:?} began before {first:?}");
                        }
                        running.push(known);
                    }
                }
                7..=8 if !running.is_empty() => {
                    let known = running.remove((dice.u64() as usize) % running.len());
                    end(&world, known.id, RunStatus::Completed).await;
                }
                _ if !queued.is_empty() => {
                    let known = queued.remove((dice.u64() as usize) % queued.len());
                    end(&world, known.id, RunStatus::Cancelled).await;
                }
                _ => {}
            }
            hold(&world, seed, &queued, &running).await;
        }
        // Everybody's turn comes.
        while !(queued.is_empty() && running.is_empty()) {
            for known in running.drain(..) {
                end(&world, known.id, RunStatus::Completed).await;
            }
            let claimed = world.store.claim_runs(claimer(), 100, RUNNING_MAX, NOW).await.unwrap();
            assert!(!claimed.is_empty() || queued.is_empty(), "seed {seed}: {queued:?} are forgotten");
            let (begun, left) = queued.into_iter().partition(|known| claimed.contains(&known.id));
            (running, queued) = (begun, left);
            hold(&world, seed, &queued, &running).await;
        }
        assert!(!world.store.queue_is_ready().await.unwrap());
    }
}

async fn hold(world: &World, seed: u64, queued: &[Known], running: &[Known]) {
    let load = world.store.queue_load().await.unwrap();
    assert_eq!(load.queued, i64::try_from(queued.len()).unwrap(), "seed {seed}");
    let counts = world.store.run_counts(None).await.unwrap();
    let found = (usize::try_from(counts.pending).unwrap(), usize::try_from(counts.running).unwrap());
    assert_eq!(found, (queued.len(), running.len()), "seed {seed}");
    let (mut of_account, mut of_key) = (BTreeMap::new(), BTreeMap::new());
    for known in running {
        *of_account.entry(known.account).or_insert(0) += 1;
        if let Some(key) = &known.key {
            *of_key.entry(key).or_insert(0) += 1;
        }
    }
    assert!(of_account.values().all(|runs| *runs <= RUNNING_MAX), "seed {seed}: {of_account:?}");
    assert!(of_key.values().all(|runs| *runs <= KEY_LIMIT), "seed {seed}: {of_key:?}");
}

#[tokio::test]
async fn turns_are_shared_by_weight_however_long_the_queues_are() {
    let world = World::new();
    let workflow = world.workflow_id(NOW);
    // A stride of 1000 is a weight of 1, one of 500 a weight of 2.
    let accounts =
        [(world.account_id(), 1_000, 300), (world.account_id(), 500, 200), (world.account_id(), 1_000, 100)];
    let mut account_of = BTreeMap::new();
    for (account, stride, count) in accounts {
        for _ in 0..count {
            let (id, admitted) = admit(&world, account, workflow, gate(None, false, stride)).await;
            assert_eq!(admitted, Admitted::Queued);
            account_of.insert(id, account);
        }
    }
    let mut turns: BTreeMap<AccountId, i64> = BTreeMap::new();
    for round in 1..=100 {
        for id in world.store.claim_runs(claimer(), 4, RUNNING_MAX, NOW).await.unwrap() {
            *turns.entry(account_of[&id]).or_default() += 1;
            end(&world, id, RunStatus::Completed).await;
        }
        for (account, stride, _) in accounts {
            let (share, got) = (round * 1_000 / stride, turns.get(&account).copied().unwrap_or_default());
            assert!(
                (share - 2..=share + 2).contains(&got),
                "after {round} rounds {account} had {got} turns, not {share}"
            );
        }
    }
    // One that comes late begins at the present: it neither waits for the others nor makes up for the past.
    let late = world.account_id();
    for _ in 0..20 {
        let (id, _) = admit(&world, late, workflow, gate(None, false, 1_000)).await;
        account_of.insert(id, late);
    }
    let mut first_ten = 0;
    for _ in 0..10 {
        for id in world.store.claim_runs(claimer(), 1, RUNNING_MAX, NOW).await.unwrap() {
            first_ten += i64::from(account_of[&id] == late);
            end(&world, id, RunStatus::Completed).await;
        }
    }
    assert!((4..=6).contains(&first_ten), "{first_ten} of ten turns");
}

#[tokio::test]
async fn a_full_queue_refuses_and_leaves_nothing_behind() {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let narrow = |queued_max, queued_total_max| Gate { queued_max, queued_total_max, ..gate(None, false, 1) };
    assert_eq!(admit(&world, account, workflow, narrow(1, 9)).await.1, Admitted::Queued);
    let refused = admit(&world, account, workflow, narrow(1, 9)).await;
    assert_eq!(refused.1, Admitted::QueueFull(QueueFull::Account));
    assert_eq!(world.store.run(None, refused.0).await, Ok(None));
    let refused = admit(&world, world.account_id(), workflow, narrow(1, 1)).await;
    assert_eq!(refused.1, Admitted::QueueFull(QueueFull::All));
    assert_eq!(world.store.run_counts(None).await.unwrap().pending, 1);
}

#[tokio::test]
async fn a_run_keeps_its_policy_in_the_archive_and_waits_for_its_key_when_it_comes_back() {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let keyed = || gate(Some("k"), true, 1);
    let (first, _) = admit_with(&world, account, workflow, 8, keyed()).await;
    end(&world, first, RunStatus::Faulted).await;
    let archived = row(&world, first).await;
    assert_eq!((archived.priority.get(), archived.concurrency_key.as_deref()), (8, Some("k")));

    let (second, _) = admit(&world, account, workflow, keyed()).await;
    let (third, admitted) = admit(&world, account, workflow, keyed()).await;
    assert_eq!(admitted, Admitted::Running, "the first gave its key back");
    let (seq, node, here) = (archived.next_seq, claiming_node(), region("eu-west"));
    let reopen =
        |gate| world.store.reopen_run(first, NODE_EPOCH, node, seq, NOW, here.clone(), "[]".to_owned(), gate);
    assert_eq!(reopen(keyed()).await, Ok(true));
    assert_eq!(reopen(keyed()).await, Ok(false), "once");
    let back = row(&world, first).await;
    assert_eq!((back.status, back.ended_at, back.priority.get()), (RunStatus::Pending, None, 8));
    let ahead = world.store.queue_position(first).await.unwrap();
    assert_eq!(ahead, Some(Ahead::Key { key: "k".to_owned(), runs: 2 }));
    assert!(claim(&world, RUNNING_MAX).await.is_empty());
    end(&world, second, RunStatus::Completed).await;
    assert_eq!(claim(&world, RUNNING_MAX).await, [first]);
    end(&world, first, RunStatus::Completed).await;
    end(&world, third, RunStatus::Completed).await;
    let counts = world.store.run_counts(None).await.unwrap();
    assert_eq!((counts.completed, counts.faulted, counts.pending, counts.running), (3, 0, 0, 0));
}

#[tokio::test]
async fn a_run_that_stands_still_gives_its_turn_back_and_not_its_key() {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let one = |key| Gate { running_max: 1, ..gate(key, true, 1) };
    let (first, _) = admit(&world, account, workflow, one(Some("k"))).await;
    let (other, admitted) = admit(&world, account, workflow, one(None)).await;
    assert_eq!(admitted, Admitted::Queued);
    assert!(claim(&world, 1).await.is_empty());
    end(&world, first, RunStatus::Suspended).await;
    assert_eq!(claim(&world, 1).await, [other]);
    let mut narrow = one(Some("k"));
    narrow.key.as_mut().unwrap().limit = 1;
    let (behind, _) = admit(&world, account, workflow, narrow.clone()).await;
    assert_eq!(
        world.store.queue_position(behind).await.unwrap(),
        Some(Ahead::Key { key: "k".into(), runs: 1 })
    );

    let goes_on = step(&world, first, RunStatus::Running).await;
    assert_eq!(world.store.append_again(goes_on.clone(), narrow.clone()).await, Ok(false));
    let queued = row(&world, first).await;
    assert_eq!(
        (queued.status, queued.next_seq),
        (RunStatus::Pending, goes_on.seq + 1),
        "the entry is written"
    );
    assert!(claim(&world, 1).await.is_empty());
    end(&world, other, RunStatus::Completed).await;
    assert_eq!(claim(&world, 1).await, [first]);
    end(&world, first, RunStatus::Suspended).await;
    let goes_on = step(&world, first, RunStatus::Running).await;
    assert_eq!(
        world.store.append_again(goes_on, narrow).await,
        Ok(true),
        "there is a turn and nobody before it"
    );
    end(&world, first, RunStatus::Completed).await;
    assert_eq!(claim(&world, 1).await, [behind]);
}
