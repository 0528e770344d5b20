//! Runs that start runs.

use levqor_engine::{
    Error,
    fault::{Faults, Point},
};
use levqor_model::{RunId, RunStatus, TriggerKind, limits::SUBRUN_DEPTH_MAX};
use levqor_testkit::{Reply, Route, wait_for, wait_until};
use serde_json::json;

use crate::world::{World, kind, seconds};

async fn child_of(world: &World, parent: RunId) -> RunId {
    wait_for("a sub-run", || async {
        let runs = world.store.runs_of(None, Default::default(), None, 100).await.unwrap();
        runs.into_iter().find(|run| run.parent.is_some_and(|(id, _)| id == parent)).map(|run| run.id)
    })
    .await
}

fn parent_tasks(version: &str, wait: bool) -> String {
    format!(
        "do:
          - ship:
              run: {{ workflow: {{ namespace: test, name: ship, version: '{version}', input: {{ n: '${{ .n }}' }} }}, await: {wait} }}
          - done: {{ set: {{ got: '${{ . }}' }} }}"
    )
}

#[tokio::test]
async fn a_sub_run_gives_its_output_to_its_parent() {
    let world = World::new().await;
    let engine = world.engine().await;
    world.save("ship", "1.0.0", "do: [{ a: { set: { shipped: '${ .n * 2 }' } } }]").await;
    let workflow = world.save("order", "1.0.0", &parent_tasks("1.0.0", true)).await;
    let detail = world.play(&engine, workflow, json!({ "n": 21 })).await;
    assert_eq!(detail.output, Some(json!({ "got": { "shipped": 42 } })), "{:?}", detail.error);
    let child = engine.run(world.account, child_of(&world, detail.run.id).await).await.unwrap();
    assert_eq!(
        (child.run.trigger, child.run.depth, child.run.name.as_str()),
        (TriggerKind::Workflow, 1, "ship")
    );
    assert_eq!(child.input, json!({ "n": 21 }));
}

#[tokio::test]
async fn latest_is_the_highest_release() {
    let world = World::new().await;
    let engine = world.engine().await;
    for version in ["1.0.0", "1.10.0", "2.0.0-rc.1", "1.9.0"] {
        world.save("ship", version, &format!("do: [{{ a: {{ set: {{ version: '{version}' }} }} }}]")).await;
    }
    let workflow = world.save("order", "1.0.0", &parent_tasks("latest", true)).await;
    let detail = world.play(&engine, workflow, json!({ "n": 1 })).await;
    assert_eq!(detail.output, Some(json!({ "got": { "version": "1.10.0" } })));
}

#[tokio::test]
async fn what_cannot_be_run_is_an_error_of_the_task() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("order", "1.0.0", &parent_tasks("1.0.0", true)).await;
    let detail = world.play(&engine, workflow, json!({ "n": 1 })).await;
    assert_eq!(kind(&detail), "configuration");
    let said = detail.error.unwrap().detail.unwrap();
    assert_eq!(said, "test/ship 1.0.0 cannot be run: there is no workflow test/ship");

    world.save("ship", "2.0.0", "do: [{ a: { set: { x: 1 } } }]").await;
    let detail = world.play(&engine, workflow, json!({ "n": 1 })).await;
    assert_eq!(kind(&detail), "configuration");
}

#[tokio::test]
async fn a_sub_run_that_faults_faults_its_parent_with_its_error() {
    let world = World::new().await;
    let engine = world.engine().await;
    world
        .save("ship", "1.0.0", "do: [{ a: { raise: { error: { type: 'https://example.com/lost', status: 410, title: Lost } } } }]")
        .await;
    let workflow = world.save("order", "1.0.0", &parent_tasks("1.0.0", true)).await;
    let detail = world.play(&engine, workflow, json!({ "n": 1 })).await;
    let error = detail.error.unwrap();
    assert_eq!(
        (error.kind.as_str(), error.status, error.instance.as_str()),
        ("https://example.com/lost", 410, "/do/0/ship")
    );
}

#[tokio::test]
async fn without_waiting_the_parent_goes_on_at_once_and_the_sub_run_outlives_it() {
    let world = World::new().await;
    let engine = world.engine().await;
    world.save("ship", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }]").await;
    let workflow = world.save("order", "1.0.0", &parent_tasks("1.0.0", false)).await;
    let detail = world.play(&engine, workflow, json!({ "n": 1 })).await;
    assert_eq!(detail.output, Some(json!({ "got": { "n": 1 } })));
    let child = child_of(&world, detail.run.id).await;
    world.status(child, RunStatus::Waiting).await;
    engine.halt().await;
    let engine = world.engine().await;
    world.advance(&engine, seconds(3600));
    assert_eq!(world.ended(&engine, child).await.run.status, RunStatus::Completed);
}

