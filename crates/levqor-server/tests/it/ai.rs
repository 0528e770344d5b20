//! Questions and drafts: exact statuses, metering, limits.

use http::StatusCode;
use levqor_model::AccountId;
use levqor_model::Secret;
use levqor_server::features::ai::provider::ProviderSettings;
use levqor_store::accounts::Account;
use levqor_testkit::{HttpStub, Reply, Route, wait_for};
use serde_json::{Value, json};

use crate::support::{TestApp, add_key, document};

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
    assert_eq!(answer["sources"][0]["url"], "/pricing#plans");
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

/// A letter, and what all four functions make of it.
const LETTER: &str = r#"do:
- values:
    call: ai-extract:1.0.0@default
    with:
      text: ${ $workflow.input.letter }
      schema:
        type: object
        properties:
          invoiceNumber: { type: string }
          total: { type: number }
          due: { type: string, format: date }
          sender: { type: string, format: email }
          phone: { type: string }
    export: { as: '${ { values: . } }' }
- kind:
    call: ai-classify:1.0.0@default
    with: { text: '${ $workflow.input.letter }', labels: [complaint, { label: invoice, description: a bill to pay }] }
    export: { as: '${ $context + { kind: . } }' }
- short:
    call: ai-summarise:1.0.0@default
    with: { text: '${ $workflow.input.letter }', maxSentences: 1 }
    export: { as: '${ $context + { short: . } }' }
- answer:
    call: ai-chat:1.0.0@default
    with: { prompt: What is a run?, language: de }
output: { as: '${ $context + { answer: . } }' }"#;

fn letter() -> Value {
    json!({ "letter": "Dear customer,\n\nplease find the invoice for your order below. The invoice is for three chairs.\n\n\
        Invoice number: R-2026-17\nTotal: EUR 1,234.50\nDue: 24 December 2026\n\nQuestions? Write to billing@example.org." })
}

#[tokio::test]
async fn a_workflow_calls_all_functions_without_a_model() {
    let test = TestApp::new().await;
    let workflow = test.save("letters", LETTER).await;
    let run = test.start(&workflow, 30, &letter()).await;
    assert_eq!(run["status"], "completed", "{run:#}");
    let output = &run["output"];
    assert_eq!(
        output["values"],
        json!({
            "data": {
                "invoiceNumber": "R-2026-17", "total": 1234.5, "due": "2026-12-24",
                "sender": "billing@example.org", "phone": null,
            },
            "missing": ["phone"],
            "backend": "builtin",
        })
    );
    assert_eq!(
        (&output["kind"]["label"], &output["kind"]["backend"]),
        (&json!("invoice"), &json!("builtin"))
    );
    let summary = output["short"]["summary"].as_str().unwrap();
    assert!(letter()["letter"].as_str().unwrap().contains(summary) && !summary.is_empty(), "{summary}");
    assert!(output["answer"]["answer"].as_str().unwrap().starts_with("Aus der Dokumentation:"), "{output}");
    let log = test.store.ai_requests(Some(test.account), None, 10).await.unwrap();
    let kinds: Vec<_> = log.iter().map(|request| (request.kind.as_str(), request.credits)).collect();
    assert_eq!(kinds, [("chat", 1), ("summarise", 1), ("classify", 1), ("extract", 1)]);
    let day = test.app.now().date();
    assert_eq!(test.store.usage(Some(test.account), day, day).await.unwrap().ai_credits, 4);
}

fn provider(stub: &HttpStub) -> ProviderSettings {
    ProviderSettings {
        name: "near".to_owned(),
        base_url: stub.url("/v1").parse().unwrap(),
        key: Some(Secret::new("sk-hunter2")),
        model: "small".to_owned(),
    }
}

fn says(text: &str) -> Reply {
    Reply::json(&json!({
        "choices": [{ "message": { "content": text } }],
        "usage": { "prompt_tokens": 5, "completion_tokens": 2 },
    }))
}

#[tokio::test]
async fn a_provider_is_asked_first_and_a_refusal_can_be_caught() {
    let stub = HttpStub::start().await;
    let refusal = Reply::json(&json!({ "error": { "message": "not today, sk-hunter2" } })).with_status(400);
    stub.route(Route::new("/v1/chat/completions").reply(says("Hi.")).reply(refusal));
    let test = TestApp::with(|settings| settings.ai.providers = vec![provider(&stub)]).await;
    let workflow =
        test.save("chat", "do: [{ a: { call: 'ai-chat:1.0.0@default', with: { prompt: Hello } } }]").await;
    let run = test.start(&workflow, 30, &json!({})).await;
    assert_eq!(
        run["output"],
        json!({
            "answer": "Hi.", "sources": [], "backend": "near", "model": "small",
            "usage": { "inputTokens": 5, "outputTokens": 2 },
        })
    );
    let run = test.start(&workflow, 30, &json!({})).await;
    assert_eq!((&run["status"], &run["error"]["status"]), (&json!("faulted"), &json!(400)), "{run}");
    assert_eq!(run["error"]["detail"], "near refused the request: not today, …");
    let log = test.store.ai_requests(Some(test.account), None, 10).await.unwrap();
    let told: Vec<_> = log.iter().map(|it| (it.backend.as_str(), it.success, it.credits)).collect();
    assert_eq!(told, [("near", false, 0), ("near", true, 1)]);
}

