//! Schedules: a due time starts one run, whoever looks.

use std::time::Duration;

use levqor_model::{Overlap, RunId, WorkflowId};
use levqor_store::{
    Conflict, Error,
    runs::{Accepted, Due, Firing, NewRun},
    workflows::NewSchedule,
};

use crate::support::{NOW, World};

const MINUTE: Duration = Duration::from_secs(60);

async fn scheduled(world: &World, name: &str, due: u32) -> WorkflowId {
    let next_due_at = Some(NOW + MINUTE * due);
    world.saved(world.account_id(), name, Some(NewSchedule { anchor_at: NOW, next_due_at, on: None })).await
}

fn firing(world: &World, workflow: WorkflowId, due: u32, next: u32) -> NewRun {
    let mut new = world.run(world.account_id(), workflow, NOW);
    new.firing = Some(Firing::Due(Due {
        due_at: NOW + MINUTE * due,
        next_due_at: Some(NOW + MINUTE * next),
        overlap: Overlap::AllowAll,
        was_buffered: false,
    }));
    new
}

#[tokio::test]
async fn due_schedules_come_earliest_first() {
    let world = World::new();
    let late = scheduled(&world, "late", 3).await;
    let early = scheduled(&world, "early", 1).await;
    let idle = world.saved(
        world.account_id(),
        "idle",
        Some(NewSchedule { anchor_at: NOW, next_due_at: None, on: None }),
    );
    let idle = idle.await;
    let listed = async |minute: u32, limit| -> Vec<WorkflowId> {
        let due = world.store.due_schedules(NOW + MINUTE * minute, limit).await.unwrap();
        due.iter().map(|schedule| schedule.workflow_id).collect()
    };
    assert_eq!(listed(0, 10).await, []);
    assert_eq!(listed(1, 10).await, [early]);
    assert_eq!(listed(9, 10).await, [early, late]);
    assert_eq!(listed(9, 1).await, [early]);
    assert_eq!(world.store.next_schedule_due().await, Ok(Some(NOW + MINUTE)));

    let store = &world.store;
    assert_eq!(store.schedule_next(idle).await, Ok(None));
    assert_eq!(store.set_schedule_due(idle, Some(NOW), Some(NOW)).await, Ok(false));
    assert_eq!(store.set_schedule_due(idle, None, Some(NOW)).await, Ok(true));
    assert_eq!(store.set_schedule_due(idle, None, Some(NOW)).await, Ok(false));
    assert_eq!(store.set_schedule_due(idle, Some(NOW), None).await, Ok(true));
    assert_eq!(store.schedule_next(idle).await, Ok(None));
}

#[tokio::test]
async fn a_due_time_starts_one_run_and_moves_its_schedule() {
    let world = World::new();
    let workflow = scheduled(&world, "hello", 1).await;
    let (first, second) = (firing(&world, workflow, 1, 2), firing(&world, workflow, 1, 2));
    let day = first.day;
    assert_eq!(world.store.accept_run(first.clone()).await, Ok(Accepted::New));
    assert_eq!(world.store.schedule_next(workflow).await, Ok(Some(NOW + MINUTE * 2)));
    assert_eq!(world.store.accept_run(second.clone()).await, Ok(Accepted::Already(first.run.id)));
    assert_eq!(world.store.run(None, second.run.id).await, Ok(None));
    assert_eq!(world.store.firing(workflow, NOW + MINUTE).await, Ok(Some(first.run.id)));
    assert_eq!(world.store.firing(workflow, NOW).await, Ok(None));
    assert_eq!(world.store.usage(None, day, day).await.unwrap().runs, 1);

    // A catch-up of an older due time does not turn the schedule back.
    assert_eq!(world.store.accept_run(firing(&world, workflow, 0, 1)).await, Ok(Accepted::New));
    assert_eq!(world.store.schedule_next(workflow).await, Ok(Some(NOW + MINUTE * 2)));

    let mut twin = firing(&world, workflow, 7, 8);
    twin.run.id = first.run.id;
    assert_eq!(world.store.accept_run(twin).await, Err(Error::Conflict(Conflict::Other)));
    assert_eq!(world.store.firing(workflow, NOW + MINUTE * 7).await, Ok(None), "the due time stays free");

    world.store.prune_firings(NOW + MINUTE).await.unwrap();
    assert_eq!(world.store.firing(workflow, NOW).await, Ok(None));
    assert_eq!(world.store.firing(workflow, NOW + MINUTE).await, Ok(Some(first.run.id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_fire_at_once_start_one_run() {
    let world = World::new();
    let workflow = scheduled(&world, "hello", 1).await;
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let (store, new) = (world.store.clone(), firing(&world, workflow, 1, 2));
            tokio::spawn(async move { (new.run.id, store.accept_run(new).await.unwrap()) })
        })
        .collect();
    let (mut winners, mut named): (Vec<RunId>, Vec<RunId>) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            (id, Accepted::New) => winners.push(id),
            (_, Accepted::Already(id)) => named.push(id),
            (_, other) => panic!("nothing is in its way, and it is {other:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert!(named.iter().all(|id| *id == winners[0]));
}
