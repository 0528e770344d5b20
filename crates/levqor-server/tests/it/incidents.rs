//! Incidents over the whole stack: people, alerts, time-outs, postmortems, by virtual time and through restarts.

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use http::StatusCode;
use levqor_model::{AlertId, AlertState, SeededRandom, Severity, Timestamp};
use levqor_server::features::incidents::IncidentSettings;
use levqor_store::{
    alerts::{Alert, AlertMove, AlertStep},
    health::Sample,
    incidents::{Act, Incident},
    nodes::NewNode,
    notifications::Notification,
};
use serde_json::{Value, json};

use crate::pages::Browser as _;
use crate::support::{Answer, TestApp, sign_in_operator};

const INCIDENTS: &str = "/api/ops/incidents";

async fn with_routes() -> TestApp {
    TestApp::with(|settings| settings.incidents = routes()).await
}

fn routes() -> IncidentSettings {
    IncidentSettings {
        routes: vec!["duty".to_owned(), "lead".to_owned()],
        rules: vec!["probe=l2:15".parse().unwrap()],
        ..IncidentSettings::default()
    }
}

async fn post(test: &TestApp, path: &str, body: &Value) -> Answer {
    test.post(path).key(&test.keys.operator).json(body).send().await
}

async fn good(test: &TestApp, path: &str, body: &Value) -> Value {
    let answer = post(test, path, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
    answer.json()
}

async fn read(test: &TestApp, path: &str) -> Value {
    let answer = test.get(path).key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

/// The address of a new incident.
async fn opened(test: &TestApp, level: &str) -> String {
    let body = json!({ "title": "Hooks fail", "level": level, "components": ["eu-west/hooks"] });
    let answer = post(test, INCIDENTS, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    format!("{INCIDENTS}/{}", answer.json()["id"].as_str().unwrap())
}

fn alert(test: &TestApp, rule: &str, details: Value) -> Alert {
    let now = test.app.now();
    Alert {
        id: AlertId::new(now, &*test.random),
        rule: rule.to_owned(),
        subject: "eu-west".to_owned(),
        source: "test".to_owned(),
        severity: Severity::Critical,
        state: AlertState::Firing,
        summary: "too many requests fail".to_owned(),
        details,
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
    }
}

async fn fire(test: &TestApp, alert: &Alert) {
    let fired = AlertMove { alert: alert.clone(), was: None, step: AlertStep::Fired };
    assert!(test.store.move_alerts(vec![fired], Vec::new()).await.unwrap());
}

async fn end(test: &TestApp, alert: &Alert) {
    let now = test.app.now();
    let over =
        Alert { state: AlertState::Resolved, ended_at: Some(now), seen_at: now, version: 2, ..alert.clone() };
    let over = AlertMove { alert: over, was: Some(1), step: AlertStep::Resolved };
    assert!(test.store.move_alerts(vec![over], Vec::new()).await.unwrap());
}

/// Messages about incidents, oldest first.
async fn messages(test: &TestApp) -> Vec<Notification> {
    let mut all = test.store.notifications(None, None, 500).await.unwrap();
    all.retain(|one| one.dedup.starts_with("incident:") || one.dedup.starts_with("action_item:"));
    all.sort_by_key(|one| (one.created_at, one.dedup.clone()));
    all
}

fn told(messages: &[Notification], begin: Timestamp) -> Vec<String> {
    let line = |one: &Notification| {
        format!(
            "{} min {}",
            one.created_at.since(begin).as_secs() / 60,
            one.target.text().replace("route:", "")
        )
    };
    messages.iter().map(line).collect()
}

#[tokio::test]
async fn people_open_lead_and_end_an_incident() {
    let test = TestApp::new().await;
    sign_in_operator(&test.app, test.account).await;
    let path = opened(&test, "l3").await;
    let list = read(&test, INCIDENTS).await;
    assert_eq!(list["incidents"].as_array().unwrap().len(), 1);
    let one = read(&test, &path).await;
    assert_eq!(
        (&one["state"], &one["version"], &one["waits_for"]),
        (&json!("investigating"), &json!(1), &json!("acknowledgement"))
    );

    test.advance(60);
    let acknowledged = good(&test, &format!("{path}/acknowledge"), &json!({})).await;
    assert_eq!((&acknowledged["version"], &acknowledged["waits_for"]), (&json!(2), &json!("update")));
    let again = good(&test, &format!("{path}/acknowledge"), &json!({})).await;
    assert_eq!(again, acknowledged, "a second time it is as it was");

    let role = json!({ "version": 2, "role": "commander", "user": "operator@example.com" });
    let assigned = good(&test, &format!("{path}/assign"), &role).await;
    assert_eq!(assigned["roles"][0]["email"], "operator@example.com");
    let stranger = json!({ "version": 3, "role": "operations", "user": "ada@example.com" });
    let refused = post(&test, &format!("{path}/assign"), &stranger).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("no operator"), "{}", refused.text());

    test.advance(60);
    let update = json!({ "version": 3, "state": "identified", "text": "A disk is full.", "public": true });
    let updated = good(&test, &format!("{path}/updates"), &update).await;
    assert_eq!((&updated["state"], &updated["public"]), (&json!("identified"), &json!(true)));
    good(&test, &format!("{path}/notes"), &json!({ "text": "it is sda on node 3" })).await;
    test.advance(60);
    let resolve = json!({ "version": 5, "text": "The disk was emptied.", "public": true });
    let resolved = good(&test, &format!("{path}/resolve"), &resolve).await;
    assert_eq!((&resolved["state"], &resolved["version"]), (&json!("resolved"), &json!(6)));
    assert_eq!(read(&test, INCIDENTS).await["incidents"], json!([]));
    assert_eq!(read(&test, &format!("{INCIDENTS}?all=true")).await["incidents"][0]["id"], one["id"]);

    // Over is over, until somebody says that it was not.
    for (act, body) in [
        ("updates", json!({ "version": 6, "text": "x" })),
        ("acknowledge", json!({})),
        ("assign", json!({ "version": 6, "role": "commander" })),
        ("resolve", json!({ "version": 6 })),
    ] {
        let refused = post(&test, &format!("{path}/{act}"), &body).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (StatusCode::CONFLICT, "incident-resolved"),
            "{act}"
        );
    }
    let reopened =
        good(&test, &format!("{path}/reopen"), &json!({ "version": 6, "text": "It is full again." })).await;
    assert_eq!((&reopened["state"], &reopened["reopened"]), (&json!("investigating"), &json!(1)));
    let twice = post(&test, &format!("{path}/reopen"), &json!({ "version": 7, "text": "x" })).await;
    assert_eq!(twice.problem(), "incident-open");

    let timeline = read(&test, &format!("{path}/timeline")).await;
    let lines: Vec<_> =
        timeline["timeline"].as_array().unwrap().iter().filter(|line| line["source"] == "incident").collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["opened", "acknowledged", "assigned", "update", "note", "resolved", "postmortem", "reopened"]
    );
    let records = read(&test, "/api/ops/audit?kind=incident").await;
    let kinds: Vec<_> = records["records"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|record| record["kind"].as_str().unwrap().replace("incident.", ""))
        .collect();
    assert_eq!(kinds, ["opened", "acknowledged", "assigned", "updated", "noted", "resolved", "reopened"]);
    let subjects: Vec<_> = messages(&test).await.into_iter().map(|one| one.subject).collect();
    assert_eq!(
        subjects,
        ["[L3] Hooks fail: opened", "[L3] Hooks fail: resolved", "[L3] Hooks fail: reopened"]
    );
}

