//! Workflows that events start: a run for each satisfaction, whatever breaks, and whoever looks.

use levqor_engine::{
    Engine,
    fault::{Faults, Point, Refusal},
};
use levqor_flow::event::CloudEvent;
use levqor_model::{RunStatus, TriggerKind};
use levqor_testkit::{wait_for, wait_until};
use serde_json::{Value, json};

use crate::world::{World, seconds};

/// A run for each order.
const EACH: &str = "schedule: { on: { one: { with: { type: order.paid } } } }
do: [{ take: { set: { n: '${ .[0].data }' } } }]";
/// A run for each pair, in whatever order the two come.
const PAIR: &str =
    "schedule: { on: { all: [{ with: { type: order.paid } }, { with: { type: order.sent } }] } }
do: [{ take: { set: { kinds: '${ [.[].type] }' } } }]";

async fn publish(world: &World, engine: &Engine, events: &[(&str, u64)]) {
    let events = events
        .iter()
        .map(|(kind, n)| {
            let event = json!({
                "specversion": "1.0", "id": n.to_string(), "source": "/shop", "type": kind, "data": n,
            });
            CloudEvent::parse(event).unwrap()
        })
        .collect();
    engine.publish(world.account, events).await.unwrap();
}

/// The outputs of all runs, in the order in which they began, when there are as many and all have ended.
async fn outputs(world: &World, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} runs to end"), || async {
        let counts = world.store.run_counts(None).await.unwrap();
        let live = counts.pending + counts.running + counts.waiting;
        (live == 0 && counts.completed >= count as i64).then_some(())
    })
    .await;
    let mut runs = world.store.runs_of(None, Default::default(), None, 200).await.unwrap();
    runs.reverse();
    assert_eq!(runs.len(), count, "{runs:?}");
    let mut outputs = Vec::new();
    for run in runs {
        assert_eq!((run.trigger, run.status), (TriggerKind::Event, RunStatus::Completed));
        let payloads = world.store.payloads(run.id).await.unwrap().unwrap();
        outputs.push(serde_json::from_str(&payloads.output.unwrap()).unwrap());
    }
    outputs
}