#[tokio::test]
async fn cancelling_a_run_cancels_its_sub_runs() {
    let world = World::new().await;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    let engine = world.engine().await;
    world
        .save("leaf", "1.0.0", "do: [{ a: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]")
        .await;
    world
        .save(
            "ship",
            "1.0.0",
            "do: [{ down: { run: { workflow: { namespace: test, name: leaf, version: '1.0.0' } } } }]",
        )
        .await;
    let workflow = world.save("order", "1.0.0", &parent_tasks("1.0.0", true)).await;
    let parent = world.start(&engine, workflow, json!({ "n": 1 })).await;
    let child = child_of(&world, parent).await;
    let leaf = child_of(&world, child).await;
    wait_until("the call", || world.stub.count() == 1).await;
    let reason = wait_for("the reason", || async {
        engine.waiting_for(world.account, parent).await.unwrap().filter(|reason| reason.contains("run_"))
    })
    .await;
    assert_eq!(reason, format!("waits for run {child} of test/ship (task ship)"));
    engine.cancel(world.account, parent).await.unwrap();
    world.status(child, RunStatus::Cancelled).await;
    world.status(leaf, RunStatus::Cancelled).await;
    wait_until("the call to be dropped", || engine.load().effects_in_flight == 0).await;
}

#[tokio::test]
async fn a_parent_that_left_memory_is_woken_by_the_end() {
    let world = World::new().await;
    let engine = world.engine().await;
    world.save("ship", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }, { b: { set: { ok: true } } }]").await;
    let workflow = world.save("order", "1.0.0", &parent_tasks("1.0.0", true)).await;
    let parent = world.start(&engine, workflow, json!({ "n": 1 })).await;
    let child = child_of(&world, parent).await;
    world.status(child, RunStatus::Waiting).await;
    wait_until("both to leave memory", || engine.load().active_runs == 0).await;
    assert_eq!(
        engine.waiting_for(world.account, parent).await.unwrap(),
        Some(format!("waits for run {child} of test/ship (task ship)"))
    );
    world.advance(&engine, seconds(3600));
    let detail = world.ended(&engine, parent).await;
    assert_eq!(detail.output, Some(json!({ "got": { "ok": true } })));
}

#[tokio::test]
async fn an_end_that_came_while_nobody_was_there_is_found() {
    let world = World::new().await;
    let engine = world.engine().await;
    world.save("ship", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }]").await;
    let workflow = world.save("order", "1.0.0", &parent_tasks("1.0.0", true)).await;
    let parent = world.start(&engine, workflow, json!({ "n": 1 })).await;
    let child = child_of(&world, parent).await;
    world.status(child, RunStatus::Waiting).await;
    engine.halt().await;
    // The child ends in an engine that stops before it can tell the parent, which has been here and left by then.
    let faults = Faults::at(Point::AfterEnd, 1).counting();
    let engine = world.engine_with(faults.clone()).await;
    wait_until("the parent to have asked for its sub-run", || faults.passes(Point::AfterSubRun) == 1).await;
    wait_until("both to leave memory", || engine.load().active_runs == 0).await;
    world.advance(&engine, seconds(3600));
    world.status(child, RunStatus::Completed).await;
    wait_until("the crash", || engine.is_stopped()).await;
    engine.halt().await;
    let row = world.store.run(None, parent).await.unwrap().unwrap();
    assert_eq!(row.status, RunStatus::Running, "nobody has told the parent");
    let engine = world.engine().await;
    assert_eq!(world.ended(&engine, parent).await.run.status, RunStatus::Completed);
    assert_eq!(world.store.run_counts(None).await.unwrap().completed, 2, "the sub-run was not started again");
}

#[tokio::test]
async fn an_orphan_is_cancelled_when_it_comes_back() {
    let world = World::new().await;
    let engine = world.engine().await;
    world.save("ship", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }]").await;
    let workflow = world.save("order", "1.0.0", &parent_tasks("1.0.0", true)).await;
    let parent = world.start(&engine, workflow, json!({ "n": 1 })).await;
    let child = child_of(&world, parent).await;
    world.status(child, RunStatus::Waiting).await;
    engine.halt().await;
    // The parent's cancellation is durable; the crash comes before the sub-run learns of it.
    let faults = Faults::at(Point::AfterAppend, 1);
    let engine = world.engine_with(faults).await;
    let _ = engine.cancel(world.account, parent).await;
    engine.halt().await;
    world.status(parent, RunStatus::Cancelled).await;
    assert_eq!(world.store.run(None, child).await.unwrap().unwrap().status, RunStatus::Waiting);
    let engine = world.engine().await;
    world.advance(&engine, seconds(3600));
    assert_eq!(world.ended(&engine, child).await.run.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn runs_do_not_nest_without_end() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world
        .save(
            "self",
            "1.0.0",
            "do: [{ again: { run: { workflow: { namespace: test, name: self, version: latest } } } }]",
        )
        .await;
    let detail = world.play(&engine, workflow, json!({})).await;
    assert_eq!(kind(&detail), "runtime");
    let said = detail.error.unwrap().detail.unwrap();
    assert!(said.contains("nested deeper than 16 levels"), "{said}");
    let faulted = world.store.run_counts(None).await.unwrap().faulted;
    assert_eq!(faulted, i64::from(SUBRUN_DEPTH_MAX) + 1);
}

#[tokio::test]
async fn the_accounts_limit_holds_for_sub_runs() {
    let mut world = World::new().await;
    world.limits.runs_per_account = 1;
    let engine = world.engine().await;
    world.save("ship", "1.0.0", "do: [{ a: { set: { x: 1 } } }]").await;
    let workflow = world.save("order", "1.0.0", &parent_tasks("1.0.0", true)).await;
    let detail = world.play(&engine, workflow, json!({ "n": 1 })).await;
    assert_eq!(kind(&detail), "runtime");
    assert!(detail.error.unwrap().detail.unwrap().contains(&Error::TooManyRuns { limit: 1 }.to_string()));
}
