//! What starts workflows, and webhooks above all: made once, called by strangers, each message one run.

use http::{Method, StatusCode};
use levqor_server::features::triggers::signature;
use serde_json::{Value, json};

use crate::support::{Answer, BEGIN, Call, GREET, TestApp};

const BODY: &str = r#"{"name": "Ada"}"#;
const ECHO: &str = "do: [{ echo: { set: '${ . }' } }]";

pub async fn make(test: &TestApp, workflow: &str, signed: bool) -> Value {
    let path = format!("/api/workflows/{workflow}/triggers");
    let body = json!({ "name": "shop", "signed": signed });
    let made = test.post(&path).key(&test.keys.editor).json(&body).send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    made.json()
}

fn hook(made: &Value) -> String {
    format!("/hooks/{}", made["token"].as_str().unwrap())
}

/// The seconds of [`BEGIN`].
fn begin() -> i64 {
    BEGIN.parse::<levqor_model::Timestamp>().unwrap().as_micros() / 1_000_000
}

fn secret(made: &Value) -> Vec<u8> {
    signature::key(made["secret"].as_str().unwrap()).unwrap()
}

fn signed(call: Call, made: &Value, id: &str, at: i64, body: &str) -> Call {
    let signature = signature::sign(&secret(made), id, at, body.as_bytes()).unwrap();
    call.header("webhook-id", id)
        .header("webhook-timestamp", &at.to_string())
        .header("webhook-signature", &signature)
        .body("application/json", body.to_owned())
}

async fn run_of(test: &TestApp, answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let id = answer.json()["run_id"].as_str().unwrap().to_owned();
    levqor_testkit::wait_for("the run's end", || async {
        let run = test.read(&format!("/api/runs/{id}")).await;
        (run["status"] == "completed").then_some(run)
    })
    .await
}

#[tokio::test]
async fn a_signed_message_starts_one_run() {
    let test = TestApp::new().await;
    let workflow = test.save("echo", ECHO).await;
    let made = make(&test, &workflow, true).await;
    assert_eq!(made["url"], format!("http://127.0.0.1:8000{}", hook(&made)));
    let path = format!("{}?from=shop", hook(&made));
    let answer = signed(test.post(&path), &made, "msg_1", begin(), BODY)
        // The sender's own affair, and nothing of ours.
        .header("authorization", "Basic YTpi")
        .send()
        .await;
    let run = run_of(&test, &answer).await;
    assert_eq!((&answer.json()["repeated"], &run["trigger"]), (&json!(false), &json!("webhook")));
    let input = &run["input"];
    assert_eq!((&input["body"], &input["query"]), (&json!({ "name": "Ada" }), &json!({ "from": "shop" })));
    assert_eq!(input["headers"]["webhook-id"], "msg_1");
    let shown = run.to_string();
    assert!(!shown.contains("Basic") && !shown.contains("v1,"), "{shown}");

    // Sent again, as senders do that had no answer: also much later, signed anew, with the server started anew.
    test.advance(3600);
    let again = test.restarted().await;
    let repeat = signed(again.post(&path), &made, "msg_1", begin() + 3600, BODY).send().await;
    assert_eq!(repeat.json(), json!({ "run_id": run["run_id"], "repeated": true }));
    assert_eq!(again.read("/api/runs").await["runs"].as_array().unwrap().len(), 1);
    let triggers = again.read(&format!("/api/workflows/{workflow}/triggers")).await;
    assert_eq!(triggers["webhooks"][0]["last_used_at"], "2026-11-24T12:00:00.000000Z");
    assert!(!triggers.to_string().contains(made["token"].as_str().unwrap()), "{triggers}");
    assert!(!triggers.to_string().contains("whsec_"), "{triggers}");
}

