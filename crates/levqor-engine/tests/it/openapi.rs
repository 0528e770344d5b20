//! `call: openapi`: the document is fetched once a run, and the operation is called as it says.

use levqor_model::RunStatus;
use levqor_testkit::{Reply, Route};
use serde_json::json;

use crate::world::{World, kind, seconds};

const DOCUMENT: &str = "
openapi: 3.0.3
servers: [ { url: /v1 } ]
paths:
  /pets/{petId}:
    get:
      operationId: getPet
      parameters: [ { name: petId, in: path, required: true }, { name: fields, in: query } ]
  /pets:
    post:
      operationId: addPet
      requestBody: { required: true, content: { application/json: { schema: { properties: { name: {} } } } } }
";

async fn world() -> World {
    let world = World::new().await;
    let document = Reply::status(200).header("content-type", "application/octet-stream").body(DOCUMENT);
    world.stub.route(Route::new("/openapi.yaml").reply(document));
    world.stub.route(Route::new("/v1/pets/7").reply(Reply::json(&json!({ "name": "Milou" }))));
    world.stub.route(Route::new("/v1/pets").reply(Reply::echo()));
    world
}

fn call(operation: &str, more: &str) -> String {
    format!(
        "{{ call: openapi, with: {{ document: {{ endpoint: STUB/openapi.yaml }}, operationId: {operation}, {more} }} }}"
    )
}

#[tokio::test]
async fn operations_are_called_and_the_document_is_fetched_once() {
    let world = world().await;
    let get = call(
        "getPet",
        "parameters: { petId: 7, fields: [a, b] }, authentication: { bearer: { token: t0ken } }",
    );
    let add = call("addPet", "parameters: { name: '${ .name }' }, output: response");
    let detail = world.play_tasks(&format!("[{{ get: {get} }}, {{ add: {add} }}]")).await;
    assert_eq!(detail.run.status, RunStatus::Completed, "{detail:?}");
    assert_eq!(detail.output.unwrap()["content"], json!({ "name": "Milou" }));
    let requests = world.stub.requests();
    let paths: Vec<_> =
        requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    assert_eq!(paths, ["GET /openapi.yaml", "GET /v1/pets/7", "POST /v1/pets"]);
    assert_eq!(requests[1].query, "fields=a&fields=b");
    assert_eq!(requests[1].header("authorization"), Some("Bearer t0ken"));
    assert_eq!(requests[0].header("authorization"), None);
    assert_ne!(requests[0].idempotency_key(), requests[1].idempotency_key());
}

#[tokio::test]
async fn a_restart_does_not_fetch_the_document_again() {
    let world = world().await;
    let get = call("getPet", "parameters: { petId: 7 }");
    let engine = world.engine().await;
    let tasks =
        format!("do: [{{ one: {get} }}, {{ pause: {{ wait: {{ seconds: 60 }} }} }}, {{ two: {get} }}]");
    let workflow = world.save("twice", "1.0.0", &tasks).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    engine.halt().await;
    world.stub.route(Route::new("/openapi.yaml").reply(Reply::status(500)));
    let engine = world.engine().await;
    world.advance(&engine, seconds(60));
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.run.status, RunStatus::Completed, "{detail:?}");
    assert_eq!(world.stub.requests_to("/openapi.yaml").len(), 1);
    assert_eq!(world.stub.requests_to("/v1/pets/7").len(), 2);
    let tasks = engine.tasks(world.account, run, None, 10).await.unwrap();
    assert_eq!(tasks.len(), 3);
}

#[tokio::test]
async fn what_is_wrong_with_a_document_or_a_call_can_be_caught() {
    let world = world().await;
    world.stub.route(Route::new("/gone.json").reply(Reply::status(404)));
    world.stub.route(Route::new("/odd.json").reply(Reply::text("a: [")));
    world.stub.route(Route::new("/bytes").reply(Reply::status(200).body(&[0xff, 0xfe][..])));
    let rows = [
        (
            call("getPet", "parameters: { petId: 7 }").replace("openapi.yaml", "gone.json"),
            "communication",
            404,
        ),
        (
            call("getPet", "parameters: { petId: 7 }").replace("openapi.yaml", "odd.json"),
            "configuration",
            400,
        ),
        (call("getPet", "parameters: { petId: 7 }").replace("openapi.yaml", "bytes"), "communication", 500),
        (call("getPets", "parameters: { petId: 7 }"), "configuration", 400),
        (call("getPet", "parameters: { pet: 7 }"), "validation", 400),
        (call("getPet", "parameters: { petId: 7 }").replace("STUB", "http://10.0.0.1"), "configuration", 400),
    ];
    let engine = world.engine().await;
    for (place, (call, expected, status)) in rows.into_iter().enumerate() {
        let name = format!("w{place}");
        let workflow = world.save(&name, "1.0.0", &format!("do: [{{ a: {call} }}]")).await;
        let detail = world.play(&engine, workflow, json!({})).await;
        assert_eq!((kind(&detail), detail.error.as_ref().unwrap().status), (expected, status), "{detail:?}");
        assert_eq!(detail.error.unwrap().instance, "/do/0/a");
    }
}

#[tokio::test]
async fn the_timeout_of_the_task_counts_from_its_beginning() {
    let world = world().await;
    world.stub.route(Route::new("/v1/pets/7").reply(Reply::hang()));
    let engine = world.engine().await;
    let get = call("getPet", "parameters: { petId: 7 }");
    let get = get.replacen("{ call", "{ timeout: { after: { seconds: 30 } }, call", 1);
    let workflow = world.save("slow", "1.0.0", &format!("do: [{{ a: {get} }}]")).await;
    let run = world.start(&engine, workflow, json!({})).await;
    levqor_testkit::wait_for("the operation to be called", || async {
        (!world.stub.requests_to("/v1/pets/7").is_empty()).then_some(())
    })
    .await;
    world.advance(&engine, seconds(30));
    assert_eq!(kind(&world.ended(&engine, run).await), "timeout");
}
