//! Whether everything is all right, over the whole stack: nothing is good by default, and trouble of each kind is told with its cause.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http::StatusCode;
use http_body_util::BodyExt;
use levqor_model::{AlertId, AlertState, NodeId, NotificationId, Severity, TicketId, TicketState};
use levqor_server::{
    features::{
        alerts::{SloSettings, look},
        probes::{Definitions, ProbeSettings},
    },
    gateway::{SESSION_COOKIE, token_hash},
};
use levqor_store::{
    alerts::{Alert, AlertMove, AlertStep},
    nodes::NewNode,
    notifications::{NewNotification, Target},
    regions::NodeState,
    tickets::Ticket,
};
use serde_json::{Value, json};

use crate::support::{TestApp, sign_in_operator};

const OVERVIEW: &str = "/api/ops/overview";

/// A server without objectives and probes, of which everything else is known to be well.
async fn calm() -> TestApp {
    let test = TestApp::with(|settings| {
        // As the blueprint says, or it is drift.
        settings.account_requests_per_minute = None;
        settings.slos = SloSettings(Arc::default());
        settings.probes =
            ProbeSettings { definitions: Definitions { probes: Vec::new() }, ..ProbeSettings::default() };
    })
    .await;
    test.app.run_due_jobs().await.unwrap();
    let checked = test.post("/api/ops/drift/check").key(&test.keys.operator).send().await;
    assert_eq!(checked.status, StatusCode::OK, "{}", checked.text());
    look_for_alerts(&test, false).await;
    test
}

/// A round of looking for alerts has ended, and nodes have told so.
async fn look_for_alerts(test: &TestApp, fails: bool) {
    let labels = [("job", "watch_alerts")];
    test.app.observe("job_duration_us", &labels, 1_000);
    if fails {
        test.app.count_in("job_failures", &labels, 1);
    }
    test.app.keep_series().await.unwrap();
}

async fn see(test: &TestApp) -> Value {
    let answer = test.get(OVERVIEW).key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

fn part<'a>(overview: &'a Value, name: &str) -> &'a Value {
    overview["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap()
}

async fn open_incident(test: &TestApp, level: &str) {
    let body = json!({ "title": "Hooks fail", "level": level, "components": ["eu-west/hooks"] });
    let opened = test.post("/api/ops/incidents").key(&test.keys.operator).json(&body).send().await;
    assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text());
}

async fn fire(test: &TestApp, severity: Severity) -> AlertId {
    let now = test.app.now();
    let alert = Alert {
        id: AlertId::new(now, &*test.random),
        rule: "slo.burn".to_owned(),
        subject: "requests".to_owned(),
        source: "test".to_owned(),
        severity,
        state: AlertState::Firing,
        summary: "too many requests fail".to_owned(),
        details: json!({}),
        began_at: now - Duration::from_secs(60),
        firing_at: Some(now),
        ended_at: None,
        seen_at: now,
        held_us: 0,
        flaps: 0,
        told: true,
        heard: true,
        heard_by: Vec::new(),
        silence: None,
        ending: None,
        acknowledged: None,
        version: 1,
    };
    let id = alert.id;
    let fired = AlertMove { alert, was: None, step: AlertStep::Fired };
    assert!(test.store.move_alerts(vec![fired], Vec::new()).await.unwrap());
    id
}

#[tokio::test]
async fn nothing_is_good_before_anybody_has_looked() {
    let test = TestApp::new().await;
    let overview = see(&test).await;
    assert_eq!(overview["verdict"]["standing"], "unknown", "{overview}");
    for name in ["alerts", "slos", "probes", "jobs", "drift"] {
        assert_eq!(part(&overview, name)["standing"], "unknown", "{name}: {overview}");
    }
    assert_eq!(part(&overview, "tamper")["standing"], "not_set_up");
    assert_eq!(overview["verdict"]["not_set_up"], json!(["tamper"]));
    assert!(overview["costs"].is_null(), "no cost was collected: {overview}");
    // Who looks finds no alert; of the objectives nothing is known without measurements.
    look(&test.app).await.unwrap();
    let overview = see(&test).await;
    assert_ne!(part(&overview, "alerts")["standing"], "unknown", "{overview}");
    assert_eq!(part(&overview, "slos")["standing"], "unknown", "{overview}");
    // And what was looked at long ago says nothing of now.
    test.advance(120);
    assert_eq!(see(&test).await["alerts"]["looked_for"], false);
}

