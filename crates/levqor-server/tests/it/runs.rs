//! Runs: started, watched, cancelled, retried.

use futures_util::StreamExt;
use http::{Method, StatusCode};
use levqor_model::AccountId;
use levqor_store::accounts::Account;
use levqor_testkit::wait_for;
use serde_json::{Value, json};

use crate::support::{FAULT, GREET, TestApp, WAIT, add_key, document};

fn id_of(run: &Value) -> &str {
    run["run_id"].as_str().unwrap()
}

#[tokio::test]
async fn a_run_that_ends_in_time_is_in_the_answer() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    let path = format!("/api/workflows/{workflow}/runs");
    let body = json!({ "input": { "name": "Ada" }, "wait_seconds": 10 });
    let answer = test.post(&path).key(&test.keys.editor).json(&body).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let run = answer.json();
    assert_eq!(answer.header("location"), Some(format!("/api/runs/{}", id_of(&run)).as_str()));
    let time = "2026-11-24T12:00:00.000000Z";
    let expected = json!({
        "run_id": id_of(&run), "workflow_id": workflow, "namespace": "test", "name": "greet", "version": "0.1.0",
        "status": "completed", "region": "eu-west", "home_region": "eu-west", "trigger": "manual",
        "created_at": time, "started_at": time, "ended_at": time,
        "input": { "name": "Ada" }, "output": { "message": "Hello, Ada!" }, "error": null, "priority": 5,
    });
    assert_eq!(run, expected);
    assert_eq!(test.read(&format!("/api/runs/{}", id_of(&run))).await, expected);
    let tasks = test.read(&format!("/api/runs/{}/tasks", id_of(&run))).await;
    let expected = json!({ "tasks": [{
        "task": 1, "name": "greet", "reference": "/do/0/greet", "attempt": 1, "status": "completed",
        "input": { "name": "Ada" }, "output": { "message": "Hello, Ada!" }, "error": null,
        "started_at": time, "ended_at": time, "region": "eu-west",
    }] });
    assert_eq!(tasks, expected);
}

#[tokio::test]
async fn a_run_without_patience_is_accepted() {
    let test = TestApp::new().await;
    let workflow = test.save("wait", WAIT).await;
    let path = format!("/api/workflows/{workflow}/runs");
    for body in [
        "",
        "{}",
        "{\"wait_seconds\": 0}",
        "{\"wait_seconds\": 1}",
        "{\"residency\": {\"regions\": [\"eu-west\", \"us-east\"]}}",
        "{\"residency\": [\"eu-west\", \"us-east\"]}",
        "{\"residency\": \"anywhere\", \"region\": \"eu-west\"}",
        "{\"residency\": {\"jurisdiction\": \"EU\"}}",
    ] {
        let answer =
            test.post(&path).key(&test.keys.editor).body("application/json", body.to_owned()).send().await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{body}: {}", answer.text());
        assert_eq!(answer.json()["input"], json!({}));
    }
}

