//! Liveness, readiness, and the samples of oneself.

use http::StatusCode;
use levqor_model::{KeyId, Role, Scope, Scopes, Timestamp};
use levqor_server::gateway::new_key;
use levqor_store::{Options, keys::ApiKey};
use levqor_testkit::{wait_for, wait_until};
use serde_json::json;

use crate::{
    callers::{keep_log, kept_log},
    support::{TestApp, WAIT, sign_in_operator},
};

#[tokio::test]
async fn liveness_has_its_members() {
    let test = TestApp::new().await;
    test.advance(61);
    let health = test.get("/health").send().await.json();
    let expected = json!({
        "status": "ok", "version": env!("CARGO_PKG_VERSION"), "build": "unknown", "region": "eu-west",
        "uptime_seconds": 61, "timestamp": 1_795_521_661,
    });
    assert_eq!(health, expected);
}

#[tokio::test]
async fn a_whole_node_is_ready() {
    let test = TestApp::new().await;
    let answer = test.get("/ready").send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let ready = answer.json();
    assert_eq!(ready["status"], "ready");
    for check in ["database_read", "database_write", "migrations", "disk", "lease", "clock", "engine"] {
        assert_eq!(ready["checks"][check]["ok"], true, "{check}: {ready}");
    }
}

/// What `/ready` complains of.
async fn complaints(test: &TestApp) -> Vec<String> {
    complaints_as(test, "not_ready").await
}

