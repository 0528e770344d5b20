//! Runs from their start to their end.

use levqor_engine::Error;
use levqor_model::{RunStatus, TaskStatus, WorkflowId, limits::NESTING_MAX};
use levqor_store::{Options, counters::Increment};
use levqor_testkit::{Reply, Route, wait_for, wait_until};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, kind, seconds};

#[tokio::test]
async fn pure_tasks_run_to_their_end() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world
        .save(
            "sum",
            "1.0.0",
            "do:
              - first: { set: { total: '${ .a + .b }' } }
              - twice: { set: { total: '${ .total * 2 }' } }",
        )
        .await;
    let detail = world.play(&engine, workflow, json!({ "a": 2, "b": 3 })).await;
    assert_eq!(detail.run.status, RunStatus::Completed);
    assert_eq!(detail.output, Some(json!({ "total": 10 })));
    assert_eq!((detail.input, detail.error), (json!({ "a": 2, "b": 3 }), None));
    assert!(detail.run.started_at.is_some() && detail.run.ended_at.is_some());
    assert_eq!(detail.run.region.as_str(), "eu-west");
    assert_eq!(engine.waiting_for(world.account, detail.run.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_short_run_is_accepted_with_its_end() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("short", "1.0.0", "do: [{ a: { set: { n: '${ .n + 1 }' } } }]").await;
    let started = world.try_start(&engine, workflow, json!({ "n": 1 })).await.unwrap();
    assert_eq!((started.run.status, &started.output), (RunStatus::Completed, &Some(json!({ "n": 2 }))));
    let stored = engine.run(world.account, started.run.id).await.unwrap();
    assert_eq!(stored.output, started.output);
    assert_eq!(stored.run.ended_at, started.run.ended_at);
    assert_eq!(world.store.journal(started.run.id, None, 10).await.unwrap().len(), 1);

    let broken = world.save("broken", "1.0.0", "do: [{ a: { set: { n: '${ error }' } } }]").await;
    let started = world.try_start(&engine, broken, json!({})).await.unwrap();
    assert_eq!(started.run.status, RunStatus::Faulted);
    assert!(started.error.is_some());

    // It needs something from outside, which comes only after it is durable.
    let wait = world.save("wait", "1.0.0", "do: [{ a: { wait: { seconds: 90 } } }]").await;
    let started = world.try_start(&engine, wait, json!({})).await.unwrap();
    assert_eq!(started.run.status, RunStatus::Waiting);
    assert_eq!(world.store.timers_count().await.unwrap(), 1);
}

/// What the engine remembers of a workflow may have been changed by another node.
#[tokio::test]
async fn a_start_takes_the_version_that_is_current_then() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("one", "1.0.0", "do: [{ a: { set: { v: 1 } } }]").await;
    let started =
        async || world.try_start(&engine, workflow, json!({})).await.map(|detail| detail.run.version);
    for _ in 0..2 {
        assert_eq!(started().await.unwrap(), "1.0.0");
    }
    assert_eq!(world.save("one", "2.0.0", "do: [{ a: { set: { v: 2 } } }]").await, workflow);
    for _ in 0..2 {
        assert_eq!(started().await.unwrap(), "2.0.0");
    }
    assert!(world.store.delete_workflow(world.account, workflow, world.now()).await.unwrap());
    for _ in 0..2 {
        assert!(matches!(started().await, Err(Error::WorkflowNotFound(id)) if id == workflow));
    }
    let counts = world.store.run_counts(Some(world.account)).await.unwrap();
    assert_eq!(counts.completed, 4, "a refusal accepts nothing");
}

