//! Providers that answer well, badly and not at all.

use std::{sync::Arc, time::Duration};

use levqor_flow::document;
use levqor_model::{Blueprint, ManualClock, Secret, Timestamp};
use levqor_testkit::{HttpStub, Reply as Answer, Route};
use serde_json::{Value, json};

use super::{
    super::{
        backend::{Chat, Classify, Extract, Label, Reply, Summarise, Task},
        backends::{AiSettings, Backends, Refused},
        language::Language,
    },
    Bounds, ProviderSettings,
};

const KEY: &str = "sk-hunter2";

/// Some stubs as providers `p0`, `p1`, …
struct World {
    stubs: Vec<HttpStub>,
    clock: Arc<ManualClock>,
    backends: Backends,
}

impl World {
    async fn new(routes: Vec<Route>) -> Self {
        Self::within(Bounds::default(), routes).await
    }

    async fn within(bounds: Bounds, routes: Vec<Route>) -> Self {
        let mut stubs = Vec::new();
        let mut providers = Vec::new();
        for (place, route) in routes.into_iter().enumerate() {
            let stub = HttpStub::start().await;
            stub.route(route);
            providers.push(ProviderSettings {
                name: format!("p{place}"),
                base_url: stub.url("/v1/").parse().unwrap(),
                key: Some(Secret::new(KEY)),
                model: "small".to_owned(),
            });
            stubs.push(stub);
        }
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_000)));
        let blueprint = Blueprint::parse(Blueprint::SHIPPED).unwrap();
        let settings = AiSettings { providers, bounds, at_once: 2 };
        let backends = Backends::new(&settings, blueprint, clock.clone());
        Self { stubs, clock, backends }
    }

    async fn ask(&self, task: Task) -> Result<Reply, Refused> {
        self.backends.answer(&Arc::new(task)).await
    }

    /// Who answers a question.
    async fn asked(&self) -> String {
        self.ask(chat()).await.unwrap().backend
    }

    fn counts(&self) -> Vec<usize> {
        self.stubs.iter().map(HttpStub::count).collect()
    }

    fn sent(&self, stub: usize, request: usize) -> Value {
        self.stubs[stub].requests()[request].json()
    }
}

fn route() -> Route {
    Route::new("/v1/chat/completions").method("POST")
}

fn says(text: &str) -> Answer {
    Answer::json(&json!({
        "model": "small-2026",
        "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 },
    }))
}

fn error(status: u16, message: &str) -> Answer {
    Answer::json(&json!({ "error": { "message": message } })).with_status(status)
}

fn chat() -> Task {
    Task::Chat(Chat { prompt: "What is a run?".to_owned(), system: None, language: Language::En })
}

fn extract() -> Task {
    let schema = json!({
        "type": "object",
        "properties": { "total": { "anyOf": [{ "type": "number" }, { "type": "null" }] } },
        "required": ["total"],
        "additionalProperties": false,
    });
    Task::Extract(Extract {
        text: "Total: 12.50 EUR".to_owned(),
        compiled: document::external_schema(&schema).unwrap(),
        schema,
        instructions: None,
    })
}

#[tokio::test]
async fn a_good_answer_says_who_gave_it_and_what_it_took() {
    let world = World::new(vec![route().reply(says(" A run is one execution. "))]).await;
    let reply = world.ask(chat()).await.unwrap();
    assert_eq!(reply.content["answer"], "A run is one execution.");
    assert_eq!((reply.backend.as_str(), reply.model.as_deref()), ("p0", Some("small-2026")));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (7, 3));
    let received = &world.stubs[0].requests()[0];
    assert_eq!(received.header("authorization"), Some("Bearer sk-hunter2"));
    let sent = received.json();
    assert_eq!(sent["model"], "small");
    assert_eq!(sent["messages"][1], json!({ "role": "user", "content": "What is a run?" }));
    assert!(sent.get("response_format").is_none());
}

