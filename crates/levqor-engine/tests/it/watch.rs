//! Watching a run: what is told, and when the channel closes.

use levqor_engine::RunUpdate;
use levqor_model::{RunStatus, TaskStatus};
use levqor_testkit::{Reply, Route, wait_until};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use crate::world::{World, seconds};

async fn told(mut updates: tokio::sync::broadcast::Receiver<RunUpdate>) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match updates.recv().await {
            Ok(RunUpdate::Run { status, .. }) => told.push(format!("run {status}")),
            Ok(RunUpdate::Task(task)) => told.push(format!("{} {}", task.name, task.status)),
            Err(RecvError::Closed) => return told,
            Err(RecvError::Lagged(count)) => told.push(format!("lost {count}")),
        }
    }
}

#[tokio::test]
async fn a_watcher_sees_tasks_and_the_end() {
    let world = World::new().await;
    world.stub.route(
        Route::new("/slow")
            .reply(Reply::json(&json!({ "n": 1 })).after(std::time::Duration::from_millis(200))),
    );
    let engine = world.engine().await;
    let workflow = world
        .save(
            "three",
            "1.0.0",
            "do:
              - ask: { call: http, with: { method: get, endpoint: 'STUB/slow' } }
              - pause: { wait: { hours: 1 } }
              - done: { set: { ok: true } }",
        )
        .await;
    let run = world.start(&engine, workflow, json!({})).await;
    let updates = engine.watch(world.account, run).await.unwrap();
    let mut second = engine.watch(world.account, run).await.unwrap();
    world.status(run, RunStatus::Waiting).await;
    wait_until("the run to leave memory", || engine.load().active_runs == 0).await;
    world.advance(&engine, seconds(3600));
    world.ended(&engine, run).await;
    let told = told(updates).await;
    // The watcher came while `ask` was under way: its end is told with the whole record.
    assert_eq!(
        told,
        [
            "ask completed",
            "pause running",
            "pause waiting",
            "run waiting",
            "pause completed",
            "done running",
            "done completed",
            "run completed"
        ]
    );
    match second.recv().await.unwrap() {
        RunUpdate::Task(task) => {
            assert_eq!(
                (task.task, task.status, task.output.clone()),
                (1, TaskStatus::Completed, Some(json!({ "n": 1 })))
            );
            assert_eq!(task.reference, "/do/0/ask");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_ended_run_has_nothing_more_to_tell() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("one", "1.0.0", "do: [{ a: { set: { ok: true } } }]").await;
    let run = world.play(&engine, workflow, json!({})).await.run.id;
    assert_eq!(told(engine.watch(world.account, run).await.unwrap()).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_cancelled_run_closes_its_channel() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("pause", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }]").await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    let updates = engine.watch(world.account, run).await.unwrap();
    engine.cancel(world.account, run).await.unwrap();
    assert_eq!(told(updates).await, ["a cancelled", "run cancelled"]);
}