#[tokio::test]
async fn wishes_that_cannot_be_granted() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    let path = format!("/api/workflows/{workflow}/runs");
    let deep = "[".repeat(100) + &"]".repeat(100);
    let large = format!("\"{}\"", "x".repeat(1_100_000));
    let rows = [
        ("{\"wait_seconds\": 61}".to_owned(), 422, "/wait_seconds"),
        ("{\"wait_seconds\": \"1\"}".to_owned(), 400, "/wait_seconds"),
        ("{\"wait_seconds\": -1}".to_owned(), 400, "/wait_seconds"),
        ("{\"region\": \"mars-north\"}".to_owned(), 422, "/region"),
        ("{\"version\": \"9.9.9\"}".to_owned(), 422, "/version"),
        ("{\"residency\": {\"regions\": [\"mars-north\"]}}".to_owned(), 422, "/residency/regions/0"),
        ("{\"residency\": {\"regions\": []}}".to_owned(), 422, "/residency/regions"),
        ("{\"residency\": {\"jurisdiction\": \"MARS\"}}".to_owned(), 422, "/residency/jurisdiction"),
        ("{\"residency\": \"here\"}".to_owned(), 400, "/residency"),
        ("{\"residency\": \"eu-west\"}".to_owned(), 400, "/residency"),
        ("{\"residency\": [\"eu-west\", \"mars-north\"]}".to_owned(), 422, "/residency/1"),
        ("{\"residency\": [\"eu-west\", 5]}".to_owned(), 400, "/residency/1"),
        ("{\"residency\": []}".to_owned(), 422, "/residency"),
        (
            "{\"residency\": {\"jurisdiction\": \"EU\", \"regions\": [\"eu-west\"]}}".to_owned(),
            400,
            "/residency",
        ),
        ("{\"inptu\": {}}".to_owned(), 400, "/inptu"),
        (format!("{{\"input\": {deep}}}"), 422, "/input"),
        (format!("{{\"input\": {large}}}"), 422, "/input"),
    ];
    for (body, status, pointer) in rows {
        let shown: String = body.chars().take(60).collect();
        let answer = test.post(&path).key(&test.keys.editor).body("application/json", body).send().await;
        assert_eq!(answer.status.as_u16(), status, "{shown}: {}", answer.text());
        answer.problem();
        let found = answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned();
        assert!(found.starts_with(pointer), "{shown}: {found}");
    }
    let named = test.post(&path).key(&test.keys.editor).json(&json!({ "region": "mars" })).send().await;
    assert!(named.text().contains("eu-west, us-east, ap-south"));
    assert_eq!(test.read("/api/runs").await["runs"], json!([]));
}

#[tokio::test]
async fn a_run_keeps_the_version_that_was_asked_for() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    let body = json!({ "definition": document("greet", "0.2.0", FAULT) });
    let path = format!("/api/workflows/{workflow}");
    assert_eq!(
        test.call(Method::PUT, &path).key(&test.keys.editor).json(&body).send().await.status,
        StatusCode::OK
    );
    let runs = format!("{path}/runs");
    for (version, status) in [(json!("0.1.0"), "completed"), (Value::Null, "faulted")] {
        let body = json!({ "input": { "name": "Ada" }, "wait_seconds": 10, "version": version });
        let run = test.post(&runs).key(&test.keys.editor).json(&body).send().await.json();
        assert_eq!(run["status"], status, "{run}");
    }
}

#[tokio::test]
async fn a_run_that_has_not_failed_says_how_to_run_it_again() {
    let test = TestApp::new().await;
    let greet = test.save("greet", GREET).await;
    let ended = test.start(&greet, 10, &json!({ "name": "Ada" })).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let wait = test.save("wait", WAIT).await;
    let live = test.start(&wait, 0, &json!({})).await;
    for (run, code, remedy) in [
        (&ended, "run-ended", "; use from \"start\" to run it again"),
        (&live, "run-not-ended", "; wait for its end or cancel it, and use from \"start\" to run it again"),
    ] {
        let path = format!("/api/runs/{}/retry", id_of(run));
        let answer = test.post(&path).key(&test.keys.editor).json(&json!({})).send().await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::CONFLICT, code),
            "{}",
            answer.text()
        );
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.ends_with(remedy), "{detail}");
    }
    // As it says.
    let path = format!("/api/runs/{}/retry", id_of(&ended));
    let again = test.post(&path).key(&test.keys.editor).json(&json!({ "from": "start" })).send().await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    assert_eq!(again.json()["retry_of"].as_str(), Some(id_of(&ended)));
}

