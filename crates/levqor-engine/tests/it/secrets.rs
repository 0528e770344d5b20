//! Secrets in runs: what a run sees and keeps, what is shown of it, and what is forgotten.

use std::time::Duration;

use levqor_engine::{Changes, Engine, Error, RetryFrom, RunUpdate, SecretSet, Setup, Vault};
use levqor_model::{RunId, RunStatus, Secret};
use levqor_testkit::{Reply, Route};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, kind, seconds};

const DAY: u64 = 24 * 60 * 60;

async fn set(world: &World, engine: &Engine, name: &str, value: Value) {
    // Versions of one moment have an order, too.
    let outcome = engine.set_secret(world.account, name, &value, 10).await.unwrap();
    assert_eq!(outcome, SecretSet::Done);
}

/// All that readers can see of a run.
async fn shown(world: &World, engine: &Engine, run: RunId) -> String {
    let detail = engine.run(world.account, run).await.unwrap();
    let tasks = engine.tasks(world.account, run, None, 100).await.unwrap();
    let waiting = engine.waiting_for(world.account, run).await.unwrap();
    format!("{detail:?} {tasks:?} {waiting:?}")
}

const CALL: &str = "
use: { secrets: [ key, login ] }
do:
  - call:
      call: http
      with:
        method: post
        output: response
        endpoint: { uri: 'STUB/in?q=1', authentication: { basic: { use: login } } }
        query: { token: '${ $secrets.key }' }
        body: { key: '${ $secrets.key }', login: '${ $authorization.parameter }' }
  - echo: { set: { content: '${ .content }', made: '${ \"<\\($secrets.key)>\" }', code: '${ $secrets.key | @base64 }' } }";

#[tokio::test]
async fn a_run_uses_secrets_and_nothing_shows_them() {
    let world = World::new().await;
    world.stub.route(Route::new("/in").reply(Reply::echo()));
    let engine = world.engine().await;
    set(&world, &engine, "key", json!("s3cr/et key")).await;
    set(&world, &engine, "login", json!({ "username": "ada", "password": "pa55word" })).await;
    let workflow = world.save("call", "1.0.0", CALL).await;
    let run = world.start(&engine, workflow, json!({ "repeats": "s3cr/et key" })).await;
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.run.status, RunStatus::Completed, "{detail:?}");

    let request = &world.stub.requests()[0];
    assert_eq!(request.header("authorization"), Some("Basic YWRhOnBhNTV3b3Jk"));
    assert_eq!(request.json(), json!({ "key": "s3cr/et key", "login": "YWRhOnBhNTV3b3Jk" }));
    assert!(request.query.contains("token=s3cr%2Fet+key"), "{}", request.query);

    let expected = json!({ "content": { "key": "***", "login": "YWRh***" }, "made": "<***>", "code": "***" });
    let output = detail.output.clone().unwrap();
    assert_eq!(output["made"], expected["made"]);
    assert_eq!(output["content"]["key"], "***");
    assert_eq!(detail.input, json!({ "repeats": "***" }));
    let all = shown(&world, &engine, run).await;
    let base64 = ["czNjci9ldCBrZXk", "YWRhOnBhNTV3b3Jk"];
    for hidden in ["s3cr/et", "s3cr%2Fet", "pa55word"].iter().chain(&base64) {
        assert!(!all.contains(hidden), "{hidden} in {all}");
    }
    // The journal has the truth, and no name of a value that was only used.
    let journal = world.store.journal(run, None, 100).await.unwrap();
    let text: String = journal.into_iter().map(|entry| entry.events).collect();
    assert!(text.contains("s3cr/et key") && !text.contains("pa55word"), "{text}");
}

#[tokio::test]
async fn live_updates_and_errors_are_masked() {
    let world = World::new().await;
    let engine = world.engine().await;
    set(&world, &engine, "key", json!("s3cr3t")).await;
    let workflow = world
        .save(
            "live",
            "1.0.0",
            "
use: { secrets: [ key ] }
do:
  - pause: { wait: { seconds: 60 } }
  - make: { set: { key: '${ $secrets.key }' } }
  - fail: { set: { x: '${ .key | error }' } }",
        )
        .await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    let mut updates = engine.watch(world.account, run).await.unwrap();
    world.advance(&engine, seconds(60));
    let mut seen = String::new();
    while let Ok(update) = updates.recv().await {
        if let RunUpdate::Task(record) = &update {
            seen.push_str(&format!("{record:?}"));
        }
    }
    let detail = world.ended(&engine, run).await;
    assert_eq!(kind(&detail), "expression");
    assert!(detail.error.as_ref().unwrap().detail.as_ref().unwrap().contains("***"));
    let all = seen + &shown(&world, &engine, run).await;
    assert!(all.contains("***") && !all.contains("s3cr3t"), "{all}");
}

