//! Questions and drafts: exact statuses, metering, limits.

use http::StatusCode;
use levqor_model::AccountId;
use levqor_store::accounts::Account;
use serde_json::{Value, json};

use crate::support::{TestApp, add_key};

const REQUEST: &str = "every hour fetch https://api.example.com/orders";

#[tokio::test]
async fn each_mistake_has_its_status_and_the_shape_of_ai_answers() {
    let test = TestApp::new().await;
    let long = "x".repeat(501);
    let longer = "x".repeat(1_001);
    let context = "y".repeat(9_000);
    let rows: &[(&str, Value, u16, &str)] = &[
        ("/api/ai/chat", json!({}), 400, "query is missing"),
        (
            "/api/ai/chat",
            json!(["how do I start a run?", null, null, null, null]),
            400,
            "must be a JSON object",
        ),
        ("/api/ai/chat", json!({ "query": 7 }), 400, "query: invalid type"),
        ("/api/ai/chat", json!({ "query": "how?", "colour": "red" }), 400, "colour"),
        ("/api/ai/chat", json!({ "query": " a " }), 422, "between 3 and 500"),
        ("/api/ai/chat", json!({ "query": long }), 422, "between 3 and 500"),
        ("/api/ai/chat", json!({ "query": "how do runs start?", "context": context }), 422, "context"),
        (
            "/api/ai/chat",
            json!({ "query": "how do runs start?", "conversation_id": "" }),
            422,
            "conversation_id",
        ),
        ("/api/ai/workflow", json!({}), 400, "query is missing"),
        ("/api/ai/workflow", json!({ "query": "abcd" }), 422, "between 5 and 1000"),
        ("/api/ai/workflow", json!({ "query": longer }), 422, "between 5 and 1000"),
        ("/api/ai/workflow", json!({ "query": REQUEST, "stream": true }), 400, "stream"),
        ("/api/ai/workflow", json!({ "query": "sing me a song" }), 422, "no step"),
    ];
    for (path, body, status, part) in rows {
        let answer = test.post(path).key(&test.keys.viewer).json(body).send().await;
        assert_eq!(answer.status.as_u16(), *status, "{path} {body}: {}", answer.text());
        let answer = answer.json();
        assert_eq!(answer["success"], false);
        assert!(answer["error"].as_str().unwrap().contains(part), "{path}: {answer}");
    }
}

#[tokio::test]
async fn an_answer_has_sources_and_says_who_gave_it() {
    let test = TestApp::new().await;
    let body = json!({ "query": "How much does the Growth plan cost?", "language": "de-AT", "conversation_id": "c1" });
    let answer = test.post("/api/ai/chat").json(&body).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["success"], true);
    assert!(answer["answer"].as_str().unwrap().starts_with("Aus der Dokumentation:"), "{answer}");
    assert_eq!(answer["sources"][0]["url"], "/#plans");
    assert_eq!(answer["conversation_id"], "c1");
    let meta = &answer["meta"];
    assert_eq!(
        (&meta["ai_backend"], &meta["language"], &meta["region"]),
        (&json!("builtin"), &json!("de"), &json!("eu-west"))
    );
    assert_eq!(meta["credits"], 1);
    assert!(meta.get("model").is_none(), "the built-in backend is no model");
}

#[tokio::test]
async fn a_stream_ends_with_the_whole_answer() {
    let test = TestApp::new().await;
    let body = json!({ "query": "What is a run?", "stream": true });
    let answer = test.post("/api/ai/chat").json(&body).send().await;
    assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
    let text = answer.text();
    let done = text.split("event: done\ndata: ").nth(1).unwrap().lines().next().unwrap();
    let done: Value = serde_json::from_str(done).unwrap();
    let pieces: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: {\"text\":"))
        .map(|piece| serde_json::from_str::<String>(piece.trim_end_matches('}')).unwrap())
        .collect();
    assert_eq!(done["answer"], pieces);
}

#[tokio::test]
async fn credits_are_metered_and_bounded_by_the_plan() {
    let test = TestApp::new().await;
    let account = AccountId::new(test.app.now(), &*test.random);
    let row = Account {
        id: account,
        name: "small".to_owned(),
        plan: "starter".to_owned(),
        created_at: test.app.now(),
    };
    test.store.create_account(row).await.unwrap();
    let key = add_key(&test.app, account, levqor_model::Role::Viewer, false).await;
    let ask = |query: &str| test.post("/api/ai/workflow").key(&key).json(&json!({ "query": query })).send();
    assert_eq!(ask(REQUEST).await.json()["meta"]["credits"], 2);
    assert_eq!(ask("sing me a song").await.json()["meta"]["credits"], 0, "who gets nothing pays nothing");
    let day = test.app.now().date();
    assert_eq!(test.store.usage(Some(account), day, day).await.unwrap().ai_credits, 2);
    test.store.add_ai_credits(Some(account), day, 997).await.unwrap();
    let refused = ask(REQUEST).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.json()["error"]
            .as_str()
            .unwrap()
            .contains("Starter plan has 1000 AI credits a month and 999 are used")
    );
    let log = test.store.ai_requests(Some(account), None, 10).await.unwrap();
    assert_eq!(log.iter().filter(|request| request.success).count(), 1);
}

#[tokio::test]
async fn callers_without_a_key_are_few_a_minute() {
    let test = TestApp::with(|settings| settings.anonymous_ai_per_minute = 2).await;
    let ask = |address: &str| {
        test.post("/api/ai/chat").from(address).json(&json!({ "query": "What is a run?" })).send()
    };
    for _ in 0..2 {
        assert_eq!(ask("192.0.2.1").await.status, StatusCode::OK);
    }
    let refused = ask("192.0.2.1").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        refused
            .header("retry-after")
            .is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0))
    );
    assert_eq!(ask("192.0.2.2").await.status, StatusCode::OK, "another address");
}

#[tokio::test]
async fn a_draft_takes_the_callers_time_zone_where_the_request_names_none() {
    let test = TestApp::new().await;
    let query = "every day at 9am fetch https://api.example.com/orders";
    let draft = async |context: Value| {
        let body = json!({ "query": query, "context": context });
        test.post("/api/ai/workflow").key(&test.keys.editor).json(&body).send().await.json()
    };
    let zone = |draft: &Value| draft["workflow"]["document"]["metadata"]["levqor"]["zone"].clone();
    let known = draft(json!({ "time_zone": "Europe/London" })).await;
    assert_eq!(zone(&known), "Europe/London", "{known}");
    let unknown = draft(json!({ "time_zone": "London" })).await;
    assert_eq!(zone(&unknown), Value::Null);
    assert!(unknown["warnings"].to_string().contains("did you mean Europe/London?"), "{unknown}");
    assert_eq!(zone(&draft(json!({ "page": "editor" })).await), Value::Null);
}