#[tokio::test]
async fn a_faulted_run_says_why_and_can_be_retried() {
    let test = TestApp::new().await;
    let workflow = test.save("fails", FAULT).await;
    let run = test.start(&workflow, 10, &json!({ "a": 1 })).await;
    assert_eq!(run["status"], "faulted", "{run}");
    let error = json!({ "type": "https://example.com/errors/no", "status": 418, "title": "No", "instance": "/do/0/fail" });
    assert_eq!((&run["error"], &run["output"]), (&error, &Value::Null));

    let path = format!("/api/runs/{}/retry", id_of(&run));
    let retry = |body: Value| test.post(&path).key(&test.keys.editor).json(&body).send();
    for (body, pointer) in [
        (json!({ "from": "/do/9/nowhere" }), "/from"),
        (json!({ "from": "middle" }), "/from"),
        (json!({ "input": {} }), "/input"),
        (json!({ "input": null }), "/input"),
        (json!({ "version": "9.9.9" }), "/version"),
        (json!({ "from": "start", "version": "9.9.9" }), "/version"),
    ] {
        let answer = retry(body.clone()).await;
        assert_eq!(answer.problem(), "invalid-fields", "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let same = retry(json!({})).await;
    assert_eq!(same.status, StatusCode::OK, "{}", same.text());
    assert_eq!(id_of(&same.json()), id_of(&run));
    let run_path = format!("/api/runs/{}", id_of(&run));
    wait_for("the retry to fault again", || async {
        (test.read(&run_path).await["status"] == "faulted").then_some(())
    })
    .await;
    let fresh = retry(json!({ "from": "start" })).await.json();
    assert_ne!(id_of(&fresh), id_of(&run));
    assert_eq!((fresh["retry_of"].as_str(), fresh["trigger"].as_str()), (Some(id_of(&run)), Some("retry")));
    assert_eq!(fresh["input"], json!({ "a": 1 }));
    let edited = retry(json!({ "from": "start", "input": { "a": 2 }, "version": "0.1.0" })).await.json();
    assert_eq!((&edited["input"], edited["retry_of"].as_str()), (&json!({ "a": 2 }), Some(id_of(&run))));
    let forked = retry(json!({ "from": "/do/0/fail" })).await;
    assert_eq!(forked.status, StatusCode::OK, "{}", forked.text());
    assert_ne!(id_of(&forked.json()), id_of(&run));
}

#[tokio::test]
async fn a_run_is_suspended_and_goes_on() {
    let test = TestApp::new().await;
    let workflow = test.save("wait", WAIT).await;
    let started = test.start(&workflow, 0, &json!({})).await;
    let path = format!("/api/runs/{}", id_of(&started));
    let post = |what: &str| test.post(&format!("{path}/{what}")).key(&test.keys.editor).send();
    for _ in 0..2 {
        let suspended = post("suspend").await;
        assert_eq!(suspended.status, StatusCode::OK, "{}", suspended.text());
        assert_eq!(suspended.json()["status"], "suspended");
        let why = suspended.json()["waiting_for"].as_str().unwrap().to_owned();
        assert!(why.starts_with("is suspended by API key key_") && why.contains(" since "), "{why}");
    }
    assert_eq!(test.read("/api/metrics/app").await["runs"]["suspended"], 1);
    assert_eq!(test.read("/api/metrics/app").await["runs"]["stuck"], 0);
    for _ in 0..2 {
        let resumed = post("resume").await;
        assert_eq!(resumed.status, StatusCode::OK, "{}", resumed.text());
        assert_ne!(resumed.json()["status"], "suspended");
    }
    assert_eq!(post("cancel").await.status, StatusCode::OK);
    for what in ["suspend", "resume"] {
        assert_eq!(post(what).await.problem(), "run-ended", "{what}");
    }
}

#[tokio::test]
async fn a_waiting_run_says_for_what_and_is_cancelled_once() {
    let test = TestApp::new().await;
    let workflow = test.save("wait", WAIT).await;
    let started = test.start(&workflow, 0, &json!({})).await;
    let path = format!("/api/runs/{}", id_of(&started));
    let run = wait_for("the run to wait", || async {
        let run = test.read(&path).await;
        (run["status"] == "waiting").then_some(run)
    })
    .await;
    assert!(run["waiting_for"].as_str().is_some_and(|text| !text.is_empty()), "{run}");
    let retry = test
        .post(&format!("{path}/retry"))
        .key(&test.keys.editor)
        .json(&json!({ "from": "start" }))
        .send()
        .await;
    assert_eq!(retry.problem(), "run-not-ended");

    let cancelled = test.post(&format!("{path}/cancel")).key(&test.keys.editor).send().await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.text());
    assert_eq!(cancelled.json()["status"], "cancelled");
    let again = test.post(&format!("{path}/cancel")).key(&test.keys.editor).send().await;
    assert_eq!(again.problem(), "run-ended");
    let odd =
        test.post(&format!("{path}/cancel")).key(&test.keys.editor).json(&json!({ "why": "x" })).send().await;
    assert_eq!(odd.problem(), "bad-request");
}

#[tokio::test]
async fn a_run_that_was_not_waited_for_long_enough_says_why() {
    const PARENT: &str =
        "do: [{ ask: { run: { workflow: { namespace: test, name: wait, version: latest } } } }]";
    let test = TestApp::new().await;
    test.save("wait", WAIT).await;
    let parent = test.save("parent", PARENT).await;
    let started = test.start(&parent, 1, &json!({})).await;
    assert_eq!(started["status"], "running", "{started}");
    let why = started["waiting_for"].as_str().unwrap_or_default();
    assert!(why.starts_with("waits for run run_") && why.ends_with(" of test/wait (task ask)"), "{started}");
}

#[tokio::test]
async fn lists_are_filtered() {
    let test = TestApp::new().await;
    let (greet, fails) = (test.save("greet", GREET).await, test.save("fails", FAULT).await);
    test.start(&greet, 10, &json!({ "name": "a" })).await;
    test.advance(60);
    test.start(&greet, 10, &json!({ "name": "b" })).await;
    test.start(&fails, 10, &json!({})).await;
    let count =
        async |query: &str| test.read(&format!("/api/runs?{query}")).await["runs"].as_array().unwrap().len();
    let rows = [
        (String::new(), 3),
        ("status=completed".to_owned(), 2),
        ("status=faulted".to_owned(), 1),
        ("status=waiting".to_owned(), 0),
        (format!("workflow={greet}"), 2),
        (format!("workflow={greet}&status=faulted"), 0),
        ("region=eu-west".to_owned(), 3),
        ("region=us-east".to_owned(), 0),
        ("from=2026-11-24T12:00:30Z".to_owned(), 2),
        ("to=2026-11-24T12:00:30Z".to_owned(), 1),
        ("from=2026-11-24T12:00:30Z&to=2026-11-24T12:00:40Z".to_owned(), 0),
    ];
    for (query, expected) in rows {
        assert_eq!(count(&query).await, expected, "{query}");
    }
    assert_eq!(test.read(&format!("/api/workflows/{greet}/runs")).await["runs"].as_array().unwrap().len(), 2);
    let item = &test.read("/api/runs?limit=1").await["runs"][0];
    assert!(item.get("input").is_none(), "lists have no payloads: {item}");
    for query in [
        "status=done",
        "workflow=wf_1",
        "region=mars",
        "from=yesterday",
        "from=2026-11-25T00:00:00Z&to=2026-11-24T00:00:00Z",
    ] {
        let answer = test.get(&format!("/api/runs?{query}")).key(&test.keys.viewer).send().await;
        assert_eq!(answer.problem(), "bad-parameter", "{query}");
    }
}

#[tokio::test]
async fn tasks_come_in_pages() {
    let test = TestApp::new().await;
    let rest = "do: [{ loop: { for: { each: n, in: '${ [range(10)] }' }, do: [{ step: { set: { n: '${ $n }' } } }] } }]";
    let workflow = test.save("loop", rest).await;
    let run = test.start(&workflow, 10, &json!({})).await;
    assert_eq!(run["status"], "completed", "{run}");
    let mut numbers = Vec::new();
    let mut path = format!("/api/runs/{}/tasks?limit=4", id_of(&run));
    loop {
        let page = test.read(&path).await;
        numbers.extend(page["tasks"].as_array().unwrap().iter().map(|task| task["task"].as_u64().unwrap()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/runs/{}/tasks?limit=4&cursor={cursor}", id_of(&run));
    }
    assert_eq!(numbers, (1..=11).collect::<Vec<_>>());
}

/// An event of a stream: its name and data.
type Event = (String, Value);

/// Reads events until the stream ends or `enough` says so.
async fn events(test: &TestApp, run: &str, mut enough: impl FnMut(&[Event]) -> bool) -> Vec<Event> {
    let path = format!("/api/runs/{run}/events");
    let call = test.get(&path).key(&test.keys.viewer).header("accept-encoding", "gzip");
    let response = call.open().await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().get("content-encoding"), None, "a compressor would hold events back");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut chunks = response.into_body().into_data_stream();
    let (mut text, mut found) = (String::new(), Vec::new());
    while let Some(chunk) = chunks.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
            };
            let Some(event) = field("event") else { continue };
            assert_eq!(field("id"), Some((found.len() + 1).to_string()));
            found.push((event, serde_json::from_str(&field("data").unwrap()).unwrap()));
        }
        if enough(&found) {
            break;
        }
    }
    found
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn a_run_of_the_past_is_told_in_one_go() {
    let test = TestApp::new().await;
    let workflow = test.save("greet", GREET).await;
    let run = test.start(&workflow, 10, &json!({ "name": "Ada" })).await;
    let events = events(&test, id_of(&run), |_| false).await;
    assert_eq!(names(&events), ["run", "task", "end"]);
    assert_eq!(events[0].1, run);
    assert_eq!(events[1].1["status"], "completed");
}

