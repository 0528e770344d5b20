//! Many tasks at once: the row's place decides who wins, and every count comes out right.

use std::sync::Arc;

use levqor_model::RunStatus;
use levqor_store::{Error, Options, Store, runs::RunFilter};

use crate::backend;
use crate::support::{NOW, World, step};

const TASKS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_share_runs_and_each_place_is_written_once() {
    // A short queue, so that callers wait for it too.
    let world = World::over(Options { queue: 16, ..backend::fresh() });
    let stores = vec![world.store.clone()];
    share_runs(world, stores).await;
}

/// Tasks that write to the same runs by one of the stores of a database, each with a run of its own besides.
pub(crate) async fn share_runs(world: World, stores: Vec<Store>) {
    let world = Arc::new(world);
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let mut ids = Vec::new();
    for _ in 0..8 {
        let new = world.run(account, workflow, NOW);
        ids.push(new.run.id);
        world.store.accept_run(new).await.unwrap();
    }
    let ids: Arc<[_]> = ids.into();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (world, ids) = (Arc::clone(&world), Arc::clone(&ids));
            let store = stores[task % stores.len()].clone();
            tokio::spawn(async move {
                let mut won = 0_i64;
                for turn in 0..20 {
                    let id = ids[(task + turn) % ids.len()];
                    let place = store.run(Some(account), id).await.unwrap().unwrap().next_seq;
                    match store.append(step(id, place, RunStatus::Running)).await {
                        Ok(()) => won += 1,
                        Err(Error::Stale(stale)) => assert_eq!(stale, id),
                        Err(other) => panic!("{other}"),
                    }
                }
                let own = world.run(account, workflow, NOW);
                let own_id = own.run.id;
                store.accept_run(own).await.unwrap();
                store.append(step(own_id, 1, RunStatus::Completed)).await.unwrap();
                won
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += task.await.unwrap();
    }

    let mut entries = 0;
    for id in ids.iter() {
        let journal = world.store.journal(*id, None, 10_000).await.unwrap();
        let seqs: Vec<i64> = journal.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (0..seqs.len() as i64).collect::<Vec<_>>(), "no gap, no double");
        assert_eq!(world.store.run(None, *id).await.unwrap().unwrap().next_seq, seqs.len() as i64);
        entries += seqs.len() as i64 - 1;
    }
    assert_eq!(entries, won, "exactly the acknowledged entries are there");
    let counts = world.store.run_counts(Some(account)).await.unwrap();
    assert_eq!((counts.running, counts.completed), (8, TASKS as i64));
    let listed = world.store.runs_of(Some(account), RunFilter::default(), None, 1_000).await.unwrap();
    assert_eq!(listed.len(), 8 + TASKS);
}