#[tokio::test]
async fn a_call_sends_its_key_and_gives_its_answer() {
    let world = World::new().await;
    world.stub.route(Route::new("/charge").reply(Reply::json(&json!({ "paid": true }))));
    let engine = world.engine().await;
    let workflow = world
        .save(
            "order",
            "1.0.0",
            "do:
              - charge:
                  call: http
                  with: { method: post, endpoint: 'STUB/charge', body: { amount: '${ .amount }' } }
              - done: { set: { result: '${ .paid }' } }",
        )
        .await;
    let detail = world.play(&engine, workflow, json!({ "amount": 5 })).await;
    assert_eq!(detail.output, Some(json!({ "result": true })), "{:?}", detail.error);
    let requests = world.stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].json(), json!({ "amount": 5 }));
    let key = requests[0].idempotency_key().unwrap();
    assert_eq!(key, format!("{}/do/0/charge/0", detail.run.id));
    assert!(requests[0].header("user-agent").unwrap().starts_with("levqor/"));

    let tasks = engine.tasks(world.account, detail.run.id, None, 10).await.unwrap();
    let shown: Vec<_> = tasks.iter().map(|task| (task.task, task.name.as_str(), task.status)).collect();
    assert_eq!(shown, [(1, "charge", TaskStatus::Completed), (2, "done", TaskStatus::Completed)]);
    assert_eq!(tasks[0].output, Some(json!({ "paid": true })));
    assert_eq!(tasks[0].region.as_str(), "eu-west");
    let second = engine.tasks(world.account, detail.run.id, Some(1), 10).await.unwrap();
    assert_eq!(second.len(), 1);
    assert_eq!(engine.tasks(world.account, detail.run.id, None, 1).await.unwrap(), tasks[..1]);
}

#[tokio::test]
async fn a_failed_call_faults_the_run_with_what_was_said() {
    let world = World::new().await;
    world.stub.route(Route::new("/x").reply(Reply::text("no funds").with_status(402)));
    let detail =
        world.play_tasks("[{ pay: { call: http, with: { method: get, endpoint: 'STUB/x' } } }]").await;
    assert_eq!(detail.run.status, RunStatus::Faulted);
    let error = detail.error.clone().unwrap();
    assert_eq!((kind(&detail), error.status, error.instance.as_str()), ("communication", 402, "/do/0/pay"));
    assert_eq!(error.title.as_deref(), Some("Payment Required"));
    assert_eq!(error.detail.as_deref(), Some("GET 127.0.0.1 answered 402: no funds"));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let mut world = World::new().await;
    world.limits.runs_per_account = 2;
    let engine = world.engine().await;
    let workflow = world.save("pause", "1.0.0", "do: [{ pause: { wait: { hours: 1 } } }]").await;

    let unknown = WorkflowId::new(world.now(), &*world.random);
    let error = world.try_start(&engine, unknown, json!({})).await.unwrap_err();
    assert!(matches!(error, Error::WorkflowNotFound(id) if id == unknown));

    let mut request = world.request(workflow, json!({}));
    request.version = Some("9.9.9".to_owned());
    assert!(matches!(engine.start_run(request).await, Err(Error::VersionNotFound { .. })));

    let deep = (0..=NESTING_MAX).fold(json!(1), |inner, _| json!([inner]));
    assert!(matches!(world.try_start(&engine, workflow, deep).await, Err(Error::InputTooDeep(64))));

    let large = Value::String("x".repeat(2 * 1024 * 1024));
    assert!(matches!(
        world.try_start(&engine, workflow, large).await,
        Err(Error::InputTooLarge { bytes: 2_097_154, max: 1_048_576 })
    ));

    world.start(&engine, workflow, json!({})).await;
    let second = world.start(&engine, workflow, json!({})).await;
    assert!(matches!(
        world.try_start(&engine, workflow, json!({})).await,
        Err(Error::TooManyRuns { limit: 2 })
    ));
    // An end makes room again.
    world.status(second, RunStatus::Waiting).await;
    engine.cancel(world.account, second).await.unwrap();
    world.start(&engine, workflow, json!({})).await;

    engine.drain(PATIENCE).await;
    assert!(matches!(world.try_start(&engine, workflow, json!({})).await, Err(Error::Draining)));
}