async fn complaints_as(test: &TestApp, status: &str) -> Vec<String> {
    let answer = test.get("/ready").send().await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let ready = answer.json();
    assert_eq!(ready["status"], status);
    let checks = ready["checks"].as_object().unwrap();
    checks.iter().filter(|(_, verdict)| verdict["ok"] == false).map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn a_node_without_a_database_is_not_ready() {
    let test = TestApp::new().await;
    test.store.close().await;
    let complaints = complaints(&test).await;
    assert!(complaints.contains(&"database_write".to_owned()), "{complaints:?}");
    assert!(complaints.contains(&"lease".to_owned()), "{complaints:?}");
}

#[tokio::test]
async fn what_a_driver_said_is_for_operators_and_for_the_log() {
    keep_log();
    let test = TestApp::new().await;
    let limited = limited_operator(&test).await;
    let session = sign_in_operator(&test.app, test.account).await;
    let ask = async |path: &str, name: &'static str, value: &str| {
        let call = test.get(path);
        let call = if name.is_empty() { call } else { call.header(name, value) };
        call.send().await
    };
    let key = |key: &str| format!("Bearer {key}");
    let callers = [
        ("", String::new(), false),
        ("authorization", key(&test.keys.owner), false),
        ("authorization", key(&limited), false),
        ("cookie", test.cookie.clone(), false),
        ("authorization", key(&test.keys.operator), true),
        ("cookie", session, true),
    ];
    // Nobody can be looked up any more who was not seen before the store goes.
    for (name, value, _) in &callers {
        assert_eq!(ask("/api/regions", *name, value).await.status, StatusCode::OK);
    }
    test.store.close().await;
    // What was found a moment ago stands for a moment.
    wait_for("a look without the store", || async {
        (test.get("/ready").send().await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    let detail = levqor_store::Error::Closed.to_string();
    let stranger = [("authorization", "Bearer nonsense".to_owned(), false)];
    for (name, value, is_operator) in callers.iter().chain(&stranger) {
        let answer = ask("/ready", *name, value).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let checks = answer.json()["checks"].clone();
        let words = if *is_operator { detail.as_str() } else { "the database cannot be written to" };
        assert_eq!(checks["database_write"], json!({ "ok": false, "detail": words }), "{name} {value}");
        assert_eq!(checks.to_string().contains(&detail), *is_operator, "{name} {value}: {checks}");
    }
    let (log, lines) = kept_log();
    let whole = format!("database_write: {detail}");
    let mut told = lines.iter().filter_map(|line| line["fields"]["ready.failure"].as_str());
    assert!(told.any(|failure| failure.contains(&whole)), "{log}");
}

/// The key of an operator that is limited to something else.
async fn limited_operator(test: &TestApp) -> String {
    let new = new_key(&*test.app.random);
    let key = ApiKey {
        id: KeyId::new(test.app.now(), &*test.app.random),
        account_id: test.account,
        name: "limited".to_owned(),
        prefix: new.prefix,
        hash: new.hash,
        role: Role::Owner,
        operator: true,
        created_at: test.app.now(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        scopes: Some(Scopes::of([Scope::RunsRead]).unwrap()),
        previous: None,
        rotated_at: None,
        created_by: None,
    };
    test.store.create_key(key).await.unwrap();
    new.key.expose().to_owned()
}

#[tokio::test]
async fn a_clock_that_goes_back_is_found_out() {
    let test = TestApp::new().await;
    let begin = test.app.now();
    assert!(levqor_server::features::health::service::assess(&test.app).await.is_ready());
    test.clock.set(begin - std::time::Duration::from_secs(60));
    assert_eq!(complaints(&test).await, ["clock"]);
    assert!(levqor_server::features::health::service::assess(&test.app).await.is_ready(), "it was told once");
    test.clock.set(Timestamp::from_seconds(0));
    let found = levqor_server::features::health::service::assess(&test.app).await;
    assert!(found.checks.iter().any(|check| check.name == "clock" && check.failure.is_some()));
}

#[tokio::test]
async fn a_node_that_stops_is_not_ready() {
    let test = TestApp::new().await;
    test.app.stopping.cancel();
    assert_eq!(complaints_as(&test, "draining").await, ["engine"]);
}

#[tokio::test]
async fn a_node_that_leaves_asks_for_no_more_and_goes_on_answering() {
    let test = TestApp::new().await;
    test.app.leaving.cancel();
    assert_eq!(complaints_as(&test, "draining").await, [""; 0], "nothing is wrong with it");
    let workflow = test.save("greet", crate::support::GREET).await;
    let run = test.start(&workflow, 10, &json!({ "name": "Ada" })).await;
    assert_eq!(run["status"], "completed");
    // What it does refuse may be sent to another node.
    test.app.engine.drain(std::time::Duration::ZERO).await;
    let path = format!("/api/workflows/{workflow}/runs");
    let refused = test.post(&path).key(&test.keys.editor).json(&json!({})).send().await;
    assert_eq!(refused.problem(), "draining");
    assert_eq!(refused.header("x-levqor-draining"), Some("1"));
    let other = test.get("/api/nowhere").send().await;
    assert_eq!(other.header("x-levqor-draining"), None);
}

#[tokio::test]
async fn what_was_seen_is_recorded() {
    let test = TestApp::new().await;
    levqor_server::features::health::service::sample(&test.app).await.unwrap();
    let samples = test.store.latest_samples().await.unwrap();
    let mut seen: Vec<_> = samples.iter().map(|sample| (sample.component.as_str(), sample.good)).collect();
    seen.sort_unstable();
    // This server has no socket, so there is no API to observe, and nothing is said about it.
    assert_eq!(seen, [("database", true), ("engine", true)]);
}

#[tokio::test]
async fn a_run_that_cannot_be_read_is_left_out_and_told() {
    let directory = levqor_testkit::temp_dir();
    let path = directory.path().join("levqor.db");
    let test = TestApp::over(Options::file(path.clone()), |_| {}).await;
    let workflow = test.save("wait", WAIT).await;
    let damaged = test.start(&workflow, 0, &json!({})).await["run_id"].as_str().unwrap().to_owned();
    let whole = test.start(&workflow, 0, &json!({})).await["run_id"].as_str().unwrap().to_owned();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let sql = "UPDATE runs SET region = 'eu%west', status = 'running' WHERE run_id = ?1";
    assert_eq!(connection.execute(sql, [&damaged]).unwrap(), 1);

    let list = test.read("/api/runs").await;
    let listed: Vec<_> = list["runs"].as_array().unwrap().iter().map(|run| &run["run_id"]).collect();
    assert_eq!(listed, [&whole]);

    // The next process finds it when it looks for the runs to go on with.
    test.app.engine.halt().await;
    let next = test.restarted().await;
    wait_until("the engine to find it", || next.app.engine.failure().is_some()).await;
    let answer = next.get("/ready").key(&next.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let check = answer.json()["checks"]["engine"].clone();
    assert_eq!(check["ok"], false, "{check}");
    assert!(check.to_string().contains(&damaged), "{check}");
    let told = next.get("/ready").send().await.json();
    assert_eq!(told["checks"]["engine"], json!({ "ok": false, "detail": "some runs do not go on" }));
    levqor_server::features::health::service::sample(&next.app).await.unwrap();
    let samples = test.store.latest_samples().await.unwrap();
    let engine = samples.iter().find(|sample| sample.component == "engine").unwrap();
    assert!(!engine.good && engine.reason.as_ref().unwrap().contains(&damaged), "{engine:?}");
}