#[tokio::test]
async fn each_failure_goes_its_way_down_the_list() {
    // The first provider's answer, who answers then, and whether the second one was asked.
    let good = || says("yes");
    let rows = [
        (error(429, "slow down").header("retry-after", "60"), "p1"),
        (error(500, "oops"), "p1"),
        (error(503, "oops"), "p1"),
        (Answer::close(), "p1"),
        (error(401, "Incorrect API key provided: sk-hunter2"), "p1"),
        (error(403, "no"), "p1"),
        (error(404, "no such model"), "p1"),
        (Answer::redirect(307, "http://127.0.0.1:1/v1/chat/completions"), "p1"),
        (Answer::text("<html>"), "p1"),
        (Answer::json(&json!({ "choices": [] })), "p1"),
        (says("  "), "p1"),
        (Answer::text(&"x".repeat(1024 * 1024 + 1)), "p1"),
        (good(), "p0"),
    ];
    for (first, backend) in rows {
        let shown = format!("{first:.120?}");
        let world = World::new(vec![route().reply(first), route().reply(good())]).await;
        assert_eq!(world.asked().await, backend, "{shown}");
        assert_eq!(world.counts(), [1, usize::from(backend == "p1")], "{shown}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_prompt_is_told_and_nobody_else_is_asked() {
    let refusal = json!({ "choices": [{ "message": { "refusal": "I will not. sk-hunter2" } }] });
    let filter = json!({ "choices": [{ "message": {}, "finish_reason": "content_filter" }] });
    for (answer, status, reason) in [
        (error(400, "the prompt is too long (sk-hunter2)"), 400, "too long (…)"),
        (error(413, "too large"), 413, "too large"),
        (Answer::json(&refusal), 422, "I will not. …"),
        (Answer::json(&filter), 422, "content filter"),
    ] {
        let world = World::new(vec![route().reply(answer), route().reply(says("yes"))]).await;
        let refused = world.ask(chat()).await.unwrap_err();
        assert_eq!((refused.status, refused.backend.as_str()), (status, "p0"), "{refused}");
        assert!(refused.reason.contains(reason), "{refused}");
        assert!(
            !format!("{refused} {refused:?} {:?}", world.backends).contains("hunter2"),
            "the key is shown"
        );
        assert_eq!(world.counts(), [1, 0]);
    }
}

#[tokio::test]
async fn when_none_answers_the_built_in_backend_does() {
    let world = World::new(vec![route().reply(error(500, "")), route().reply(Answer::close())]).await;
    let reply = world.ask(chat()).await.unwrap();
    assert_eq!((reply.backend.as_str(), reply.model, reply.usage), ("builtin", None, None));
    assert!(!reply.content["sources"].as_array().unwrap().is_empty(), "{:?}", reply.content);
}

#[tokio::test]
async fn failures_in_a_row_open_the_breaker_and_a_good_trial_closes_it() {
    let world = World::new(vec![route().replies(4, error(500, "")).reply(says("back"))]).await;
    for _ in 0..5 {
        assert_eq!(world.asked().await, "builtin");
    }
    assert_eq!(world.counts(), [3], "after three failures it is left alone");
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.asked().await, "builtin");
    assert_eq!(world.asked().await, "builtin");
    assert_eq!(world.counts(), [4], "one trial, and it failed");
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.asked().await, "p0");
    assert_eq!(world.asked().await, "p0");
    assert_eq!(world.counts(), [6]);
}

#[tokio::test]
async fn a_provider_that_asks_for_a_rest_gets_it() {
    let busy = error(429, "").header("retry-after", "60");
    let world = World::new(vec![route().reply(busy).reply(says("back"))]).await;
    assert_eq!(world.asked().await, "builtin");
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(world.asked().await, "builtin");
    assert_eq!(world.counts(), [1]);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.asked().await, "p0");
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_not_waited_for() {
    // Long enough for the first one to be reached on a busy machine.
    let bounds = Bounds { timeout: Duration::from_millis(500), ..Bounds::default() };
    let slow =
        vec![route().reply(Answer::hang()), route().reply(Answer::hang()), route().reply(Answer::hang())];
    let world = World::within(bounds, slow).await;
    assert_eq!(world.asked().await, "builtin");
    let counts = world.counts();
    assert!(counts[0] == 1 && counts[1] <= 1 && counts[2] <= 1, "{counts:?}");
}

