//! Functions of catalogs over the API: fetched when a workflow is saved, kept with its version, shown with it.

use http::StatusCode;
use levqor_testkit::{HttpStub, Reply, Route};
use serde_json::{Value, json};

use crate::support::{TestApp, document};

const FILE: &str = "/functions/greet/1.0.0/function.yaml";

fn rest(stub: &HttpStub) -> String {
    format!(
        "use: {{ catalogs: {{ team: {{ endpoint: '{}' }} }} }}\ndo: [{{ greet: {{ call: 'greet:1.0.0@team', with: {{ name: '${{ .name }}' }} }} }}]",
        stub.url("")
    )
}

async fn stub(text: &'static str) -> HttpStub {
    let stub = HttpStub::start().await;
    stub.route(Route::new(FILE).reply(Reply::status(200).body(text.to_owned())));
    stub
}

#[tokio::test]
async fn a_version_keeps_the_functions_that_it_calls() {
    let test = TestApp::new().await;
    let stub = stub("set: '${ \"Hello, \\(.name)\" }'").await;
    let definition = document("catalogued", "0.1.0", &rest(&stub));
    let id = test.save("catalogued", &rest(&stub)).await;
    let run = test.start(&id, 10, &json!({ "name": "Ada" })).await;
    assert_eq!((&run["status"], &run["output"]), (&json!("completed"), &json!("Hello, Ada")));
    let version = test.read(&format!("/api/workflows/{id}/versions/0.1.0")).await;
    let functions = json!({ stub.url(FILE): { "set": "${ \"Hello, \\(.name)\" }" } });
    assert_eq!(version["functions"], functions);

    // The catalog changes: what is stored does not, also when the same is saved again.
    stub.route(Route::new(FILE).reply(Reply::status(404)));
    let saved = put(&test, &id, &definition).await;
    assert_eq!((saved.0, &saved.1["version"]), (StatusCode::OK, &json!("0.1.0")));
    let run = test.start(&id, 10, &json!({ "name": "Bob" })).await;
    assert_eq!(run["output"], json!("Hello, Bob"));
    test.read(&format!("/api/workflows/{id}")).await;
    // A new version takes what is there now, and that is nothing.
    let refused = put(&test, &id, &document("catalogued", "0.2.0", &rest(&stub))).await;
    assert_eq!(refused.0, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.1);
    assert_eq!(refused.1["errors"][0]["pointer"], "/do/0/greet/call");
    let run = test.restarted().await.start(&id, 10, &json!({ "name": "Cay" })).await;
    assert_eq!(run["output"], json!("Hello, Cay"));
    assert_eq!(stub.count(), 2);
}

async fn put(test: &TestApp, id: &str, definition: &str) -> (StatusCode, Value) {
    let answer = test
        .call(http::Method::PUT, &format!("/api/workflows/{id}"))
        .key(&test.keys.editor)
        .json(&json!({ "definition": definition }))
        .send()
        .await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_check_fetches_too_and_says_what_is_wrong_with_a_function() {
    let test = TestApp::new().await;
    let stub = stub("{ set: { x: '${ .[ }' } }").await;
    let body = json!({ "definition": document("catalogued", "0.1.0", &rest(&stub)) });
    let checked = test.post("/api/workflows/validate").key(&test.keys.viewer).json(&body).send().await.json();
    assert_eq!(checked["valid"], false, "{checked}");
    let error = &checked["errors"][0];
    assert_eq!(error["pointer"], "/do/0/greet/call");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&stub.url(FILE)) && message.contains("/set/x"), "{message}");
}
