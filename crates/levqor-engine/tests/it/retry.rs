//! Retries: those of the document, and those that a person asks for.

use levqor_engine::{
    Changes, Error, RetryFrom,
    fault::{Faults, Point},
};
use levqor_model::{RunStatus, TriggerKind};
use levqor_store::idempotency::{Claim, KeyClaim};
use levqor_testkit::{Reply, Route, wait_until};
use serde_json::json;

use crate::world::{World, seconds};

const TRY: &str = "do:
  - safe:
      try: [{ pay: { call: http, with: { method: post, endpoint: 'STUB/pay' } } }]
      catch: { retry: { delay: { seconds: 2 }, backoff: { exponential: {} }, limit: { attempt: { count: 3 } } } }";

async fn step(world: &World, engine: &levqor_engine::Engine, calls: usize, delay: u64) {
    wait_until("the call", || world.stub.count() == calls).await;
    wait_until("the delay", || engine.load().timers_near == 1).await;
    world.advance(engine, seconds(delay));
}

#[tokio::test]
async fn an_answered_attempt_renews_the_key_and_an_unanswered_one_keeps_it() {
    // What the first three attempts meet, and the group of the key that each of the four has.
    let rows = [
        ([Reply::status(503), Reply::status(500), Reply::status(503)], [0, 1, 2, 3]),
        ([Reply::close(), Reply::close(), Reply::status(503)], [0, 0, 0, 1]),
        ([Reply::status(503), Reply::close(), Reply::close()], [0, 1, 1, 1]),
    ];
    for (replies, groups) in rows {
        let world = World::new().await;
        let mut route = Route::new("/pay");
        for reply in replies {
            route = route.reply(reply);
        }
        world.stub.route(route.reply(Reply::default()));
        let engine = world.engine().await;
        let workflow = world.save("pay", "1.0.0", TRY).await;
        let run = world.start(&engine, workflow, json!({})).await;
        for (calls, delay) in [(1, 2), (2, 4), (3, 8)] {
            step(&world, &engine, calls, delay).await;
        }
        let detail = world.ended(&engine, run).await;
        assert_eq!(detail.run.status, RunStatus::Completed, "{:?}", detail.error);
        let keys: Vec<_> = world
            .stub
            .requests()
            .iter()
            .map(|request| request.idempotency_key().unwrap().to_owned())
            .collect();
        let expected: Vec<_> =
            groups.iter().map(|group| format!("{run}/do/0/safe/try/0/pay/{group}")).collect();
        assert_eq!(keys, expected);
        let attempts: Vec<_> = engine
            .tasks(world.account, run, None, 100)
            .await
            .unwrap()
            .iter()
            .filter(|task| task.name == "pay")
            .map(|task| task.attempt)
            .collect();
        assert_eq!(attempts, [1, 2, 3, 4]);
    }
}

#[tokio::test]
async fn a_faulted_run_goes_on_from_the_task_that_failed() {
    let world = World::new().await;
    world.stub.route(Route::new("/pay").reply(Reply::status(503)).reply(Reply::json(&json!({ "ok": 1 }))));
    let engine = world.engine().await;
    let workflow = world
        .save(
            "order",
            "1.0.0",
            "do:
              - first: { call: http, with: { method: get, endpoint: 'STUB/first' } }
              - pay: { call: http, with: { method: post, endpoint: 'STUB/pay' } }",
        )
        .await;
    let run = world.play(&engine, workflow, json!({})).await.run;
    assert_eq!(run.status, RunStatus::Faulted);
    let again = engine.retry(world.account, run.id, RetryFrom::Failed).await.unwrap();
    assert_eq!(again.run.id, run.id);
    let detail = world.ended(&engine, run.id).await;
    assert_eq!((detail.run.status, detail.output), (RunStatus::Completed, Some(json!({ "ok": 1 }))));
    assert_eq!(detail.error, None);
    assert_eq!(world.stub.requests_to("/first").len(), 1, "what was done is not done again");
    assert_eq!(world.stub.requests_to("/pay").len(), 2);
    assert!(matches!(
        engine.retry(world.account, run.id, RetryFrom::Failed).await,
        Err(Error::NotFaulted { status: RunStatus::Completed, .. })
    ));
}