async fn has_read(world: &World, workflow: levqor_model::WorkflowId, seq: i64) {
    wait_for("the trigger to have read", || async {
        let cursor = world.store.trigger_cursor(workflow).await.unwrap();
        (cursor == Some(seq)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_satisfaction_starts_one_run() {
    let world = World::new().await;
    let engine = world.engine().await;
    publish(&world, &engine, &[("order.paid", 0)]).await;
    let workflow = world.save("each", "1.0.0", EACH).await;
    publish(&world, &engine, &[("order.paid", 1), ("order.sent", 2), ("order.paid", 3)]).await;
    publish(&world, &engine, &[("order.paid", 3), ("order.paid", 4)]).await;
    let outputs = outputs(&world, 3).await;
    let mut numbers: Vec<_> = outputs.iter().map(|output| output["n"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 3, 4], "not what came before, and no repeat");
    assert_eq!(world.store.trigger_cursor(workflow).await.unwrap(), Some(5));
}

#[tokio::test]
async fn what_was_kept_survives_a_restart_and_not_a_new_version() {
    let world = World::new().await;
    let workflow = world.save("pair", "1.0.0", PAIR).await;
    let engine = world.engine().await;
    publish(&world, &engine, &[("order.sent", 1)]).await;
    has_read(&world, workflow, 1).await;
    engine.halt().await;
    let engine = world.engine().await;
    publish(&world, &engine, &[("order.paid", 2)]).await;
    assert_eq!(outputs(&world, 1).await, [json!({ "kinds": ["order.sent", "order.paid"] })]);

    publish(&world, &engine, &[("order.sent", 3)]).await;
    has_read(&world, workflow, 3).await;
    world.save("pair", "1.0.1", PAIR).await;
    publish(&world, &engine, &[("order.paid", 4)]).await;
    has_read(&world, workflow, 4).await;
    assert_eq!(outputs(&world, 1).await.len(), 1, "the new version begins with nothing");
    publish(&world, &engine, &[("order.sent", 5)]).await;
    assert_eq!(outputs(&world, 2).await.len(), 2);
    assert!(world.store.delete_workflow(world.account, workflow, world.now()).await.unwrap());
    publish(&world, &engine, &[("order.paid", 6), ("order.sent", 7)]).await;
    assert_eq!(outputs(&world, 2).await.len(), 2);
}

#[tokio::test]
async fn two_engines_start_one_run_each_time() {
    let world = World::new().await;
    let (first, second) = (world.engine().await, world.engine().await);
    world.save("each", "1.0.0", EACH).await;
    for n in 1..=10 {
        publish(&world, if n % 2 == 0 { &first } else { &second }, &[("order.paid", n)]).await;
    }
    // Each published half, and the other half is found by looking now and then.
    drop(first);
    let third = world.engine().await;
    let mut numbers: Vec<_> =
        outputs(&world, 10).await.iter().map(|output| output["n"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    third.halt().await;
    second.halt().await;
}

#[tokio::test]
async fn a_crash_around_a_start_neither_loses_nor_doubles_it() {
    let points = [
        (Point::BeforeAccept, 1),
        (Point::AfterAccept, 1),
        (Point::BeforeAccept, 2),
        (Point::AfterAccept, 2),
        (Point::BeforeAppend, 1),
        (Point::AfterAppend, 1),
        (Point::AfterEnd, 1),
    ];
    for (point, nth) in points {
        let world = World::new().await;
        world.save("each", "1.0.0", EACH).await;
        let engine = world.engine_with(Faults::at(point, nth)).await;
        publish(&world, &engine, &[("order.paid", 1), ("order.paid", 2), ("order.paid", 3)]).await;
        wait_until("the crash", || engine.is_stopped()).await;
        engine.halt().await;
        let engine = world.engine().await;
        let mut numbers: Vec<_> =
            outputs(&world, 3).await.iter().map(|output| output["n"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3], "{point:?} {nth}");
        engine.halt().await;
    }
}

#[tokio::test]
async fn a_store_that_fails_now_and_then_neither_loses_nor_doubles_a_start() {
    for refusal in [Refusal::Undone, Refusal::Unanswered] {
        for nth in 1..=14 {
            let world = World::new().await;
            world.save("each", "1.0.0", EACH).await;
            let plan = [(nth, refusal), (nth + 3, refusal)].into();
            let engine = world.engine_with(Faults::default().refusing(plan)).await;
            let event = json!({ "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid", "data": 1 });
            let event = CloudEvent::parse(event).unwrap();
            // The client sends it until somebody says that it is done.
            while engine.publish(world.account, vec![event.clone()]).await.is_err() {}
            wait_for("the run's end", || async {
                world.advance(&engine, seconds(20));
                let counts = world.store.run_counts(None).await.unwrap();
                (counts.completed == 1 && counts.pending + counts.running == 0).then_some(())
            })
            .await;
            assert_eq!(outputs(&world, 1).await, [json!({ "n": 1 })], "{refusal:?} {nth}");
            engine.halt().await;
        }
    }
}

#[tokio::test]
async fn an_account_at_its_limit_starts_the_runs_later() {
    let mut world = World::new().await;
    world.limits.runs_per_account = 1;
    let rest = "schedule: { on: { one: { with: { type: order.paid } } } }
do: [{ pause: { wait: { seconds: 30 } } }, { take: { set: { n: '${ .[0].data }' } } }]";
    let workflow = world.save("slow", "1.0.0", rest).await;
    let engine = world.engine().await;
    publish(&world, &engine, &[("order.paid", 1), ("order.paid", 2)]).await;
    wait_for("the first to begin and the trigger to stand", || async {
        let counts = world.store.run_counts(None).await.unwrap();
        let cursor = world.store.trigger_cursor(workflow).await.unwrap();
        (counts.waiting == 1 && cursor == Some(1)).then_some(())
    })
    .await;
    world.advance(&engine, seconds(30));
    wait_for("the first to end", || async {
        (world.store.run_counts(None).await.unwrap().completed == 1).then_some(())
    })
    .await;
    // Any event has the trigger looked at; so does time.
    publish(&world, &engine, &[("other", 3)]).await;
    wait_for("the second", || async {
        world.advance(&engine, seconds(30));
        (world.store.run_counts(None).await.unwrap().completed == 2).then_some(())
    })
    .await;
    assert_eq!(outputs(&world, 2).await, [json!({ "n": 1 }), json!({ "n": 2 })]);
}