#[tokio::test]
async fn a_bad_answer_is_sent_back_with_what_is_wrong() {
    let world = World::new(vec![
        route()
            .reply(says("the total is 12.5"))
            .reply(says("{\"total\": \"12.50\"}"))
            .reply(says("```json\n{\"total\": 12.5}\n```")),
    ])
    .await;
    let reply = world.ask(extract()).await.unwrap();
    assert_eq!(reply.backend, "p0");
    assert_eq!(reply.content["data"], json!({ "total": 12.5 }));
    assert_eq!(reply.content["missing"], json!([]));
    assert_eq!(reply.usage.unwrap().input_tokens, 21, "all three exchanges are counted");
    assert_eq!(world.sent(0, 0)["response_format"]["type"], "json_schema");
    let repair = world.sent(0, 1)["messages"].as_array().unwrap().clone();
    assert_eq!(repair[2], json!({ "role": "assistant", "content": "the total is 12.5" }));
    assert!(repair[3]["content"].as_str().unwrap().contains("not JSON"), "{repair:?}");
    let repair = world.sent(0, 2)["messages"].as_array().unwrap().clone();
    assert_eq!(repair.len(), 4, "only the last answer is repeated");
    assert!(repair[3]["content"].as_str().unwrap().contains("/total"), "{repair:?}");
}

#[tokio::test]
async fn after_two_repairs_the_built_in_result_is_used() {
    let world = World::new(vec![route().reply(says("no")), route().reply(says("{\"total\": 1}"))]).await;
    let reply = world.ask(extract()).await.unwrap();
    assert_eq!((reply.backend.as_str(), &reply.content["data"]), ("builtin", &json!({ "total": 12.5 })));
    assert_eq!(world.counts(), [3, 0], "nobody else is asked");
    assert_eq!(world.ask(chat()).await.unwrap().backend, "p0", "and the provider is not held for broken");
}

#[tokio::test]
async fn a_provider_without_schemas_is_asked_for_plain_json() {
    let refused = || error(400, "response_format is not supported");
    let world = World::new(vec![route().replies(2, refused()).reply(says("{\"total\": null}"))]).await;
    let reply = world.ask(extract()).await.unwrap();
    assert_eq!((reply.backend.as_str(), reply.found), ("p0", false));
    assert_eq!(reply.content["missing"], json!(["total"]));
    let formats: Vec<Value> =
        (0..3).map(|request| world.sent(0, request)["response_format"]["type"].clone()).collect();
    assert_eq!(formats, [json!("json_schema"), json!("json_object"), Value::Null]);
}

#[tokio::test]
async fn labels_and_summaries_are_held_to_what_was_asked_for() {
    let classify = || {
        let label =
            |label: &str| Label { label: label.to_owned(), description: String::new(), examples: Vec::new() };
        Task::Classify(Classify {
            text: "Please pay the invoice.".to_owned(),
            labels: vec![label("invoice"), label("spam")],
            instructions: None,
        })
    };
    let world = World::new(vec![
        route()
            .reply(says("{\"label\": \"bill\", \"confidence\": 1}"))
            .reply(says("{\"label\": \"invoice\", \"confidence\": 0.9}"))
            .reply(says("{\"label\": null, \"confidence\": 0.9}")),
    ])
    .await;
    let reply = world.ask(classify()).await.unwrap();
    assert_eq!((&reply.content["label"], &reply.content["confidence"]), (&json!("invoice"), &json!(0.9)));
    let reply = world.ask(classify()).await.unwrap();
    assert_eq!((&reply.content["label"], &reply.content["confidence"]), (&Value::Null, &json!(0.0)));
    let summarise = Task::Summarise(Summarise {
        text: "One. Two. Three.".to_owned(),
        sentences_max: 1,
        chars_max: 20,
        language: Language::En,
    });
    let world = World::new(vec![
        route()
            .reply(says("{\"sentences\": [\"One.\", \"Two.\"]}"))
            .reply(says("{\"sentences\": [\"This one is far too long.\"]}"))
            .reply(says("{\"sentences\": [\"One to three.\"]}")),
    ])
    .await;
    assert_eq!(world.ask(summarise).await.unwrap().content["summary"], "One to three.");
}