#[tokio::test]
async fn of_two_who_act_at_once_one_is_told_that_the_other_was_first() {
    let test = TestApp::new().await;
    let path = opened(&test, "l2").await;
    let update = |level: &str| json!({ "version": 1, "level": level, "text": format!("it is {level}") });
    let (updates, bodies) = (format!("{path}/updates"), [update("l3"), update("l4")]);
    let (one, two) = tokio::join!(post(&test, &updates, &bodies[0]), post(&test, &updates, &bodies[1]));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    let refused = if one.status == StatusCode::CONFLICT { one } else { two };
    assert_eq!(refused.problem(), "incident-moved");
    assert!(refused.text().contains("it has version 2 now"), "{}", refused.text());
    assert_eq!(read(&test, &path).await["version"], 2);
}

#[tokio::test]
async fn bad_input_is_refused_with_its_place() {
    let test = TestApp::new().await;
    let path = opened(&test, "l2").await;
    let rows = [
        (INCIDENTS.to_owned(), json!({ "title": " ", "level": "l1" }), "/title"),
        (INCIDENTS.to_owned(), json!({ "title": "a\nb", "level": "l1" }), "/title"),
        (INCIDENTS.to_owned(), json!({ "title": "x".repeat(201), "level": "l1" }), "/title"),
        (INCIDENTS.to_owned(), json!({ "title": "a", "level": "l1", "public": true }), "/text"),
        (
            INCIDENTS.to_owned(),
            json!({ "title": "a", "level": "l1", "components": ["../x"] }),
            "/components/0",
        ),
        (
            INCIDENTS.to_owned(),
            json!({ "title": "a", "level": "l1", "components": ["a", "a/b/c"] }),
            "/components/1",
        ),
        (
            INCIDENTS.to_owned(),
            json!({ "title": "a", "level": "l1", "began_at": "2026-11-24T12:00:01Z" }),
            "/began_at",
        ),
        (
            INCIDENTS.to_owned(),
            json!({ "title": "a", "level": "l1", "began_at": "2025-11-24T12:00:00Z" }),
            "/began_at",
        ),
        (format!("{path}/updates"), json!({ "version": 1, "state": "resolved" }), "/state"),
        (format!("{path}/updates"), json!({ "version": 1, "text": "x".repeat(5_001) }), "/text"),
        (format!("{path}/notes"), json!({ "text": "" }), "/text"),
        (
            format!("{path}/assign"),
            json!({ "version": 1, "role": "commander", "user": "nobody@a.example" }),
            "/user",
        ),
        (format!("{path}/action-items"), json!({ "text": "a", "due": "2026-11-23" }), "/due"),
        (format!("{path}/action-items"), json!({ "text": "a", "due": "soon" }), "/due"),
        (format!("{path}/action-items"), json!({ "text": "", "due": "2026-12-24" }), "/text"),
        (format!("{path}/action-items"), json!({ "text": "a", "due": "2026-12-24", "owner": "x" }), "/owner"),
    ];
    for (path, body, pointer) in rows {
        let refused = post(&test, &path, &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", refused.text());
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let unknown = post(&test, INCIDENTS, &json!({ "title": "a", "level": "l5" })).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let nowhere = test
        .get(&format!("{INCIDENTS}/inc_01ARZ3NDEKTSV4RRFFQ69G5FAV"))
        .key(&test.keys.operator)
        .send()
        .await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    let early = test.get(&format!("{path}/postmortem")).key(&test.keys.operator).send().await;
    assert_eq!(early.problem(), "incident-open");
    assert_eq!(read(&test, &path).await["version"], 1, "nothing of it was done");
}

#[tokio::test]
async fn alerts_open_join_and_calm_an_incident() {
    let test = TestApp::new().await;
    let about = json!({ "region": "eu-west", "component": "hooks" });
    let (first, second) =
        (alert(&test, "slo.availability", about.clone()), alert(&test, "probe.failed", about));
    fire(&test, &first).await;
    test.app.look_after_incidents().await.unwrap();
    let list = read(&test, INCIDENTS).await;
    let one = list["incidents"][0].clone();
    assert_eq!((&one["level"], &one["title"]), (&json!("l3"), &json!("hooks in eu-west is disturbed")));
    let path = format!("{INCIDENTS}/{}", one["id"].as_str().unwrap());
    fire(&test, &second).await;
    for _ in 0..3 {
        test.app.look_after_incidents().await.unwrap();
    }
    let detail = read(&test, &path).await;
    assert_eq!(detail["alerts"].as_array().unwrap().len(), 2);
    assert_eq!(read(&test, INCIDENTS).await["incidents"].as_array().unwrap().len(), 1);
    assert_eq!(messages(&test).await.len(), 1, "a further alert is no further incident");

    test.advance(300);
    let refused = post(&test, &format!("{path}/resolve"), &json!({ "version": detail["version"] })).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "incident-open"));
    assert!(refused.text().contains("slo.availability"), "{}", refused.text());
    end(&test, &first).await;
    end(&test, &second).await;
    // Another process sees it, whoever did not hear of it.
    let test = test.restarted().await;
    test.app.look_after_incidents().await.unwrap();
    let calm = read(&test, &path).await;
    assert_eq!(calm["state"], "monitoring");
    let resolve = json!({ "version": calm["version"], "text": "It was restarted." });
    good(&test, &format!("{path}/resolve"), &resolve).await;

    // The same soon after is the same incident.
    test.advance(600);
    let back = alert(&test, "slo.availability", json!({ "region": "eu-west", "component": "hooks" }));
    fire(&test, &back).await;
    test.app.look_after_incidents().await.unwrap();
    let again = read(&test, &path).await;
    assert_eq!((&again["state"], &again["reopened"]), (&json!("investigating"), &json!(1)));
    let timeline = read(&test, &format!("{path}/timeline")).await;
    let kinds: Vec<_> =
        timeline["timeline"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "alert.fired").count(), 3, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "alert.resolved").count(), 2, "{kinds:?}");
}

