//! The life of runs, delivered to a sink outside.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use levqor_engine::{
    Engine, RetryFrom,
    fault::{Faults, Point},
    sink::Sink,
};
use levqor_model::{RunStatus, Secret};
use levqor_store::sink::SinkLoad;
use levqor_testkit::{Received, Reply, Route, wait_for};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{World, seconds};

const WORKS: &str = "do:
- make: { set: { n: 1 } }
- fails: { raise: { error: { type: 'urn:no', status: 418 } } }";

/// A world with a sink at its stub, which forgives failures soon.
async fn world(shape: impl FnOnce(Sink) -> Sink) -> World {
    let mut world = World::new().await;
    let sink = Sink::new(&world.stub.url("/sink")).unwrap();
    world.sink = Some(shape(sink.pausing(std::time::Duration::from_millis(5))));
    world
}

/// What the sink has been sent, once all of it has been delivered.
async fn sent(world: &World) -> Vec<Received> {
    wait_for("the delivery", || async {
        let load = world.store.sink_load().await.unwrap();
        (load == SinkLoad::default()).then(|| world.stub.requests_to("/sink"))
    })
    .await
}

/// Types and places.
fn shown(events: &[Value]) -> Vec<String> {
    let line = |event: &Value| {
        let kind = event["type"].as_str().unwrap();
        let kind = kind.strip_prefix("io.serverlessworkflow.").unwrap().strip_suffix(".v1").unwrap();
        format!("{kind} {}", event["data"]["task"].as_str().unwrap_or_default()).trim_end().to_owned()
    };
    events.iter().map(line).collect()
}

fn each(received: &[Received]) -> Vec<Value> {
    received.iter().map(Received::json).collect()
}

const LIFE: [&str; 8] = [
    "workflow.started",
    "task.created /do/0/make",
    "task.started /do/0/make",
    "task.completed /do/0/make",
    "task.created /do/1/fails",
    "task.started /do/1/fails",
    "task.faulted /do/1/fails",
    "workflow.faulted",
];

#[tokio::test]
async fn all_of_a_life_is_delivered_in_order_and_signed() {
    const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let world = world(|sink| sink.signing(Secret::new(format!("whsec_{KEY}"))).unwrap()).await;
    world.stub.route(Route::new("/sink").reply(Reply::status(202)));
    let engine = world.engine().await;
    let workflow = world.save("works", "1.0.0", WORKS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.ended(&engine, run).await;
    let received = sent(&world).await;
    let events = each(&received);
    assert_eq!(shown(&events), LIFE);
    for (request, event) in received.iter().zip(&events) {
        assert_eq!(request.method, "POST");
        assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
        assert_eq!((&event["specversion"], &event["subject"]), (&json!("1.0"), &json!(run)));
        assert_eq!(event["levqoraccount"], json!(world.account.to_string()));
        let header = |name: &str| request.header(name).unwrap();
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&BASE64_STANDARD.decode(KEY).unwrap()).unwrap();
        let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), request.text());
        mac.update(signed.as_bytes());
        let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(header("webhook-signature"), expected);
    }
    assert_eq!(events[7]["data"]["error"]["status"], 418);
    let state = engine.sink().unwrap();
    assert_eq!((state.delivered, state.skipped, state.failing), (8, 0, None));

    // What has been delivered is not delivered again, by whoever comes next.
    engine.halt().await;
    let engine = world.engine().await;
    engine.retry(world.account, run, RetryFrom::Failed).await.unwrap();
    wait_for("the retry", || async {
        let faults = each(&world.stub.requests_to("/sink"));
        (shown(&faults).iter().filter(|line| *line == "workflow.faulted").count() == 2).then_some(())
    })
    .await;
    let events = each(&sent(&world).await);
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), events.len(), "{:?}", shown(&events));
    let again = shown(&events[8..]);
    assert!(again.contains(&"task.retried /do/1/fails".to_owned()), "{again:?}");
    assert!(!again.contains(&"workflow.started".to_owned()), "{again:?}");
}