#[tokio::test]
async fn a_live_run_is_told_as_it_goes() {
    let test = TestApp::new().await;
    let workflow = test.save("wait", WAIT).await;
    let run = test.start(&workflow, 0, &json!({})).await;
    let path = format!("/api/runs/{}", id_of(&run));
    wait_for("the run to wait", || async { (test.read(&path).await["status"] == "waiting").then_some(()) })
        .await;
    let cancel = test.clone();
    let mut cancelling = None;
    let events = events(&test, id_of(&run), |found| {
        // Once the past is told, the run is cancelled: the end comes as an update.
        if found.len() >= 2 && cancelling.is_none() {
            let (test, path) = (cancel.clone(), path.clone());
            cancelling = Some(tokio::spawn(async move {
                test.post(&format!("{path}/cancel")).key(&test.keys.editor).send().await.status
            }));
        }
        false
    })
    .await;
    assert_eq!(cancelling.unwrap().await.unwrap(), StatusCode::OK);
    let names = names(&events);
    assert_eq!((names[0], names[1], *names.last().unwrap()), ("run", "task", "end"));
    let last_run = events.iter().rev().find(|(name, _)| name == "run").unwrap();
    assert_eq!(last_run.1["status"], "cancelled");
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let test = TestApp::new().await;
    let rest = "do: [{ pause: { wait: { hours: 1 } } }, \
                { loop: { for: { each: n, in: '${ [range(3000)] }' }, do: [{ step: { set: { n: '${ $n }' } } }] } }]";
    let workflow = test.save("busy", rest).await;
    let run = test.start(&workflow, 0, &json!({})).await;
    let path = format!("/api/runs/{}", id_of(&run));
    let is = async |status: &str| (test.read(&path).await["status"] == status).then_some(());
    wait_for("the run to wait", || is("waiting")).await;
    let response = test.get(&format!("{path}/events")).key(&test.keys.viewer).open().await;
    test.advance(60 * 60);
    // Nobody reads the stream while three thousand tasks begin and end.
    wait_for("the run to complete", || is("completed")).await;
    let text = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.contains("event: gap\n") && text.contains("\"missed\":"), "no gap was told");
    assert!(text.matches("event: task\n").count() < 3_000);
    assert!(text.contains("\"status\":\"completed\"") && text.contains("event: end\n"));
}

