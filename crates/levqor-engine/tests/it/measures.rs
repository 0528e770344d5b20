//! How many runs begin and end, and how soon they begin: each is counted once.

use levqor_model::{RunStatus, Timestamp};
use levqor_testkit::{Reply, Route, wait_until};
use serde_json::json;

use crate::world::{World, seconds};

#[tokio::test]
async fn each_start_and_each_end_counts_once() {
    let world = World::new().await;
    let engine = world.engine().await;
    let good = world.save("good", "1.0.0", "do: [{ a: { set: { ok: true } } }]").await;
    let bad = world
        .save(
            "bad",
            "1.0.0",
            "do: [{ a: { raise: { error: { type: 'https://example.com/no', status: 400, title: No } } } }]",
        )
        .await;
    let waits = world.save("waits", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }]").await;
    for workflow in [good, good, bad] {
        world.play(&engine, workflow, json!({})).await;
    }
    let waiting = world.start(&engine, waits, json!({})).await;
    world.status(waiting, RunStatus::Waiting).await;
    let measures = engine.take_measures();
    assert_eq!((measures.started, measures.completed, measures.faulted, measures.cancelled), (4, 2, 1, 0));
    assert_eq!(measures.start_delays.histogram().count(), 4);
    // What was taken is taken; a run that comes back to memory does not begin again.
    world.advance(&engine, seconds(3_600));
    world.ended(&engine, waiting).await;
    let measures = engine.take_measures();
    assert_eq!((measures.started, measures.completed), (0, 1));
}

#[tokio::test]
async fn a_queued_run_begins_when_its_turn_has_come() {
    let mut world = World::new().await;
    world.limits.running_per_account = 1;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    let engine = world.engine().await;
    let hang = world
        .save("hang", "1.0.0", "do: [{ a: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]")
        .await;
    let first = world.start(&engine, hang, json!({})).await;
    let second = world.start(&engine, hang, json!({})).await;
    let third = world.start(&engine, hang, json!({})).await;
    assert_eq!(engine.take_measures().started, 1);
    // One that is cancelled in the queue never begins.
    engine.cancel(world.account, third).await.unwrap();
    wait_until("the call of the first", || world.stub.count() == 1).await;
    world.advance(&engine, seconds(20));
    engine.cancel(world.account, first).await.unwrap();
    // Claimed is not begun: it could still be cancelled before it does anything.
    wait_until("the call of the second", || world.stub.count() == 2).await;
    engine.cancel(world.account, second).await.unwrap();
    let measures = engine.take_measures();
    assert_eq!((measures.started, measures.cancelled), (1, 3));
    let delay = measures.start_delays.into_point(Timestamp::default()).unwrap();
    assert_eq!((delay.count, delay.sum), (1, 20_000_000.0));
}
