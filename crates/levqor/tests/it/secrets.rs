//! A secret through the real server: set, sent, masked, kept over a restart, and in no answer and no line of the log.

use levqor_lab::Server;
use levqor_testkit::{HttpStub, Reply, Route};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Levqor, client, setup};

const VALUE: &str = "correct-horse-battery";

fn definition(stub: &HttpStub) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "secret", "version": "1.0.0" },
        "use": { "secrets": ["token"] },
        "do": [
            { "call": {
                "call": "http",
                "with": {
                    "method": "post", "output": "response", "body": { "token": "${ $secrets.token }" },
                    "endpoint": { "uri": stub.url("/in"), "authentication": { "bearer": { "use": "token" } } },
                },
            } },
            { "fail": { "raise": { "error": { "type": "urn:test", "status": 418, "detail": "${ \"it was \\($secrets.token)\" }" } } } },
        ],
    })
}

#[tokio::test]
async fn a_secret_reaches_the_callee_and_no_reader() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/in").reply(Reply::echo()));
    let directory = tempfile::tempdir().unwrap();
    let start = async || Server::start(&setup(directory.path()).env("LEVQOR_LOG", "debug")).await.unwrap();
    let server = start().await;
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let levqor = Levqor::of(server, &key);
    let value = json!({ "value": VALUE });
    let (status, _) = levqor.call(Method::PUT, "/api/secrets/token", Some(&value)).await;
    assert_eq!(status, 204);
    let workflow = levqor.create(&definition(&stub)).await;
    let mut log = levqor.server.log();
    drop(levqor);

    // Another process opens what the first has sealed.
    let levqor = Levqor::of(start().await, &key);
    let run = levqor.start(&workflow, &json!({ "wait_seconds": 30 })).await;
    let run = run["run_id"].as_str().unwrap().to_owned();
    let ended = levqor.ended(&run).await;
    assert_eq!(ended["error"]["detail"], "it was ***", "{ended}");
    let request = &stub.requests()[0];
    assert_eq!(request.header("authorization"), Some(format!("Bearer {VALUE}").as_str()));
    assert_eq!(request.json(), json!({ "token": VALUE }));

    let paths = [
        format!("/api/runs/{run}"),
        format!("/api/runs/{run}/tasks"),
        "/api/runs".to_owned(),
        "/api/secrets".to_owned(),
        format!("/api/workflows/{workflow}"),
        "/metrics".to_owned(),
        "/api/metrics/app".to_owned(),
    ];
    for path in paths {
        let body = levqor.get(&path).await.to_string();
        assert!(!body.contains("correct-horse"), "{path}: {body}");
    }
    let events = client().get(levqor.server.url(&format!("/api/runs/{run}/events"))).bearer_auth(&key);
    let events = events.send().await.unwrap().text().await.unwrap();
    assert!(!events.contains("correct-horse"), "{events}");
    log.push_str(&levqor.server.log());
    assert!(!log.contains("correct-horse"), "{log}");
}