#[tokio::test]
async fn a_stream_ends_after_a_while_so_that_its_reader_shows_anew_who_they_are() {
    let short = std::time::Duration::from_millis(50);
    let test = TestApp::with(|settings| settings.stream_age_max = short).await;
    let workflow = test.save("wait", WAIT).await;
    let run = test.start(&workflow, 0, &json!({})).await;
    let events = events(&test, id_of(&run), |_| false).await;
    assert_eq!(events[0].0, "run");
    assert!(!names(&events).contains(&"end"), "the run has not ended");
}

#[tokio::test]
async fn a_stream_ends_when_the_node_stops() {
    let test = TestApp::new().await;
    let workflow = test.save("wait", WAIT).await;
    let run = test.start(&workflow, 0, &json!({})).await;
    let stopping = test.app.stopping.clone();
    let events = events(&test, id_of(&run), |_| {
        stopping.cancel();
        false
    })
    .await;
    assert_eq!(events[0].0, "run");
    assert!(!names(&events).contains(&"end"), "the run has not ended");
}

#[tokio::test]
async fn a_plan_bounds_the_runs_of_a_month() {
    let test = TestApp::new().await;
    let account = AccountId::new(test.app.now(), &*test.random);
    let row = Account {
        id: account,
        name: "small".to_owned(),
        plan: "starter".to_owned(),
        created_at: test.app.now(),
    };
    test.store.create_account(row).await.unwrap();
    // An operator's key: the number of requests a minute is not what is tested here.
    let key = add_key(&test.app, account, levqor_model::Role::Owner, true).await;
    let body = json!({ "definition": document("small", "0.1.0", GREET) });
    let workflow = test.post("/api/workflows").key(&key).json(&body).send().await.json();
    let path = format!("/api/workflows/{}/runs", workflow["id"].as_str().unwrap());
    for number in 0..2_000 {
        let answer = test.post(&path).key(&key).json(&json!({})).send().await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{number}: {}", answer.text());
    }
    let answer = test.post(&path).key(&key).json(&json!({})).send().await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "plan-limit".to_owned()));
}