#[tokio::test]
async fn a_plan_without_credits_left_faults_the_call_and_names_the_limit() {
    let test = TestApp::new().await;
    let workflow = test
        .save("chat", "do: [{ a: { call: 'ai-chat:1.0.0@default', with: { prompt: What is a run? } } }]")
        .await;
    test.store.add_ai_credits(Some(test.account), test.app.now().date(), 100_000).await.unwrap();
    let run = test.start(&workflow, 30, &json!({})).await;
    assert_eq!((&run["status"], &run["error"]["status"]), (&json!("faulted"), &json!(403)), "{run}");
    assert_eq!(run["error"]["title"], "the AI credits are used up");
    let detail = run["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("Agency plan has 100000 AI credits a month and 100000 are used"), "{detail}");
}

#[tokio::test]
async fn a_run_is_suspended_when_its_budget_of_credits_is_used_up() {
    let test = TestApp::new().await;
    let asks = "do: [{ all: { for: { in: '[range(3)]' }, do: [{ a: { call: 'ai-chat:1.0.0@default', with: { prompt: What is a run? } } }] } }]";
    let mut definition = document("chat", "0.1.0", asks);
    definition =
        definition.replace("name: chat", "metadata: { levqor: { budget: { credits: 2 } } }, name: chat");
    let saved = test
        .post("/api/workflows")
        .key(&test.keys.editor)
        .json(&json!({ "definition": definition }))
        .send()
        .await
        .json();
    let workflow = saved["id"].as_str().unwrap_or_else(|| panic!("{saved}"));
    let run = test.start(workflow, 0, &json!({})).await;
    let path = format!("/api/runs/{}", run["run_id"].as_str().unwrap());
    let status = |status: &'static str| {
        let (test, path) = (&test, &path);
        async move {
            wait_for(status, || async {
                let run = test.get(path).key(&test.keys.viewer).send().await.json();
                (run["status"] == status).then_some(run)
            })
            .await
        }
    };
    let run = status("suspended").await;
    let why = run["waiting_for"].as_str().unwrap();
    assert!(why.starts_with("has used up its budget of 2 AI credits and is suspended since"), "{why}");
    let day = test.app.now().date();
    assert_eq!(test.store.usage(Some(test.account), day, day).await.unwrap().ai_credits, 2);
    let resumed = test.post(&format!("{path}/resume")).key(&test.keys.editor).send().await;
    assert_eq!(resumed.status, StatusCode::OK, "{}", resumed.text());
    status("completed").await;
    assert_eq!(test.store.usage(Some(test.account), day, day).await.unwrap().ai_credits, 3);
}

#[tokio::test]
async fn labels_that_are_there_twice_and_schemas_that_are_none_are_told() {
    let test = TestApp::new().await;
    for (name, call, input, part) in [
        (
            "ai-classify",
            "{ text: x, labels: '${ .labels }' }",
            json!({ "labels": ["a", "a"] }),
            "\"a\" twice",
        ),
        (
            "ai-extract",
            "{ text: x, schema: '${ .schema }' }",
            json!({ "schema": { "properties": { "n": { "type": "nimber" } } } }),
            "`schema`: ",
        ),
    ] {
        let rest = format!("do: [{{ a: {{ call: '{name}:1.0.0@default', with: {call} }} }}]");
        let workflow = test.save(name, &rest).await;
        let run = test.start(&workflow, 30, &input).await;
        assert_eq!(run["error"]["status"], 400, "{run}");
        assert!(run["error"]["detail"].as_str().unwrap().contains(part), "{run}");
    }
}

#[tokio::test]
async fn chat_asks_a_provider_with_the_documentation_when_there_is_a_key() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/v1/chat/completions").reply(says("One execution.")));
    let test = TestApp::with(|settings| settings.ai.providers = vec![provider(&stub)]).await;
    let body = json!({ "query": "What is a run?" });
    let anonymous = test.post("/api/ai/chat").json(&body).send().await.json();
    assert_eq!((&anonymous["meta"]["ai_backend"], stub.count()), (&json!("builtin"), 0));
    let answer = test.post("/api/ai/chat").key(&test.keys.viewer).json(&body).send().await.json();
    assert_eq!(answer["answer"], "One execution.");
    assert_eq!((&answer["meta"]["ai_backend"], &answer["meta"]["model"]), (&json!("near"), &json!("small")));
    let quote = answer["sources"][0]["quote"].as_str().unwrap();
    let system = stub.requests()[0].json()["messages"][0]["content"].as_str().unwrap().to_owned();
    assert!(system.contains(quote), "{system}");
    let unknown = json!({ "query": "Who won the world cup in 1998?" });
    let unknown = test.post("/api/ai/chat").key(&test.keys.viewer).json(&unknown).send().await.json();
    assert_eq!(
        (&unknown["meta"]["ai_backend"], stub.count()),
        (&json!("builtin"), 1),
        "what nobody documented"
    );
}
