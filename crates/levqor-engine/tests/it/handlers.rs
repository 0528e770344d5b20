//! Functions whose handler is registered from outside.

use std::sync::{Arc, Mutex};

use levqor_engine::handlers::{Handled, Handler, HandlerCall, Handlers};
use levqor_flow::{
    machine::{ErrorKind, Outcome},
    services::Service,
};
use levqor_model::RunStatus;
use serde_json::json;

use crate::world::{World, kind};

const SEND: &str =
    "do: [{ a: { call: 'email:1.0.0@default', with: { to: a@b.c, subject: '${ .subject }', text: x } } }]";

/// Writes down what it is asked, and fails once.
#[derive(Debug, Default)]
struct Desk(Mutex<Vec<(String, serde_json::Value)>>);

impl Handler for Desk {
    fn call<'a>(&'a self, call: HandlerCall<'a>) -> Handled<'a> {
        Box::pin(async move {
            let mut asked = self.0.lock().unwrap();
            asked.push((call.key.to_owned(), call.input.clone()));
            if asked.len() == 1 {
                let error = ErrorKind::Communication.error("not now", "the first is refused");
                return Outcome::Failed { error, answered: false }.into();
            }
            Outcome::Output(json!({ "sent": asked.len() })).into()
        })
    }
}

#[tokio::test]
async fn a_handler_is_asked_and_a_retry_has_the_same_key() {
    let desk = Arc::new(Desk::default());
    let mut world = World::new().await;
    world.handlers = Handlers::default().with(Service::Email, Arc::clone(&desk) as Arc<dyn Handler>);
    let engine = world.engine().await;
    let rest = format!(
        "do: [{{ t: {{ try: {}, catch: {{ retry: {{ limit: {{ attempt: {{ count: 2 }} }} }} }} }} }}]",
        SEND.strip_prefix("do: ").unwrap(),
    );
    let workflow = world.save("sends", "1.0.0", &rest).await;
    let detail = world.play(&engine, workflow, json!({ "subject": "Paid" })).await;
    assert_eq!(detail.output, Some(json!({ "sent": 2 })), "{detail:?}");
    let asked = desk.0.lock().unwrap();
    assert_eq!(asked[0], asked[1], "nothing was answered, so the key stays");
    assert_eq!(asked[0].1, json!({ "to": "a@b.c", "subject": "Paid", "text": "x" }));
}

#[tokio::test]
async fn a_function_that_nobody_makes_any_more_is_a_fault_with_the_remedy() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("sends", "1.0.0", SEND).await;
    let detail = world.play(&engine, workflow, json!({ "subject": "Paid" })).await;
    assert_eq!(detail.run.status, RunStatus::Faulted);
    assert_eq!(kind(&detail), "configuration");
    assert!(detail.error.unwrap().detail.unwrap().contains("its operator can configure it"));
}

/// Says again what it was given.
#[derive(Debug)]
struct Echo;

impl Handler for Echo {
    fn call<'a>(&'a self, call: HandlerCall<'a>) -> Handled<'a> {
        let text = call.input["text"].as_str().unwrap_or_default();
        let error = ErrorKind::Communication.error("refused", format!("the mail server refused {text}"));
        Box::pin(async move { Outcome::Failed { error, answered: true }.into() })
    }
}

#[tokio::test]
async fn a_secret_that_a_handler_is_given_is_masked_where_it_is_shown() {
    const SECRET: &str = "correct-horse-battery";
    let mut world = World::new().await;
    world.handlers = Handlers::default().with(Service::Email, Arc::new(Echo));
    let engine = world.engine().await;
    engine.set_secret(world.account, "word", &json!(SECRET), 10).await.unwrap();
    let rest = "use: { secrets: [word] }
do: [{ a: { call: 'email:1.0.0@default', with: { to: a@b.c, subject: s, text: '${ $secrets.word }' } } }]";
    let workflow = world.save("tells", "1.0.0", rest).await;
    let detail = world.play(&engine, workflow, json!({})).await;
    let said = detail.error.clone().unwrap().detail.unwrap();
    assert!(said.starts_with("the mail server refused ") && !said.contains(SECRET), "{said}");
    let tasks = engine.tasks(world.account, detail.run.id, None, 100).await.unwrap();
    let shown = serde_json::to_string(&tasks).unwrap();
    assert!(shown.contains("the mail server refused") && !shown.contains(SECRET), "{shown}");
}
