//! Timers: found when they are due, in one order, without gaps between pages.

use std::time::Duration;

use levqor_model::{RunStatus, Timestamp};
use levqor_store::{runs::Append, timers::Timer};

use crate::support::{NOW, World, step};

fn at(second: u64) -> Timestamp {
    NOW + Duration::from_secs(second)
}

#[tokio::test]
async fn due_timers_come_in_order_and_page_without_gaps() {
    let world = World::new();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let mut all = Vec::new();
    for number in 0..4 {
        let new = world.run(account, workflow, at(number));
        let id = new.run.id;
        world.store.accept_run(new).await.unwrap();
        // Several of the same time, in one run and over runs.
        let set: Vec<_> = (0..6).map(|effect| (effect, at(effect / 2))).collect();
        all.extend(set.iter().map(|(effect, due_at)| Timer { run_id: id, effect: *effect, due_at: *due_at }));
        let append = Append { timers_set: set, ..step(id, 1, RunStatus::Waiting) };
        world.store.append(append).await.unwrap();
    }
    all.sort_by_key(|timer| (timer.due_at, timer.run_id, timer.effect));
    assert_eq!(world.store.timers_count().await, Ok(24));
    for (until, expected) in [(at(0), 8), (at(1), 16), (at(9), 24), (NOW - Duration::from_micros(1), 0)] {
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let page = world.store.due_timers(from, until, 5).await.unwrap();
            from = page.last().copied();
            if from.is_none() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, all[..expected]);
    }
}

#[tokio::test]
async fn a_timer_that_is_set_again_moves() {
    let world = World::new();
    let new = world.run(world.account_id(), world.workflow_id(NOW), NOW);
    let id = new.run.id;
    world.store.accept_run(new).await.unwrap();
    let set = |seq, set, cleared| {
        let append = Append { timers_set: set, timers_cleared: cleared, ..step(id, seq, RunStatus::Waiting) };
        world.store.append(append)
    };
    set(1, vec![(u64::MAX, at(1)), (2, at(1))], vec![]).await.unwrap();
    set(2, vec![(u64::MAX, at(5))], vec![u64::MAX, 2]).await.unwrap();
    let moved = Timer { run_id: id, effect: u64::MAX, due_at: at(5) };
    assert_eq!(world.store.timers_of(id).await, Ok(vec![moved]));
    assert_eq!(world.store.due_timers(None, at(4), 10).await, Ok(vec![]));
    assert_eq!(world.store.due_timers(None, at(5), 10).await, Ok(vec![moved]));
}
