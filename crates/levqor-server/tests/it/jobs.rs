//! Jobs of the platform as operators see them: the list, doing one now, pausing, history.

mod work;

use http::StatusCode;
use levqor_server::features::jobs::JobSettings;
use levqor_testkit::wait_for;
use serde_json::{Value, json};

use crate::{
    pages::Browser as _,
    serve::serve,
    support::{Answer, TestApp, sign_in_operator},
};

async fn see(test: &TestApp, path: &str) -> Value {
    let answer = test.get(&format!("/api/ops/jobs{path}")).key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

async fn act(test: &TestApp, path: &str, body: Value) -> Answer {
    test.post(&format!("/api/ops/jobs{path}")).key(&test.keys.operator).json(&body).send().await
}

/// Has a job done now, and gives its last firing.
async fn firing(test: &TestApp, job: &str) -> Value {
    let asked = act(test, &format!("/{job}/run"), json!({})).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text());
    assert_eq!(test.app.run_due_jobs().await.unwrap(), 1);
    see(test, &format!("/{job}/history")).await["firings"][0].clone()
}

/// What a job gives.
async fn done(test: &TestApp, job: &str) -> (String, Value) {
    let firing = firing(test, job).await;
    assert_eq!(firing["state"], "done", "{job}: {firing:#}");
    (firing["summary"].as_str().unwrap().to_owned(), firing["data"].clone())
}