#[tokio::test]
async fn what_a_run_waits_for_is_masked() {
    let world = World::new().await;
    world.stub.route(Route::new("/in").reply(Reply::hang()));
    let engine = world.engine().await;
    set(&world, &engine, "host", json!("127.0.0.1")).await;
    let uri = world.stub.url("/in").replace("127.0.0.1", "\\($secrets.host)");
    let text = format!(
        "use: {{ secrets: [ host ] }}\ndo: [{{ a: {{ call: http, with: {{ method: get, endpoint: '${{ \"{uri}\" }}' }} }} }}]"
    );
    let workflow = world.save("hangs", "1.0.0", &text).await;
    let run = world.start(&engine, workflow, json!({})).await;
    levqor_testkit::wait_for("the call", || async { (world.stub.count() > 0).then_some(()) }).await;
    let waits = engine.waiting_for(world.account, run).await.unwrap();
    assert_eq!(waits.as_deref(), Some("calls GET *** (task a)"));
    engine.cancel(world.account, run).await.unwrap();
}

#[tokio::test]
async fn a_sub_run_hides_what_its_parent_gave_it() {
    let world = World::new().await;
    let engine = world.engine().await;
    set(&world, &engine, "key", json!("s3cr3t")).await;
    world.save("child", "1.0.0", "do: [{ hand: { set: '${ { back: .given } }' } }]").await;
    let parent = "
use: { secrets: [ key ] }
do:
  - ask: { run: { workflow: { namespace: test, name: child, version: latest, input: { given: '${ $secrets.key }' } } } }
  - check: { set: { same: '${ .back == $secrets.key }' } }";
    let workflow = world.save("parent", "1.0.0", parent).await;
    let detail = world.play(&engine, workflow, json!({})).await;
    assert_eq!(detail.output, Some(json!({ "same": true })), "the parent got the truth: {detail:?}");
    let children = world.store.runs_of(None, Default::default(), None, 10).await.unwrap();
    let child = children.iter().find(|run| run.name == "child").unwrap().id;
    let all = shown(&world, &engine, child).await;
    assert!(all.contains("***") && !all.contains("s3cr3t"), "{all}");
}

const WAIT: &str = "
use: { secrets: [ key ] }
do:
  - first: { set: { first: '${ $secrets.key }' } }
  - pause: { wait: { seconds: 60 } }
  - call: { call: http, with: { method: post, endpoint: STUB/in, body: { first: '${ .first }', now: '${ $secrets.key }' } } }";

#[tokio::test]
async fn a_run_keeps_its_secrets_over_restarts_and_a_retry_sees_new_ones() {
    let world = World::new().await;
    world.stub.route(Route::new("/in").reply(Reply::status(500)).reply(Reply::text("fine")));
    let engine = world.engine().await;
    set(&world, &engine, "key", json!("old-value")).await;
    let workflow = world.save("wait", "1.0.0", WAIT).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    set(&world, &engine, "key", json!("new-value")).await;
    engine.halt().await;

    let engine = world.engine().await;
    world.advance(&engine, seconds(60));
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.run.status, RunStatus::Faulted);
    let body = || world.stub.requests().last().unwrap().json();
    assert_eq!(body(), json!({ "first": "old-value", "now": "old-value" }));

    engine.retry(world.account, run, RetryFrom::Failed).await.unwrap();
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.run.status, RunStatus::Completed, "{detail:?}");
    // What was made before the fault stays as it was made.
    assert_eq!(body(), json!({ "first": "old-value", "now": "new-value" }));
    assert!(!shown(&world, &engine, run).await.contains("-value"));
    engine.halt().await;

    // Read once more from the journal alone.
    let engine = world.engine().await;
    let tasks = engine.tasks(world.account, run, None, 100).await.unwrap();
    assert_eq!(tasks.iter().filter(|task| task.name == "call").count(), 2);
}

