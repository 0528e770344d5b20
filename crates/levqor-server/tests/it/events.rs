//! Publishing events through the API.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

pub fn event(id: &str) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": "/shop", "type": "order.paid", "data": { "id": id } })
}

async fn publish(test: &TestApp, media: &str, body: &Value) -> Answer {
    test.post("/api/events").key(&test.keys.editor).body(media, body.to_string()).send().await
}

async fn stored(test: &TestApp) -> Vec<Value> {
    let page = test.store.events_after(test.account, vec![None], 0, 200).await.unwrap();
    page.events.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect()
}

#[tokio::test]
async fn events_are_durable_when_they_are_accepted_and_repeats_change_nothing() {
    let test = TestApp::new().await;
    let rows = [
        (ONE, event("1"), json!({ "accepted": 1, "repeated": 0 })),
        (ONE, event("1"), json!({ "accepted": 1, "repeated": 1 })),
        (BATCH, json!([event("1"), event("2"), event("3")]), json!({ "accepted": 3, "repeated": 1 })),
        (BATCH, json!([]), json!({ "accepted": 0, "repeated": 0 })),
    ];
    for (media, body, expected) in rows {
        let answer = publish(&test, media, &body).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::ACCEPTED, expected), "{body}");
    }
    let binary = test
        .post("/api/events")
        .key(&test.keys.editor)
        .header("ce-specversion", "1.0")
        .header("ce-id", "4")
        .header("ce-source", "/shop")
        .header("ce-type", "order.paid")
        .header("ce-region", "caf%C3%A9")
        .body("application/json", r#"{"id": "4"}"#)
        .send()
        .await;
    assert_eq!(binary.status, StatusCode::ACCEPTED, "{}", binary.text());
    let events = stored(&test).await;
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "2", "3", "4"]);
    assert_eq!((&events[3]["region"], &events[3]["data"]), (&json!("café"), &json!({ "id": "4" })));
}

#[tokio::test]
async fn events_wake_runs_and_start_workflows() {
    let test = TestApp::new().await;
    let listen = "do: [{ hear: { listen: { to: { one: { with: { type: order.paid } } } } } }]";
    let hear = test.save("hear", listen).await;
    let on =
        "schedule: { on: { one: { with: { type: order.paid } } } }\ndo: [{ take: { set: '${ .[0] }' } }]";
    let start = test.save("start", on).await;
    let run = test.start(&hear, 0, &json!({})).await["run_id"].as_str().unwrap().to_owned();
    let path = format!("/api/runs/{run}");
    levqor_testkit::wait_for("the run to listen", || async {
        let run = test.read(&path).await;
        (run["waiting_for"] == "waits for an event of type order.paid (task hear)").then_some(())
    })
    .await;
    assert_eq!(publish(&test, ONE, &event("7")).await.status, StatusCode::ACCEPTED);
    let ended = levqor_testkit::wait_for("the run's end", || async {
        let run = test.read(&path).await;
        (run["status"] == "completed").then_some(run)
    })
    .await;
    assert_eq!(ended["output"], json!([{ "id": "7" }]));
    let started = levqor_testkit::wait_for("the other run's end", || async {
        let runs = test.read(&format!("/api/workflows/{start}/runs")).await;
        let run = runs["runs"].as_array().unwrap().first().cloned()?;
        (run["status"] == "completed").then_some(run)
    })
    .await;
    assert_eq!(started["trigger"], "event");
    let id = started["run_id"].as_str().unwrap();
    assert_eq!(test.read(&format!("/api/runs/{id}")).await["output"], event("7"));
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_nothing_is_published() {
    let test = TestApp::new().await;
    let mut broken = event("2");
    broken["source"] = json!("");
    let many: Vec<Value> = (0..101).map(|n| event(&n.to_string())).collect();
    let rows = [
        ("application/json", event("1"), "unsupported-media-type", "-"),
        (ONE, json!([event("1")]), "bad-request", "-"),
        (ONE, json!({ "id": "1" }), "invalid-event", "/specversion"),
        (BATCH, json!([event("1"), broken]), "invalid-event", "/1/source"),
        (BATCH, json!([event("1"), 7]), "invalid-event", "/1"),
        (BATCH, json!(many), "invalid-event", "-"),
    ];
    for (media, body, problem, pointer) in rows {
        let answer = publish(&test, media, &body).await;
        assert_eq!(answer.problem(), problem, "{}", answer.text());
        let found = answer.json();
        let found = found["errors"][0]["pointer"].as_str().unwrap_or("-");
        assert_eq!(found, pointer, "{}", answer.text());
    }
    assert_eq!(stored(&test).await.len(), 0);
    let viewer = test.post("/api/events").key(&test.keys.viewer).body(ONE, event("1").to_string());
    assert_eq!(viewer.send().await.status, StatusCode::FORBIDDEN);
    let other = test.post("/api/events").key(&test.keys.other).body(ONE, event("1").to_string());
    assert_eq!(other.send().await.status, StatusCode::ACCEPTED);
    assert_eq!(stored(&test).await.len(), 0, "another account's events are not here");
}
