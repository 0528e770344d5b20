//! Examples of the specification, run by the command line. Those that call services are run against a local stand-in,
//! by address rewriting; the documents are not changed.

use levqor_testkit::{HttpStub, Reply, Route, temp_dir};
use serde_json::{Value, json};

use crate::command_line::levqor;

const EXAMPLES: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../levqor-flow/tests/data/serverless-workflow/examples");

async fn stand_in() -> HttpStub {
    let stub = HttpStub::start().await;
    let pet = json!({ "id": 1, "name": "milou", "status": "available" });
    stub.route(Route::new("/v2/pet/1").reply(Reply::json(&pet)));
    stub.route(Route::new("/v2/pet/404").reply(Reply::status(404)));
    stub.route(
        Route::new("/api/people/1")
            .reply(Reply::json(&json!({ "homeworld": "https://swapi.dev/api/planets/1/" }))),
    );
    stub.route(Route::new("/api/planets/1/").reply(Reply::json(&json!({ "name": "Tatooine" }))));
    stub.route(Route::new("/api/people/").reply(Reply::json(&json!({ "count": 1 }))));
    stub.route(Route::new("/api/bet/on/football").reply(Reply::json(&json!({ "placed": true }))));
    stub
}

/// Runs an example; gives the exit code and the run as JSON.
fn run(stub: &HttpStub, name: &str, input: &Value, more: &[&str]) -> (Option<i32>, Value) {
    let file = format!("{EXAMPLES}/{name}.yaml");
    let origin = stub.url("").trim_end_matches('/').to_owned();
    let rewrites: Vec<String> = [
        "https://petstore.swagger.io",
        "https://swapi.dev",
        "https://superbet-casinos.com",
        "https://fake-hospital.com",
    ]
    .iter()
    .map(|host| format!("{host}={origin}"))
    .collect();
    let input = input.to_string();
    let mut arguments = vec!["run", &file, "--json", "--allow", "127.0.0.1/32", "--input", &input];
    for rewrite in &rewrites {
        arguments.extend(["--rewrite", rewrite]);
    }
    arguments.extend(more);
    let ran = levqor(&arguments);
    let run = serde_json::from_slice(&ran.stdout)
        .unwrap_or_else(|_| panic!("{name}: {}", String::from_utf8_lossy(&ran.stderr)));
    (ran.status.code(), run)
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_of_the_specification_run() {
    let stub = stand_in().await;
    let pet = json!({ "id": 1, "name": "milou", "status": "available" });
    let rows = [
        ("raise-inline", json!({}), 1, json!(null)),
        ("raise-reusable", json!({}), 1, json!(null)),
        ("conditional-task", json!({ "customer": { "age": 17 }, "bet": 5 }), 1, json!(null)),
        ("conditional-task", json!({ "customer": { "age": 40 }, "bet": 5 }), 0, json!({ "placed": true })),
        (
            "switch-then-string",
            json!({ "orderType": "electronic" }),
            0,
            json!({ "validate": true, "status": "fulfilled" }),
        ),
        (
            "switch-then-string",
            json!({ "orderType": "other" }),
            0,
            json!({ "log": "warn", "message": "something's wrong" }),
        ),
        ("do-single", json!({ "petId": 1 }), 0, pet.clone()),
        ("call-http-endpoint-interpolation", json!({ "petId": 1 }), 0, pet.clone()),
        ("call-http-endpoint-interpolation-shorthand", json!({ "petId": 1 }), 0, pet.clone()),
        ("call-http-query-parameters", json!({ "searchQuery": "luke" }), 0, json!({ "count": 1 })),
        ("call-http-query-headers-expressions", json!({ "searchQuery": "luke" }), 0, json!({ "count": 1 })),
        ("star-wars-homeworld", json!({ "id": 1 }), 0, json!({ "name": "Tatooine" })),
        ("try-catch", json!({ "petId": 404 }), 0, json!({ "petId": 404 })),
        ("try-catch-retry-inline", json!({ "petId": 1 }), 0, pet),
    ];
    for (name, input, code, output) in rows {
        let (ended, run) = run(&stub, name, &input, &[]);
        assert_eq!((ended, &run["output"]), (Some(code), &output), "{name}: {run}");
    }
    assert_eq!(stub.requests_to("/api/people/").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sub_workflow_is_found_among_the_files_given() {
    let stub = stand_in().await;
    let directory = temp_dir();
    let other = directory.path().join("register.yaml");
    std::fs::write(
        &other,
        "document: {dsl: '1.0.3', namespace: test, name: register-customer, version: '0.1.0'}\n\
         do: [{register: {set: {registered: '${ .customer }'}}}]\n",
    )
    .unwrap();
    let (code, run) =
        run(&stub, "run-subflow", &json!({ "user": "ada" }), &["--with", other.to_str().unwrap()]);
    // The example passes the text ".user": in data, an expression stands in `${ }`.
    assert_eq!((code, &run["output"]), (Some(0), &json!({ "registered": ".user" })), "{run}");
}