#[tokio::test]
async fn what_is_not_set_is_an_authorization_error_until_it_is() {
    let world = World::new().await;
    let engine = world.engine().await;
    let text = "use: { secrets: [ key ] }\ndo: [{ a: { set: { set: '${ $secrets.key != null }' } } }]";
    let workflow = world.save("absent", "1.0.0", text).await;
    let run = world.start(&engine, workflow, json!({})).await;
    let detail = world.ended(&engine, run).await;
    assert_eq!((kind(&detail), detail.error.as_ref().unwrap().status), ("authorization", 403));
    set(&world, &engine, "key", json!(null)).await;
    engine.retry(world.account, run, RetryFrom::Failed).await.unwrap();
    assert_eq!(world.ended(&engine, run).await.output, Some(json!({ "set": false })));

    assert!(engine.delete_secret(world.account, "key").await.unwrap());
    assert!(!engine.delete_secret(world.account, "key").await.unwrap());
    let again = world.play(&engine, workflow, json!({})).await;
    assert_eq!(kind(&again), "authorization");
}

#[tokio::test]
async fn old_values_are_kept_for_live_runs_and_thirty_days() {
    let world = World::new().await;
    let engine = world.engine().await;
    set(&world, &engine, "key", json!("first-value")).await;
    let live = world.save("wait", "1.0.0", &WAIT.replace("seconds: 60", "days: 90")).await;
    let done = world
        .save("done", "1.0.0", "use: { secrets: [ key ] }\ndo: [{ a: { set: { k: '${ $secrets.key }' } } }]")
        .await;
    let fails = world
        .save(
            "fails",
            "1.0.0",
            "use: { secrets: [ key ] }\ndo: [{ a: { set: { k: '${ $secrets.key | error }' } } }]",
        )
        .await;
    let faulted = world.play(&engine, fails, json!({})).await.run.id;
    let waiting = world.start(&engine, live, json!({})).await;
    world.status(waiting, RunStatus::Waiting).await;
    let ended = world.play(&engine, done, json!({})).await.run.id;
    world.clock.advance(seconds(1));
    set(&world, &engine, "key", json!("second-value")).await;
    let prune = async || {
        world.clock.advance(seconds(31 * DAY));
        world.store.prune_secrets(world.now() - Duration::from_secs(30 * DAY)).await.unwrap()
    };
    assert_eq!(prune().await, 0, "a live run began before");
    engine.cancel(world.account, waiting).await.unwrap();
    assert_eq!(prune().await, 1);
    assert_eq!(prune().await, 0, "the current value stays");
    // The tasks of a run whose value is forgotten are still told.
    let tasks = engine.tasks(world.account, ended, None, 10).await.unwrap();
    assert_eq!(tasks[0].output, Some(json!({ "k": "***" })));
    // One that faulted cannot go on as it was, and says so.
    let again = engine.retry(world.account, faulted, RetryFrom::Failed).await.unwrap_err();
    assert!(matches!(again, levqor_engine::Error::SecretsForgotten(run) if run == faulted), "{again}");
}

#[tokio::test]
async fn names_and_versions_are_bounded_and_another_key_opens_nothing() {
    let world = World::new().await;
    let engine = world.engine().await;
    for n in 0..10 {
        set(&world, &engine, &format!("n{n}"), json!(n)).await;
    }
    let one_more = engine.set_secret(world.account, "n10", &json!(1), 10).await.unwrap();
    assert_eq!(one_more, SecretSet::TooManyNames);
    for n in 1..100 {
        set(&world, &engine, "n0", json!(n)).await;
    }
    let one_more = engine.set_secret(world.account, "n0", &json!(1), 10).await.unwrap();
    assert_eq!(one_more, SecretSet::TooManyVersions);
    engine.drain(PATIENCE).await;

    let setup = Setup { vault: Vault::new(&Secret::new("another")), ..world.setup() };
    let engine = Engine::start(setup).await.unwrap();
    let text = "use: { secrets: [ n1 ] }\ndo: [{ a: { set: { k: '${ $secrets.n1 }' } } }]";
    let workflow = world.save("closed", "1.0.0", text).await;
    assert_eq!(kind(&world.play(&engine, workflow, json!({})).await), "authorization");
}

