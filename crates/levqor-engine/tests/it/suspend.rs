//! Suspended runs: durable, still, and whole when they go on.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use levqor_engine::{
    Error, egress,
    fault::{Callee, Faults, Point},
};
use levqor_flow::machine::{HttpRequest, Outcome};
use levqor_model::{RunStatus, TaskStatus};
use levqor_testkit::{Reply, Route, wait_until};
use serde_json::json;

use crate::world::{World, kind, seconds};

const TWO_CALLS: &str = "do:
  - first: { call: http, with: { method: post, endpoint: 'STUB/first' } }
  - second: { call: http, with: { method: post, endpoint: 'STUB/second' } }";

/// Answers when it is told to.
#[derive(Debug)]
struct Gate {
    asked: Mutex<Vec<String>>,
    answers: tokio::sync::Semaphore,
}

impl Callee for Gate {
    fn answer<'a>(&'a self, call: &'a HttpRequest) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        self.asked.lock().unwrap().push(call.uri.rsplit('/').next().unwrap_or_default().to_owned());
        Box::pin(async {
            self.answers.acquire().await.unwrap().forget();
            Outcome::Output(json!({}))
        })
    }
}

#[tokio::test]
async fn a_result_that_comes_while_a_run_is_suspended_survives_everything() {
    let world = World::new().await;
    let gate = Arc::new(Gate { asked: Mutex::default(), answers: tokio::sync::Semaphore::new(0) });
    let client = egress::Client::new(world.policy.clone(), "test");
    let faults = || Faults::default().calling(gate.clone(), client.clone());
    let asked = || gate.asked.lock().unwrap().clone();
    let engine = world.engine_with(faults()).await;
    let workflow = world.save("two", "1.0.0", TWO_CALLS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    wait_until("the call", || asked().len() == 1).await;

    let suspended = engine.suspend(world.account, run, "ada").await.unwrap().run;
    assert_eq!(suspended.status, RunStatus::Suspended);
    let sentence = "is suspended by ada since 2026-11-24T00:00:00Z";
    assert_eq!(engine.waiting_for(world.account, run).await.unwrap().as_deref(), Some(sentence));
    assert_eq!(
        engine.suspend(world.account, run, "bob").await.unwrap().run.waiting_for.as_deref(),
        Some(sentence)
    );
    let tasks = engine.tasks(world.account, run, None, 10).await.unwrap();
    assert_eq!(tasks[0].status, TaskStatus::Suspended);

    gate.answers.add_permits(2);
    wait_until("the run to leave memory", || engine.load().active_runs == 0).await;
    engine.halt().await;
    let engine = world.engine_with(faults()).await;
    world.advance(&engine, seconds(60));
    assert_eq!(engine.resume(world.account, run).await.unwrap().run.id, run);
    assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed);
    assert_eq!(asked(), ["first", "second"], "the answer was kept, and nothing was sent meanwhile");
    assert!(matches!(
        engine.suspend(world.account, run, "ada").await,
        Err(Error::RunEnded { status: RunStatus::Completed, .. })
    ));
    assert!(matches!(engine.resume(world.account, run).await, Err(Error::RunEnded { .. })));
}

#[tokio::test]
async fn what_was_sent_before_a_crash_stays_in_the_history() {
    let world = World::new().await;
    let gate = Arc::new(Gate { asked: Mutex::default(), answers: tokio::sync::Semaphore::new(0) });
    let client = egress::Client::new(world.policy.clone(), "test");
    let faults = || Faults::default().calling(gate.clone(), client.clone());
    // More than one slice of work, and its call comes last.
    let sets: String = (0..40).map(|nth| format!("  - s{nth}: {{ set: {{ n: {nth} }} }}\n")).collect();
    let last = "  - ask: { call: http, with: { method: post, endpoint: 'STUB/last' } }";
    let workflow = world.save("long", "1.0.0", &format!("do:\n{sets}{last}")).await;

    let engine = world.engine_with(faults()).await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(world.start(&engine, workflow, json!({})).await);
    }
    wait_until("the calls", || gate.asked.lock().unwrap().len() == runs.len()).await;
    engine.halt().await;
    let engine = world.engine_with(faults()).await;
    for run in &runs {
        engine.suspend(world.account, *run, "ada").await.unwrap();
    }
    for run in &runs {
        let entries = world.store.journal(*run, None, 10).await.unwrap();
        let events: Vec<serde_json::Value> =
            entries.iter().flat_map(|entry| serde_json::from_str::<Vec<_>>(&entry.events).unwrap()).collect();
        let begun = events.iter().find_map(|event| event.get("tasks_begun"));
        assert_eq!(begun, Some(&json!(41)), "{events:?}");
    }
}

