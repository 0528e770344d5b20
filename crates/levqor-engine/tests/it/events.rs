//! Events: what is emitted or published reaches whoever listened before, once and in order, whatever breaks in between.

use std::collections::BTreeMap;

use levqor_engine::{
    Engine,
    fault::{Faults, Point, Refusal},
};
use levqor_flow::event::CloudEvent;
use levqor_model::{AccountId, RunId, RunStatus, TaskStatus};
use levqor_testkit::{wait_for, wait_until};
use serde_json::{Value, json};

use crate::world::{World, seconds};

const EMIT: &str = "do:
  - tell: { emit: { event: { with: { source: 'https://shop.test', type: order.paid, data: { n: '${ .n }' } } } } }
  - done: { set: { told: '${ .data.n }' } }";

fn listen(kind: &str) -> String {
    format!("do: [{{ hear: {{ listen: {{ to: {{ one: {{ with: {{ type: {kind} }} }} }} }} }} }}]")
}

/// Three events, one after the other.
const THREE: &str = "do:
  - hear:
      listen: { to: { any: [{ with: { type: order.paid } }], until: '${ length >= 3 }' } }";

fn event(kind: &str, id: &str, data: Value) -> CloudEvent {
    let event =
        json!({ "specversion": "1.0", "id": id, "source": "https://shop.test", "type": kind, "data": data });
    CloudEvent::parse(event).unwrap()
}

/// Publishes as a client does that is not told: again, until somebody says that it is done.
async fn publish(engine: &Engine, account: AccountId, events: &[CloudEvent]) -> usize {
    engine.publish(account, events.to_vec()).await.unwrap()
}

async fn listening(world: &World, run: RunId) {
    world.status(run, RunStatus::Waiting).await;
    wait_for("the listener", || async {
        let rows = world.store.listeners_of(run).await.unwrap();
        (!rows.is_empty()).then_some(())
    })
    .await;
}

async fn stored(world: &World) -> Vec<Value> {
    let page = world.store.events_after(world.account, vec![None], 0, 100).await.unwrap();
    page.events.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect()
}

#[tokio::test]
async fn what_is_emitted_is_stored_and_is_the_output() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("tell", "1.0.0", EMIT).await;
    let detail = world.play(&engine, workflow, json!({ "n": 7 })).await;
    assert_eq!((detail.run.status, detail.output), (RunStatus::Completed, Some(json!({ "told": 7 }))));
    let events = stored(&world).await;
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["type"], &events[0]["data"]), (&json!("order.paid"), &json!({ "n": 7 })));
    assert!(events[0]["id"].is_string() && events[0]["time"].is_string());
}

#[tokio::test]
async fn a_published_event_wakes_who_listened_before_and_nobody_else() {
    let world = World::new().await;
    let engine = world.engine().await;
    let paid = world.save("paid", "1.0.0", &listen("order.paid")).await;
    let sent = world.save("sent", "1.0.0", &listen("order.sent")).await;
    assert_eq!(publish(&engine, world.account, &[event("order.paid", "0", json!(0))]).await, 1);
    let first = world.start(&engine, paid, json!({})).await;
    let other = world.start(&engine, sent, json!({})).await;
    listening(&world, first).await;
    listening(&world, other).await;
    let why = engine.waiting_for(world.account, first).await.unwrap().unwrap();
    assert_eq!(why, "waits for an event of type order.paid (task hear)");
    // It leaves memory when its append is done, a moment after the row says what it waits for.
    wait_until("runs that listen to take no memory", || engine.load().active_runs == 0).await;

    // Another account's event is nobody's here.
    let stranger = AccountId::new(world.now(), &*world.random);
    publish(&engine, stranger, &[event("order.paid", "x", json!("x"))]).await;
    assert_eq!(publish(&engine, world.account, &[event("order.paid", "1", json!(1))]).await, 1);
    let detail = world.ended(&engine, first).await;
    assert_eq!(detail.output, Some(json!([1])), "{:?}", detail.error);
    assert_eq!(publish(&engine, world.account, &[event("order.paid", "1", json!(1))]).await, 0, "a repeat");
    world.status(other, RunStatus::Waiting).await;
    assert_eq!(world.store.listeners_count().await.unwrap(), 1);
    engine.cancel(world.account, other).await.unwrap();
    assert_eq!(world.store.listeners_count().await.unwrap(), 0);
}