#[tokio::test]
async fn running_again_takes_the_truth_and_shows_none_of_it() {
    let world = World::new().await;
    world.stub.route(Route::new("/in").reply(Reply::status(500)).reply(Reply::text("fine")));
    let engine = world.engine().await;
    set(&world, &engine, "key", json!("s3cr3t")).await;
    let text = "
use: { secrets: [ key ] }
do:
  - make: { set: { made: '${ $secrets.key }', given: '${ .given }' } }
  - call: { call: http, with: { method: post, endpoint: STUB/in, body: '${ . }' } }";
    let workflow = world.save("again", "1.0.0", text).await;
    // The version after it needs no secret, and its runs must hide those of the runs that they repeat all the same.
    world.save("again", "2.0.0", "do: [{ call: { set: '${ . }' } }]").await;
    let mut request = world.request(workflow, json!({ "given": "s3cr3t" }));
    request.version = Some("1.0.0".to_owned());
    let run = engine.start_run(request).await.unwrap().run.id;
    assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Faulted);
    let whole = json!({ "made": "s3cr3t", "given": "s3cr3t" });
    let task = RetryFrom::Task("/do/1/call".to_owned());
    for from in [RetryFrom::Start, task.clone()] {
        assert_eq!(engine.retry_input(world.account, run, &from).await.unwrap(), None, "it is not shown");
        let again = engine.retry(world.account, run, from).await.unwrap();
        assert!(!format!("{again:?}").contains("s3cr3t"), "{again:?}");
        world.ended(&engine, again.run.id).await;
        assert_eq!(world.stub.requests().last().unwrap().json(), whole, "and kept");
        assert!(!shown(&world, &engine, again.run.id).await.contains("s3cr3t"));
    }
    let to = |version: &str| Changes { version: Some(version.to_owned()), ..Changes::default() };
    let other = engine.retry_with(world.account, run, RetryFrom::Start, to("2.0.0")).await.unwrap();
    let other = world.ended(&engine, other.run.id).await.run;
    assert_eq!((other.version.as_str(), other.status), ("2.0.0", RunStatus::Completed));
    assert!(!shown(&world, &engine, other.id).await.contains("s3cr3t"));
    let retried = engine.retry(world.account, other.id, RetryFrom::Start).await.unwrap();
    world.ended(&engine, retried.run.id).await;
    assert!(!shown(&world, &engine, retried.run.id).await.contains("s3cr3t"), "the retry of a retry");

    let refused = engine.retry_with(world.account, run, RetryFrom::Failed, to("2.0.0")).await.unwrap_err();
    assert!(
        matches!(&refused, Error::OtherVersion { reason, .. } if reason.contains("\"key\"")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_run_that_goes_on_with_another_version_gets_the_secrets_that_this_needs() {
    let world = World::new().await;
    world.stub.route(Route::new("/in").reply(Reply::status(401)).reply(Reply::text("fine")));
    let engine = world.engine().await;
    let text = |secrets: &str, last: &str| {
        format!(
            "use: {{ secrets: [ {secrets} ] }}
do:
  - first: {{ set: {{ first: '${{ $secrets.one }}' }} }}
  - call: {{ call: http, with: {{ method: post, endpoint: STUB/in, body: {{ first: '${{ .first }}' }} }} }}
  - last: {{ set: {{ same: '${{ {last} }}' }} }}"
        )
    };
    set(&world, &engine, "one", json!("first-value")).await;
    let workflow = world.save("moving", "1.0.0", &text("one", "1")).await;
    let run = world.play(&engine, workflow, json!({})).await.run;
    assert_eq!(run.status, RunStatus::Faulted);
    set(&world, &engine, "two", json!("second-value")).await;
    world.save("moving", "1.1.0", &text("one, two", "$secrets.two == \"second-value\"")).await;
    let changes = Changes { version: Some("1.1.0".to_owned()), ..Changes::default() };
    engine.retry_with(world.account, run.id, RetryFrom::Failed, changes).await.unwrap();
    let detail = world.ended(&engine, run.id).await;
    assert_eq!(detail.output, Some(json!({ "same": true })), "{:?}", detail.error);
    assert_eq!(world.stub.requests().last().unwrap().json(), json!({ "first": "first-value" }));
    assert!(!shown(&world, &engine, run.id).await.contains("-value"));
}
