//! The outbox of the sink.

use std::time::Duration;

use levqor_model::RunStatus;
use levqor_store::{Store, listeners::EventChanges, runs::Append, sink::SinkLoad};

use crate::support::{NOW, World, step};

const HOUR: Duration = Duration::from_secs(3_600);

/// A run that tells so many things, an hour after `hours`.
async fn tells(world: &World, hours: u32, things: &[&str]) {
    let new = world.run(world.account_id(), world.workflow_id(NOW), NOW);
    let id = new.run.id;
    world.store.accept_run(new).await.unwrap();
    let told = things.iter().map(|thing| (*thing).to_owned()).collect();
    let append = Append {
        at: NOW + HOUR * hours,
        event_changes: EventChanges { told, ..EventChanges::default() },
        ..step(id, 1, RunStatus::Waiting)
    };
    world.store.append(append).await.unwrap();
}

async fn waiting(store: &Store, limit: usize) -> Vec<String> {
    store.sink_events(limit).await.unwrap().into_iter().map(|event| event.body).collect()
}

#[tokio::test]
async fn what_is_told_waits_in_order_until_the_sink_has_it() {
    let world = World::new();
    let store = &world.store;
    assert_eq!(store.sink_load().await.unwrap(), SinkLoad::default());
    tells(&world, 0, &["a", "b"]).await;
    tells(&world, 1, &[]).await;
    tells(&world, 2, &["c"]).await;
    assert_eq!(waiting(store, 10).await, ["a", "b", "c"]);
    assert_eq!(waiting(store, 2).await, ["a", "b"]);
    let events = store.sink_events(10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(store.sink_load().await.unwrap(), SinkLoad { waiting: 3, oldest_at: Some(NOW) });
    store.sink_has(2).await.unwrap();
    assert_eq!(waiting(store, 10).await, ["c"]);
    let late = SinkLoad { waiting: 1, oldest_at: Some(NOW + HOUR * 2) };
    assert_eq!(store.sink_load().await.unwrap(), late);
    store.sink_has(3).await.unwrap();
    assert_eq!(store.sink_load().await.unwrap(), SinkLoad::default());
}

#[tokio::test]
async fn the_old_and_the_too_many_are_skipped() {
    let world = World::new();
    let store = &world.store;
    tells(&world, 0, &["a", "b"]).await;
    tells(&world, 1, &["c", "d", "e"]).await;
    assert_eq!(store.prune_sink_events(NOW, 5).await.unwrap(), 0);
    assert_eq!(store.prune_sink_events(NOW, 4).await.unwrap(), 1);
    assert_eq!(store.prune_sink_events(NOW + HOUR, 4).await.unwrap(), 1);
    assert_eq!(waiting(store, 10).await, ["c", "d", "e"]);
    assert_eq!(store.prune_sink_events(NOW + HOUR * 9, 4).await.unwrap(), 3);
    assert_eq!(store.prune_sink_events(NOW + HOUR * 9, 4).await.unwrap(), 0);
}
