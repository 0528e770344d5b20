//! Functions of catalogs: fetched when a document is checked, and never again.

use std::sync::Arc;

use levqor_flow::document::{Checked, Fetched, Host, read};
use levqor_model::RunStatus;
use levqor_testkit::{Reply, Route};
use serde_json::{Value, json};

use crate::world::{World, seconds};

fn file(function: &str) -> String {
    format!("/c/functions/{function}/1.0.0/function.yaml")
}

fn yaml(text: &str) -> Reply {
    Reply::status(200).header("content-type", "text/yaml").body(text.to_owned())
}

fn document(world: &World, rest: &str) -> Arc<Value> {
    let text =
        format!("document: {{ dsl: '1.0.3', namespace: test, name: catalogs, version: '1.0.0' }}\n{rest}");
    Arc::new(read(&text.replace("STUB", &world.stub.url(""))).unwrap())
}

const TEAM: &str = "use: { catalogs: { team: { endpoint: STUB/c } } }\n";

#[tokio::test]
async fn what_a_document_calls_is_fetched_once_and_by_way_of_others() {
    let world = World::new().await;
    world.stub.route(Route::new(&file("greet")).reply(yaml(
        "do: [{ name: { call: 'name:1.0.0@team' } }, { greet: { set: '${ \"Hello, \" + . }' } }]",
    )));
    world
        .stub
        .route(Route::new(&file("name")).reply(yaml("input: { from: .name }\nset: '${ ascii_upcase }'")));
    let engine = world.engine().await;
    let rest =
        format!("{TEAM}do: [{{ a: {{ call: 'greet:1.0.0@team', with: {{ name: '${{ .who }}' }} }} }}]");
    let value = document(&world, &rest);
    let (checked, fetched) =
        engine.check(world.account, Arc::clone(&value), &Host::default(), Fetched::default()).await.unwrap();
    assert!(checked.workflow.is_some(), "{checked:?}");
    assert_eq!(fetched.iter().count(), 2);
    let asked = |world: &World| world.stub.requests().len();
    assert_eq!(asked(&world), 2);

    // What is known is not fetched again, and a run fetches nothing.
    let (checked, _) = engine.check(world.account, value, &Host::default(), fetched.clone()).await.unwrap();
    assert!(checked.workflow.is_some());
    let workflow = world.save_as("catalogs", "1.0.0", "{}", &rest, &fetched).await;
    let detail = world.play(&engine, workflow, json!({ "who": "ada" })).await;
    assert_eq!((detail.run.status, detail.output), (RunStatus::Completed, Some(json!("Hello, ADA"))));
    // Neither does one after a restart, which compiles the stored version anew.
    engine.drain(seconds(5)).await;
    let engine = world.engine().await;
    let detail = world.play(&engine, workflow, json!({ "who": "bob" })).await;
    assert_eq!(detail.output, Some(json!("Hello, BOB")));
    assert_eq!(asked(&world), 2);
}

#[tokio::test]
async fn a_catalog_may_want_to_know_who_asks() {
    let world = World::new().await;
    world.stub.route(Route::new(&file("f")).reply(yaml("set: { x: 1 }")));
    let engine = world.engine().await;
    let rest = "use:
  secrets: [ token ]
  catalogs: { team: { endpoint: { uri: STUB/c, authentication: { bearer: { token: '${ $secrets.token }' } } } } }
do: [{ a: { call: 'f:1.0.0@team' } }]";
    let check = async || {
        let value = document(&world, rest);
        engine.check(world.account, value, &Host::default(), Fetched::default()).await.unwrap().0
    };
    let refused = check().await;
    assert_eq!(reason(&refused).0, "/do/0/a/call");
    assert!(reason(&refused).1.contains("the secret `token` was not set"), "{refused:?}");
    assert!(world.stub.requests().is_empty());

    engine.set_secret(world.account, "token", &json!("t0p"), 10).await.unwrap();
    assert!(check().await.workflow.is_some());
    assert_eq!(world.stub.requests()[0].header("authorization"), Some("Bearer t0p"));
}

/// The only error: its place and its words.
fn reason(checked: &Checked) -> (&str, &str) {
    let [issue] = &checked.errors[..] else { panic!("{checked:?}") };
    (&issue.pointer, &issue.message)
}

#[tokio::test]
async fn what_cannot_be_fetched_or_used_is_said_where_it_is_called() {
    let world = World::new().await;
    world.stub.route(Route::new(&file("absent")).reply(Reply::status(404)));
    world.stub.route(Route::new(&file("list")).reply(yaml("[1, 2]")));
    world.stub.route(Route::new(&file("broken")).reply(yaml("a: [")));
    world.stub.route(Route::new(&file("nothing")).reply(yaml("{}")));
    world
        .stub
        .route(Route::new(&file("large")).reply(yaml(&format!("set: {{ x: '{}' }}", "x".repeat(700_000)))));
    world
        .stub
        .route(Route::new(&file("larger")).reply(yaml(&format!("set: {{ x: '{}' }}", "x".repeat(700_000)))));
    world.stub.route(Route::new(&file("huge")).reply(yaml(&"x".repeat(1_100_000))));
    let engine = world.engine().await;
    let elsewhere = "use: { catalogs: { team: { endpoint: 'http://10.0.0.1/c' } } }\n";
    let rows = [
        (TEAM, "absent", "answered 404"),
        (TEAM, "list", "it is not a task"),
        (TEAM, "broken", "not YAML"),
        (TEAM, "nothing", "does nothing; give it one of"),
        (TEAM, "huge", "answered with more than"),
        (elsewhere, "list", "10.0.0.1"),
    ];
    for (head, function, expected) in rows {
        let value = document(&world, &format!("{head}do: [{{ a: {{ call: '{function}:1.0.0@team' }} }}]"));
        let (checked, _) =
            engine.check(world.account, value, &Host::default(), Fetched::default()).await.unwrap();
        assert!(checked.workflow.is_none() && checked.wanted.is_empty(), "{function}");
        let (pointer, message) = reason(&checked);
        assert_eq!(pointer, "/do/0/a/call", "{function}");
        assert!(message.contains(expected), "{function}: {message}");
    }
    let value = document(
        &world,
        &format!(
            "{TEAM}do: [{{ a: {{ call: 'large:1.0.0@team' }} }}, {{ b: {{ call: 'larger:1.0.0@team' }} }}]"
        ),
    );
    let (checked, _) =
        engine.check(world.account, value, &Host::default(), Fetched::default()).await.unwrap();
    assert!(reason(&checked).1.contains("bytes together"), "{checked:?}");
}

#[tokio::test]
async fn a_wrong_document_is_not_a_reason_to_fetch_anything() {
    let world = World::new().await;
    let engine = world.engine().await;
    let value =
        document(&world, &format!("{TEAM}do: [{{ a: {{ call: 'f:1.0.0@team' }} }}, {{ b: {{ sett: 1 }} }}]"));
    let (checked, _) =
        engine.check(world.account, value, &Host::default(), Fetched::default()).await.unwrap();
    assert_eq!(reason(&checked).0, "/do/1/b/sett");
    assert!(world.stub.requests().is_empty());
}
