//! Events and webhooks with the real binary: over HTTP, and over kill -9.

use levqor_model::{Clock, SystemClock};
use levqor_server::features::triggers::signature;
use levqor_testkit::{temp_dir, wait_for};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Levqor, client};

fn listening(until: usize) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "t", "name": "hear", "version": "0.1.0" },
        "do": [{ "hear": { "listen": { "to": {
            "any": [{ "with": { "type": "order.paid" } }],
            "until": format!("${{ length >= {until} }}"),
        } } } }],
    })
}

async fn publish(levqor: &Levqor, numbers: std::ops::Range<u64>) -> Value {
    let events: Vec<Value> = numbers
        .map(|n| json!({ "specversion": "1.0", "id": n.to_string(), "source": "/shop", "type": "order.paid", "data": n }))
        .collect();
    let answer = client()
        .post(levqor.server.url("/api/events"))
        .bearer_auth(&levqor.key)
        .header("content-type", "application/cloudevents-batch+json")
        .body(json!(events).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

async fn until_it_listens(levqor: &Levqor, run: &str) {
    wait_for("the run to listen", || async {
        let run = levqor.get(&format!("/api/runs/{run}")).await;
        (run["waiting_for"] == "waits for an event of type order.paid (task hear)").then_some(())
    })
    .await;
}

#[tokio::test]
async fn published_events_wake_the_run_that_listens() {
    let directory = temp_dir();
    let levqor = Levqor::first(directory.path()).await;
    let workflow = levqor.create(&listening(2)).await;
    let run = levqor.start(&workflow, &json!({})).await["run_id"].as_str().unwrap().to_owned();
    until_it_listens(&levqor, &run).await;
    assert_eq!(publish(&levqor, 0..1).await, json!({ "accepted": 1, "repeated": 0 }));
    assert_eq!(publish(&levqor, 0..2).await, json!({ "accepted": 2, "repeated": 1 }));
    let ended = levqor.ended(&run).await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!([0, 1])), "{ended}");
}

#[tokio::test]
async fn what_was_published_before_kill_9_is_consumed_after_it() {
    const EVENTS: u64 = 60;
    let directory = temp_dir();
    let mut levqor = Levqor::first(directory.path()).await;
    let workflow = levqor.create(&listening(EVENTS as usize)).await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(levqor.start(&workflow, &json!({})).await["run_id"].as_str().unwrap().to_owned());
    }
    for run in &runs {
        until_it_listens(&levqor, run).await;
    }
    publish(&levqor, 0..EVENTS / 2).await;
    // Acknowledged, and by no means consumed by all.
    levqor.server.kill().unwrap();
    let key = levqor.key.clone();
    drop(levqor);
    let levqor = Levqor::again(directory.path(), &key).await;
    // The client was not told, and sends the second half with some of the first.
    publish(&levqor, EVENTS / 4..EVENTS).await;
    let all: Vec<u64> = (0..EVENTS).collect();
    for run in &runs {
        let ended = levqor.ended(run).await;
        assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!(all)), "{run}");
    }
}

#[tokio::test]
async fn a_signed_webhook_message_starts_one_run_over_a_restart() {
    let directory = temp_dir();
    let mut levqor = Levqor::first(directory.path()).await;
    let definition = json!({
        "document": { "dsl": "1.0.3", "namespace": "t", "name": "hook", "version": "0.1.0" },
        "do": [{ "take": { "set": { "order": "${ .body.order }" } } }],
    });
    let workflow = levqor.create(&definition).await;
    let path = format!("/api/workflows/{workflow}/triggers");
    let (status, made) = levqor.call(Method::POST, &path, Some(&json!({ "name": "shop" }))).await;
    assert_eq!(status, 201, "{made}");
    let key = signature::key(made["secret"].as_str().unwrap()).unwrap();
    let token = made["token"].as_str().unwrap().to_owned();
    let send = async |levqor: &Levqor, key: &[u8]| {
        let body = r#"{"order": 7}"#;
        let at = SystemClock.now().as_micros() / 1_000_000;
        let signature = signature::sign(key, "msg_1", at, body.as_bytes()).unwrap();
        let answer = client()
            .post(levqor.server.url(&format!("/hooks/{token}")))
            .header("content-type", "application/json")
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap())
    };
    assert_eq!(send(&levqor, b"not the key").await.0, 401);
    let (status, first) = send(&levqor, &key).await;
    assert_eq!((status, &first["repeated"]), (202, &json!(false)), "{first}");
    levqor.server.kill().unwrap();
    let owner = levqor.key.clone();
    drop(levqor);
    let levqor = Levqor::again(directory.path(), &owner).await;
    let (_, second) = send(&levqor, &key).await;
    assert_eq!(second, json!({ "run_id": first["run_id"], "repeated": true }));
    let ended = levqor.ended(first["run_id"].as_str().unwrap()).await;
    assert_eq!((&ended["output"], &ended["trigger"]), (&json!({ "order": 7 }), &json!("webhook")));
}