#[tokio::test]
async fn events_are_consumed_in_order_and_once() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("three", "1.0.0", THREE).await;
    let run = world.start(&engine, workflow, json!({})).await;
    listening(&world, run).await;
    let events: Vec<_> = (0..5).map(|n| event("order.paid", &n.to_string(), json!(n))).collect();
    publish(&engine, world.account, &events[..2]).await;
    publish(&engine, world.account, &events).await;
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.output, Some(json!([0, 1, 2])), "{:?}", detail.error);
}

#[tokio::test]
async fn a_run_is_woken_by_what_another_run_emits() {
    let world = World::new().await;
    let engine = world.engine().await;
    let hear = world.save("hear", "1.0.0", &listen("order.paid")).await;
    let tell = world.save("tell", "1.0.0", EMIT).await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(world.start(&engine, hear, json!({})).await);
    }
    for run in &runs {
        listening(&world, *run).await;
    }
    world.play(&engine, tell, json!({ "n": 3 })).await;
    for run in runs {
        assert_eq!(world.ended(&engine, run).await.output, Some(json!([{ "n": 3 }])));
    }
}

#[tokio::test]
async fn what_came_while_nobody_was_there_is_found_at_the_start() {
    let world = World::new().await;
    let workflow = world.save("three", "1.0.0", THREE).await;
    let engine = world.engine().await;
    let run = world.start(&engine, workflow, json!({})).await;
    listening(&world, run).await;
    engine.halt().await;
    // Durable, and then the process that published it died before it told anyone.
    for n in 0..3 {
        let event = event("order.paid", &n.to_string(), json!(n));
        let row = levqor_store::events::NewEvent {
            id: event.id().to_owned(),
            source: event.source().to_owned(),
            kind: event.kind().to_owned(),
            received_at: world.now(),
            body: serde_json::to_string(&event).unwrap(),
        };
        world.store.publish_events(world.account, vec![row]).await.unwrap();
    }
    let engine = world.engine().await;
    assert_eq!(world.ended(&engine, run).await.output, Some(json!([0, 1, 2])));
}

#[tokio::test]
async fn an_event_in_time_beats_a_timeout_however_late_both_are_noticed() {
    let world = World::new().await;
    let rest = "do:
  - hear:
      timeout: { after: { minutes: 10 } }
      listen: { to: { one: { with: { type: order.paid } } } }";
    let workflow = world.save("hear", "1.0.0", rest).await;
    for (minutes, expected) in [(9, RunStatus::Completed), (11, RunStatus::Faulted)] {
        let engine = world.engine().await;
        let run = world.start(&engine, workflow, json!({})).await;
        listening(&world, run).await;
        engine.halt().await;
        let id = format!("at {minutes}");
        let row = levqor_store::events::NewEvent {
            id: id.clone(),
            source: "https://shop.test".to_owned(),
            kind: "order.paid".to_owned(),
            received_at: world.now() + seconds(minutes * 60),
            body: serde_json::to_string(&event("order.paid", &id, json!(1))).unwrap(),
        };
        world.store.publish_events(world.account, vec![row]).await.unwrap();
        world.clock.advance(seconds(3600));
        let engine = world.engine().await;
        assert_eq!(world.ended(&engine, run).await.run.status, expected, "{minutes} minutes");
        engine.drain(crate::world::PATIENCE).await;
    }
}