#[tokio::test]
async fn what_a_rule_lets_settle_is_over_by_itself() {
    let test = with_routes().await;
    let probe = Alert { severity: Severity::Major, ..alert(&test, "probe.website", json!({})) };
    fire(&test, &probe).await;
    test.app.look_after_incidents().await.unwrap();
    test.advance(60);
    end(&test, &probe).await;
    test.app.look_after_incidents().await.unwrap();
    test.advance(14 * 60 + 59);
    test.app.look_after_incidents().await.unwrap();
    assert_eq!(read(&test, INCIDENTS).await["incidents"].as_array().unwrap().len(), 1);
    test.advance(1);
    test.app.look_after_incidents().await.unwrap();
    let over = read(&test, &format!("{INCIDENTS}?all=true")).await["incidents"][0].clone();
    assert_eq!((&over["state"], &over["resolved_by"]), (&json!("resolved"), &json!("levqor")));
    assert_eq!(over["acknowledged_at"], Value::Null);
    let list = read(&test, "/api/ops/postmortems").await;
    assert_eq!(list["postmortems"][0]["incident"], over["id"], "and is written up");

    // It comes back and is over again: the document knows of it, though nobody was there.
    let again = Alert { severity: Severity::Major, ..alert(&test, "probe.website", json!({})) };
    fire(&test, &again).await;
    test.app.look_after_incidents().await.unwrap();
    test.advance(60);
    end(&test, &again).await;
    test.app.look_after_incidents().await.unwrap();
    test.advance(15 * 60);
    test.app.look_after_incidents().await.unwrap();
    let path = format!("{INCIDENTS}/{}", over["id"].as_str().unwrap());
    assert_eq!(read(&test, &path).await["state"], "resolved");
    let text = read(&test, &format!("{path}/postmortem")).await["text"].as_str().unwrap().to_owned();
    assert!(text.contains("| Reopened | 1 times |"), "{text}");
}

