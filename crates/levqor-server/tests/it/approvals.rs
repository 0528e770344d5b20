//! Decisions of people over the API and on the console.

use http::StatusCode;
use levqor_testkit::wait_for;
use serde_json::{Value, json};

use crate::support::TestApp;

const ASK: &str = "do:
- ask: { call: 'approval:1.0.0@default', with: { title: 'Pay 900 EUR?', data: '${ . }' } }
- done: { set: { approved: '${ .approved }', by: '${ .by }' } }";

/// A run that waits, and what it asks.
async fn asked(test: &TestApp) -> (String, Value) {
    let workflow = test.save("ask", ASK).await;
    let run = test.start(&workflow, 0, &json!({ "to": "Acme" })).await;
    let run = run["run_id"].as_str().unwrap().to_owned();
    let approval = wait_for("the question", || async {
        let list = test.read("/api/approvals").await;
        list["approvals"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(approval["run_id"], json!(run));
    (run, approval)
}

async fn ended(test: &TestApp, run: &str) -> Value {
    wait_for("the end", || async {
        let run = test.read(&format!("/api/runs/{run}")).await;
        (run["status"] == "completed").then_some(run)
    })
    .await
}

#[tokio::test]
async fn a_decision_is_made_once_by_somebody_who_may() {
    let test = TestApp::new().await;
    let (run, approval) = asked(&test).await;
    let id = approval["id"].as_str().unwrap();
    assert_eq!(approval["status"], "open");
    assert_eq!((&approval["title"], &approval["data"]), (&json!("Pay 900 EUR?"), &json!({ "to": "Acme" })));
    let send = async |verb: &str, key: &str, body: Value| {
        test.post(&format!("/api/approvals/{id}/{verb}")).key(key).json(&body).send().await
    };
    assert_eq!(send("approve", &test.keys.viewer, json!({})).await.status, StatusCode::FORBIDDEN);
    assert_eq!(send("approve", &test.keys.other, json!({})).await.status, StatusCode::NOT_FOUND);
    let long = json!({ "comment": "x".repeat(2_001) });
    assert_eq!(send("reject", &test.keys.editor, long).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    let decided = send("reject", &test.keys.editor, json!({ "comment": " too much " })).await;
    assert_eq!(decided.status, StatusCode::OK, "{}", decided.text());
    let decided = decided.json();
    assert_eq!((&decided["status"], &decided["comment"]), (&json!("rejected"), &json!("too much")));
    assert!(decided["decided_by"].as_str().unwrap().starts_with("key_"), "{decided}");
    let output = ended(&test, &run).await["output"].clone();
    assert_eq!((&output["approved"], &output["by"]), (&json!(false), &decided["decided_by"]));

    let again = send("approve", &test.keys.editor, json!({})).await;
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "approval-closed".to_owned()));
    assert!(again.text().contains("was rejected by key_"), "{}", again.text());
    assert_eq!(test.read("/api/approvals").await["approvals"], json!([]));
    assert_eq!(test.read("/api/approvals?all=true").await["approvals"][0]["status"], "rejected");
    assert_eq!(test.read(&format!("/api/approvals/{id}")).await["status"], "rejected");
}

#[tokio::test]
async fn a_person_decides_on_the_console() {
    let test = TestApp::new().await;
    let (run, approval) = asked(&test).await;
    let id = approval["id"].as_str().unwrap();
    let page = test.get("/dashboard/approvals").header("cookie", &test.cookie).send().await;
    let text = page.text();
    assert!(text.contains("Pay 900 EUR?") && text.contains(&run), "{text}");
    let csrf = text.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let send = async |answer: &str| {
        let form = format!("csrf={csrf}&answer={answer}&comment=go");
        test.post(&format!("/dashboard/approvals/{id}"))
            .header("cookie", &test.cookie)
            .header("sec-fetch-site", "same-origin")
            .body("application/x-www-form-urlencoded", form)
            .send()
            .await
    };
    assert_eq!(send("perhaps").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let decided = send("approve").await;
    assert_eq!(decided.header("location"), Some("/dashboard/approvals?done=approved"), "{}", decided.text());
    let output = ended(&test, &run).await["output"].clone();
    assert_eq!(output, json!({ "approved": true, "by": "ada@example.com" }));
    let over = test.get("/dashboard/approvals?all=yes").header("cookie", &test.cookie).send().await.text();
    assert!(
        over.contains("Approved") && over.contains("by ada@example.com") && over.contains(": go"),
        "{over}"
    );
}
