//! `Idempotency-Key`: the same answer, once the effect.

use std::{future::poll_fn, task::Poll};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use levqor_testkit::wait_for;

use crate::support::{Answer, GREET, TestApp, document};

async fn create(test: &TestApp, idempotency_key: &str, name: &str) -> Answer {
    let body = json!({ "definition": document(name, "0.1.0", GREET) });
    test.post("/api/workflows")
        .key(&test.keys.editor)
        .header("idempotency-key", idempotency_key)
        .json(&body)
        .send()
        .await
}

async fn count(test: &TestApp) -> usize {
    test.read("/api/workflows").await["workflows"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer() {
    let test = TestApp::new().await;
    let first = create(&test, "k1", "greet").await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (StatusCode::CREATED, None));
    let again = create(&test, "k1", "greet").await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (StatusCode::CREATED, Some("true")));
    assert_eq!(again.bytes, first.bytes);
    assert_eq!(again.header("content-type"), Some("application/json"));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    assert_eq!(count(&test).await, 1);

    let other = create(&test, "k1", "other").await;
    assert_eq!(other.problem(), "idempotency-mismatch");
    // Another account's keys are its own.
    let body = json!({ "definition": document("greet", "0.1.0", GREET) });
    let theirs = test
        .post("/api/workflows")
        .key(&test.keys.other)
        .header("idempotency-key", "k1")
        .json(&body)
        .send()
        .await;
    assert_eq!((theirs.status, theirs.header("idempotent-replayed")), (StatusCode::CREATED, None));
}

#[tokio::test]
async fn refusals_are_repeated_too() {
    let test = TestApp::new().await;
    assert_eq!(create(&test, "k1", "greet").await.status, StatusCode::CREATED);
    let taken = create(&test, "k2", "greet").await;
    assert_eq!(taken.problem(), "name-taken");
    let again = create(&test, "k2", "greet").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.problem(), "name-taken");
    assert_ne!(again.header("x-request-id"), taken.header("x-request-id"));
}

#[tokio::test]
async fn a_delete_is_done_once() {
    let test = TestApp::new().await;
    let id = test.save("greet", GREET).await;
    let path = format!("/api/workflows/{id}");
    for _ in 0..2 {
        let answer = test
            .call(Method::DELETE, &path)
            .key(&test.keys.editor)
            .header("idempotency-key", "d")
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert!(answer.bytes.is_empty());
    }
}

#[tokio::test]
async fn many_at_once_start_one_run() {
    let test = TestApp::new().await;
    let id = test.save("greet", GREET).await;
    let path = format!("/api/workflows/{id}/runs");
    let start = || {
        let call = test.post(&path).key(&test.keys.editor).header("idempotency-key", "r");
        call.json(&json!({ "input": { "name": "Ada" } })).send()
    };
    let answers = futures_util::future::join_all((0..20).map(|_| start())).await;
    let ids: std::collections::HashSet<_> = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::ACCEPTED)
        .map(|answer| answer.json()["run_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != StatusCode::ACCEPTED) {
        assert_eq!(answer.problem(), "idempotency-conflict");
    }
    assert_eq!(test.read("/api/runs").await["runs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_replayed_key_keeps_its_secret() {
    let test = TestApp::new().await;
    let make = || {
        let call = test.post("/api/keys").key(&test.keys.admin).header("idempotency-key", "k");
        call.json(&json!({ "name": "deploy", "role": "viewer" })).send()
    };
    let (first, again): (Value, Value) = (make().await.json(), make().await.json());
    assert!(first["key"].is_string());
    assert!(again.get("key").is_none());
    assert_eq!(first["id"], again["id"]);
}

#[tokio::test]
async fn odd_keys_are_refused_and_reads_do_not_care() {
    let test = TestApp::new().await;
    for key in ["", " ", "a b", &"k".repeat(256)] {
        assert_eq!(create(&test, key, "greet").await.problem(), "bad-idempotency-key", "{key:?}");
    }
    let read =
        test.get("/api/workflows").key(&test.keys.viewer).header("idempotency-key", "a b").send().await;
    assert_eq!(read.status, StatusCode::OK);
    assert_eq!(create(&test, &"k".repeat(255), "greet").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_that_is_corrected_needs_a_new_key() {
    let test = TestApp::new().await;
    let send = |body: Value| {
        test.post("/api/workflows").key(&test.keys.editor).header("idempotency-key", "k").json(&body).send()
    };
    assert_eq!(send(json!({})).await.problem(), "bad-request");
    assert_eq!(send(json!({ "definition": "" })).await.problem(), "idempotency-mismatch");
}

/// Wherever the caller hangs up: who sends the request again is answered.
#[tokio::test]
async fn a_caller_who_hangs_up_leaves_no_key_behind() {
    const POLLS_MAX: usize = 2_000;
    let test = TestApp::new().await;
    let mut polls = 0;
    while polls < POLLS_MAX {
        let (key, name) = (format!("k{polls}"), format!("w{polls}"));
        let mut request = Box::pin(create(&test, &key, &name));
        let mut is_answered = false;
        for _ in 0..polls {
            is_answered = poll_fn(|context| Poll::Ready(request.as_mut().poll(context).is_ready())).await;
            if is_answered {
                break;
            }
            // What it waits for has the time to come.
            test.app.store.timers_count().await.unwrap();
        }
        drop(request);
        let again = wait_for("an answer to the repeat", || async {
            let again = create(&test, &key, &name).await;
            (again.status != StatusCode::CONFLICT).then_some(again)
        })
        .await;
        assert_eq!(again.status, StatusCode::CREATED, "after {polls} polls");
        if is_answered {
            return;
        }
        polls = polls * 5 / 4 + 1;
    }
    panic!("the request is not answered after {POLLS_MAX} polls");
}