#[tokio::test]
async fn a_long_pure_run_lets_others_through() {
    let world = World::new().await;
    let engine = world.engine().await;
    let long = world
        .save(
            "long",
            "1.0.0",
            "do: [{ loop: { for: { each: n, in: '${ [range(5000)] }' }, do: [{ step: { set: { n: '${ $n }' } } }] } }]",
        )
        .await;
    let short = world.save("short", "1.0.0", "do: [{ one: { set: { ok: true } } }]").await;
    let long = world.start(&engine, long, json!({})).await;
    let detail = world.play(&engine, short, json!({})).await;
    assert_eq!(detail.run.status, RunStatus::Completed);
    let detail = world.ended(&engine, long).await;
    assert_eq!(detail.output, Some(json!({ "n": 4999 })), "{:?}", detail.error);
}

#[tokio::test]
async fn runs_beyond_the_places_wait_and_come_through() {
    let mut world = World::new().await;
    world.limits.active_runs = 2;
    world.stub.route(Route::new("/slow").reply(Reply::default().after(std::time::Duration::from_millis(20))));
    let engine = world.engine().await;
    let workflow = world
        .save("slow", "1.0.0", "do: [{ ask: { call: http, with: { method: get, endpoint: 'STUB/slow' } } }]")
        .await;
    let mut runs = Vec::new();
    for _ in 0..12 {
        runs.push(world.start(&engine, workflow, json!({})).await);
        assert!(engine.load().active_runs <= 3);
    }
    for run in runs {
        assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed);
    }
    assert_eq!(world.stub.keys().len(), 12);
    assert_eq!(world.stub.count(), 12);
}