#[tokio::test]
async fn an_ended_run_is_run_again_from_its_start() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("sum", "1.0.0", "do: [{ a: { set: { twice: '${ .n * 2 }' } } }]").await;
    let first = world.play(&engine, workflow, json!({ "n": 4 })).await;
    world.save("sum", "2.0.0", "do: [{ a: { set: { other: true } } }]").await;
    let again = engine.retry(world.account, first.run.id, RetryFrom::Start).await.unwrap();
    assert_ne!(again.run.id, first.run.id);
    assert_eq!((again.run.trigger, again.run.retry_of), (TriggerKind::Retry, Some(first.run.id)));
    let detail = world.ended(&engine, again.run.id).await;
    assert_eq!((detail.run.version.as_str(), detail.output), ("1.0.0", Some(json!({ "twice": 8 }))));

    let pause = world.save("pause", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }]").await;
    let live = world.start(&engine, pause, json!({})).await;
    for from in [RetryFrom::Start, RetryFrom::Failed] {
        let error = engine.retry(world.account, live, from).await.unwrap_err();
        assert!(matches!(error, Error::NotEnded { .. } | Error::NotFaulted { .. }), "{error}");
    }
}

const STEPS: &str = "do:
  - first: { call: http, with: { method: get, endpoint: 'STUB/first' }, export: { as: '{ first: . }' } }
  - inner: { do: [{ pay: { call: http, with: { method: post, endpoint: 'STUB/pay', body: '${ . }' } } }] }
  - safe: { try: [{ x: { set: '${ . }' } }], catch: { do: [{ y: { set: '${ . }' } }] } }
  - done: { set: { got: '${ . }', first: '${ $context.first }' } }";

#[tokio::test]
async fn a_new_run_begins_at_a_task_of_another_with_its_data() {
    let world = World::new().await;
    world.stub.route(Route::new("/first").reply(Reply::json(&json!({ "n": 1 }))));
    world.stub.route(Route::new("/pay").reply(Reply::json(&json!("paid"))));
    let engine = world.engine().await;
    let workflow = world.save("steps", "1.0.0", STEPS).await;
    let run = world.play(&engine, workflow, json!({})).await.run.id;
    let task = |pointer: &str| RetryFrom::Task(pointer.to_owned());
    let expected = json!({ "got": "paid", "first": { "n": 1 } });

    let fork = engine.retry(world.account, run, task("/do/1/inner/do/0/pay")).await.unwrap();
    assert_eq!((fork.run.trigger, fork.run.retry_of), (TriggerKind::Retry, Some(run)));
    assert_eq!(world.ended(&engine, fork.run.id).await.output, Some(expected));
    assert_eq!(world.stub.requests_to("/first").len(), 1, "what came before is not done again");
    let keys: Vec<_> = world
        .stub
        .requests_to("/pay")
        .iter()
        .map(|request| request.idempotency_key().unwrap().to_owned())
        .collect();
    assert_eq!(
        keys,
        [format!("{run}/do/1/inner/do/0/pay/0"), format!("{}/do/1/inner/do/0/pay/0", fork.run.id)]
    );

    let changes = Changes { input: Some(json!({ "n": 9 })), ..Changes::default() };
    let edited = engine.retry_with(world.account, run, task("/do/1/inner"), changes).await.unwrap();
    world.ended(&engine, edited.run.id).await;
    assert_eq!(world.stub.requests_to("/pay")[2].json(), json!({ "n": 9 }));
    // A fork survives a restart, and can be forked.
    engine.halt().await;
    let engine = world.engine().await;
    let tasks = engine.tasks(world.account, fork.run.id, None, 10).await.unwrap();
    let names: Vec<_> = tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["inner", "pay", "safe", "x", "done"]);
    let again = engine.retry(world.account, fork.run.id, task("/do/3/done")).await.unwrap();
    let detail = world.ended(&engine, again.run.id).await;
    assert_eq!(detail.output, Some(json!({ "got": "paid", "first": { "n": 1 } })));

    let refused = engine.retry(world.account, run, task("/do/2/safe/try/0/x")).await.unwrap_err().to_string();
    assert!(
        refused.contains("/do/0/first, /do/1/inner, /do/1/inner/do/0/pay, /do/2/safe, /do/3/done"),
        "{refused}"
    );
    let missed = engine.retry(world.account, fork.run.id, task("/do/0/first")).await.unwrap_err();
    assert!(matches!(missed, Error::NeverBegan { .. }), "{missed}");
}