/// A run that emits, and one that listens for it. Both end, there is one event, and it is heard once, whatever `faults` do to
/// the first engine.
async fn emit_and_listen_survive(faults: Faults, context: &str) -> bool {
    let world = World::new().await;
    let hear = world.save("hear", "1.0.0", &listen("order.paid")).await;
    let tell = world.save("tell", "1.0.0", EMIT).await;
    let calm = world.engine().await;
    let listener = world.start(&calm, hear, json!({})).await;
    listening(&world, listener).await;
    calm.halt().await;

    let engine = world.engine_with(faults).await;
    let started = world.try_start(&engine, tell, json!({ "n": 1 })).await;
    wait_for("the crash or the end", || async {
        world.advance(&engine, seconds(10));
        let counts = world.store.run_counts(None).await.unwrap();
        let live = counts.pending + counts.running + counts.waiting;
        // A run whose end is durable is still in memory, and may crash there.
        let is_over = live == 0 && engine.load().active_runs == 0;
        (engine.is_stopped() || started.is_err() || is_over).then_some(())
    })
    .await;
    let crashed = engine.is_stopped();
    engine.halt().await;

    let engine = world.engine().await;
    let runs = world.store.runs_of(None, Default::default(), None, 10).await.unwrap();
    let Some(teller) = runs.iter().find(|run| run.id != listener).map(|run| run.id) else {
        assert!(started.is_err(), "{context}: an acknowledged run is lost");
        return crashed;
    };
    let detail = world.ended(&engine, teller).await;
    assert_eq!(
        (detail.run.status, &detail.output),
        (RunStatus::Completed, &Some(json!({ "told": 1 }))),
        "{context}: {:?}",
        detail.error
    );
    let detail = world.ended(&engine, listener).await;
    assert_eq!(
        (detail.run.status, &detail.output),
        (RunStatus::Completed, &Some(json!([{ "n": 1 }]))),
        "{context}"
    );
    assert_eq!(stored(&world).await.len(), 1, "{context}: one event");
    assert_eq!(world.store.listeners_count().await.unwrap(), 0, "{context}");
    crashed
}

#[tokio::test]
async fn emit_and_listen_survive_a_crash_at_every_point() {
    let mut crashes: BTreeMap<String, usize> = BTreeMap::new();
    for point in
        [Point::BeforeAccept, Point::AfterAccept, Point::BeforeAppend, Point::AfterAppend, Point::AfterEnd]
    {
        for nth in 1..=6 {
            let context = format!("{point:?} {nth}");
            if emit_and_listen_survive(Faults::at(point, nth), &context).await {
                *crashes.entry(format!("{point:?}")).or_default() += 1;
            }
        }
    }
    assert_eq!(crashes.len(), 5, "{crashes:?}");
    assert!(crashes["AfterAppend"] >= 3, "{crashes:?}");
}

#[tokio::test]
async fn emit_and_listen_survive_a_store_that_refuses_and_a_crash_meanwhile() {
    for refusal in [Refusal::Undone, Refusal::Unanswered] {
        for use_of_store in 1..=16 {
            // The store refuses for a while from there on.
            let plan: BTreeMap<usize, Refusal> =
                (use_of_store..use_of_store + 3).map(|nth| (nth, refusal)).collect();
            emit_and_listen_survive(
                Faults::default().refusing(plan.clone()),
                &format!("{refusal:?} from {use_of_store}"),
            )
            .await;
            for point in [Point::BeforeAppend, Point::AfterAppend] {
                let faults = Faults::at(point, 2).refusing(plan.clone());
                emit_and_listen_survive(faults, &format!("{refusal:?} from {use_of_store}, {point:?}")).await;
            }
        }
    }
}

#[tokio::test]
async fn a_crash_around_publishing_loses_nothing_and_doubles_nothing() {
    for point in Point::PUBLISHING {
        let world = World::new().await;
        let workflow = world.save("hear", "1.0.0", &listen("order.paid")).await;
        let engine = world.engine_with(Faults::at(*point, 1)).await;
        let run = world.start(&engine, workflow, json!({})).await;
        listening(&world, run).await;
        let paid = event("order.paid", "1", json!(1));
        let published = engine.publish(world.account, vec![paid.clone()]).await;
        assert!(published.is_err(), "{point:?}: nobody was told");
        wait_until("the crash", || engine.is_stopped()).await;
        engine.halt().await;
        let engine = world.engine().await;
        // The client sends it again.
        publish(&engine, world.account, &[paid]).await;
        assert_eq!(world.ended(&engine, run).await.output, Some(json!([1])), "{point:?}");
        assert_eq!(stored(&world).await.len(), 1, "{point:?}");
    }
}

#[tokio::test]
async fn more_events_than_one_append_takes_are_all_consumed() {
    let world = World::new().await;
    let rest = "do:
  - hear: { listen: { to: { any: [{ with: { type: order.paid } }], until: '${ length >= 90 }' } } }
  - count: { set: { heard: '${ length }', last: '${ .[-1] }' } }";
    let workflow = world.save("many", "1.0.0", rest).await;
    let engine = world.engine().await;
    let run = world.start(&engine, workflow, json!({})).await;
    listening(&world, run).await;
    let events: Vec<_> = (0..100).map(|n| event("order.paid", &n.to_string(), json!(n))).collect();
    publish(&engine, world.account, &events).await;
    assert_eq!(world.ended(&engine, run).await.output, Some(json!({ "heard": 90, "last": 89 })));
    let too_many: Vec<_> = (0..101).map(|n| event("order.paid", &format!("x{n}"), json!(n))).collect();
    let refused = engine.publish(world.account, too_many).await.unwrap_err();
    assert_eq!(refused.to_string(), "101 events were sent at once; at most 100 are taken");
}