#[tokio::test]
async fn overload_is_said_and_what_was_accepted_still_ends() {
    let world = World::with(levqor_store::Options { queue: 2, ..Default::default() }).await;
    let engine = world.engine().await;
    let workflow = world.save("one", "1.0.0", "do: [{ a: { set: { ok: true } } }]").await;
    // Others keep the store's queue full with large writes.
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, at) = (world.store.clone(), world.now());
        others.spawn(async move {
            loop {
                let counts =
                    (0..500).map(|n| Increment { name: "load", at: at + seconds(n), by: 1 }).collect();
                store.add_counts(counts).await.unwrap();
            }
        });
    }
    let mut accepted = Vec::new();
    loop {
        match world.try_start(&engine, workflow, json!({})).await {
            Ok(detail) => accepted.push(detail.run.id),
            Err(Error::Overloaded { retry_after }) => {
                assert!(retry_after > std::time::Duration::ZERO);
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    others.shutdown().await;
    let after = wait_for("room", || async { world.try_start(&engine, workflow, json!({})).await.ok() }).await;
    accepted.push(after.run.id);
    for run in &accepted {
        assert_eq!(world.ended(&engine, *run).await.run.status, RunStatus::Completed);
    }
    assert_eq!(world.store.run_counts(None).await.unwrap().completed, accepted.len() as i64);
}

#[tokio::test]
async fn calls_in_flight_are_bounded() {
    let mut world = World::new().await;
    world.limits.effects = 3;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    let engine = world.engine().await;
    let workflow = world
        .save("hang", "1.0.0", "do: [{ ask: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]")
        .await;
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.push(world.start(&engine, workflow, json!({})).await);
    }
    wait_until("three calls", || world.stub.count() == 3).await;
    assert_eq!(engine.load().effects_in_flight, 3);
    let reason = engine.waiting_for(world.account, runs[0]).await.unwrap();
    assert_eq!(reason.as_deref(), Some("calls GET 127.0.0.1 (task ask)"));
    // Room for the next ones comes with an abandoned call.
    engine.cancel(world.account, runs[0]).await.unwrap();
    wait_until("a fourth call", || world.stub.count() == 4).await;
}

#[tokio::test]
async fn draining_lets_calls_end_and_leaves_the_rest() {
    let world = World::new().await;
    world
        .stub
        .route(Route::new("/slow").reply(Reply::default().after(std::time::Duration::from_millis(100))));
    let engine = world.engine().await;
    let workflow = world
        .save(
            "two",
            "1.0.0",
            "do:
              - first: { call: http, with: { method: get, endpoint: 'STUB/slow' } }
              - second: { call: http, with: { method: get, endpoint: 'STUB/second' } }",
        )
        .await;
    let run = world.start(&engine, workflow, json!({})).await;
    wait_until("the first call", || world.stub.count() == 1).await;
    engine.drain(PATIENCE).await;
    assert_eq!(world.stub.requests_to("/second").len(), 0, "no new call after draining began");
    let nodes = world.store.nodes(None).await.unwrap();
    assert!(nodes[0].stopped_at.is_some());

    let next = world.engine().await;
    assert_eq!(world.ended(&next, run).await.run.status, RunStatus::Completed);
    assert_eq!(world.stub.requests_to("/slow").len(), 1, "the first call's answer was kept");
    assert_eq!(world.stub.requests_to("/second").len(), 1);
}

#[tokio::test]
async fn a_hanging_call_does_not_outlive_the_patience_of_a_drain() {
    let world = World::new().await;
    world.stub.route(Route::new("/hang").reply(Reply::hang()).reply(Reply::default()));
    let engine = world.engine().await;
    let workflow = world
        .save("hang", "1.0.0", "do: [{ ask: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]")
        .await;
    let run = world.start(&engine, workflow, json!({})).await;
    wait_until("the call", || world.stub.count() == 1).await;
    engine.drain(std::time::Duration::from_millis(50)).await;
    let next = world.engine().await;
    assert_eq!(world.ended(&next, run).await.run.status, RunStatus::Completed);
    assert_eq!(world.stub.keys().into_values().collect::<Vec<_>>(), [2], "the same call, under the same key");
}

#[tokio::test]
async fn waiting_for_an_end_has_an_end() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("pause", "1.0.0", "do: [{ pause: { wait: { hours: 1 } } }]").await;
    let run = world.start(&engine, workflow, json!({})).await;
    let detail = engine.wait_ended(world.account, run, std::time::Duration::from_millis(20)).await.unwrap();
    assert!(!detail.run.status.is_ended());
    world.status(run, RunStatus::Waiting).await;
    let reason = engine.waiting_for(world.account, run).await.unwrap();
    assert_eq!(reason.as_deref(), Some("waits until 2026-11-24T01:00:00Z (task pause)"));
    world.advance(&engine, seconds(3600));
    assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_damaged_row_holds_up_no_other_and_is_told() {
    let directory = levqor_testkit::temp_dir();
    let path = directory.path().join("levqor.db");
    let mut world = World::with(Options::file(path.clone())).await;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    // One place, so that what comes after the first has not begun.
    world.limits.active_runs = 1;
    let engine = world.engine().await;
    let hang = world
        .save("hang", "1.0.0", "do: [{ a: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]")
        .await;
    let quick = world.save("quick", "1.0.0", "do: [{ a: { set: { x: 1 } } }]").await;
    let damaged = world.start(&engine, hang, json!({})).await;
    wait_until("the call", || world.stub.count() == 1).await;
    let behind = world.start(&engine, quick, json!({})).await;
    engine.halt().await;
    let set_region = |region: &str| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let sql = "UPDATE runs SET region = ?1 WHERE run_id = ?2";
        assert_eq!(connection.execute(sql, [region, &damaged.to_string()]).unwrap(), 1);
    };
    set_region("eu%west");

    let engine = world.engine().await;
    assert_eq!(world.ended(&engine, behind).await.run.status, RunStatus::Completed);
    let failure = engine.failure().expect("it is told");
    assert!(failure.contains(&damaged.to_string()) && failure.contains("column region"), "{failure}");
    engine.halt().await;

    set_region("eu-west");
    let engine = world.engine().await;
    wait_until("the call again", || world.stub.count() == 2).await;
    assert_eq!(engine.failure(), None);
    engine.halt().await;
}
