//! The queue: who begins when not everybody can, and that nobody is forgotten.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use levqor_engine::{Changes, Engine, Error, RetryFrom};
use levqor_flow::event::CloudEvent;
use levqor_model::{AccountId, RunId, RunStatus, WebhookId};
use levqor_store::{accounts::Account, webhooks::WebhookMessage};
use levqor_testkit::{Reply, Route, wait_for, wait_until};
use serde_json::{Value, json};

use crate::world::{World, seconds};

/// Runs until the test lets it go, by cancelling or restarting.
const HANG: &str = "do: [{ a: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]";
/// Tells the stub who it is, and ends.
const CALL: &str = "do: [{ a: { call: http, with: { method: get, endpoint: '${ \"STUB/\\(.n)\" }' } } }]";

fn key(limit: u32) -> String {
    format!("{{ concurrency: {{ key: '${{ .key }}', limit: {limit} }} }}")
}

impl World {
    async fn account_of(&self, plan: &str) -> AccountId {
        let id = AccountId::new(self.now(), &*self.random);
        let row = Account { id, name: plan.to_owned(), plan: plan.to_owned(), created_at: self.now() };
        self.store.create_account(row).await.unwrap();
        id
    }

    async fn status_of(&self, run: RunId) -> RunStatus {
        self.store.run(None, run).await.unwrap().unwrap().status
    }

    async fn why(&self, engine: &Engine, run: RunId) -> String {
        engine.waiting_for(self.account, run).await.unwrap().unwrap_or_default()
    }

    fn hang(&self) {
        self.stub.route(Route::new("/hang").reply(Reply::hang()));
    }

    async fn all_ended(&self, count: i64) {
        wait_for("all runs to end", || async {
            let counts = self.store.run_counts(None).await.unwrap();
            (counts.completed == count).then_some(())
        })
        .await;
        let load = self.store.queue_load().await.unwrap();
        assert_eq!((load.queued, load.oldest_at), (0, None));
    }
}

#[tokio::test]
async fn an_account_runs_as_many_as_it_may_and_the_others_wait_in_order() {
    let mut world = World::new().await;
    world.limits.running_per_account = 2;
    world.hang();
    let engine = world.engine().await;
    let hang = world.save("hang", "1.0.0", HANG).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(world.start(&engine, hang, json!({})).await);
    }
    assert_eq!(world.status_of(runs[1]).await, RunStatus::Running);
    assert_eq!(world.status_of(runs[2]).await, RunStatus::Pending);
    assert_eq!(world.why(&engine, runs[2]).await, "queued behind the running runs of this account");
    assert_eq!(world.why(&engine, runs[4]).await, "queued behind 2 runs of this account");
    assert_eq!(engine.queue_load().await.unwrap().queued, 3);

    // One that ends lets the next one in; one that is cancelled in the queue leaves no gap.
    engine.cancel(world.account, runs[3]).await.unwrap();
    engine.cancel(world.account, runs[0]).await.unwrap();
    world.status(runs[2], RunStatus::Running).await;
    assert_eq!(world.why(&engine, runs[4]).await, "queued behind the running runs of this account");
    engine.cancel(world.account, runs[1]).await.unwrap();
    world.status(runs[4], RunStatus::Running).await;
    assert_eq!(world.store.run_counts(None).await.unwrap().running, 2);

    // Those of another account do not wait for them.
    world.account = world.account_of("starter").await;
    let other = world.save("other", "1.0.0", "do: [{ a: { set: { ok: true } } }]").await;
    assert_eq!(world.play(&engine, other, json!({})).await.run.status, RunStatus::Completed);
}