#[tokio::test]
async fn a_batch_is_one_request() {
    let world = world(Sink::batching).await;
    world.stub.route(Route::new("/sink").reply(Reply::status(204)));
    let engine = world.engine().await;
    let workflow = world.save("works", "1.0.0", WORKS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.ended(&engine, run).await;
    let received = sent(&world).await;
    assert_eq!(received.len(), 1, "one append, one batch");
    assert_eq!(received[0].header("content-type"), Some("application/cloudevents-batch+json"));
    assert_eq!(shown(received[0].json().as_array().unwrap()), LIFE);
}

#[tokio::test]
async fn a_sink_that_refuses_is_asked_again_with_the_same_events_in_their_order() {
    let world = world(|sink| sink).await;
    let refuses =
        Route::new("/sink").replies(2, Reply::status(500)).reply(Reply::redirect(302, "/elsewhere"));
    world.stub.route(refuses.reply(Reply::close()).reply(Reply::status(200)));
    let engine = world.engine().await;
    let workflow = world.save("works", "1.0.0", WORKS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.ended(&engine, run).await;
    let received = sent(&world).await;
    let lines = shown(&each(&received));
    assert_eq!(lines[..5], ["workflow.started"; 5], "{lines:?}");
    assert_eq!(lines[4..], LIFE);
    let keys: Vec<_> = received[..5].iter().map(Received::idempotency_key).collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert!(world.stub.requests_to("/elsewhere").is_empty(), "redirects are not followed");
    assert_eq!(engine.sink().unwrap().failing, None);
}

#[tokio::test]
async fn a_sink_that_was_away_gets_what_it_missed_after_a_restart() {
    let world = world(|sink| sink).await;
    world.stub.route(Route::new("/sink").reply(Reply::status(503)));
    let engine = world.engine().await;
    let workflow = world.save("works", "1.0.0", WORKS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.ended(&engine, run).await;
    let (since, reason) = wait_for("the failure", || async { engine.sink().unwrap().failing }).await;
    assert_eq!(since, world.now());
    assert!(reason.contains("answered 503"), "{reason}");
    let load = engine.sink_load().await.unwrap();
    assert_eq!((load.waiting, load.oldest_at), (8, Some(world.now())));
    engine.halt().await;

    world.stub.route(Route::new("/sink").reply(Reply::status(200)));
    let before = world.stub.count();
    let engine = world.engine().await;
    let received = sent(&world).await;
    assert_eq!(shown(&each(&received[before..])), LIFE);
    assert_eq!(engine.sink().unwrap().delivered, 8);
}

#[tokio::test]
async fn what_a_crash_leaves_open_is_delivered_again_and_nothing_is_lost() {
    for (point, nth) in [
        (Point::AfterAccept, 1),
        (Point::BeforeAppend, 1),
        (Point::AfterAppend, 1),
        (Point::AfterDelivery, 1),
        (Point::AfterDelivery, 2),
    ] {
        let world = world(Sink::batching).await;
        world.stub.route(Route::new("/sink").reply(Reply::status(200)));
        let workflow = world
            .save("waits", "1.0.0", "do: [{ pause: { wait: PT1H } }, { make: { set: { n: 1 } } }]")
            .await;
        let engine = world.engine_with(Faults::at(point, nth)).await;
        let started = world.try_start(&engine, workflow, json!({})).await;
        let Some(run) = world.store.runs_of(None, Default::default(), None, 1).await.unwrap().pop() else {
            assert!(started.is_err(), "{point:?}");
            continue;
        };
        wait_for("the crash, or the wait", || async {
            let row = world.store.run(None, run.id).await.unwrap()?;
            let at_rest = row.status == RunStatus::Waiting
                && world.store.sink_load().await.unwrap() == SinkLoad::default();
            (engine.is_stopped() || at_rest).then_some(())
        })
        .await;
        world.advance(&engine, seconds(3_601));
        wait_for("the crash, or the end", || async {
            let row = world.store.run(None, run.id).await.unwrap()?;
            (engine.is_stopped() || row.status.is_ended()).then_some(())
        })
        .await;
        engine.halt().await;
        let engine = world.engine().await;
        world.advance(&engine, seconds(3_601));
        world.ended(&engine, run.id).await;
        let received = sent(&world).await;
        let mut once: Vec<Value> = Vec::new();
        for event in received.iter().flat_map(|request| request.json().as_array().unwrap().clone()) {
            match once.iter().find(|known| known["id"] == event["id"]) {
                Some(known) => assert_eq!(known["type"], event["type"], "{point:?} {nth}"),
                None => once.push(event),
            }
        }
        assert_eq!(
            shown(&once),
            [
                "workflow.started",
                "task.created /do/0/pause",
                "task.started /do/0/pause",
                "task.completed /do/0/pause",
                "task.created /do/1/make",
                "task.started /do/1/make",
                "task.completed /do/1/make",
                "workflow.completed",
            ],
            "{point:?} {nth}"
        );
    }
}

#[tokio::test]
async fn what_has_waited_for_too_long_is_skipped_and_counted() {
    let world = world(|sink| sink).await;
    world.stub.route(Route::new("/sink").reply(Reply::status(500)));
    let engine = world.engine().await;
    let workflow = world.save("works", "1.0.0", WORKS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.ended(&engine, run).await;
    engine.prune_sink().await.unwrap();
    assert_eq!(engine.sink_load().await.unwrap().waiting, 8);
    world.advance(&engine, seconds(31 * 86_400));
    let run = world.start(&engine, workflow, json!({})).await;
    world.ended(&engine, run).await;
    engine.prune_sink().await.unwrap();
    assert_eq!(engine.sink_load().await.unwrap().waiting, 8, "those of the second run");
    assert_eq!(engine.sink().unwrap().skipped, 8);
}

#[tokio::test]
async fn without_a_sink_nothing_is_kept_for_one() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("works", "1.0.0", WORKS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.ended(&engine, run).await;
    assert_eq!(engine.sink_load().await.unwrap(), SinkLoad::default());
    assert_eq!(engine.sink(), None);
}

/// Saves a workflow as the server does.
async fn save(world: &World, engine: &Engine, name: &str, rest: &str) -> levqor_model::WorkflowId {
    let id = world.save(name, "1.0.0", rest).await;
    let text = format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: 1.0.0 }}\n{rest}");
    engine.workflow_saved(world.account, &levqor_flow::document::parse(&text).workflow.unwrap());
    id
}

#[tokio::test]
async fn a_workflow_that_listens_to_lives_tells_its_own_to_the_sink_alone() {
    let world = world(|sink| sink).await;
    world.stub.route(Route::new("/sink").reply(Reply::status(200)));
    let engine = world.engine().await;
    let watch = "schedule: { on: { one: { with: { type: io.serverlessworkflow.workflow.faulted.v1 } } } }\ndo: [{ keep: { set: { x: 1 } } }]";
    save(&world, &engine, "watch", watch).await;
    let workflow = save(&world, &engine, "works", WORKS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.ended(&engine, run).await;
    wait_for("the watcher's end", || async {
        let lines = shown(&each(&world.stub.requests_to("/sink")));
        lines.contains(&"workflow.completed".to_owned()).then_some(())
    })
    .await;
    let lines = shown(&each(&sent(&world).await));
    assert_eq!(lines[..8], LIFE);
    let watched = [
        "workflow.started",
        "task.created /do/0/keep",
        "task.started /do/0/keep",
        "task.completed /do/0/keep",
        "workflow.completed",
    ];
    assert_eq!(lines[8..], watched);
    assert_eq!(
        world.store.events_count(world.account).await.unwrap(),
        1,
        "the sink's events are nobody else's"
    );
}

#[tokio::test]
async fn a_run_that_was_queued_tells_all_of_its_tasks_and_a_sleeper_of_its_end() {
    let world = world(Sink::batching).await;
    world.stub.route(Route::new("/sink").reply(Reply::status(200)));
    let engine = world.engine().await;
    let ours = "{ concurrency: { key: one, limit: 1 } }";
    let rest = "do: [{ pause: { wait: PT1H } }]";
    let workflow = world.save_with("waits", "1.0.0", ours, rest).await;
    let first = world.start(&engine, workflow, json!({})).await;
    world.status(first, RunStatus::Waiting).await;
    let second = world.start(&engine, workflow, json!({})).await;
    world.status(second, RunStatus::Pending).await;
    world.advance(&engine, seconds(3_601));
    world.ended(&engine, first).await;
    world.status(second, RunStatus::Waiting).await;
    world.advance(&engine, seconds(3_601));
    world.ended(&engine, second).await;
    let received = sent(&world).await;
    let events: Vec<Value> =
        received.iter().flat_map(|request| request.json().as_array().unwrap().clone()).collect();
    for run in [first, second] {
        let own: Vec<Value> = events.iter().filter(|event| event["subject"] == json!(run)).cloned().collect();
        assert_eq!(
            shown(&own),
            [
                "workflow.started",
                "task.created /do/0/pause",
                "task.started /do/0/pause",
                "task.completed /do/0/pause",
                "workflow.completed",
            ]
        );
    }
}
