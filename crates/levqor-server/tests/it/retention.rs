//! Runs that are not kept: deleted by request or by time, and what is said about them then.

use http::{Method, StatusCode};
use levqor_server::features::runs::retention::sweep;
use levqor_testkit::wait_for;
use serde_json::json;

use crate::support::{GREET, TestApp, WAIT, sign_in};

const DAY: u64 = 24 * 60 * 60;

#[tokio::test]
async fn a_run_that_has_ended_is_deleted_on_request() {
    let test = TestApp::new().await;
    let (greet, wait) = (test.save("greet", GREET).await, test.save("wait", WAIT).await);
    let run = test.start(&greet, 10, &json!({ "name": "Ada" })).await;
    let path = format!("/api/runs/{}", run["run_id"].as_str().unwrap());
    let delete = |path: &str, key: &str| test.call(Method::DELETE, path).key(key).send();
    assert_eq!(delete(&path, &test.keys.viewer).await.problem(), "forbidden");
    assert_eq!(delete(&path, &test.keys.other).await.problem(), "run-not-found");
    assert_eq!(delete(&path, &test.keys.editor).await.status, StatusCode::NO_CONTENT);
    for path in [path.clone(), format!("{path}/tasks"), format!("{path}/events")] {
        let answer = test.get(&path).key(&test.keys.editor).send().await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::NOT_FOUND, "run-not-found"),
            "{path}"
        );
    }
    assert_eq!(delete(&path, &test.keys.editor).await.problem(), "run-not-found");
    assert_eq!(test.read("/api/runs").await["runs"], json!([]));

    let live = test.start(&wait, 0, &json!({})).await;
    let path = format!("/api/runs/{}", live["run_id"].as_str().unwrap());
    let refused = delete(&path, &test.keys.editor).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "run-not-ended"));
    assert_eq!(test.get(&path).key(&test.keys.viewer).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn runs_go_when_their_time_is_over_and_the_api_says_so() {
    let test = TestApp::with(|settings| settings.runs_kept_days = Some(90)).await;
    let greet = test.save("greet", GREET).await;
    let old = test.start(&greet, 10, &json!({ "name": "Ada" })).await;
    test.advance(80 * DAY);
    let young = test.start(&greet, 10, &json!({ "name": "Bob" })).await;
    let path = |run: &serde_json::Value| format!("/api/runs/{}", run["run_id"].as_str().unwrap());
    sweep(&test.app).await.unwrap();
    assert_eq!(test.get(&path(&old)).key(&test.keys.viewer).send().await.status, StatusCode::OK, "not yet");

    test.advance(11 * DAY);
    sweep(&test.app).await.unwrap();
    let rest = [
        (Method::GET, String::new()),
        (Method::GET, "/tasks".to_owned()),
        (Method::GET, "/events".to_owned()),
        (Method::POST, "/cancel".to_owned()),
        (Method::POST, "/retry".to_owned()),
        (Method::DELETE, String::new()),
    ];
    for (method, end) in rest {
        let answer = test.call(method, &(path(&old) + &end)).key(&test.keys.editor).send().await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::GONE, "run-deleted"), "{end}");
    }
    // The session of the beginning is over, too.
    let cookie = sign_in(&test.app, test.account).await;
    let page = test.get(&format!("/dashboard{}", &path(&old)[4..])).header("cookie", &cookie).send().await;
    assert_eq!(page.status, StatusCode::GONE);
    assert!(page.text().contains("retention time was over"), "{}", page.text());
    let stranger = test.get(&path(&old)).key(&test.keys.other).send().await;
    assert_eq!(stranger.problem(), "run-not-found", "others learn nothing");
    let newer = test.get("/api/runs/run_7ZZZZZZZZZZZZZZZZZZZZZZZZZ").key(&test.keys.viewer).send().await;
    assert_eq!(newer.problem(), "run-not-found");
    assert_eq!(test.get(&path(&young)).key(&test.keys.viewer).send().await.status, StatusCode::OK);
    let counts = test.store.run_counts(Some(test.account)).await.unwrap();
    assert_eq!(counts.completed, 1);
}

#[tokio::test]
async fn without_a_setting_runs_are_kept_for_good() {
    let test = TestApp::new().await;
    let greet = test.save("greet", GREET).await;
    test.start(&greet, 10, &json!({ "name": "Ada" })).await;
    test.advance(10_000 * DAY);
    sweep(&test.app).await.unwrap();
    assert_eq!(test.store.run_counts(None).await.unwrap().completed, 1);
}

#[tokio::test]
async fn a_run_that_waits_is_kept_however_old_it_is() {
    let test = TestApp::with(|settings| settings.runs_kept_days = Some(1)).await;
    let wait = test.save("wait", WAIT).await;
    let run = test.start(&wait, 0, &json!({})).await;
    let path = format!("/api/runs/{}", run["run_id"].as_str().unwrap());
    wait_for("the run to wait", || async { (test.read(&path).await["status"] == "waiting").then_some(()) })
        .await;
    let before = test.app.now();
    test.store.prune_runs(wait.parse().unwrap(), before + std::time::Duration::from_secs(DAY)).await.unwrap();
    assert_eq!(test.read(&path).await["status"], "waiting");
}