#[tokio::test]
async fn limits_hold_under_many_starts_at_once() {
    let mut world = World::new().await;
    world.limits.running_per_account = 3;
    let most = Arc::new(Mutex::new((0_i64, 0_i64)));
    world.stub.route(Route::new("/slow").reply(Reply::default().after(Duration::from_millis(3))));
    let engine = world.engine().await;
    let keyed = world
        .save_with(
            "keyed",
            "1.0.0",
            &key(2),
            "do: [{ a: { call: http, with: { method: get, endpoint: 'STUB/slow' } } }]",
        )
        .await;
    let starts = (0..40)
        .map(|n| world.try_start(&engine, keyed, json!({ "key": if n % 4 == 0 { "b" } else { "a" } })));
    let started: Vec<_> = futures_join(starts).await;
    assert!(started.iter().all(Result::is_ok));
    // Looked at as often as there is time for, while they run.
    let seen = Arc::clone(&most);
    wait_for("all runs to end", || async {
        let running = world.store.run_counts(None).await.unwrap().running;
        let mut keys: BTreeMap<String, i64> = BTreeMap::new();
        for run in world.store.runs_of(None, running_only(), None, 100).await.unwrap() {
            *keys.entry(run.concurrency_key.unwrap()).or_default() += 1;
        }
        let mut seen = seen.lock().unwrap();
        seen.0 = seen.0.max(running);
        seen.1 = seen.1.max(keys.values().copied().max().unwrap_or_default());
        (world.stub.count() == 40 && running == 0).then_some(())
    })
    .await;
    world.all_ended(40).await;
    let (running, of_key) = *most.lock().unwrap();
    assert!((1..=3).contains(&running) && (1..=2).contains(&of_key), "{running} running, {of_key} of a key");
}

fn running_only() -> levqor_store::runs::RunFilter {
    levqor_store::runs::RunFilter { status: Some(RunStatus::Running), ..Default::default() }
}

async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, result) in &mut all {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if all.iter().all(|(_, result)| result.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, result)| result).collect()
}