#[tokio::test]
async fn when_all_that_is_looked_at_is_well_it_says_so() {
    let test = calm().await;
    let overview = see(&test).await;
    let verdict = &overview["verdict"];
    assert_eq!(verdict["standing"], "all_right", "{overview}");
    assert_eq!(verdict["not_set_up"], json!(["slos", "probes", "tamper"]));
    assert!(verdict["link"].is_null() && verdict["since"].is_null(), "{verdict}");
    assert_eq!(overview["jobs"].as_array().unwrap().len(), 20);
    assert_eq!(overview["regions"][0]["code"], "eu-west");
    // Evidence grows old.
    test.advance(3 * 60 * 60);
    let overview = see(&test).await;
    assert_eq!(part(&overview, "drift")["standing"], "unknown", "{overview}");
    assert_ne!(overview["verdict"]["standing"], "all_right");
}

#[tokio::test]
async fn that_nothing_fires_is_good_only_while_somebody_looks() {
    // There is no objective, so no judgement says when somebody looked.
    let test = calm().await;
    assert_eq!(part(&see(&test).await, "alerts")["standing"], "all_right");
    test.advance(120);
    let overview = see(&test).await;
    assert_eq!(part(&overview, "alerts")["standing"], "unknown", "{overview}");
    assert_eq!(overview["alerts"]["looked_for"], false);
    look_for_alerts(&test, true).await;
    assert_eq!(see(&test).await["alerts"]["looked_for"], false, "a round that failed has seen nothing");
    look_for_alerts(&test, false).await;
    assert_eq!(see(&test).await["alerts"]["looked_for"], true);
}

#[tokio::test]
async fn an_incident_and_an_alert_are_told_with_their_cause_and_since_when() {
    let test = calm().await;
    let id = fire(&test, Severity::Critical).await;
    let overview = see(&test).await;
    let verdict = &overview["verdict"];
    assert_eq!((&verdict["standing"], &verdict["part"]), (&json!("trouble"), &json!("alerts")), "{overview}");
    assert_eq!(verdict["link"], format!("/admin/alerts#{id}"));
    assert_eq!(verdict["since"], "2026-11-24T11:59:00.000000Z");
    assert_eq!(overview["alerts"]["firing"], 1);
    // Of two that are as bad, the one that people deal with is told.
    open_incident(&test, "l4").await;
    let overview = see(&test).await;
    assert_eq!(overview["verdict"]["part"], "incidents", "{overview}");
    assert!(overview["verdict"]["sentence"].as_str().unwrap().contains("Hooks fail"), "{overview}");
    assert_eq!(overview["verdict"]["parts_not_right"], 2);
    let path = format!("/api/ops/alerts/{id}/acknowledge");
    let taken = test.post(&path).key(&test.keys.operator).json(&json!({})).send().await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
    let overview = see(&test).await;
    assert_eq!(part(&overview, "alerts")["standing"], "trouble", "it still is so: {overview}");
    assert!(overview["alerts"]["open"][0]["acknowledged_by"].is_string(), "{overview}");
}

#[tokio::test]
async fn regions_and_nodes_that_are_not_ready() {
    let test = calm().await;
    let (now, id) = (test.app.now(), NodeId::new(test.app.now(), &*test.random));
    let new = NewNode {
        id,
        region: "us-east".parse().unwrap(),
        version: "0.1.0".to_owned(),
        lease: Duration::from_secs(60),
        alone: false,
    };
    test.store.register_node(new, now).await.unwrap();
    let overview = see(&test).await;
    assert_eq!(part(&overview, "regions")["standing"], "trouble", "{overview}");
    assert_eq!(part(&overview, "nodes")["standing"], "unknown", "it has not said how it is: {overview}");
    let state = NodeState {
        node: id,
        url: Some("http://10.2.0.1:8000".to_owned()),
        key_id: "0123456789abcdef".to_owned(),
        migration: 35,
        ready: false,
        reason: Some("disk: full".to_owned()),
        clock_ahead_us: None,
        load: None,
        age: Duration::ZERO,
    };
    test.store.note_node_state(state, now).await.unwrap();
    let overview = see(&test).await;
    let nodes = part(&overview, "nodes");
    assert_eq!(nodes["standing"], "attention", "{overview}");
    assert!(nodes["sentence"].as_str().unwrap().contains("us-east is not ready: disk: full"), "{nodes}");
}

#[tokio::test]
async fn a_node_that_has_not_looked_may_serve_anything() {
    let test = calm().await;
    let (now, id) = (test.app.now(), NodeId::new(test.app.now(), &*test.random));
    let new = NewNode {
        id,
        region: "us-east".parse().unwrap(),
        version: "0.1.0".to_owned(),
        lease: Duration::from_secs(24 * 60 * 60),
        alone: false,
    };
    test.store.register_node(new, now).await.unwrap();
    let overview = see(&test).await;
    assert_eq!(part(&overview, "drift")["standing"], "all_right", "it has just begun: {overview}");
    test.advance(10 * 60);
    let overview = see(&test).await;
    let drift = part(&overview, "drift");
    assert_eq!(drift["standing"], "unknown", "{overview}");
    assert!(drift["sentence"].as_str().unwrap().starts_with("A node in us-east has not looked"), "{drift}");
}