#[tokio::test]
async fn a_listener_is_not_looked_at_again_for_what_is_not_meant_for_it() {
    let world = World::new().await;
    let rest = "do: [{ hear: { listen: { to: { one: { with: { type: order.paid, subject: mine } } } } } }]";
    let workflow = world.save("mine", "1.0.0", rest).await;
    let engine = world.engine().await;
    let run = world.start(&engine, workflow, json!({})).await;
    listening(&world, run).await;
    publish(&engine, world.account, &[event("order.paid", "1", json!(1))]).await;
    engine.halt().await;
    // The next start looks through all listeners, and moves the cursor past it without loading the run.
    let engine = world.engine().await;
    wait_for("the cursor", || async {
        let rows = world.store.listeners_of(run).await.unwrap();
        rows.iter().all(|(_, after)| *after == 1).then_some(())
    })
    .await;
    assert_eq!(world.store.prune_events(world.now() + seconds(1)).await.unwrap(), 1);
    let mut mine = event("order.paid", "2", json!(2)).as_value().clone();
    mine.insert("subject".to_owned(), json!("mine"));
    publish(&engine, world.account, &[CloudEvent::parse(Value::Object(mine)).unwrap()]).await;
    assert_eq!(world.ended(&engine, run).await.output, Some(json!([2])));
}

#[tokio::test]
async fn what_is_kept_for_a_listener_that_does_not_read_is_bounded_and_the_loss_is_told() {
    const DAY: u64 = 86_400;
    let mut world = World::new().await;
    world.limits.unread_events = 2;
    let engine = world.engine().await;
    let workflow = world.save("three", "1.0.0", THREE).await;
    let run = world.start(&engine, workflow, json!({})).await;
    listening(&world, run).await;
    engine.suspend(world.account, run, "ada").await.unwrap();
    let events: Vec<_> = (0..4).map(|n| event("order.paid", &n.to_string(), json!(n))).collect();
    publish(&engine, world.account, &events).await;
    wait_until("the run to leave memory", || engine.load().active_runs == 0).await;
    let lost = async |engine: &Engine| {
        let why = engine.waiting_for(world.account, run).await.unwrap().unwrap();
        why.split_once("; ").map(|(_, lost)| lost.to_owned())
    };

    // As long as all events are kept, it loses none; after that it has the latest.
    engine.halt().await;
    world.clock.advance(seconds(30 * DAY));
    let engine = world.engine().await;
    assert_eq!(lost(&engine).await, None);
    engine.halt().await;
    world.clock.advance(seconds(DAY));
    let engine = world.engine().await;
    wait_for("the loss", || lost(&engine)).await;
    assert_eq!(lost(&engine).await.as_deref(), Some("2 events were let go that it had not read"));
    assert_eq!(world.store.prune_events(world.now()).await.unwrap(), 2);

    // Late enough it has none of them.
    engine.halt().await;
    world.clock.advance(seconds(60 * DAY));
    let engine = world.engine().await;
    wait_for("all to be lost", || async {
        (lost(&engine).await.as_deref() == Some("4 events were let go that it had not read")).then_some(())
    })
    .await;
    assert_eq!(world.store.prune_events(world.now()).await.unwrap(), 2);
    engine.resume(world.account, run).await.unwrap();
    let fresh: Vec<_> = (10..13).map(|n| event("order.paid", &n.to_string(), json!(n))).collect();
    publish(&engine, world.account, &fresh).await;
    assert_eq!(world.ended(&engine, run).await.output, Some(json!([10, 11, 12])));
}