#[tokio::test]
async fn a_wait_is_over_late_and_a_timeout_is_not_used_up() {
    let world = World::new().await;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    let engine = world.engine().await;
    let pause = world.save("pause", "1.0.0", "do: [{ a: { wait: { minutes: 1 } } }]").await;
    let late = world
        .save(
            "late",
            "1.0.0",
            "do: [{ ask: { call: http, with: { method: get, endpoint: 'STUB/hang' }, timeout: { after: { seconds: 100 } } } }]",
        )
        .await;
    let (wait, call) =
        (world.start(&engine, pause, json!({})).await, world.start(&engine, late, json!({})).await);
    world.status(wait, RunStatus::Waiting).await;
    wait_until("the call", || world.stub.count() == 1).await;
    for run in [wait, call] {
        engine.suspend(world.account, run, "ada").await.unwrap();
    }
    assert_eq!(world.store.timers_count().await.unwrap(), 0, "nothing wakes what is suspended");
    world.advance(&engine, seconds(3600));
    let engine = {
        engine.halt().await;
        world.engine().await
    };
    for run in [wait, call] {
        assert_eq!(world.store.run(None, run).await.unwrap().unwrap().status, RunStatus::Suspended);
        engine.resume(world.account, run).await.unwrap();
    }
    assert_eq!(world.ended(&engine, wait).await.run.status, RunStatus::Completed, "at once");
    wait_until("the call to be made again", || world.stub.count() == 2).await;
    world.advance(&engine, seconds(99));
    assert_eq!(world.store.run(None, call).await.unwrap().unwrap().status, RunStatus::Running);
    world.advance(&engine, seconds(1));
    assert_eq!(kind(&world.ended(&engine, call).await), "timeout");
}

#[tokio::test]
async fn sub_runs_go_on_and_a_suspended_run_can_be_cancelled() {
    let world = World::new().await;
    let engine = world.engine().await;
    world.save("below", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }, { b: { set: { ok: true } } }]").await;
    let workflow = world
        .save(
            "above",
            "1.0.0",
            "do: [{ down: { run: { workflow: { namespace: test, name: below, version: '1.0.0' } } } }]",
        )
        .await;
    let parents =
        [world.start(&engine, workflow, json!({})).await, world.start(&engine, workflow, json!({})).await];
    wait_until("the sub-runs", || engine.load().timers_near + engine.load().active_runs == 0).await;
    for parent in parents {
        engine.suspend(world.account, parent, "ada").await.unwrap();
    }
    let cancelled = engine.cancel(world.account, parents[1]).await.unwrap();
    assert_eq!(cancelled.run.status, RunStatus::Cancelled);
    world.advance(&engine, seconds(3600));
    levqor_testkit::wait_for("the sub-run of the suspended one to end", || async {
        let counts = world.store.run_counts(None).await.unwrap();
        (counts.completed == 1 && counts.suspended == 1 && counts.cancelled == 2).then_some(())
    })
    .await;
    engine.resume(world.account, parents[0]).await.unwrap();
    assert_eq!(world.ended(&engine, parents[0]).await.output, Some(json!({ "ok": true })));
}

#[tokio::test]
async fn a_run_that_waits_for_a_place_is_suspended_before_its_first_task() {
    let mut world = World::new().await;
    world.limits.active_runs = 1;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    let engine = world.engine().await;
    let hang = world
        .save("hang", "1.0.0", "do: [{ a: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]")
        .await;
    let first = world.start(&engine, hang, json!({})).await;
    let workflow = world.save("two", "1.0.0", TWO_CALLS).await;
    let queued = world.start(&engine, workflow, json!({})).await;
    let last = world.start(&engine, workflow, json!({})).await;
    let sentence = engine.waiting_for(world.account, last).await.unwrap().unwrap();
    assert!(sentence.contains("queue") || sentence == "waits for a free place on a node", "{sentence}");
    engine.suspend(world.account, queued, "ada").await.unwrap();
    assert_eq!(engine.tasks(world.account, queued, None, 10).await.unwrap().len(), 0);
    // So is one cancelled. Neither has begun.
    let gone = world.start(&engine, workflow, json!({})).await;
    engine.cancel(world.account, gone).await.unwrap();
    let gone = world.ended(&engine, gone).await.run;
    assert_eq!((gone.status, gone.started_at), (RunStatus::Cancelled, None));
    engine.cancel(world.account, first).await.unwrap();
    world.ended(&engine, last).await;
    let still = world.store.run(None, queued).await.unwrap().unwrap();
    assert_eq!((still.status, still.started_at), (RunStatus::Suspended, None));
    assert_eq!(world.stub.requests_to("/first").len(), 1);
    world.advance(&engine, seconds(60));
    let resumed_at = world.now();
    engine.resume(world.account, queued).await.unwrap();
    let ended = world.ended(&engine, queued).await.run;
    assert_eq!((ended.status, ended.started_at), (RunStatus::Completed, Some(resumed_at)));
}

#[tokio::test]
async fn a_crash_around_a_suspension_loses_neither_it_nor_the_run() {
    for point in [Point::BeforeAppend, Point::AfterAppend] {
        let world = World::new().await;
        let workflow = world.save("pause", "1.0.0", "do: [{ a: { wait: { minutes: 1 } } }]").await;
        let engine = world.engine().await;
        let run = world.start(&engine, workflow, json!({})).await;
        world.status(run, RunStatus::Waiting).await;
        wait_until("the run to leave memory", || engine.load().active_runs == 0).await;
        engine.halt().await;
        let engine = world.engine_with(Faults::at(point, 1)).await;
        let _ = engine.suspend(world.account, run, "ada").await;
        assert!(engine.is_stopped());
        engine.halt().await;
        let engine = world.engine().await;
        world.advance(&engine, seconds(60));
        if point == Point::AfterAppend {
            assert_eq!(world.store.run(None, run).await.unwrap().unwrap().status, RunStatus::Suspended);
            engine.resume(world.account, run).await.unwrap();
        }
        assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed, "{point:?}");
    }
}
