//! Waits: never early, late rather than never, and free while they last.

use levqor_model::RunStatus;
use levqor_testkit::{Reply, Route, wait_until};
use serde_json::json;

use crate::world::{PATIENCE, World, kind, seconds};

const PAUSE: &str = "do:
  - pause: { wait: { hours: 1 } }
  - call: { call: http, with: { method: get, endpoint: 'STUB/after' } }";

#[tokio::test]
async fn a_wait_ends_when_it_is_due_and_not_before() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    // It leaves memory: nothing but a row is left of it.
    wait_until("the run to leave memory", || engine.load().active_runs == 0).await;
    assert_eq!(world.store.timers_count().await.unwrap(), 1);

    world.advance(&engine, seconds(3599));
    // A second run that is due at once shows that the timers were looked at.
    let soon = world.save("soon", "1.0.0", "do: [{ pause: { wait: { milliseconds: 1 } } }]").await;
    let other = world.start(&engine, soon, json!({})).await;
    wait_until("the other run's timer", || engine.load().timers_near >= 1).await;
    world.advance(&engine, std::time::Duration::from_micros(999_999));
    world.ended(&engine, other).await;
    assert_eq!(world.stub.count(), 0);
    assert!(!engine.run(world.account, run).await.unwrap().run.status.is_ended());

    world.advance(&engine, std::time::Duration::from_micros(1));
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.run.status, RunStatus::Completed);
    assert_eq!(world.stub.count(), 1);
    assert_eq!(world.store.timers_count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_wait_survives_restarts_and_fires_late_rather_than_never() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let engine = world.engine().await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    engine.halt().await;

    let engine = world.engine().await;
    world.advance(&engine, seconds(1800));
    assert_eq!(engine.load().active_runs, 0, "a run that waits is not loaded");
    engine.halt().await;

    world.clock.advance(seconds(86_400));
    let engine = world.engine().await;
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.run.status, RunStatus::Completed);
    assert_eq!(world.stub.count(), 1);
}

#[tokio::test]
async fn many_waits_fire_in_their_order() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world
        .save(
            "pause",
            "1.0.0",
            "do:
              - pause: { wait: '${ \"PT\\(.seconds)S\" }' }
              - call: { call: http, with: { method: get, endpoint: 'STUB/{seconds}' } }",
        )
        .await;
    let mut runs = Vec::new();
    for seconds in [300, 100, 200] {
        let run = world.start(&engine, workflow, json!({ "seconds": seconds })).await;
        world.status(run, RunStatus::Waiting).await;
        runs.push(run);
    }
    for count in 1..=3 {
        world.advance(&engine, seconds(100));
        wait_until("the next call", || world.stub.count() == count).await;
    }
    for run in runs {
        world.ended(&engine, run).await;
    }
    let paths: Vec<_> = world.stub.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/100", "/200", "/300"]);
}

#[tokio::test]
async fn a_timeout_interrupts_a_call() {
    let world = World::new().await;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    let engine = world.engine().await;
    let workflow = world
        .save(
            "late",
            "1.0.0",
            "do: [{ ask: { call: http, with: { method: get, endpoint: 'STUB/hang' }, timeout: { after: { seconds: 10 } } } }]",
        )
        .await;
    let run = world.start(&engine, workflow, json!({})).await;
    wait_until("the call", || world.stub.count() == 1).await;
    assert_eq!(engine.load().effects_in_flight, 1);
    world.advance(&engine, seconds(10));
    let detail = world.ended(&engine, run).await;
    assert_eq!((kind(&detail), detail.error.as_ref().unwrap().status), ("timeout", 408));
    wait_until("the call to be dropped", || engine.load().effects_in_flight == 0).await;
    assert_eq!(world.store.timers_count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_drain_leaves_waits_to_the_next_start() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("brief", "1.0.0", "do: [{ pause: { wait: { seconds: 3 } } }]").await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    assert_eq!(engine.load().active_runs, 1, "a near timer is waited for in memory");
    engine.drain(PATIENCE).await;
    let engine = world.engine().await;
    world.advance(&engine, seconds(3));
    assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed);
}