#[tokio::test]
async fn a_suspended_listener_takes_nothing_and_misses_nothing() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("three", "1.0.0", THREE).await;
    let run = world.start(&engine, workflow, json!({})).await;
    listening(&world, run).await;
    let events: Vec<_> = (0..4).map(|n| event("order.paid", &n.to_string(), json!(n))).collect();
    publish(&engine, world.account, &events[..1]).await;
    wait_for("the first event", || async {
        (world.store.journal(run, None, 10).await.unwrap().len() == 2).then_some(())
    })
    .await;
    engine.suspend(world.account, run, "ada").await.unwrap();
    publish(&engine, world.account, &events[1..3]).await;
    wait_until("the run to leave memory", || engine.load().active_runs == 0).await;

    // Neither an event nor the look through all listeners at a start loads it, and no event is forgotten.
    engine.halt().await;
    let engine = world.engine().await;
    let page = world.store.listeners(None, 10).await.unwrap();
    assert_eq!(page.iter().map(|row| (row.is_held, row.is_behind)).collect::<Vec<_>>(), [(true, true)]);
    publish(&engine, world.account, &[event("order.sent", "x", json!("x"))]).await;
    assert_eq!(
        world.store.prune_events(world.now() + seconds(60)).await.unwrap(),
        2,
        "all but what it has not read"
    );
    engine.sweep().await;
    assert_eq!((engine.stuck().runs, engine.load().active_runs), (0, 0));
    assert_eq!(world.store.run(None, run).await.unwrap().unwrap().status, RunStatus::Suspended);

    engine.resume(world.account, run).await.unwrap();
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.output, Some(json!([0, 1, 2])), "{:?}", detail.error);
}

#[tokio::test]
async fn what_is_taken_back_to_listening_in_memory_is_offered_at_once() {
    let world = World::new().await;
    let engine = world.engine().await;
    // A timer that is near keeps the run in memory while it stands still and after.
    let both = format!(
        "do: [{{ both: {{ fork: {{ branches: [{{ hear: {{ listen: {{ to: {{ one: {{ with: {{ type: a }} }} }} }} }} }}, {{ hang: {} }}] }} }} }}]",
        "{ call: http, with: { method: get, endpoint: 'STUB/hang' } }"
    );
    world.stub.route(levqor_testkit::Route::new("/hang").reply(levqor_testkit::Reply::hang()));
    let workflow = world.save("both", "1.0.0", &both).await;
    let run = world.start(&engine, workflow, json!({})).await;
    wait_until("the call", || world.stub.count() == 1).await;
    engine.suspend(world.account, run, "ada").await.unwrap();
    publish(&engine, world.account, &[event("a", "1", json!(1))]).await;
    assert_eq!(engine.load().active_runs, 1, "the call is in flight");
    engine.resume(world.account, run).await.unwrap();
    wait_for("the event", || async {
        let tasks = engine.tasks(world.account, run, None, 10).await.unwrap();
        tasks.iter().find(|task| task.name == "hear").filter(|task| task.output == Some(json!([1]))).map(drop)
    })
    .await;
    engine.cancel(world.account, run).await.unwrap();
}

#[tokio::test]
async fn an_event_that_is_asked_for_as_its_run_is_suspended_is_sent_once_and_the_run_goes_on() {
    let text = "do:
  - pause: { wait: { hours: 1 } }
  - tell: { emit: { event: { with: { source: 'https://shop.test', type: order.paid, data: 1 } } } }
  - done: { set: { told: '${ .data }' } }";
    for restart in [false, true] {
        let world = World::new().await;
        let mut engine = world.engine().await;
        let workflow = world.save("tell", "1.0.0", text).await;
        let run = world.start(&engine, workflow, json!({})).await;
        world.status(run, RunStatus::Waiting).await;
        wait_until("the run to leave memory", || engine.load().active_runs == 0).await;
        // The run is loaded to be suspended, finds that its wait is over, and comes as far as the event.
        world.clock.advance(seconds(3600));
        engine.suspend(world.account, run, "ada").await.unwrap();
        assert_eq!(stored(&world).await.len(), 1, "it was published with the entry that asked for it");
        let tasks = engine.tasks(world.account, run, None, 10).await.unwrap();
        let shown: Vec<_> = tasks.iter().map(|task| (task.name.as_str(), task.status)).collect();
        assert_eq!(shown, [("pause", TaskStatus::Completed), ("tell", TaskStatus::Suspended)]);
        if restart {
            engine.halt().await;
            engine = world.engine().await;
        }
        engine.resume(world.account, run).await.unwrap();
        let detail = world.ended(&engine, run).await;
        assert_eq!(detail.output, Some(json!({ "told": 1 })), "{:?}", detail.error);
        assert_eq!(stored(&world).await.len(), 1);
    }
}
