//! Runs and timers against a model of a few lines: whatever is done in whatever order, both agree.

use std::collections::BTreeMap;

use levqor_model::{NodeId, RunId, RunStatus, Timestamp};
use levqor_store::{
    Error,
    nodes::NewNode,
    runs::{Accepted, Append, RunCounts, RunFilter},
    timers::Timer,
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};

use crate::support::{NOW, World, open_gate, region, step};

/// Runs that the operations speak of.
const RUNS: usize = 4;

#[derive(Debug, Clone)]
enum Operation {
    Accept {
        run: usize,
        parent_effect: Option<u64>,
    },
    Append {
        run: usize,
        epoch_off: i64,
        seq_off: i64,
        status: RunStatus,
        entry: bool,
        set: Vec<(u64, i64)>,
        cleared: Vec<u64>,
    },
    Own {
        run: usize,
        by: usize,
        epoch: i64,
    },
    OwnLive {
        epoch: i64,
    },
    Reopen {
        run: usize,
        by: usize,
        epoch: i64,
        seq_off: i64,
    },
}

/// A run as the model keeps it.
#[derive(Debug, Clone)]
struct Model {
    status: RunStatus,
    epoch: i64,
    owner: Option<NodeId>,
    parent_effect: Option<u64>,
    entries: Vec<i64>,
    timers: BTreeMap<u64, Timestamp>,
}