#[tokio::test]
async fn what_is_not_signed_well_starts_nothing() {
    let test = TestApp::new().await;
    let workflow = test.save("echo", ECHO).await;
    let made = make(&test, &workflow, true).await;
    let other = make(&test, &workflow, true).await;
    let path = hook(&made);
    let plain = || test.post(&path).body("application/json", BODY);
    let rows = [
        (plain(), "`webhook-id` is missing"),
        (
            signed(test.post(&path), &other, "msg_1", begin(), BODY),
            "no signature in `webhook-signature` fits",
        ),
        (signed(test.post(&path), &made, "msg_1", begin() - 301, BODY), "more than 300 s away"),
        (
            signed(test.post(&path), &made, "msg_1", begin(), BODY).body("application/json", "{}"),
            "no signature",
        ),
    ];
    for (call, detail) in rows {
        let answer = call.send().await;
        assert_eq!(answer.problem(), "webhook-signature");
        assert!(answer.text().contains(detail), "{detail}: {}", answer.text());
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    for token in ["", "x", &"a".repeat(43), "%00", "../api/runs"] {
        let answer = test.post(&format!("/hooks/{token}")).body("application/json", BODY).open().await;
        assert!(matches!(answer.status(), StatusCode::NOT_FOUND), "{token:?}: {}", answer.status());
    }
    assert_eq!(test.read("/api/runs").await["runs"], json!([]));
}

#[tokio::test]
async fn without_a_secret_the_address_is_enough() {
    let test = TestApp::new().await;
    let workflow = test.save("echo", ECHO).await;
    let made = make(&test, &workflow, false).await;
    assert!(made.get("secret").is_none());
    let path = hook(&made);
    let text = run_of(&test, &test.post(&path).body("text/plain", "hello").send().await).await;
    assert_eq!((&text["input"]["body"], &text["input"]["encoding"]), (&json!("hello"), &json!("text")));
    let first = test.post(&path).header("webhook-id", "m").json(&json!(1)).send().await.json();
    let second = test.post(&path).header("webhook-id", "m").json(&json!(1)).send().await.json();
    assert_eq!((&first["run_id"], &second["repeated"]), (&second["run_id"], &json!(true)));
    let wrong = test.post(&path).body("application/json", "{").send().await;
    assert_eq!(wrong.problem(), "bad-request");
    assert_eq!(
        test.post(&path).header("webhook-id", "a b").json(&json!(1)).send().await.problem(),
        "bad-parameter"
    );
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(test.post(&path).body("application/json", deep).send().await.problem(), "invalid-fields");
    assert_eq!(test.get(&path).send().await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn rotated_and_deleted_webhooks_are_closed() {
    let test = TestApp::new().await;
    let workflow = test.save("echo", ECHO).await;
    let made = make(&test, &workflow, true).await;
    let id = made["id"].as_str().unwrap();
    let path = format!("/api/workflows/{workflow}/triggers/{id}");
    let rotated =
        test.post(&format!("{path}/rotate")).key(&test.keys.editor).json(&json!({})).send().await.json();
    assert_ne!((&rotated["token"], &rotated["secret"]), (&made["token"], &made["secret"]));
    assert_eq!(rotated["rotated_at"], "2026-11-24T12:00:00.000000Z");
    let old = signed(test.post(&hook(&made)), &made, "m", begin(), BODY).send().await;
    assert_eq!(old.problem(), "not-found");
    // The new address with the old secret.
    let mixed = signed(test.post(&hook(&rotated)), &made, "m", begin(), BODY).send().await;
    assert_eq!(mixed.problem(), "webhook-signature");
    run_of(&test, &signed(test.post(&hook(&rotated)), &rotated, "m", begin(), BODY).send().await).await;

    let gone = test.call(Method::DELETE, &path).key(&test.keys.editor).send().await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let late = signed(test.post(&hook(&rotated)), &rotated, "n", begin(), BODY).send().await;
    assert_eq!(late.problem(), "not-found");
    let again = test.call(Method::DELETE, &path).key(&test.keys.editor).send().await;
    assert_eq!(again.problem(), "not-found");
    let odd = test.call(Method::DELETE, &format!("/api/workflows/{workflow}/triggers/x"));
    assert_eq!(odd.key(&test.keys.editor).send().await.problem(), "not-found");
}

#[tokio::test]
async fn a_replayed_answer_has_no_secrets() {
    let test = TestApp::new().await;
    let workflow = test.save("echo", ECHO).await;
    let path = format!("/api/workflows/{workflow}/triggers");
    let send = async || {
        let call = test.post(&path).key(&test.keys.editor).header("idempotency-key", "one");
        call.json(&json!({ "name": "shop" })).send().await
    };
    let (first, second) = (send().await.json(), send().await);
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    let second = second.json();
    assert_eq!(first["id"], second["id"]);
    assert!(first["secret"].is_string() && first["url"].is_string());
    for member in ["secret", "url", "token"] {
        assert!(second.get(member).is_none(), "{second}");
    }
    let wrong = test.post(&path).key(&test.keys.editor).json(&json!({ "name": " " })).send().await;
    assert_eq!(
        (wrong.problem().as_str(), &wrong.json()["errors"][0]["pointer"]),
        ("invalid-fields", &json!("/name"))
    );
    for n in 1..20 {
        let body = json!({ "name": format!("number {n}") });
        assert_eq!(
            test.post(&path).key(&test.keys.editor).json(&body).send().await.status,
            StatusCode::CREATED
        );
    }
    let full = test.post(&path).key(&test.keys.editor).json(&json!({ "name": "more" })).send().await;
    assert_eq!(full.problem(), "plan-limit");
}

#[tokio::test]
async fn the_list_says_what_starts_a_workflow() {
    let test = TestApp::new().await;
    let plain = test.save("greet", GREET).await;
    let none = json!({ "manual": true, "schedule": null, "events": null, "webhooks": [] });
    assert_eq!(test.read(&format!("/api/workflows/{plain}/triggers")).await, none);
    let on = "schedule: { on: { any: [{ with: { type: order.paid } }, { with: { type: order.sent } }] } }";
    let heard = test.save("heard", &format!("{on}\n{GREET}")).await;
    let triggers = test.read(&format!("/api/workflows/{heard}/triggers")).await;
    assert_eq!(
        (&triggers["schedule"], &triggers["events"]),
        (&json!(null), &json!({ "types": ["order.paid", "order.sent"] }))
    );
    let daily = test.save("daily", &format!("schedule: {{ cron: '0 9 * * *' }}\n{GREET}")).await;
    make(&test, &daily, true).await;
    let triggers = test.read(&format!("/api/workflows/{daily}/triggers")).await;
    assert_eq!(
        triggers["schedule"],
        json!({ "text": "every day at 09:00 UTC", "next_due_at": "2026-11-25T09:00:00.000000Z" })
    );
    assert_eq!(
        (&triggers["webhooks"][0]["name"], &triggers["webhooks"][0]["signed"]),
        (&json!("shop"), &json!(true))
    );
}

#[tokio::test]
async fn senders_are_limited_by_address_and_by_account() {
    let test = TestApp::with(|settings| {
        settings.anonymous_requests_per_minute = 1;
        settings.account_requests_per_minute = Some(100);
    })
    .await;
    let mut last = None;
    for _ in 0..11 {
        last = Some(test.post("/hooks/x").from("203.0.113.9").json(&json!({})).send().await);
    }
    let last = last.unwrap();
    assert_eq!(last.problem(), "rate-limited");
    assert!(last.text().contains("one address may send 10 messages a minute to webhooks"), "{}", last.text());
    let other = test.post("/hooks/x").from("198.51.100.9").json(&json!({})).send().await;
    assert_eq!(other.problem(), "not-found");
}
