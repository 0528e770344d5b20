//! Retries: those of the document, and those that a person asks for.

use levqor_engine::{Error, RetryFrom};
use levqor_model::{RunStatus, TriggerKind};
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