#[tokio::test]
async fn a_key_lets_so_many_through_and_the_others_come_in_order() {
    let world = World::new().await;
    world.hang();
    let engine = world.engine().await;
    let workflow = world.save_with("keyed", "1.0.0", &key(1), HANG).await;
    let of = |key: &str| json!({ "key": key });
    let first = world.start(&engine, workflow, of("ada")).await;
    let second = world.start(&engine, workflow, of("ada")).await;
    let third = world.start(&engine, workflow, of("ada")).await;
    let other = world.start(&engine, workflow, of("bob")).await;
    let statuses =
        async || (world.status_of(second).await, world.status_of(third).await, world.status_of(other).await);
    assert_eq!(statuses().await, (RunStatus::Pending, RunStatus::Pending, RunStatus::Running));
    assert_eq!(world.why(&engine, third).await, "queued behind 2 runs with the concurrency key \"ada\"");

    // After a restart they still wait, in the same order.
    engine.halt().await;
    let engine = world.engine().await;
    engine.cancel(world.account, first).await.unwrap();
    world.status(second, RunStatus::Running).await;
    assert_eq!(world.status_of(third).await, RunStatus::Pending);
    assert_eq!(world.why(&engine, third).await, "queued behind 1 run with the concurrency key \"ada\"");
    engine.cancel(world.account, second).await.unwrap();
    world.status(third, RunStatus::Running).await;

    // A start whose input gives no key is refused, with the reason.
    let refused = world.try_start(&engine, workflow, json!({})).await;
    assert!(
        matches!(&refused, Err(Error::ConcurrencyKey(reason)) if reason.contains("is null")),
        "{refused:?}"
    );
    // So is one whose key takes more steps than an acceptance has, though a task would have them.
    let dear = "{ concurrency: { key: '${ [range(100000)] | length }', limit: 1 } }";
    let workflow = world.save_with("dear", "1.0.0", dear, HANG).await;
    let refused = world.try_start(&engine, workflow, json!({})).await;
    assert!(
        matches!(&refused, Err(Error::ConcurrencyKey(reason))
            if reason.contains("needs more than 20000 steps; make `document.metadata.levqor.concurrency.key` simpler")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_waiting_run_keeps_its_key_and_not_its_accounts_turn() {
    let mut world = World::new().await;
    world.limits.running_per_account = 1;
    let engine = world.engine().await;
    let pause = world.save_with("pause", "1.0.0", &key(1), "do: [{ a: { wait: { hours: 1 } } }]").await;
    let first = world.start(&engine, pause, json!({ "key": "x" })).await;
    world.status(first, RunStatus::Waiting).await;
    let second = world.start(&engine, pause, json!({ "key": "x" })).await;
    let other = world.start(&engine, pause, json!({ "key": "y" })).await;
    world.status(other, RunStatus::Waiting).await;
    assert_eq!(world.status_of(second).await, RunStatus::Pending);
    world.advance(&engine, seconds(3600));
    world.status(second, RunStatus::Waiting).await;
    world.advance(&engine, seconds(3600));
    world.all_ended(3).await;
}

#[tokio::test]
async fn a_sub_run_is_not_held_back_by_the_run_that_waits_for_it() {
    let mut world = World::new().await;
    world.limits.running_per_account = 1;
    let engine = world.engine().await;
    let sub_run = |stop: &str| {
        format!(
            "do:
              - below:
                  if: .depth < {stop}
                  run: {{ workflow: {{ namespace: test, name: nest, version: latest, input: '${{ {{ key, depth: (.depth + 1) }} }}' }} }}"
        )
    };
    let nest = world.save_with("nest", "1.0.0", &key(1), &sub_run("3")).await;
    let runs = [0, 0, 0].map(|depth: i64| json!({ "key": "x", "depth": depth }));
    for input in runs {
        world.start(&engine, nest, input).await;
    }
    world.all_ended(12).await;
}

#[tokio::test]
async fn priorities_come_first_and_equals_in_order() {
    let mut world = World::new().await;
    world.limits.running_per_account = 1;
    world.hang();
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    world.stub.on_request(move |request| seen.lock().unwrap().push(request.path.clone()));
    let engine = world.engine().await;
    let hang = world.save("hang", "1.0.0", HANG).await;
    let blocker = world.start(&engine, hang, json!({})).await;
    wait_until("the blocker's call", || world.stub.count() == 1).await;
    let mut workflows = Vec::new();
    for priority in [1, 5, 9] {
        let ours = format!("{{ priority: {priority} }}");
        workflows.push((priority, world.save_with(&format!("p{priority}"), "1.0.0", &ours, CALL).await));
    }
    for nth in 0..3 {
        for (priority, workflow) in &workflows {
            world.start(&engine, *workflow, json!({ "n": format!("{priority}-{nth}") })).await;
        }
    }
    // The order survives a restart.
    engine.halt().await;
    let engine = world.engine().await;
    engine.cancel(world.account, blocker).await.unwrap();
    world.all_ended(9).await;
    let paths: Vec<String> = order.lock().unwrap().iter().filter(|path| *path != "/hang").cloned().collect();
    assert_eq!(paths, ["/9-0", "/9-1", "/9-2", "/5-0", "/5-1", "/5-2", "/1-0", "/1-1", "/1-2"]);
}

#[tokio::test]
async fn when_places_are_short_accounts_take_turns_by_their_weights() {
    let mut world = World::new().await;
    world.limits.active_runs = 1;
    world.limits.plan_weights = BTreeMap::from([("starter".into(), 1), ("business".into(), 3)]);
    world.hang();
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    world.stub.on_request(move |request| seen.lock().unwrap().push(request.path.clone()));
    let engine = world.engine().await;
    let hang = world.save("hang", "1.0.0", HANG).await;
    let blocker = world.start(&engine, hang, json!({})).await;
    let owner = world.account;
    wait_until("the blocker's call", || world.stub.count() == 1).await;
    // One account has many more runs, and was first.
    for (plan, count) in [("starter", 40), ("business", 12), ("agency", 4)] {
        world.account = world.account_of(plan).await;
        let workflow = world.save(plan, "1.0.0", CALL).await;
        for nth in 0..count {
            world.start(&engine, workflow, json!({ "n": format!("{plan}-{nth}") })).await;
        }
    }
    engine.cancel(owner, blocker).await.unwrap();
    world.all_ended(56).await;
    let paths = order.lock().unwrap().clone();
    let first: Vec<&str> =
        paths.iter().filter(|path| *path != "/hang").take(20).map(String::as_str).collect();
    let of = |plan: &str| first.iter().filter(|path| path.starts_with(&format!("/{plan}"))).count();
    // Weights 1, 3 and 1 (not named): 4, 12 and 4 of 20 turns, give or take where a round begins.
    assert!((3..=5).contains(&of("starter")), "{first:?}");
    assert!((11..=12).contains(&of("business")), "{first:?}");
    assert!((3..=4).contains(&of("agency")), "{first:?}");
}

#[tokio::test]
async fn the_queue_is_bounded_by_account_and_in_all() {
    let mut world = World::new().await;
    world.limits.running_per_account = 1;
    world.limits.queued_per_account = 2;
    world.limits.queued = 3;
    world.hang();
    let engine = world.engine().await;
    let hang = world.save("hang", "1.0.0", HANG).await;
    let first = world.start(&engine, hang, json!({})).await;
    for _ in 0..2 {
        world.start(&engine, hang, json!({})).await;
    }
    let refused = world.try_start(&engine, hang, Value::Null).await.unwrap_err();
    assert!(matches!(refused, Error::QueueFull { in_account: true, max: 2, .. }), "{refused}");
    let (account, other) = (world.account, world.account_of("starter").await);
    world.account = other;
    let hang = world.save("hang", "1.0.0", HANG).await;
    for _ in 0..2 {
        world.start(&engine, hang, json!({})).await;
    }
    let refused = world.try_start(&engine, hang, Value::Null).await.unwrap_err();
    assert!(matches!(refused, Error::QueueFull { in_account: false, max: 3, .. }), "{refused}");
    // What is refused leaves nothing behind, and room that comes free is used.
    assert_eq!(world.store.run_counts(None).await.unwrap().pending, 3);
    engine.cancel(account, first).await.unwrap();
    wait_for("room in the queue", || async {
        (world.store.queue_load().await.unwrap().queued == 2).then_some(())
    })
    .await;
    world.start(&engine, hang, json!({})).await;
}

#[tokio::test]
async fn a_cancelled_wait_for_a_key_lets_the_next_one_forward() {
    let world = World::new().await;
    world.hang();
    let engine = world.engine().await;
    let narrow = world.save_with("keyed", "1.0.0", &key(1), HANG).await;
    let first = world.start(&engine, narrow, json!({ "key": "x" })).await;
    let second = world.start(&engine, narrow, json!({ "key": "x" })).await;
    // The next version lets two through; its run still comes after the one before it.
    world.save_with("keyed", "1.1.0", &key(2), HANG).await;
    let third = world.start(&engine, narrow, json!({ "key": "x" })).await;
    assert_eq!(world.status_of(third).await, RunStatus::Pending);
    engine.cancel(world.account, second).await.unwrap();
    world.status(third, RunStatus::Running).await;
    assert_eq!(world.status_of(first).await, RunStatus::Running);
}

#[tokio::test]
async fn what_events_and_webhooks_start_is_queued_and_what_has_no_room_is_not_lost() {
    let mut world = World::new().await;
    world.limits.running_per_account = 1;
    world.limits.queued_per_account = 3;
    world.hang();
    let engine = world.engine().await;
    let hang = world.save("hang", "1.0.0", HANG).await;
    let blocker = world.start(&engine, hang, json!({})).await;
    world
        .save(
            "paid",
            "1.0.0",
            "schedule: { on: { one: { with: { type: order.paid } } } }\ndo: [{ a: { set: { ok: true } } }]",
        )
        .await;
    let publish = async |engine: &Engine, id: &str| {
        let event = json!({ "specversion": "1.0", "id": id, "source": "/shop", "type": "order.paid" });
        engine.publish(world.account, vec![CloudEvent::parse(event).unwrap()]).await.unwrap();
    };
    let queued = async |count: i64| {
        wait_for(&format!("{count} queued runs"), || async {
            (world.store.queue_load().await.unwrap().queued == count).then_some(())
        })
        .await;
    };
    publish(&engine, "1").await;
    publish(&engine, "2").await;
    queued(2).await;

    let hook = world.save("hook", "1.0.0", "do: [{ a: { set: { ok: true } } }]").await;
    let webhook = WebhookId::new(world.now(), &*world.random);
    let message = |id: &str| Some(WebhookMessage { webhook_id: webhook, message_id: id.to_owned() });
    let send = async |engine: &Engine, id: &str| {
        engine.start_run_for(world.request(hook, json!({})), message(id)).await
    };
    let (run, repeated) = send(&engine, "a").await.unwrap();
    assert_eq!((world.status_of(run).await, repeated), (RunStatus::Pending, false));
    let refused = send(&engine, "b").await;
    assert!(matches!(refused, Err(Error::QueueFull { in_account: true, .. })), "{refused:?}");
    assert_eq!(send(&engine, "a").await.unwrap(), (run, true), "a repeat finds its run, full or not");
    publish(&engine, "3").await;

    engine.halt().await;
    let engine = world.engine().await;
    queued(3).await;
    engine.cancel(world.account, blocker).await.unwrap();
    world.all_ended(4).await;
    assert!(!send(&engine, "b").await.unwrap().1, "what was refused left nothing behind");
}

#[tokio::test]
async fn a_retried_run_waits_for_its_key_and_its_turn() {
    let mut world = World::new().await;
    world.limits.running_per_account = 1;
    world.hang();
    world.stub.route(Route::new("/pay").reply(Reply::status(503)).reply(Reply::default()));
    let engine = world.engine().await;
    let ours = "{ priority: 8, concurrency: { key: one, limit: 1 } }";
    let document = "do:
      - hangs: { if: .hang, call: http, with: { method: get, endpoint: 'STUB/hang' } }
      - pays: { call: http, with: { method: get, endpoint: 'STUB/pay' } }";
    let keyed = world.save_with("keyed", "1.0.0", ours, document).await;
    let first = world.play(&engine, keyed, json!({ "hang": false })).await.run;
    assert_eq!(first.status, RunStatus::Faulted);
    assert_eq!((first.priority.get(), first.concurrency_key.as_deref()), (8, Some("one")));

    let second = world.start(&engine, keyed, json!({ "hang": true })).await;
    let retried = engine.retry(world.account, first.id, RetryFrom::Failed).await.unwrap().run;
    assert_eq!((retried.status, retried.priority.get()), (RunStatus::Pending, 8));
    assert_eq!(world.why(&engine, first.id).await, "queued behind 1 run with the concurrency key \"one\"");
    engine.halt().await;
    let engine = world.engine().await;
    wait_until("the hanging call again", || world.stub.count() == 3).await;
    assert_eq!(world.status_of(first.id).await, RunStatus::Pending);
    engine.cancel(world.account, second).await.unwrap();
    assert_eq!(world.ended(&engine, first.id).await.run.status, RunStatus::Completed);

    // Without a key, it is the account's limit that counts.
    let pay = "do: [{ pays: { call: http, with: { method: get, endpoint: 'STUB/late' } } }]";
    world.stub.route(Route::new("/late").reply(Reply::status(503)).reply(Reply::default()));
    let plain = world.save("plain", "1.0.0", pay).await;
    let faulted = world.play(&engine, plain, json!({})).await.run.id;
    let hang = world.save("hang", "1.0.0", HANG).await;
    let blocker = world.start(&engine, hang, json!({})).await;
    engine.retry(world.account, faulted, RetryFrom::Failed).await.unwrap();
    assert_eq!(world.why(&engine, faulted).await, "queued behind the running runs of this account");
    engine.cancel(world.account, blocker).await.unwrap();
    assert_eq!(world.ended(&engine, faulted).await.run.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_suspended_run_gives_its_turn_back_and_asks_for_one_when_it_goes_on() {
    let mut world = World::new().await;
    world.limits.running_per_account = 1;
    world.hang();
    let engine = world.engine().await;
    let hang = world.save("hang", "1.0.0", HANG).await;
    let first = world.start(&engine, hang, json!({})).await;
    let second = world.start(&engine, hang, json!({})).await;
    wait_until("the call of the first", || world.stub.count() == 1).await;
    assert_eq!(world.status_of(second).await, RunStatus::Pending);
    engine.suspend(world.account, first, "ada").await.unwrap();
    wait_until("the call of the second", || world.stub.count() == 2).await;
    // One whose call never stopped goes on at once: nothing would be won by holding it back.
    assert_eq!(engine.resume(world.account, first).await.unwrap().run.status, RunStatus::Running);
    engine.suspend(world.account, first, "ada").await.unwrap();

    engine.halt().await;
    let engine = world.engine().await;
    wait_until("the call of the second again", || world.stub.count() == 3).await;
    let resumed = engine.resume(world.account, first).await.unwrap().run;
    assert_eq!(resumed.status, RunStatus::Pending);
    assert_eq!(world.why(&engine, first).await, "queued behind the running runs of this account");
    let third = world.start(&engine, hang, json!({})).await;
    // One that waits for its turn can be suspended, and gives its place in the queue up.
    assert_eq!(engine.suspend(world.account, third, "ada").await.unwrap().run.status, RunStatus::Suspended);
    assert_eq!(engine.queue_load().await.unwrap().queued, 1);
    engine.halt().await;
    let engine = world.engine().await;
    wait_until("the call of the second once more", || world.stub.count() == 4).await;
    engine.cancel(world.account, second).await.unwrap();
    world.status(first, RunStatus::Running).await;
    wait_until("the call of the first again", || world.stub.count() == 5).await;
    assert_eq!(engine.resume(world.account, third).await.unwrap().run.status, RunStatus::Pending);
    engine.cancel(world.account, first).await.unwrap();
    wait_until("the call of the third", || world.stub.count() == 6).await;
}

#[tokio::test]
async fn a_run_that_begins_at_a_task_is_queued_like_others_and_its_time_begins_with_its_turn() {
    let mut world = World::new().await;
    world.limits.running_per_account = 1;
    world.hang();
    let engine = world.engine().await;
    let steps = "timeout: { after: { minutes: 5 } }
do:
  - one: { set: { n: '${ .n + 1 }' } }
  - two: { set: { n: '${ .n * 10 }' } }";
    let workflow = world.save("steps", "1.0.0", steps).await;
    let run = world.play(&engine, workflow, json!({ "n": 1 })).await;
    assert_eq!(run.output, Some(json!({ "n": 20 })));
    let hang = world.save("hang", "1.0.0", HANG).await;
    let blocker = world.start(&engine, hang, json!({})).await;
    let from = RetryFrom::Task("/do/1/two".to_owned());
    let input = Changes { input: Some(json!({ "n": 7 })), ..Changes::default() };
    let fork = engine.retry_with(world.account, run.run.id, from, input).await.unwrap().run;
    assert_eq!(fork.status, RunStatus::Pending);
    world.advance(&engine, seconds(3600));
    engine.halt().await;
    let engine = world.engine().await;
    assert_eq!(world.status_of(fork.id).await, RunStatus::Pending);
    engine.cancel(world.account, blocker).await.unwrap();
    assert_eq!(world.ended(&engine, fork.id).await.output, Some(json!({ "n": 70 })));
}