#[tokio::test]
async fn a_run_says_what_it_is_queued_behind_and_why() {
    let test = TestApp::new().await;
    let ours = "metadata: { levqor: { priority: 7, concurrency: { key: '${ .who }', limit: 1 } } }, version:";
    let definition = document("keyed", "0.1.0", WAIT).replacen("version:", ours, 1);
    let saved =
        test.post("/api/workflows").key(&test.keys.editor).json(&json!({ "definition": definition })).send();
    let path = format!("/api/workflows/{}/runs", saved.await.json()["id"].as_str().unwrap());
    let start = async |input: Value| {
        let body = json!({ "input": input });
        test.post(&path).key(&test.keys.editor).json(&body).send().await
    };
    let first = start(json!({ "who": "ada" })).await.json();
    assert_eq!(first["status"], "waiting");
    let second = start(json!({ "who": "ada" })).await.json();
    assert_eq!(second["status"], "pending");
    let run = test.read(&format!("/api/runs/{}", second["run_id"].as_str().unwrap())).await;
    assert_eq!(run["waiting_for"], "queued behind 1 run with the concurrency key \"ada\"");
    assert_eq!((&run["priority"], &run["concurrency_key"]), (&json!(7), &json!("ada")));
    let refused = start(json!({})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/input");
    assert!(refused.text().contains("the concurrency key ${ .who } is null"), "{}", refused.text());
    let metrics = test.get("/metrics").send().await.text();
    assert!(metrics.contains("levqor_queued_runs{region=\"eu-west\"} 1"), "{metrics}");
    assert!(metrics.contains("levqor_queue_age_seconds"), "{metrics}");
}