#[tokio::test]
async fn action_items_are_paged_through_by_the_day_on_which_they_are_due() {
    let test = TestApp::new().await;
    let path = opened(&test, "l1").await;
    let days =
        [("last", "2026-12-25"), ("one", "2026-12-24"), ("two", "2026-12-24"), ("first", "2026-12-01")];
    for (text, due) in days {
        good(&test, &format!("{path}/action-items"), &json!({ "text": text, "due": due })).await;
    }
    let page = async |query: &str| {
        let list = read(&test, &format!("/api/ops/action-items?{query}")).await;
        let items = list["action_items"].as_array().unwrap().iter();
        let texts: Vec<_> = items.map(|item| item["text"].as_str().unwrap().to_owned()).collect();
        (texts, list["next_cursor"].as_str().map(str::to_owned))
    };
    let (first, next) = page("limit=2").await;
    let next = next.unwrap();
    let (second, end) = page(&format!("limit=2&cursor={next}")).await;
    assert_eq!((first[0].as_str(), second[1].as_str(), end), ("first", "last", None));
    let mut between = [first[1].as_str(), second[0].as_str()];
    between.sort_unstable();
    assert_eq!(between, ["one", "two"], "of the same day each once");
    assert_eq!(page("limit=4").await.1, None);
    test.advance(10 * 24 * 3_600);
    assert_eq!(page(&format!("overdue=true&cursor={next}")).await.0, Vec::<String>::new());
    let bad = test.get("/api/ops/action-items?cursor=x").key(&test.keys.operator).send().await;
    assert_eq!((bad.status, bad.problem().as_str()), (StatusCode::BAD_REQUEST, "bad-cursor"));
}