#[tokio::test]
async fn a_run_goes_on_with_another_version_or_is_told_why_not() {
    let world = World::new().await;
    world.stub.route(Route::new("/wrong").reply(Reply::status(404)));
    let engine = world.engine().await;
    let text = |first: &str, second: &str| {
        format!(
            "do:
              - a: {{ call: http, with: {{ method: get, endpoint: 'STUB/{first}' }} }}
              - b: {{ call: http, with: {{ method: get, endpoint: 'STUB/{second}' }} }}"
        )
    };
    let workflow = world.save("moving", "1.0.0", &text("a", "wrong")).await;
    world.save("moving", "1.1.0", &text("a", "right")).await;
    world.save("moving", "2.0.0", &text("other", "right")).await;
    let mut request = world.request(workflow, json!({}));
    request.version = Some("1.0.0".to_owned());
    let run = engine.start_run(request).await.unwrap().run.id;
    assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Faulted);
    let to = |version: &str| Changes { version: Some(version.to_owned()), ..Changes::default() };
    let failed = || RetryFrom::Failed;

    let refused = engine.retry_with(world.account, run, failed(), to("2.0.0")).await.unwrap_err().to_string();
    assert!(refused.contains("run it again from its start") && refused.contains("/other"), "{refused}");
    let missing = engine.retry_with(world.account, run, failed(), to("9.9.9")).await.unwrap_err();
    assert!(matches!(missing, Error::VersionNotFound { .. }), "{missing}");
    let kept = Changes { input: Some(json!(1)), ..Changes::default() };
    assert!(matches!(engine.retry_with(world.account, run, failed(), kept).await, Err(Error::InputKept)));
    engine.retry_with(world.account, run, failed(), to("1.1.0")).await.unwrap();
    let detail = world.ended(&engine, run).await;
    assert_eq!((detail.run.status, detail.run.version.as_str()), (RunStatus::Completed, "1.1.0"));
    assert_eq!(world.stub.requests_to("/a").len(), 1);
    let edited = Changes { input: Some(json!({ "n": 2 })), ..to("2.0.0") };
    let again = engine.retry_with(world.account, run, RetryFrom::Start, edited).await.unwrap();
    let again = world.ended(&engine, again.run.id).await;
    assert_eq!((again.run.version.as_str(), &again.input), ("2.0.0", &json!({ "n": 2 })));
    engine.halt().await;
    let engine = world.engine().await;
    let tasks = engine.tasks(world.account, run, None, 10).await.unwrap();
    assert_eq!(tasks.iter().map(|task| task.attempt).collect::<Vec<_>>(), [1, 1, 2]);
}

#[tokio::test]
async fn a_request_that_died_after_its_run_was_accepted_starts_no_second() {
    let world = World::new().await;
    let workflow = world.save("one", "1.0.0", "do: [{ a: { set: { ok: true } } }]").await;
    let key = || KeyClaim { scope: world.account.to_string(), key: "key".to_owned() };
    let claim = async || {
        let (KeyClaim { scope, key }, now) = (key(), world.now());
        world
            .store
            .claim_idempotency(
                "node_00000000000000000000000001".parse().unwrap(),
                scope,
                key,
                [1; 32],
                now,
                now - seconds(60),
            )
            .await
            .unwrap()
    };
    assert_eq!(claim().await, Claim::Yours);
    let engine = world.engine_with(Faults::at(Point::AfterAccept, 1)).await;
    let lost = engine.start_run_once(world.request(workflow, json!({})), Some(key())).await;
    assert!(lost.is_err() && engine.is_stopped());
    engine.halt().await;
    world.clock.advance(seconds(61));
    assert_eq!(claim().await, Claim::Yours, "the claim is stale");
    let engine = world.engine().await;
    let found = engine.start_run_once(world.request(workflow, json!({})), Some(key())).await.unwrap();
    world.ended(&engine, found.run.id).await;
    let runs = world.store.runs_of(None, Default::default(), None, 10).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [found.run.id]);
}
