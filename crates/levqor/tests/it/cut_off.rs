//! kill -9 in the middle of calls of the server's own functions: they are made again as the same calls, and count once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use levqor_lab::{Server, ServerSetup};
use levqor_testkit::{HttpStub, ReceivedMail, Reply, Route, SmtpStub, temp_dir, wait_for};
use serde_json::{Value, json};

use crate::api::{Levqor, setup};

const CHAT: &str = "/v1/chat/completions";

/// Asks a model, and then tells somebody what it said.
fn asks_and_tells() -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "cut-off", "version": "1.0.0" },
        "do": [
            { "ask": { "call": "ai-chat:1.0.0@default", "with": {
                "prompt": "${ \"What is \" + ($workflow.input.n | tostring) + \"?\" }",
            } } },
            { "tell": { "call": "email:1.0.0@default", "with": {
                "to": "ada@example.com", "subject": "${ $workflow.input.n | tostring }", "text": "${ .answer }",
            }, "output": { "as": "${ { answer: $input.answer, id: .messageId } }" } } },
        ],
    })
}

fn says(text: &str) -> Reply {
    Reply::json(&json!({
        "choices": [{ "message": { "content": text } }],
        "usage": { "prompt_tokens": 5, "completion_tokens": 2 },
    }))
}

fn with_both(directory: &Path, model: &HttpStub, mail: &SmtpStub) -> ServerSetup {
    setup(directory)
        .env("OPENAI_BASE_URL", &model.url("/v1"))
        .env("OPENAI_API_KEY", "sk-test")
        .env("SMTP_URL", &mail.url())
        .env("LEVQOR_MAIL_FROM", "Levqor <levqor@example.com>")
}

async fn first(setup: &ServerSetup) -> Levqor {
    let server = Server::start(setup).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    Levqor::of(server, &key)
}

/// Kills the process and starts another in its place.
async fn die(levqor: Levqor, next: &ServerSetup) -> Levqor {
    let Levqor { mut server, key, .. } = levqor;
    server.kill().unwrap();
    drop(server);
    Levqor::of(Server::start(next).await.unwrap(), &key)
}

async fn credits(levqor: &Levqor) -> Value {
    levqor.get("/api/usage/summary").await["ai_credits"].clone()
}

fn message_id(mail: &ReceivedMail) -> String {
    mail.header("message-id").unwrap()
}

#[tokio::test]
async fn calls_that_a_kill_cuts_off_are_made_again_as_the_same_and_count_once() {
    let (model, mail) = (HttpStub::start().await, SmtpStub::start().await);
    // The first time nobody answers, neither the model nor the mail server, which has the mail then.
    model.route(Route::new(CHAT).reply(Reply::hang()).reply(says("Forty-two.")));
    mail.confirm_no_next();
    let directory = temp_dir();
    let setup = |()| with_both(directory.path(), &model, &mail);
    let levqor = first(&setup(())).await;
    let workflow = levqor.create(&asks_and_tells()).await;
    let run = levqor.start(&workflow, &json!({ "input": { "n": 7 } })).await;
    let run = run["run_id"].as_str().unwrap().to_owned();

    wait_for("the model to be asked", || async { (model.count() == 1).then_some(()) }).await;
    assert_eq!(credits(&levqor).await, 0, "who has no answer pays nothing");
    let levqor = die(levqor, &setup(())).await;
    wait_for("the mail", || async { (mail.mails().len() == 1).then_some(()) }).await;
    assert_eq!(credits(&levqor).await, 1);
    let levqor = die(levqor, &setup(())).await;
    let ended = levqor.ended(&run).await;

    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(ended["output"]["answer"], "Forty-two.");
    let asked = model.requests_to(CHAT);
    assert_eq!(asked.len(), 2, "an answer that the journal has is not asked for again");
    assert_eq!(asked[0].json(), asked[1].json());
    let mails = mail.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(message_id(&mails[0]), message_id(&mails[1]));
    assert_eq!(ended["output"]["id"], message_id(&mails[0]));
    assert_eq!(credits(&levqor).await, 1);
}

#[tokio::test]
async fn many_calls_that_a_kill_cuts_off_count_once_each() {
    const RUNS: usize = 60;
    let (model, mail) = (HttpStub::start().await, SmtpStub::start().await);
    // Slow answers keep calls in flight at the moment of death.
    model.route(Route::new(CHAT).reply(says("So it is.").after(Duration::from_millis(15))));
    let directory = temp_dir();
    let setup = |()| with_both(directory.path(), &model, &mail);
    let mut levqor = first(&setup(())).await;
    let workflow = levqor.create(&asks_and_tells()).await;
    let runs: Vec<String> = stream::iter(0..RUNS)
        .map(|n| {
            let (levqor, workflow) = (&levqor, &workflow);
            async move {
                let run = levqor.start(workflow, &json!({ "input": { "n": n } })).await;
                run["run_id"].as_str().unwrap().to_owned()
            }
        })
        .buffer_unordered(16)
        .collect()
        .await;
    // Somewhere in the first, second and third quarter of the work.
    for share in 1..=3 {
        wait_for("some of the work", || async { (mail.mails().len() >= RUNS * share / 4).then_some(()) })
            .await;
        levqor = die(levqor, &setup(())).await;
    }

    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut outputs = BTreeSet::new();
    for run in &runs {
        let ended = levqor.ended(run).await;
        assert_eq!(ended["status"], "completed", "{ended}");
        let id = ended["output"]["id"].as_str();
        outputs.insert(id.unwrap_or_else(|| panic!("{ended}")).to_owned());
    }
    let mails = mail.mails();
    for mail in &mails {
        ids.entry(mail.header("subject").unwrap()).or_default().insert(message_id(mail));
    }
    assert_eq!(ids.len(), RUNS, "every run has told somebody");
    assert!(ids.values().all(|ids| ids.len() == 1), "a mail that is sent again has the same id: {ids:?}");
    assert_eq!(outputs, ids.into_values().flatten().collect());
    assert_eq!(credits(&levqor).await, RUNS, "asked {} times", model.count());
    println!("{RUNS} runs asked {} times and sent {} mails", model.count(), mails.len());
}