#[tokio::test]
async fn the_page_of_incidents_leads_to_all_action_items() {
    let test = TestApp::new().await;
    let cookie = sign_in_operator(&test.app, test.account).await;
    let mut paths = Vec::new();
    for _ in 0..2 {
        paths.push(opened(&test, "l1").await);
    }
    for number in 0..51 {
        let day = 1 + number / 2;
        let item = json!({ "text": format!("item {number} of all"), "due": format!("2026-12-{day:02}") });
        good(&test, &format!("{}/action-items", paths[number % 2]), &item).await;
    }
    let see = async |path: &str| {
        let page = test.page(path).header("cookie", &cookie).send().await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text());
        page.text().to_owned()
    };
    let of_page =
        |text: &str| (0..51).filter(|n| text.contains(&format!("item {n} of all"))).collect::<Vec<_>>();
    for list in ["/admin/incidents", "/admin/incidents?all=yes"] {
        let text = see(list).await;
        assert_eq!(of_page(&text), (0..50).collect::<Vec<_>>());
        assert!(!text.contains("Due first"), "it is the first page");
        let link = text.split("<a ").find(|link| link.contains("Due later")).unwrap();
        let path = link.split('"').find(|part| part.starts_with("/admin/incidents")).unwrap();
        let path = path.replace("&amp;", "&");
        let rest = see(path.split('#').next().unwrap()).await;
        assert_eq!(of_page(&rest), [50], "{path}");
        assert!(rest.contains("Due first") && !rest.contains("Due later"), "{path}");
    }
}

