//! Outside jobs that tell of themselves.

use http::{Method, StatusCode};
use levqor_model::Verdict;
use levqor_server::features::probes::conditions;
use levqor_store::heartbeats::BeatState;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const HEARTBEATS: &str = "/api/ops/heartbeats";

/// Makes one; the path of its pings.
async fn make(test: &TestApp, name: &str) -> String {
    let body = json!({ "name": name, "period_seconds": 3_600, "grace_seconds": 300 });
    let made = test.post(HEARTBEATS).key(&test.keys.operator).json(&body).send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let url = made.json()["url"].as_str().unwrap().to_owned();
    url.strip_prefix(&test.app.settings.public_url).unwrap().to_owned()
}

async fn state(test: &TestApp, name: &str) -> Value {
    let path = format!("{HEARTBEATS}/{name}");
    test.get(&path).key(&test.keys.operator).send().await.json()
}

async fn ping(test: &TestApp, path: &str) -> Answer {
    let answer = test.get(path).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer
}

async fn verdict(test: &TestApp) -> Verdict {
    let all = conditions(&test.app).await.unwrap();
    all.into_iter().find(|condition| condition.rule == "probes.heartbeat").unwrap().verdict
}

#[tokio::test]
async fn a_job_is_expected_heard_and_missed() {
    let test = TestApp::new().await;
    let path = make(&test, "nightly-backup").await;
    assert_eq!(
        (state(&test, "nightly-backup").await["state"].clone(), verdict(&test).await),
        (json!("new"), Verdict::Unknown)
    );
    ping(&test, &format!("{path}/start")).await;
    assert_eq!(state(&test, "nightly-backup").await["running"], true);
    test.advance(120);
    assert_eq!(ping(&test, &path).await.text(), "OK");
    let up = state(&test, "nightly-backup").await;
    assert_eq!(
        (&up["state"], &up["duration_ms"], &up["exit_code"]),
        (&json!("up"), &json!(120_000), &json!(0))
    );
    assert_eq!(verdict(&test).await, Verdict::Holds);
    test.advance(3_600);
    assert_eq!(state(&test, "nightly-backup").await["state"], "late");
    test.advance(300);
    assert_eq!(
        state(&test, "nightly-backup").await["state"],
        "down",
        "before anybody has looked for missed ones"
    );
    assert_eq!(verdict(&test).await, Verdict::Fails, "nor do alerts wait for that");
    let reason = state(&test, "nightly-backup").await["reason"].clone();
    assert!(reason.as_str().unwrap().starts_with("nothing was heard for 3900 s"), "{reason}");
    test.store.miss_heartbeats(test.app.now()).await.unwrap();
    assert_eq!(verdict(&test).await, Verdict::Fails);
    // By every method, and in every way.
    for (method, signal, expected) in [
        (Method::POST, "", "up"),
        (Method::POST, "/fail", "down"),
        (Method::HEAD, "", "up"),
        (Method::GET, "/3", "down"),
        (Method::GET, "/0", "up"),
        (Method::POST, "/start", "up"),
    ] {
        test.advance(2);
        let answer = test.call(method.clone(), &format!("{path}{signal}")).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {signal}");
        assert_eq!(state(&test, "nightly-backup").await["state"], expected, "{method} {signal}");
    }
    let pings = state(&test, "nightly-backup").await["pings"].as_array().unwrap().len();
    assert_eq!(pings, 8);
}

/// The job that looks for those that are missed comes by once a second; nobody waits for it to be told the truth.
#[tokio::test]
async fn operators_see_one_that_is_missed_before_the_job_has_come_by() {
    let test = TestApp::new().await;
    let path = make(&test, "nightly-backup").await;
    ping(&test, &path).await;
    let seen = async || {
        let overview = test.get("/api/ops/overview").key(&test.keys.operator).send().await.json();
        overview["probes"]["heartbeats"][0]["state"].clone()
    };
    assert_eq!(seen().await, "up");
    test.advance(3_600 + 299);
    assert_eq!(seen().await, "up");
    test.advance(1);
    assert_eq!(seen().await, "down");
    assert_eq!(test.store.heartbeats().await.unwrap()[0].state, BeatState::Up, "nobody has noted it yet");
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_hash() {
    let test = TestApp::new().await;
    let path = make(&test, "job").await;
    let token = path.strip_prefix("/ping/").unwrap();
    assert_eq!(token.len(), 43);
    let list = test.get(HEARTBEATS).key(&test.keys.operator).send().await;
    assert!(!list.text().contains(token) && list.text().contains(&token[..6]), "{}", list.text());
    // A replayed answer does not have it either.
    let make = || {
        let body = json!({ "name": "again", "period_seconds": 60 });
        test.post(HEARTBEATS).key(&test.keys.operator).header("idempotency-key", "one").json(&body)
    };
    assert!(make().send().await.json()["url"].is_string());
    let replayed = make().send().await;
    assert_eq!((replayed.status, replayed.json()["url"].clone()), (StatusCode::CREATED, Value::Null));
    for wrong in
        ["/ping/x".to_owned(), format!("/ping/{}", "A".repeat(43)), format!("/ping/{}/fail", "A".repeat(43))]
    {
        let answer = test.get(&wrong).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    let signal = test.get(&format!("{path}/stop")).send().await;
    assert_eq!(signal.status, StatusCode::BAD_REQUEST);
    assert!(signal.text().contains("start, fail, or an exit code"), "{}", signal.text());
    let deleted =
        test.call(Method::DELETE, &format!("{HEARTBEATS}/job")).key(&test.keys.operator).send().await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(test.get(&path).send().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_allowed_is_named() {
    let test = TestApp::new().await;
    let operator = &test.keys.operator;
    make(&test, "taken").await;
    for (body, status, words) in [
        (json!({ "name": "A b", "period_seconds": 60 }), 422, "/name"),
        (json!({ "name": "a", "period_seconds": 5 }), 422, "must be from 10 to 31622400 seconds, and is 5"),
        (json!({ "name": "a", "period_seconds": 60, "grace_seconds": 999_999_999 }), 422, "/grace_seconds"),
        (json!({ "name": "taken", "period_seconds": 60 }), 409, "there is a heartbeat"),
        (json!({ "name": "a" }), 400, "period_seconds"),
        (json!({ "name": "a", "period_seconds": 60, "peroid": 1 }), 400, "peroid"),
    ] {
        let answer = test.post(HEARTBEATS).key(operator).json(&body).send().await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text());
        assert!(answer.text().contains(words), "{body}: {}", answer.text());
    }
    let path = format!("{HEARTBEATS}/taken");
    let patch = async |body: Value| test.call(Method::PATCH, &path).key(operator).json(&body).send().await;
    assert_eq!(patch(json!({ "grace_seconds": 600 })).await.json()["grace_seconds"], 600);
    assert_eq!(patch(json!({ "period_seconds": 1 })).await.status.as_u16(), 422);
    let missing =
        test.call(Method::PATCH, &format!("{HEARTBEATS}/none")).key(operator).json(&json!({})).send().await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let stranger = test
        .post(HEARTBEATS)
        .key(&test.keys.owner)
        .json(&json!({ "name": "a", "period_seconds": 60 }))
        .send()
        .await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN);
}