#[tokio::test]
async fn all_jobs_are_listed_with_their_next_times_and_last_results() {
    let test = TestApp::new().await;
    let before = see(&test, "").await;
    assert_eq!(
        (&before["active"], &before["jobs"][0]["state"]),
        (&json!(0), &json!("unknown")),
        "nobody has begun"
    );
    assert_eq!(test.app.run_due_jobs().await.unwrap(), 0);
    let list = see(&test, "").await;
    assert_eq!((&list["active"], &list["running"]), (&json!(20), &json!(0)));
    let jobs = list["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 20);
    let digest = jobs.iter().find(|job| job["id"] == "daily_ops_summary").unwrap();
    assert_eq!(digest["schedule"], "every day at 09:00 Europe/London");
    assert_eq!(
        digest["next"][0],
        json!({ "at": "2026-11-25T09:00:00.000000Z", "local": "2026-11-25 09:00 GMT" })
    );
    assert_eq!(digest["next"].as_array().unwrap().len(), 5);
    let (summary, _) = done(&test, "daily_ops_summary").await;
    let digest = see(&test, "/daily_ops_summary").await;
    assert_eq!(digest["last"]["summary"], summary.as_str());
    assert_eq!((&digest["failures"], &digest["last"]["cause"]), (&json!(0), &json!("manual")));
    assert_eq!(digest["last"]["asked_by"].as_str().unwrap().split('_').next(), Some("API key key"));
    let metrics = test.get("/api/metrics/app").send().await.json();
    assert_eq!(metrics["scheduler"], json!({ "jobs": 20, "running": 0 }));
    let wrong = test.get("/api/ops/jobs/kv_cost").key(&test.keys.operator).send().await;
    assert_eq!((wrong.status, wrong.problem().as_str()), (StatusCode::NOT_FOUND, "not-found"));
    assert!(wrong.json()["detail"].as_str().unwrap().contains("did you mean kv_costs?"));
}

#[tokio::test]
async fn due_times_fire_by_themselves_and_history_is_paged_through() {
    let test = TestApp::new().await;
    test.app.run_due_jobs().await.unwrap();
    for _ in 0..5 {
        test.advance(5 * 60);
        test.app.run_due_jobs().await.unwrap();
    }
    let first = see(&test, "/alert_checks/history?limit=3").await;
    let due = |page: &Value| -> Vec<String> {
        let firings = page["firings"].as_array().unwrap();
        firings.iter().map(|firing| firing["due_at"].as_str().unwrap()[11..16].to_owned()).collect()
    };
    assert_eq!(due(&first), ["12:25", "12:20", "12:15"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = see(&test, &format!("/alert_checks/history?limit=3&cursor={cursor}")).await;
    assert_eq!(
        (due(&second), &second["next_cursor"]),
        (vec!["12:10".to_owned(), "12:05".to_owned()], &Value::Null)
    );
    for wrong in ["limit=0", "cursor=x", "from=1"] {
        let path = format!("/api/ops/jobs/alert_checks/history?{wrong}");
        let answer = test.get(&path).key(&test.keys.operator).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

/// With nobody who begins them, jobs are late, and nothing is green.
#[tokio::test]
async fn jobs_that_nobody_begins_are_late() {
    let test = TestApp::new().await;
    test.app.run_due_jobs().await.unwrap();
    assert_eq!(see(&test, "/slo_watchdog").await["late"], Value::Null);
    test.advance(20 * 60);
    let late = see(&test, "/slo_watchdog").await["late"].clone();
    assert!(late.as_str().is_some_and(|late| late.ends_with("s ago and has not begun")), "{late}");
    let cookie = sign_in_operator(&test.app, test.account).await;
    let page = test.page("/admin/jobs").header("cookie", &cookie).send().await.text();
    assert!(page.contains("4 late") && !page.contains("all 20 active"), "{page}");
    let page = test.page("/admin/jobs/slo_watchdog").header("cookie", &cookie).send().await.text();
    assert!(page.contains("s ago and has not begun"), "{page}");
}

#[tokio::test]
async fn a_request_that_is_sent_again_does_a_job_once() {
    let test = TestApp::new().await;
    let ask = async |key: &'static str| {
        let call = test.post("/api/ops/jobs/sentry_test/run").key(&test.keys.operator);
        call.header("idempotency-key", key).json(&json!({})).send().await.json()
    };
    let first = ask("a").await;
    assert_eq!((&first["already"], &first["firing"]["state"]), (&json!(false), &json!("waiting")));
    assert_eq!(ask("b").await["already"], true, "it has not ended");
    assert_eq!(test.app.run_due_jobs().await.unwrap(), 1);
    assert_eq!(ask("a").await["firing"]["due_at"], first["firing"]["due_at"]);
    assert_eq!(test.app.run_due_jobs().await.unwrap(), 0);
    assert_eq!(see(&test, "/sentry_test/history").await["firings"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_is_paused_and_resumed_and_the_log_says_by_whom() {
    let test = TestApp::new().await;
    let paused = act(&test, "/kv_costs/pause", json!({ "reason": "a test" })).await.json();
    assert_eq!((&paused["state"], &paused["next"]), (&json!("paused"), &json!([])));
    let again = act(&test, "/kv_costs/pause", json!({})).await.json();
    assert_eq!(again["paused"], paused["paused"], "paused is paused");
    test.advance(2 * 60 * 60);
    test.app.run_due_jobs().await.unwrap();
    assert_eq!(see(&test, "/kv_costs/history").await["firings"], json!([]));
    assert_eq!(see(&test, "").await["active"], 19);
    let resumed = act(&test, "/kv_costs/resume", json!({})).await.json();
    assert_eq!(resumed["next"][0]["at"], "2026-11-24T15:00:00.000000Z");
    test.advance(60 * 60);
    test.app.run_due_jobs().await.unwrap();
    assert_eq!(see(&test, "/kv_costs/history").await["firings"].as_array().unwrap().len(), 1);
    act(&test, "/kv_costs/run", json!({})).await;
    let log = test.get("/api/ops/audit?kind=job").key(&test.keys.operator).send().await.json();
    let kinds: Vec<&str> =
        log["records"].as_array().unwrap().iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["job.asked_for", "job.resumed", "job.paused"]);
    for record in log["records"].as_array().unwrap() {
        assert!(record["author"].as_str().unwrap().starts_with("API key key_"), "{record}");
        assert_eq!(record["subject"], "kv_costs");
    }
    for (body, problem) in [
        (json!({ "reason": "x".repeat(501) }), "shorten it"),
        (json!({ "reason": "two\nlines" }), "one line"),
        (json!({ "until": "later" }), "unknown field"),
    ] {
        let refused = act(&test, "/kv_costs/pause", body).await;
        // What is no field is a bad request; what is a bad value is not.
        let status = if problem == "unknown field" {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.text().contains(problem), "{}", refused.text());
    }
}

/// A node that serves runs what it is asked for at once; one that is told so runs nothing.
#[tokio::test]
async fn a_serving_node_runs_jobs_unless_it_is_told_not_to() {
    let test = TestApp::new().await;
    let served = serve(&test).await;
    act(&test, "/sentry_test/run", json!({})).await;
    let firing = wait_for("the job", || async {
        let firing = see(&test, "/sentry_test/history").await["firings"][0].clone();
        (firing["state"] == "done").then_some(firing)
    })
    .await;
    assert!(firing["summary"].as_str().unwrap().contains("No DSN is configured"), "{firing}");
    served.stopped().await;

    let idle = TestApp::with(|settings| {
        settings.jobs = JobSettings { enabled: false, ..JobSettings::default() };
    })
    .await;
    let served = serve(&idle).await;
    act(&idle, "/sentry_test/run", json!({})).await;
    served.stopped().await;
    assert_eq!(see(&idle, "/sentry_test/history").await["firings"][0]["state"], "waiting");
}