/// Requests to the region, as a postmortem has counted them.
fn requests_in(text: &str) -> u64 {
    let row = text.lines().find(|line| line.starts_with("| eu-west | ")).unwrap_or_else(|| panic!("{text}"));
    row.split(" | ").nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_nodes_write_after_the_end_is_in_the_postmortem_whoever_measures_it() {
    let test = TestApp::new().await;
    let path = opened(&test, "l2").await;
    test.advance(60);
    test.app.keep_series().await.unwrap();
    test.advance(60);
    // In the last seconds; nobody has written them yet when it is over.
    for _ in 0..7 {
        test.get("/api/regions/mars").send().await;
    }
    test.advance(2);
    good(&test, &format!("{path}/resolve"), &json!({ "version": 1 })).await;
    let first = read(&test, &format!("{path}/postmortem")).await;
    let early = first["text"].as_str().unwrap();
    assert!(
        early.contains("last seconds may be missing. It is measured again from 2026-11-24 12:02:32 UTC on"),
        "{early}"
    );
    test.advance(29);
    test.app.keep_series().await.unwrap();
    test.app.look_after_incidents().await.unwrap();
    assert_eq!(read(&test, &format!("{path}/postmortem")).await["version"], 1, "nodes may still write");

    // The process that ended it is gone; another one does it, once.
    let test = test.restarted().await;
    test.advance(1);
    for _ in 0..3 {
        test.app.look_after_incidents().await.unwrap();
        test.advance(60);
    }
    let second = read(&test, &format!("{path}/postmortem")).await;
    assert_eq!((&second["version"], &second["written_by"]), (&json!(2), &json!("levqor")));
    let text = second["text"].as_str().unwrap();
    assert!(!text.contains("may be missing"), "{text}");
    assert!(requests_in(text) >= requests_in(early) + 7, "{early}\n{text}");
}

#[tokio::test]
async fn what_was_over_and_not_measured_is_measured_by_another_node() {
    let test = with_routes().await;
    let path = opened(&test, "l2").await;
    test.advance(60);
    good(&test, &format!("{path}/resolve"), &json!({ "version": 1 })).await;
    test.advance(60);
    test.app.look_after_incidents().await.unwrap();
    let text = read(&test, &format!("{path}/postmortem")).await["text"].as_str().unwrap().to_owned();
    assert!(text.contains("| Time to resolve | 1 min |"), "{text}");
    // It goes on, and is over once more; the node that ends it dies before it has measured.
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    let end = |now| {
        test.store.change_incident(id, move |mut incident: Incident, _| {
            incident.reopened = 1;
            incident.resolved_at = Some(now);
            Ok::<_, ()>(Act {
                incident,
                entries: Vec::new(),
                alerts: Vec::new(),
                notifications: Vec::new(),
                announcement: None,
                random: Arc::new(SeededRandom::new(1)),
                at: now,
                kind: "incident.resolved",
                details: json!({}),
            })
        })
    };
    test.advance(480);
    end(test.app.now()).await.unwrap().unwrap().unwrap();
    test.advance(1);
    let other = test.restarted().await;
    other.app.look_after_incidents().await.unwrap();
    let text = read(&other, &format!("{path}/postmortem")).await["text"].as_str().unwrap().to_owned();
    assert!(
        text.contains("| Reopened | 1 times |") && text.contains("| Time to resolve | 10 min |"),
        "{text}"
    );
}

#[tokio::test]
async fn alerts_that_are_no_incident_hide_none_that_is_one() {
    let test = TestApp::new().await;
    for number in 0..120 {
        let minor = Alert {
            severity: Severity::Minor,
            subject: number.to_string(),
            ..alert(&test, "a.minor", json!({}))
        };
        fire(&test, &minor).await;
    }
    fire(&test, &alert(&test, "z.critical", json!({}))).await;
    test.app.look_after_incidents().await.unwrap();
    let list = read(&test, INCIDENTS).await;
    assert_eq!(list["incidents"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["incidents"][0]["level"], "l3");
}

/// Two nodes at once, each of which begins anew again and again: every step is taken once.
#[tokio::test]
async fn every_step_of_an_escalation_is_taken_once() {
    let nodes = TestApp::region(2, |settings| settings.incidents = routes()).await;
    let begin = nodes[0].app.now();
    let path = opened(&nodes[0], "l4").await;
    let mut now = nodes.clone();
    for minute in 0..60 {
        for _ in 0..4 {
            nodes[0].advance(15);
            let (one, two) =
                tokio::join!(now[0].app.look_after_incidents(), now[1].app.look_after_incidents());
            one.and(two).unwrap();
        }
        if minute % 7 == 0 {
            now = vec![nodes[0].restarted().await, nodes[1].restarted().await];
        }
    }
    let all = messages(&nodes[0]).await;
    let dedups: BTreeSet<_> = all.iter().map(|one| one.dedup.as_str()).collect();
    assert_eq!(dedups.len(), all.len());
    assert_eq!(
        told(&all, begin),
        [
            "0 min critical",
            "5 min duty",
            "10 min lead",
            "15 min critical",
            "15 min duty",
            "15 min lead",
            "25 min critical",
            "25 min duty",
            "25 min lead",
            "45 min critical",
            "45 min duty",
            "45 min lead",
        ]
    );
    // Acknowledged: it waits for words instead, and each of them begins anew.
    good(&nodes[0], &format!("{path}/acknowledge"), &json!({})).await;
    let waiting = read(&nodes[0], &path).await;
    assert_eq!((&waiting["waits_for"], &waiting["escalated"]), (&json!("update"), &json!(0)));
    let before = all.len();
    for minute in 0..31 {
        nodes[0].advance(60);
        if minute == 9 {
            let version = read(&nodes[0], &path).await["version"].clone();
            good(&nodes[0], &format!("{path}/updates"), &json!({ "version": version, "text": "we look" }))
                .await;
        }
        now[0].app.look_after_incidents().await.unwrap();
    }
    let all = messages(&nodes[0]).await;
    assert_eq!(told(&all[before..], begin), ["85 min duty"], "15 min after the last word");
    assert!(all.last().unwrap().body.contains("nobody has said how it stands"), "{:?}", all.last());
}

#[tokio::test]
async fn the_timeline_has_what_operators_and_nodes_did() {
    let test = TestApp::new().await;
    let node = |version: &str| NewNode {
        id: levqor_model::NodeId::new(test.app.now(), &*test.random),
        region: "eu-west".parse().unwrap(),
        version: version.to_owned(),
        lease: Duration::from_secs(60),
        alone: false,
    };
    let first = node("1.3");
    test.store.register_node(first.clone(), test.app.now()).await.unwrap();
    test.advance(3_600);
    test.store.register_node(node("1.4"), test.app.now()).await.unwrap();
    test.advance(600);
    let path = opened(&test, "l3").await;
    test.advance(60);
    test.store.stop_node(first.id, test.app.now()).await.unwrap();
    let rotated = post(&test, "/api/ops/keyring/rotate", &json!({ "purpose": "webhooks" })).await;
    assert!(rotated.status.is_success(), "{}", rotated.text());
    test.advance(60);
    let timeline = read(&test, &format!("{path}/timeline")).await;
    let lines: Vec<_> =
        timeline["timeline"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert!(lines[0].ends_with("began in eu-west with version 1.4, 1.3 before: a deploy"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with("stopped: drained")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("for webhooks was published")), "{lines:#?}");
    assert!(
        !lines.iter().any(|line| line.contains("1.3") && !line.contains("1.4")),
        "that was too long before: {lines:#?}"
    );
    let moments: Vec<_> =
        timeline["timeline"].as_array().unwrap().iter().map(|line| line["at"].as_str().unwrap()).collect();
    assert!(moments.is_sorted(), "{moments:?}");
    let link = timeline["timeline"][0]["link"].as_str().unwrap();
    assert!(link.starts_with("/admin/audit?kind=node.joined&subject=node_"), "{link}");
}

#[tokio::test]
async fn a_postmortem_has_what_was_measured_and_is_written_on() {
    let directory = levqor_testkit::temp_dir();
    let folder = directory.path().join("postmortems");
    let test = TestApp::with(|settings| settings.incidents.postmortems_dir = Some(folder.clone())).await;
    let cookie = sign_in_operator(&test.app, test.account).await;
    assert!(!cookie.is_empty());
    let path = opened(&test, "l2").await;
    let samples = (0..30).map(|n| Sample {
        region: "eu-west".parse().unwrap(),
        node: test.app.node,
        component: "hooks".to_owned(),
        at: test.app.now() + Duration::from_secs(n * 5),
        good: n >= 12,
        latency_us: None,
        reason: None,
    });
    test.store.add_samples(samples.collect()).await.unwrap();
    test.advance(145);
    good(&test, &format!("{path}/resolve"), &json!({ "version": 1, "text": "It came back." })).await;
    let first = read(&test, &format!("{path}/postmortem")).await;
    assert_eq!(first["file"], "2026-11-24-hooks-fail.md");
    let text = first["text"].as_str().unwrap();
    assert!(text.contains("| hooks in eu-west | 29 | 12 |"), "{text}");
    assert!(text.contains("| Time to resolve | 2 min 25 s |"), "{text}");
    assert!(text.contains("> **To be written:** why it happened"), "{text}");
    let file = folder.join("2026-11-24-hooks-fail.md");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(first["unwritten"].as_array().unwrap().len(), 5);

    let part = json!({ "part": "root_cause", "text": "Nobody watched." });
    let second = good(&test, &format!("{path}/postmortem/append"), &part).await;
    assert_eq!((&second["version"], second["unwritten"].as_array().unwrap().len()), (&json!(2), 4));
    let unknown =
        post(&test, &format!("{path}/postmortem/append"), &json!({ "part": "blame", "text": "x" })).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    let item = json!({ "text": "Watch it", "owner": "operator@example.com", "due": "2026-11-30" });
    let item = good(&test, &format!("{path}/action-items"), &item).await;
    let third = read(&test, &format!("{path}/postmortem")).await;
    let text = third["text"].as_str().unwrap();
    assert!(text.contains("| Watch it | operator@example.com | 2026-11-30 | open |"), "{text}");
    assert!(text.contains("## Root cause\n\nNobody watched.\n"), "{text}");

    let stale = json!({ "version": 1, "text": "# Mine\n" });
    let moved = post(&test, &format!("{path}/postmortem"), &stale).await;
    assert_eq!(moved.problem(), "incident-moved");
    let own = json!({ "version": third["version"], "text": "# All of it mine\n\n## Summary\n\nShort.\n" });
    let fourth = good(&test, &format!("{path}/postmortem"), &own).await;
    assert_eq!(fourth["unwritten"], json!([]));
    assert_eq!(fs::read_to_string(&file).unwrap(), "# All of it mine\n\n## Summary\n\nShort.\n");

    // Another incident of the day with the same title has a file of its own.
    let other = opened(&test, "l1").await;
    good(&test, &format!("{other}/resolve"), &json!({ "version": 1 })).await;
    assert_eq!(read(&test, &format!("{other}/postmortem")).await["file"], "2026-11-24-hooks-fail-2.md");

    // Action items: until they are done, and told when they are not.
    test.app.look_after_incidents().await.unwrap();
    assert!(messages(&test).await.iter().all(|one| !one.dedup.starts_with("action_item:")));
    assert_eq!(read(&test, "/api/ops/action-items?overdue=true").await["action_items"], json!([]));
    test.advance(7 * 24 * 3_600);
    for _ in 0..3 {
        test.app.look_after_incidents().await.unwrap();
    }
    let messages = messages(&test).await;
    let overdue: Vec<_> = messages.iter().filter(|one| one.dedup.starts_with("action_item:")).collect();
    assert_eq!(overdue.len(), 1);
    assert!(overdue[0].body.contains("its owner is operator@example.com"), "{}", overdue[0].body);
    let list = read(&test, "/api/ops/action-items?overdue=true").await;
    assert_eq!(list["action_items"][0]["overdue"], true);
    let item = format!("{path}/action-items/{}", item["id"].as_str().unwrap());
    let stale = post(&test, &item, &json!({ "version": 7, "done": true })).await;
    assert_eq!(stale.problem(), "incident-moved");
    let done = good(&test, &item, &json!({ "version": 1, "done": true })).await;
    assert!(done["done_at"].is_string(), "{done}");
    assert_eq!(read(&test, "/api/ops/action-items").await["action_items"], json!([]));
    let elsewhere = item.replace(&path, &other);
    assert_eq!(post(&test, &elsewhere, &json!({ "done": false })).await.status, StatusCode::NOT_FOUND);
    assert!(
        read(&test, &path).await["action_items"][0]["done_at"].is_string(),
        "nothing was changed from elsewhere"
    );
}
