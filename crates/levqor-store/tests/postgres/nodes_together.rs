//! Two nodes, two stores, one database.

use std::sync::Arc;

use levqor_model::RunStatus;
use levqor_store::{Error, Store};

use crate::{
    backend::Beside,
    support::{NOW, World, step},
};

/// However the nodes' transactions mix, each place of a journal is written once, and counts come out right.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_write_each_place_once() {
    let (options, _beside) = Beside::new();
    let world = Arc::new(World::over(options.clone()));
    let stores = [world.store.clone(), Store::open(options).unwrap()];
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let mut ids = Vec::new();
    for _ in 0..4 {
        let new = world.run(account, workflow, NOW);
        ids.push(new.run.id);
        world.store.accept_run(new).await.unwrap();
    }
    let ids: Arc<[_]> = ids.into();
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let (store, world, ids) = (stores[task % 2].clone(), Arc::clone(&world), Arc::clone(&ids));
            tokio::spawn(async move {
                let mut won = 0_i64;
                for turn in 0..10 {
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
        let seqs: Vec<i64> =
            stores[1].journal(*id, None, 1_000).await.unwrap().iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (0..seqs.len() as i64).collect::<Vec<_>>(), "no gap, no double");
        entries += seqs.len() as i64 - 1;
    }
    assert_eq!(entries, won, "exactly the acknowledged entries are there");
    let counts = stores[1].run_counts(Some(account)).await.unwrap();
    assert_eq!((counts.running, counts.completed), (4, 16));
}
