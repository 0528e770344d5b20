//! Objectives and alerts of a real server: a broken document, an objective of one's own, a changed file that calls somebody.

use std::{fs, process::Output, time::Duration};

use levqor_lab::Server;
use levqor_testkit::{HttpStub, Reply, Route, temp_dir, wait_for};
use serde_json::{Value, json};

use crate::{
    api::{Levqor, setup},
    command_line::levqor,
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const OWN: &str = "apiVersion: openslo/v1
kind: SLO
metadata: { name: database-well, displayName: The database is well }
spec:
  service: levqor
  indicator:
    metadata: { name: database }
    spec:
      ratioMetric:
        good: { metricSource: { type: levqor, spec: { evidence: database, verdict: good } } }
        total: { metricSource: { type: levqor, spec: { evidence: database } } }
  timeWindow: [ { duration: 7d, isRolling: true } ]
  budgetingMethod: Occurrences
  objectives: [ { target: 0.99 } ]
";

#[test]
fn documents_are_checked_without_a_server() {
    let directory = temp_dir();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (good, bad) = (file("good.yaml", OWN), file("bad.yaml", &OWN.replace("levqor\n", "levqr\n")));
    let ran = levqor(&["slo", "validate", &good]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    assert_eq!(text(&ran.stdout), format!("{good}: valid (database-well)\n"));
    let ran = levqor(&["slo", "validate", &good, &bad, "--json"]);
    assert_eq!(ran.status.code(), Some(1), "{}", text(&ran.stderr));
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let error = &report["files"][1]["errors"][0];
    assert_eq!(
        (&report["valid"], &error["line"], &error["pointer"]),
        (&false.into(), &5.into(), &"/spec/service".into())
    );
    assert!(error["message"].as_str().unwrap().contains("did you mean `levqor`?"), "{error}");
    let ran = levqor(&["slo", "validate", "/nowhere.yaml"]);
    assert_eq!(ran.status.code(), Some(2), "{}", text(&ran.stdout));
    // A server does not start with it, and says where it is wrong.
    let folder = directory.path().join("slo");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("bad.yml"), OWN.replace("0.99", "99")).unwrap();
    let config = file("levqor.toml", &format!("[slo]\ndir = \"{}\"\n", folder.display()));
    let checked = levqor(&["check", "--config", &config]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(
        text(&checked.stderr).contains("bad.yml:14: /spec/objectives/0/target: 99 leaves no budget"),
        "{}",
        text(&checked.stderr)
    );
}

/// A command as the operator.
fn told(server: &Levqor, arguments: &[&str]) -> Output {
    let url = server.server.url("");
    levqor(&[arguments, &["--url", &url, "--key", &server.key]].concat())
}

fn json(server: &Levqor, arguments: &[&str]) -> Value {
    let ran = told(server, &[arguments, &["--json"]].concat());
    assert_eq!(ran.status.code(), Some(0), "{arguments:?}: {}", text(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[tokio::test]
async fn a_changed_file_calls_somebody_and_an_objective_of_ones_own_is_judged() {
    let (directory, stub) = (temp_dir(), HttpStub::start().await);
    let slo = directory.path().join("slo");
    fs::create_dir(&slo).unwrap();
    fs::write(slo.join("own.yaml"), OWN).unwrap();
    let setup = setup(directory.path())
        .env("LEVQOR_SLO_DIR", &slo.display().to_string())
        .env("LEVQOR_ALERTS_WEBHOOK_URL", &stub.url("/pager"));
    let server = Server::start(&setup).await.unwrap();
    let key = server.line("lvq_").await.unwrap().trim().to_owned();
    let server = Levqor::of(server, &key);

    let own = wait_for("the objective to be judged", || async {
        let found = json(&server, &["slo", "list"]);
        let own = found["slos"].as_array()?.iter().find(|slo| slo["name"] == "database-well").cloned()?;
        (own["status"] == "met").then_some(own)
    })
    .await;
    assert_eq!(own["budget"]["left_percent"], 100.0, "{own}");
    let listed = told(&server, &["slo", "list"]);
    assert!(text(&listed.stdout).contains("database-well"), "{}", text(&listed.stdout));

    fs::write(slo.join("own.yaml"), OWN.replace("0.99", "0.98")).unwrap();
    let told_of = wait_for("the webhook to be called", || async {
        let requests = stub.requests_to("/pager");
        requests.into_iter().find(|request| request.text().contains("tamper.files"))
    })
    .await;
    assert_eq!(told_of.json()["type"], "alert.firing");
    let id = {
        let found = json(&server, &["alerts"]);
        let all = found["alerts"].as_array().unwrap();
        let alert = all.iter().find(|alert| alert["rule"] == "tamper.files").unwrap();
        alert["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(json(&server, &["alerts", "acknowledge", &id])["state"], "firing");
    let again = told(&server, &["alerts", "acknowledge", &id]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stdout));
    let silence =
        json(&server, &["alerts", "silence", "--rule", "tamper.*", "--hours", "1", "--reason", "a test"]);
    let silence = silence["id"].as_str().unwrap();
    assert_eq!(json(&server, &["alerts", "silences"])["silences"][0]["id"], silence);
    assert_eq!(json(&server, &["alerts", "unsilence", silence])["ended"], true);
    let delivered = wait_for("the message to be marked as delivered", || async {
        let found = json(&server, &["notifications", "--state", "delivered"]);
        found["notifications"].as_array()?.first().cloned()
    });
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(30), delivered).await.unwrap()["destination"],
        "webhook"
    );
    let wrong = told(&server, &["notifications", "--state", "sent"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_to_their_end_or_say_how_they_go_on() {
    let stub = HttpStub::start().await;
    let page = |from: usize, count: usize, next: Option<&str>| {
        let incidents = (from..from + count).map(|number| json!({ "title": format!("number {number}") }));
        let mut page = json!({ "incidents": incidents.collect::<Vec<_>>() });
        if let Some(next) = next {
            page["next_cursor"] = next.into();
        }
        Reply::json(&page)
    };
    let pages = Route::new("/api/ops/incidents")
        .reply(page(0, 200, Some("a")))
        .reply(page(200, 3, None))
        .reply(page(0, 200, Some("b")));
    stub.route(pages);
    let url = stub.url("");
    let ran = |arguments: &[&str]| {
        let ran = levqor(&[arguments, &["--url", &url, "--key", "lvq_test"]].concat());
        assert_eq!(ran.status.code(), Some(0), "{arguments:?}: {}", text(&ran.stderr));
        text(&ran.stdout)
    };
    let short = ran(&["incidents"]);
    assert!(short.contains("number 202") && !short.contains("there are more"), "{short}");
    let long = ran(&["incidents", "--all"]);
    let more = "1000 are shown, and there are more: GET /api/ops/incidents?all=true&limit=200&cursor=b";
    assert!(long.trim_end().ends_with(more), "{long}");
    assert_eq!(stub.requests_to("/api/ops/incidents").len(), 2 + 5);
    let found: Value = serde_json::from_str(&ran(&["incidents", "--all", "--json"])).unwrap();
    assert_eq!(found["incidents"].as_array().unwrap().len(), 1_000);
    assert_eq!(found["more"], "/api/ops/incidents?all=true&limit=200&cursor=b");

    // What fires and what may come from two lists, each to its end.
    let alert =
        |id: &str, state: &str, severity: &str| json!({ "id": id, "state": state, "severity": severity });
    let pages = Route::new("/api/ops/alerts")
        .reply(Reply::json(&json!({ "alerts": [alert("alr_1", "firing", "minor")], "next_cursor": "c" })))
        .reply(Reply::json(&json!({ "alerts": [alert("alr_2", "firing", "critical")] })))
        .reply(Reply::json(&json!({ "alerts": [alert("alr_3", "pending", "critical")] })));
    stub.route(pages);
    let found: Value = serde_json::from_str(&ran(&["alerts", "--json"])).unwrap();
    let ids: Vec<_> = found["alerts"].as_array().unwrap().iter().map(|alert| alert["id"].clone()).collect();
    assert_eq!(ids, ["alr_2", "alr_1", "alr_3"]);
    assert_eq!((&found["next_cursor"], &found["more"]), (&Value::Null, &Value::Null));
}
