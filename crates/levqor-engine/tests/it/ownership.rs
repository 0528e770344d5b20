//! Two engines on one store: the newer epoch has the runs, the older one can't write to them any more.

use levqor_model::RunStatus;
use levqor_testkit::{Reply, Route, wait_until};
use serde_json::json;

use crate::world::{World, seconds};

#[tokio::test]
async fn a_stale_engine_cannot_commit() {
    let world = World::new().await;
    let slow = Reply::default().after(std::time::Duration::from_millis(300));
    world.stub.route(Route::new("/slow").reply(slow).reply(Reply::default()));
    let workflow = world
        .save(
            "two",
            "1.0.0",
            "do:
              - first: { call: http, with: { method: get, endpoint: 'STUB/slow' } }
              - second: { call: http, with: { method: get, endpoint: 'STUB/second' } }",
        )
        .await;
    let old = world.engine().await;
    let run = world.start(&old, workflow, json!({})).await;
    wait_until("the first call", || world.stub.count() == 1).await;

    // The second engine takes the run over and ends it while the first still waits for its answer.
    let new = world.engine().await;
    let detail = world.ended(&new, run).await;
    assert_eq!(detail.run.status, RunStatus::Completed);
    wait_until("the old engine to let go", || old.load().active_runs == 0).await;

    let after = new.run(world.account, run).await.unwrap();
    assert_eq!(after, detail, "nothing was written after the end");
    let keys = world.stub.keys();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(keys[&format!("{run}/do/0/first/0")], 2, "at least once, under one key");
    assert_eq!(keys[&format!("{run}/do/1/second/0")], 1);
}

#[tokio::test]
async fn waiting_runs_go_to_the_new_engine() {
    let world = World::new().await;
    let workflow = world
        .save("pause", "1.0.0", "do: [{ a: { wait: { seconds: 4 } } }, { b: { call: http, with: { method: get, endpoint: 'STUB/b' } } }]")
        .await;
    let old = world.engine().await;
    let run = world.start(&old, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    let new = world.engine().await;
    world.clock.advance(seconds(4));
    old.clock_moved();
    new.clock_moved();
    let detail = world.ended(&new, run).await;
    assert_eq!(detail.run.status, RunStatus::Completed);
    wait_until("the old engine to let go", || old.load().active_runs == 0).await;
    assert_eq!(world.stub.count(), 1, "the old engine could not write the timer's end, so it made no call");
}

#[tokio::test]
async fn new_runs_of_both_engines_end() {
    let world = World::new().await;
    let workflow = world.save("one", "1.0.0", "do: [{ a: { set: { ok: true } } }]").await;
    let (first, second) = (world.engine().await, world.engine().await);
    for engine in [&first, &second, &first] {
        assert_eq!(world.play(engine, workflow, json!({})).await.run.status, RunStatus::Completed);
    }
}

#[tokio::test]
async fn what_a_replaced_engine_has_accepted_goes_on_when_it_stops() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", "do: [{ a: { wait: { seconds: 4 } } }]").await;
    let (old, new) = (world.engine().await, world.engine().await);
    let run = world.start(&old, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    old.halt().await;
    world.advance(&new, seconds(100));
    new.sweep().await;
    assert_eq!(world.ended(&new, run).await.run.status, RunStatus::Completed);
}
