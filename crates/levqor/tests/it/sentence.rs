//! The whole path of the product: from a sentence to a durable run.

use levqor_testkit::{HttpStub, Reply, Route, temp_dir};
use reqwest::Method;
use serde_json::json;

use crate::api::Levqor;

#[tokio::test]
async fn a_sentence_becomes_a_workflow_that_runs() {
    let stub = HttpStub::start().await;
    let orders = json!([{ "id": 1, "total": 40 }, { "id": 2, "total": 250 }, { "id": 3, "total": 101 }]);
    stub.route(Route::new("/orders").method("GET").reply(Reply::json(&orders)));
    stub.route(Route::new("/alert").method("POST").reply(Reply::json(&json!({ "ok": true }))));
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let sentence = format!(
        "Every weekday at 9am London time, fetch the orders from {} and if any total is over 100 post them to {}",
        stub.url("/orders"),
        stub.url("/alert")
    );
    let (status, draft) =
        levqor.call(Method::POST, "/api/ai/workflow", Some(&json!({ "query": sentence }))).await;
    assert_eq!((status, &draft["success"]), (200, &json!(true)), "{draft}");
    assert_eq!(draft["warnings"], json!([]), "every word was understood");
    assert_eq!(draft["meta"]["ai_backend"], "builtin");
    let definition = &draft["workflow"];
    assert_eq!(definition["schedule"]["cron"], "0 9 * * 1-5");
    let (_, validity) = levqor
        .call(Method::POST, "/api/workflows/validate", Some(&json!({ "definition": definition })))
        .await;
    assert_eq!(validity["valid"], true, "{validity}");
    let id = levqor.create(definition).await;
    let workflow = levqor.get(&format!("/api/workflows/{id}")).await;
    assert_eq!(workflow["schedule"]["zone"], "Europe/London", "{workflow}");
    let times = workflow["schedule"]["next_times"].as_array().unwrap();
    assert_eq!(times.len(), 5, "{workflow}");
    for time in times {
        let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
        let london = time.in_tz("Europe/London").unwrap();
        assert_eq!((london.hour(), london.minute()), (9, 0), "{london}");
        assert!(london.weekday().to_monday_one_offset() <= 5, "{london}");
    }
    let run = levqor.start(&id, &json!({ "wait_seconds": 30 })).await;
    assert_eq!(run["status"], "completed", "{run}");
    assert_eq!(run["region"], "eu-west");
    let alerts = stub.requests_to("/alert");
    assert_eq!(alerts.len(), 1);
    let body = alerts[0].json().to_string();
    assert!(body.contains("\"total\":250") && body.contains("\"total\":101"), "{body}");
    assert!(alerts[0].idempotency_key().is_some_and(|key| key.starts_with(run["run_id"].as_str().unwrap())));
    let tasks = levqor.get(&format!("/api/runs/{}/tasks", run["run_id"].as_str().unwrap())).await;
    assert!(tasks["tasks"].as_array().unwrap().len() >= 2, "{tasks}");
}