#[tokio::test]
async fn a_paused_job_a_late_request_and_a_message_to_nobody() {
    let test = calm().await;
    let path = "/api/ops/jobs/kv_costs/pause";
    let paused = test.post(path).key(&test.keys.operator).json(&json!({ "reason": "later" })).send().await;
    assert_eq!(paused.status, StatusCode::OK, "{}", paused.text());
    let now = test.app.now();
    let ticket = Ticket {
        id: TicketId::new(now, &*test.random),
        account: None,
        email: "grace@example.com".to_owned(),
        subject: "Help".to_owned(),
        message: "It does not work.".to_owned(),
        created_at: now - Duration::from_secs(7_200),
        respond_by: now - Duration::from_secs(3_600),
        state: TicketState::Open,
        answered_at: None,
        ended_at: None,
    };
    let told = NewNotification {
        id: NotificationId::new(now, &*test.random),
        dedup: "ticket:1".to_owned(),
        target: Target::Route("support".to_owned()),
        severity: Severity::Minor,
        subject: "A request".to_owned(),
        body: "Somebody asks.".to_owned(),
        data: json!({}),
        at: now,
    };
    test.store.open_ticket(ticket, told).await.unwrap();
    let overview = see(&test).await;
    let jobs = part(&overview, "jobs");
    assert_eq!(
        (&jobs["standing"], &jobs["link"]),
        (&json!("attention"), &json!("/admin/jobs/kv_costs")),
        "{jobs}"
    );
    assert_eq!(jobs["since"], "2026-11-24T12:00:00.000000Z");
    let tickets = part(&overview, "tickets");
    assert_eq!(
        (&tickets["standing"], &tickets["since"]),
        (&json!("attention"), &json!("2026-11-24T11:00:00.000000Z")),
        "{tickets}"
    );
    assert_eq!(overview["queues"]["messages_waiting"], 1);
    assert_eq!(overview["verdict"]["standing"], "attention", "{overview}");
}

#[tokio::test]
async fn the_screen_says_it_too_and_leads_to_the_cause() {
    let test = calm().await;
    let cookie = sign_in_operator(&test.app, test.account).await;
    let see = async || {
        let page = test.get("/admin").header("cookie", &cookie).header("accept", "text/html").send().await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        page.text()
    };
    let text = see().await;
    let what_to_do = "href=\"/docs/operating#when-you-are-paged\"";
    assert!(!text.contains(what_to_do), "there is nothing to do: {text}");
    for part in [
        "Everything is all right",
        "Not set up here: slos, probes, tamper.",
        "data-events=\"/admin/events\"",
        "Suspicious addresses",
        "Done last",
        "Server keys",
        "What it costs is not known yet",
        "<svg class=\"graph\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let id = fire(&test, Severity::Critical).await;
    open_incident(&test, "l1").await;
    let text = see().await;
    for part in [
        "Something is wrong".to_owned(),
        format!("href=\"/admin/alerts#{id}\""),
        format!("action=\"/admin/alerts/{id}/acknowledge\""),
        "since <time".to_owned(),
        what_to_do.to_owned(),
        "Hooks fail".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
}

/// The next event of a stream; None: it has ended.
async fn next(body: &mut Body) -> Option<String> {
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(60), body.frame()).await.expect("nothing came");
        let text = match frame?.unwrap().into_data() {
            Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
            Err(_) => continue,
        };
        // A comment only keeps the connection.
        if !text.starts_with(':') {
            return Some(text);
        }
    }
}

#[tokio::test]
async fn who_watches_is_told_of_changes_until_the_session_ends() {
    let test = calm().await;
    let stranger = test.get("/admin/events").header("cookie", &test.cookie).send().await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN);
    let cookie = sign_in_operator(&test.app, test.account).await;
    let response = test.get("/admin/events").header("cookie", &cookie).open().await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let first = next(&mut body).await.unwrap();
    assert!(first.contains("event: begun") && first.contains("all_right"), "{first}");
    open_incident(&test, "l4").await;
    let second = next(&mut body).await.unwrap();
    assert!(second.contains("event: changed") && second.contains("Hooks fail"), "{second}");
    let token = cookie.strip_prefix(&format!("{SESSION_COOKIE}=")).unwrap();
    let now = test.app.now();
    let session = test.store.session_by_hash(token_hash(token), now).await.unwrap().unwrap();
    test.store.revoke_session_of(session.user_id, session.id, now).await.unwrap();
    test.app.forget_callers();
    assert_eq!(next(&mut body).await, None);
}