impl Model {
    /// An epoch grows whenever the owner changes.
    fn give_to(&mut self, node: NodeId, epoch: i64) {
        if self.owner != Some(node) {
            (self.owner, self.epoch) = (Some(node), epoch.max(self.epoch + 1));
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let run = 0..RUNS;
    // Mostly what is right, sometimes what is not.
    let off = || prop_oneof![8 => Just(0_i64), 1 => Just(-1), 1 => Just(1)];
    let status = proptest::sample::select(RunStatus::ALL);
    let effects = || proptest::collection::vec(0..4_u64, 0..3);
    prop_oneof![
        3 => (run.clone(), proptest::option::of(0..3_u64))
            .prop_map(|(run, parent_effect)| Operation::Accept { run, parent_effect }),
        8 => (run.clone(), off(), off(), status, any::<bool>(), effects(), effects()).prop_map(
            |(run, epoch_off, seq_off, status, entry, set, cleared)| {
                let set = set.into_iter().map(|effect| (effect, 10 + effect as i64 / 2)).collect();
                Operation::Append { run, epoch_off, seq_off, status, entry, set, cleared }
            }
        ),
        1 => (run.clone(), 0..2_usize, 0..6_i64).prop_map(|(run, by, epoch)| Operation::Own { run, by, epoch }),
        1 => (0..6_i64).prop_map(|epoch| Operation::OwnLive { epoch }),
        2 => (run, 0..2_usize, 0..6_i64, off())
            .prop_map(|(run, by, epoch, seq_off)| Operation::Reopen { run, by, epoch, seq_off }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_agrees_with_the_model(operations in proptest::collection::vec(operation(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(operations));
    }
}

async fn check(operations: Vec<Operation>) {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    // The first lives; the second was never registered, which is like having been stopped.
    let (parent, nodes) = (world.run_id(NOW), [world.node_id(), world.node_id()]);
    let lease = std::time::Duration::from_secs(60);
    let living =
        NewNode { id: nodes[0], region: region("eu-west"), version: "1".to_owned(), lease, alone: false };
    world.store.register_node(living, NOW).await.unwrap();
    let ids: Vec<RunId> = (0..RUNS).map(|_| world.run_id(NOW)).collect();
    let mut model: BTreeMap<RunId, Model> = BTreeMap::new();
    for operation in operations {
        let shown = format!("{operation:?}");
        match operation {
            Operation::Accept { run, parent_effect } => {
                let mut new = world.run(account, workflow, NOW);
                new.run.id = ids[run];
                new.run.parent = parent_effect.map(|effect| (parent, effect));
                let expected: Vec<Accepted> = model
                    .iter()
                    .filter(|(id, one)| {
                        **id == ids[run] || (parent_effect.is_some() && one.parent_effect == parent_effect)
                    })
                    .map(|(id, _)| Accepted::Already(*id))
                    .collect();
                let accepted = world.store.accept_run(new.clone()).await.unwrap();
                if expected.is_empty() {
                    assert_eq!(accepted, Accepted::New, "{shown}");
                    model.insert(
                        ids[run],
                        Model {
                            status: new.run.status,
                            epoch: new.run.epoch,
                            owner: None,
                            parent_effect,
                            entries: vec![0],
                            timers: BTreeMap::new(),
                        },
                    );
                } else {
                    assert!(expected.contains(&accepted), "{shown}: {accepted:?}");
                }
            }
            Operation::Append { run, epoch_off, seq_off, status, entry, set, cleared } => {
                let id = ids[run];
                let known = model.get_mut(&id);
                let (epoch, next) =
                    known.as_ref().map_or((1, 0), |one| (one.epoch, one.entries.len() as i64));
                let set: Vec<_> =
                    set.iter().map(|(effect, second)| (*effect, Timestamp::from_seconds(*second))).collect();
                let append = Append {
                    epoch: epoch + epoch_off,
                    events: entry.then(|| "[]".to_owned()),
                    timers_set: set.clone(),
                    timers_cleared: cleared.clone(),
                    ..step(id, next + seq_off, status)
                };
                let result = world.store.append(append).await;
                match known {
                    Some(one) if epoch_off == 0 && seq_off == 0 && !one.status.is_ended() => {
                        assert_eq!(result, Ok(()), "{shown}");
                        one.status = status;
                        if entry {
                            one.entries.push(next);
                        }
                        one.timers.retain(|effect, _| !cleared.contains(effect));
                        one.timers.extend(set);
                        if status.is_ended() {
                            one.timers.clear();
                        }
                    }
                    _ => assert_eq!(result, Err(Error::Stale(id)), "{shown}"),
                }
            }
            Operation::Own { run, by, epoch } => {
                let owned = world.store.own_run(ids[run], nodes[by], epoch).await.unwrap();
                let expected = model
                    .get_mut(&ids[run])
                    .filter(|one| !one.status.is_ended())
                    .filter(|one| one.owner != Some(nodes[0]) || by == 0);
                assert_eq!(owned.is_some(), expected.is_some(), "{shown}");
                if let Some(one) = expected {
                    one.give_to(nodes[by], epoch);
                }
            }
            Operation::OwnLive { epoch } => {
                let mut taken = 0;
                for one in model.values_mut() {
                    if !one.status.is_ended() && one.owner != Some(nodes[0]) {
                        one.give_to(nodes[0], epoch);
                        taken += 1;
                    }
                }
                assert_eq!(world.store.own_live_runs(nodes[0], epoch, NOW).await, Ok(taken), "{shown}");
            }
            Operation::Reopen { run, by, epoch, seq_off } => {
                let id = ids[run];
                let known = model.get_mut(&id);
                let next = known.as_ref().map_or(0, |one| one.entries.len() as i64);
                let events = "[]".to_owned();
                let reopened = world
                    .store
                    .reopen_run(
                        id,
                        epoch,
                        nodes[by],
                        next + seq_off,
                        NOW,
                        region("eu-west"),
                        events,
                        open_gate(),
                    )
                    .await
                    .unwrap();
                let expected = known.filter(|one| one.status == RunStatus::Faulted && seq_off == 0);
                assert_eq!(reopened, expected.is_some(), "{shown}");
                if let Some(one) = expected {
                    one.status = RunStatus::Running;
                    one.give_to(nodes[by], epoch);
                    one.entries.push(next);
                }
            }
        }
    }
    compare(&world, &model).await;
}

async fn compare(world: &World, model: &BTreeMap<RunId, Model>) {
    let mut counts = RunCounts::default();
    let mut timers = Vec::new();
    for (id, one) in model {
        let run = world.store.run(None, *id).await.unwrap().unwrap();
        assert_eq!((run.status, run.epoch, run.owner), (one.status, one.epoch, one.owner));
        assert_eq!(run.next_seq, one.entries.len() as i64);
        assert_eq!(run.ended_at.is_some(), one.status.is_ended());
        let journal = world.store.journal(*id, None, 1_000).await.unwrap();
        assert_eq!(journal.iter().map(|entry| entry.seq).collect::<Vec<_>>(), one.entries);
        timers.extend(one.timers.iter().map(|(effect, due_at)| Timer {
            run_id: *id,
            effect: *effect,
            due_at: *due_at,
        }));
        let count = match one.status {
            RunStatus::Pending => &mut counts.pending,
            RunStatus::Running => &mut counts.running,
            RunStatus::Waiting => &mut counts.waiting,
            RunStatus::Suspended => &mut counts.suspended,
            RunStatus::Completed => &mut counts.completed,
            RunStatus::Faulted => &mut counts.faulted,
            RunStatus::Cancelled => &mut counts.cancelled,
        };
        *count += 1;
    }
    assert_eq!(world.store.run_counts(None).await, Ok(counts));
    timers.sort_by_key(|timer| (timer.due_at, timer.run_id, timer.effect));
    assert_eq!(world.store.due_timers(None, Timestamp::from_seconds(1_000), 1_000).await, Ok(timers));
    let listed = world.store.runs_of(None, RunFilter::default(), None, 1_000).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|run| run.id).collect();
    assert_eq!(listed, model.keys().rev().copied().collect::<Vec<_>>());
    let driven = world.store.runs_to_drive(None, 1_000).await.unwrap();
    let expected: Vec<_> = model
        .iter()
        .filter(|(_, one)| matches!(one.status, RunStatus::Pending | RunStatus::Running))
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(driven.runs.iter().map(|run| run.id).collect::<Vec<_>>(), expected);
}
