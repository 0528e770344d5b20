//! Alerts from what is observed to what people are told: looks with a clock that is moved by hand, a receiver on a local port.

use std::time::Duration;

use http::{Method, StatusCode};
use levqor_model::{NodeId, NotificationId, Secret, Severity};
use levqor_server::{
    Settings,
    features::alerts::{AlertSettings, Destination, DestinationKind, delivery::deliver_all, look},
};
use levqor_store::{
    audit::Filter,
    health::Sample,
    nodes::NewNode,
    notifications::{NewNotification, Target},
    regions::{NodeLoad, NodeState},
};
use levqor_testkit::{HttpStub, Reply, Route, SmtpStub};
use serde_json::{Value, json};

use crate::support::TestApp;

/// A node that observes itself.
async fn observe(test: &TestApp, good: bool) {
    let sample = Sample {
        region: test.app.region.code.clone(),
        node: test.app.node,
        component: "api".to_owned(),
        at: test.app.now(),
        good,
        latency_us: None,
        reason: (!good).then(|| "no answer".to_owned()),
    };
    test.store.add_samples(vec![sample]).await.unwrap();
}

/// Looks every two seconds for a while; a component is observed every four.
async fn passes(test: &TestApp, seconds: u64, good: bool) {
    for second in (0..seconds).step_by(2) {
        if second % 4 == 0 {
            observe(test, good).await;
        }
        look(&test.app).await.unwrap();
        test.clock.advance(Duration::from_secs(2));
    }
}

async fn get(test: &TestApp, path: &str) -> Value {
    let answer = test.get(path).key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

/// States of the alerts of one thing, newest first.
async fn states(test: &TestApp, rule: &str) -> Vec<String> {
    let found = get(test, &format!("/api/ops/alerts?rule={rule}&subject=eu-west/api")).await;
    let alerts = found["alerts"].as_array().unwrap().iter();
    alerts.map(|alert| alert["state"].as_str().unwrap().to_owned()).collect()
}

async fn messages(test: &TestApp) -> Vec<Value> {
    get(test, "/api/ops/notifications?limit=200").await["notifications"].as_array().unwrap().clone()
}

fn about(message: &Value, text: &str) -> bool {
    message["subject"].as_str().unwrap().contains(text)
}

fn destinations(stub: &HttpStub, names: &[&str]) -> impl FnOnce(&mut Settings) {
    let kinds = names.iter().map(|name| {
        let url = Secret::new(stub.url(&format!("/{name}")));
        let secret = Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let kind = match *name {
            "chat" => DestinationKind::Chat { url },
            _ => DestinationKind::Webhook { url, secret },
        };
        Destination { name: (*name).to_owned(), kind }
    });
    let alerts = AlertSettings { destinations: kinds.collect(), ..AlertSettings::default() };
    |settings| settings.alerts = alerts
}

#[tokio::test]
async fn an_outage_is_told_once_taken_on_and_over() {
    let stub = HttpStub::start().await;
    let test = TestApp::with(destinations(&stub, &["pager"])).await;
    passes(&test, 20, true).await;
    assert!(states(&test, "health.component").await.is_empty());
    // The second bad observation in a row.
    passes(&test, 4, false).await;
    assert_eq!(states(&test, "health.component").await, ["pending"]);
    passes(&test, 6, false).await;
    assert_eq!(states(&test, "health.component").await, ["firing"]);
    deliver_all(&test.app).await.unwrap();
    let of_api = |stub: &HttpStub| {
        let all = stub.requests_to("/pager").into_iter();
        all.filter(|request| request.text().contains("health.component\"")).collect::<Vec<_>>()
    };
    let told = of_api(&stub);
    assert_eq!(told.len(), 1, "{told:#?}");
    let body = told[0].json();
    assert_eq!((&body["type"], &body["data"]["severity"]), (&json!("alert.firing"), &json!("critical")));
    assert!(
        body["data"]["text"].as_str().unwrap().contains("api in eu-west is not well: no answer"),
        "{body}"
    );
    assert!(told[0].header("webhook-signature").unwrap().starts_with("v1,"));
    assert_eq!(told[0].header("webhook-id"), told[0].idempotency_key());

    let found = get(&test, "/api/ops/alerts?state=firing&rule=health.component").await;
    let id = found["alerts"][0]["id"].as_str().unwrap().to_owned();
    assert!(found["alerts"][0]["escalate_at"].is_string());
    let path = format!("/api/ops/alerts/{id}/acknowledge");
    let taken = test.post(&path).key(&test.keys.operator).json(&json!({ "note": "on it" })).send().await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
    assert_eq!(taken.json()["acknowledged"]["note"], "on it");
    let again = test.post(&path).key(&test.keys.operator).json(&json!({})).send().await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.json()["type"].as_str().unwrap().ends_with("/alert-taken"), "{}", again.text());

    passes(&test, 60, true).await;
    assert_eq!(states(&test, "health.component").await, ["resolved"]);
    deliver_all(&test.app).await.unwrap();
    assert_eq!(of_api(&stub).len(), 2, "it is told that it is over");
    let alert = get(&test, &format!("/api/ops/alerts/{id}")).await;
    assert_eq!(alert["ending"], "it holds again");
    assert!(alert["escalate_at"].is_null());
    let filter = Filter { subject: Some(id), ..Filter::default() };
    let records = test.store.audit_records(filter, None, 10).await.unwrap();
    let mut kinds: Vec<_> = records.iter().map(|record| record.kind.as_str()).collect();
    kinds.reverse();
    assert_eq!(kinds, ["alert.fired", "alert.acknowledged", "alert.resolved"]);
}

#[tokio::test]
async fn without_a_destination_a_message_is_undeliverable_and_that_is_an_alert() {
    let test = TestApp::new().await;
    passes(&test, 20, false).await;
    deliver_all(&test.app).await.unwrap();
    let all = messages(&test).await;
    assert!(!all.is_empty() && all.iter().all(|message| message["state"] == "undeliverable"), "{all:#?}");
    assert!(all[0]["problem"].as_str().unwrap().contains("nobody is named for the route"), "{all:#?}");
    passes(&test, 20, false).await;
    let found = get(&test, "/api/ops/alerts?state=firing&rule=notifications.unsent").await;
    assert_eq!(found["alerts"][0]["subject"], "undeliverable", "{found}");
    // Its own message has nobody to go to either, and is shown, and does not count as another reason.
    deliver_all(&test.app).await.unwrap();
    let all = messages(&test).await;
    let own: Vec<_> = all.iter().filter(|message| about(message, "had nobody to go to")).collect();
    assert!(own.len() == 1 && own[0]["state"] == "undeliverable", "{own:#?}");
    let now = test.app.now();
    let unsent = test.store.unsent_notifications(now, now - Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(unsent.undeliverable, all.len() as u64 - 1);
}

#[tokio::test]
async fn nodes_that_look_at_the_same_time_tell_it_once() {
    let stub = HttpStub::start().await;
    let nodes = TestApp::region(3, destinations(&stub, &["pager"])).await;
    let first = &nodes[0];
    for _ in 0..20 {
        observe(first, false).await;
        // All of them, as if each thought it was its turn.
        let looks = nodes.iter().map(|node| look(&node.app));
        for looked in futures_util::future::join_all(looks).await {
            looked.unwrap();
        }
        let sent = nodes.iter().map(|node| deliver_all(&node.app));
        for sent in futures_util::future::join_all(sent).await {
            sent.unwrap();
        }
        first.clock.advance(Duration::from_secs(2));
    }
    assert_eq!(states(first, "health.component").await, ["firing"]);
    let requests = stub.requests_to("/pager");
    let told: Vec<_> =
        requests.iter().filter(|request| request.text().contains("\"rule\":\"health.component\"")).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(stub.keys().values().all(|times| *times == 1), "{:?}", stub.keys());
}

/// Whoever has the duty to look says it of all nodes, and of one that is silent that it is not known.
#[tokio::test]
async fn what_ended_on_another_node_is_an_alert_and_its_silence_ends_none() {
    let test = TestApp::new().await;
    let node = NodeId::new(test.app.now(), &*test.random);
    let (region, lease) = ("us-east".parse().unwrap(), Duration::from_secs(3_600));
    let new = NewNode { id: node, region, version: "0.1.0".to_owned(), lease, alone: false };
    test.store.register_node(new, test.app.now()).await.unwrap();
    let tell = async |jobs_alive: u64| {
        let state = NodeState {
            node,
            url: None,
            key_id: "0123456789abcdef".to_owned(),
            migration: 40,
            ready: true,
            reason: None,
            clock_ahead_us: None,
            load: Some(NodeLoad { jobs: 33, jobs_alive, writes_waiting: 0, writes_capacity: 1_024 }),
            age: Duration::ZERO,
        };
        test.store.note_node_state(state, test.app.now()).await.unwrap();
    };
    let looks = async |seconds: u64, told: Option<u64>| {
        for _ in (0..seconds).step_by(2) {
            if let Some(alive) = told {
                tell(alive).await;
            }
            look(&test.app).await.unwrap();
            test.advance(2);
        }
    };
    // Of that node alone, and without what is said of its silence.
    let alert = async || {
        let all = get(&test, &format!("/api/ops/alerts?rule=background.jobs&subject={node}")).await;
        let all = all["alerts"].as_array().unwrap().iter();
        let own: Vec<Value> = all.filter(|alert| alert["rule"] == "background.jobs").cloned().collect();
        assert!(own.len() <= 1, "{own:#?}");
        own.into_iter().next().unwrap_or_default()
    };
    looks(60, Some(33)).await;
    assert_eq!(alert().await, Value::Null);
    looks(40, Some(32)).await;
    let fired = alert().await;
    assert_eq!((&fired["state"], &fired["details"]["alive"]), (&json!("firing"), &json!(32)), "{fired}");
    // It says nothing any more: that is no end of it.
    looks(300, None).await;
    assert_eq!(alert().await["state"], "firing");
    looks(120, Some(33)).await;
    assert_eq!(alert().await["state"], "resolved");
}

/// What it disturbs began with its last sign, not when its lease was over: so say the alert, its incident, the timeline, what is told to
/// everybody, and what the postmortem measures.
#[tokio::test]
async fn what_a_lost_node_disturbs_began_when_it_was_heard_of_last() {
    let test = TestApp::new().await;
    let join = async |seconds: u64| {
        let id = NodeId::new(test.app.now(), &*test.random);
        let (region, lease) = ("us-east".parse().unwrap(), Duration::from_secs(seconds));
        let new = NewNode { id, region, version: "0.1.0".to_owned(), lease, alone: false };
        let epoch = test.store.register_node(new, test.app.now()).await.unwrap();
        (id, epoch, lease)
    };
    let looks = async |seconds: u64| {
        for _ in (0..seconds).step_by(2) {
            look(&test.app).await.unwrap();
            test.advance(2);
        }
    };
    let (node, epoch, lease) = join(30).await;
    test.advance(10);
    let heard_at = test.app.now();
    assert!(test.store.renew_node(node, epoch, heard_at, lease).await.unwrap());
    looks(40).await;
    let found = get(&test, &format!("/api/ops/alerts?rule=nodes.lost&subject={node}")).await;
    let alert = &found["alerts"][0];
    assert_eq!((&alert["state"], &alert["began_at"]), (&json!("firing"), &json!(heard_at)), "{found}");
    assert_eq!(alert["details"]["heard_at"], json!(heard_at));
    assert_eq!(alert["firing_at"], json!(heard_at + lease));
    let all = get(&test, "/api/ops/incidents").await;
    let all = all["incidents"].as_array().unwrap();
    let incident = all.iter().find(|one| one["components"] == json!(["us-east"])).unwrap();
    assert_eq!(incident["began_at"], json!(heard_at), "{incident}");
    let path = format!("/api/ops/incidents/{}", incident["id"].as_str().unwrap());
    let timeline = get(&test, &format!("{path}/timeline")).await;
    let lines = timeline["timeline"].as_array().unwrap();
    let began = lines.iter().find(|line| line["kind"] == "alert.began").unwrap();
    assert_eq!(began["at"], json!(heard_at), "{timeline}");

    join(3_600).await;
    looks(100).await;
    let version = get(&test, &path).await["version"].clone();
    let body = json!({ "version": version, "text": "It is back." });
    let ended = test.post(&format!("{path}/resolve")).key(&test.keys.operator).json(&body).send().await;
    assert!(ended.status.is_success(), "{}", ended.text());
    let postmortem = get(&test, &format!("{path}/postmortem")).await;
    let text = postmortem["text"].as_str().unwrap();
    for measured in ["| Time to detect | 30.00 s |", "| Lasted | 2 min 20 s |"] {
        assert!(text.contains(measured), "{measured}: {text}");
    }
}

/// Each severity has its own people. A node is lost (major), then the last one of its region, too (critical); then others take their places.
#[tokio::test]
async fn whoever_was_told_hears_of_the_end_whatever_the_severity_is_by_then() {
    let stub = HttpStub::start().await;
    let named = destinations(&stub, &["team", "pager", "desk"]);
    let test = TestApp::with(|settings| {
        named(settings);
        for (route, to) in [("critical", "pager"), ("major", "team"), ("minor", "desk")] {
            settings.alerts.routes.insert(route.to_owned(), vec![to.to_owned()]);
        }
    })
    .await;
    let join = async |seconds: u64| {
        let id = NodeId::new(test.app.now(), &*test.random);
        let (region, lease) = ("us-east".parse().unwrap(), Duration::from_secs(seconds));
        let new = NewNode { id, region, version: "0.1.0".to_owned(), lease, alone: false };
        test.store.register_node(new, test.app.now()).await.unwrap();
        id
    };
    let looks = async |seconds: u64| {
        for _ in (0..seconds).step_by(2) {
            look(&test.app).await.unwrap();
            deliver_all(&test.app).await.unwrap();
            test.advance(2);
        }
    };
    join(40).await;
    // Who comes later takes the place of one that is lost.
    test.advance(1);
    let lost = join(10).await.to_string();
    let told = |name: &str| {
        let about = stub.requests_to(&format!("/{name}")).into_iter();
        let about = about.filter(|request| request.text().contains(&lost)).map(|request| request.json());
        let kinds = about.map(|body| body["type"].as_str().unwrap().to_owned());
        // What is said of its incident goes another way.
        kinds.filter(|kind| kind.starts_with("alert.")).collect::<Vec<_>>()
    };
    looks(30).await;
    assert_eq!((told("team"), told("pager")), (vec!["alert.firing".to_owned()], vec![]));
    looks(30).await;
    assert_eq!((told("team").len(), told("pager")), (1, vec!["alert.worse".to_owned()]));
    join(3_600).await;
    join(3_600).await;
    looks(100).await;
    assert_eq!(told("team"), ["alert.firing", "alert.resolved"]);
    assert_eq!(told("pager"), ["alert.worse", "alert.resolved"]);
    assert_eq!(told("desk"), Vec::<String>::new());
    let over = messages(&test).await;
    let targets = over.iter().filter(|message| about(message, "over: ")).map(|message| &message["target"]);
    let targets: std::collections::BTreeSet<String> = targets.map(ToString::to_string).collect();
    assert!(targets.contains("\"destination:team\""), "{targets:?}");
}

#[tokio::test]
async fn a_silence_keeps_quiet_and_its_end_tells() {
    let stub = HttpStub::start().await;
    let test = TestApp::with(destinations(&stub, &["pager"])).await;
    let ends_at = test.app.now() + Duration::from_secs(60);
    let body = json!({
        "matchers": [{ "field": "rule", "pattern": "health.*" }], "reason": "work on the rack", "ends_at": ends_at,
    });
    let made = test.post("/api/ops/silences").key(&test.keys.operator).json(&body).send().await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/ops/silences/{id}");
    passes(&test, 30, false).await;
    deliver_all(&test.app).await.unwrap();
    let told = |stub: &HttpStub| {
        stub.requests_to("/pager").iter().filter(|request| request.text().contains("api in eu-west")).count()
    };
    assert_eq!((states(&test, "health.component").await, told(&stub)), (vec!["firing".to_owned()], 0));
    let change = test.call(Method::PATCH, &path).key(&test.keys.operator);
    let longer = change.json(&json!({ "ends_at": ends_at + Duration::from_secs(600) })).send().await;
    assert_eq!((longer.status, &longer.json()["reason"]), (StatusCode::OK, &json!("work on the rack")));
    // Two at the same moment, each with another part of it: nothing of either is lost.
    let later = ends_at + Duration::from_secs(1_200);
    let change = |body: Value| test.call(Method::PATCH, &path).key(&test.keys.operator).json(&body).send();
    let (other, named) =
        tokio::join!(change(json!({ "ends_at": later })), change(json!({ "reason": "the rack is longer" })));
    assert_eq!((other.status, named.status), (StatusCode::OK, StatusCode::OK));
    let kept = get(&test, &path).await;
    assert_eq!((&kept["ends_at"], &kept["reason"]), (&json!(later), &json!("the rack is longer")));
    assert_eq!(get(&test, "/api/ops/silences").await["silences"].as_array().unwrap().len(), 1);
    let ended = test.call(Method::DELETE, &path).key(&test.keys.operator).send().await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    passes(&test, 4, false).await;
    deliver_all(&test.app).await.unwrap();
    assert_eq!(told(&stub), 1, "it still fires, and now it is told");
    assert!(get(&test, "/api/ops/silences").await["silences"].as_array().unwrap().is_empty());
    // It is kept.
    assert_eq!(get(&test, &path).await["reason"], "the rack is longer");
}

#[tokio::test]
async fn bad_silences_are_refused_with_the_field() {
    let test = TestApp::new().await;
    let good = json!({
        "matchers": [{ "field": "rule", "pattern": "slo.*" }], "reason": "r", "ends_at": "2026-11-24T13:00:00Z",
    });
    let rows = [
        ("/matchers", json!([]), "/matchers", "0 matchers"),
        ("/matchers/0/pattern", json!(""), "/matchers/0/pattern", "1 to 200"),
        ("/matchers/0/field", json!("colour"), "/matchers/0/field", "unknown variant"),
        ("/reason", json!(" "), "/reason", "is empty"),
        ("/reason", json!("a\nb"), "/reason", "more than one line"),
        ("/ends_at", json!("2026-11-24T11:00:00Z"), "/ends_at", "not within 30 days"),
        ("/ends_at", json!("2027-11-24T12:00:00Z"), "/ends_at", "not within 30 days"),
    ];
    for (change, value, pointer, problem) in rows {
        let mut body = good.clone();
        *body.pointer_mut(change).unwrap() = value;
        let answer = test.post("/api/ops/silences").key(&test.keys.operator).json(&body).send().await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{change}: {}", answer.text());
        let error = &answer.json()["errors"][0];
        assert_eq!(error["pointer"], pointer, "{}", answer.text());
        assert!(error["message"].as_str().unwrap().contains(problem), "{}", answer.text());
    }
}

fn message(test: &TestApp, dedup: &str) -> NewNotification {
    NewNotification {
        id: NotificationId::new(test.app.now(), &*test.random),
        dedup: dedup.to_owned(),
        target: Target::Route("critical".to_owned()),
        severity: Severity::Critical,
        subject: format!("message {dedup}"),
        body: "text".to_owned(),
        data: json!({ "type": "test" }),
        at: test.app.now(),
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_is_tried_again_and_others_do_not_wait_for_it() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/pager").replies(2, Reply::status(500)).reply(Reply::status(200)));
    let test = TestApp::with(destinations(&stub, &["pager", "chat"])).await;
    test.store.notify(vec![message(&test, "a")]).await.unwrap();
    for _ in 0..40 {
        deliver_all(&test.app).await.unwrap();
        test.clock.advance(Duration::from_secs(1));
    }
    let all = messages(&test).await;
    let state_of = |destination: &str| {
        let found = all.iter().find(|message| message["destination"] == destination).unwrap();
        (found["state"].clone(), found["attempts"].clone(), found["problem"].clone())
    };
    assert_eq!(state_of("pager"), (json!("delivered"), json!(3), Value::Null));
    assert_eq!(state_of("chat"), (json!("delivered"), json!(1), Value::Null));
    let parent = all.iter().find(|message| message["state"] == "split").unwrap();
    assert_eq!(all.iter().filter(|message| message["copy_of"] == parent["id"]).count(), 2);
    let sent = stub.requests_to("/pager");
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|request| request.header("webhook-id") == sent[0].header("webhook-id")));
    let chat = stub.requests_to("/chat");
    assert_eq!((chat.len(), chat[0].json()["text"].as_str()), (1, Some("*message a*\ntext")));
}

/// One mailbox that is gone must not keep a page from the others.
#[tokio::test]
async fn each_mail_address_is_told_by_itself() {
    let smtp = SmtpStub::start().await;
    let to = ["gone@example.com", "ops@example.com"].map(str::to_owned).to_vec();
    let team = Destination { name: "team".to_owned(), kind: DestinationKind::Mail { to } };
    let alerts = AlertSettings { destinations: vec![team], ..AlertSettings::default() };
    let test = TestApp::with(|settings| settings.alerts = alerts).await.mailing(&smtp.url()).await;
    smtp.refuse_next("550 no such person");
    test.store.notify(vec![message(&test, "a")]).await.unwrap();
    for _ in 0..3 {
        deliver_all(&test.app).await.unwrap();
    }
    let mails = smtp.mails();
    assert_eq!(mails.len(), 1, "{mails:#?}");
    assert_eq!(mails[0].to.len(), 1, "nobody sees the other's address");
    let all = messages(&test).await;
    let state_of = |state: &str| all.iter().filter(|message| message["state"] == state).collect::<Vec<_>>();
    assert_eq!((state_of("split").len(), state_of("delivered").len()), (1, 1), "{all:#?}");
    let dead = state_of("dead");
    assert_eq!(dead.len(), 1, "{all:#?}");
    assert!(dead[0]["problem"].as_str().unwrap().contains("no such person"), "{all:#?}");
    assert!(dead[0]["destination"].as_str().unwrap().starts_with("team/"), "{all:#?}");
}

#[tokio::test]
async fn what_is_given_up_is_seen_and_can_be_tried_again() {
    let stub = HttpStub::start().await;
    stub.route(Route::new("/pager").reply(Reply::status(500)));
    let test = TestApp::with(destinations(&stub, &["pager"])).await;
    test.store.notify(vec![message(&test, "a")]).await.unwrap();
    for _ in 0..120 {
        deliver_all(&test.app).await.unwrap();
        test.clock.advance(Duration::from_secs(5 * 60));
    }
    let dead = get(&test, "/api/ops/notifications?state=dead").await;
    let found = &dead["notifications"][0];
    assert!(found["problem"].as_str().unwrap().contains("500"), "{dead}");
    assert!(!found["problem"].as_str().unwrap().contains("/pager"), "no address is shown: {dead}");
    let attempts = stub.count();
    assert!((12..=120).contains(&attempts), "{attempts}");
    deliver_all(&test.app).await.unwrap();
    assert_eq!(stub.count(), attempts, "it is not tried any more");
    let records = test.store.audit_records(Filter::default(), None, 10).await.unwrap();
    assert!(records.iter().any(|record| record.kind == "notification.dead"));

    stub.route(Route::new("/pager"));
    let path = format!("/api/ops/notifications/{}/retry", found["id"].as_str().unwrap());
    let again = test.post(&path).key(&test.keys.operator).json(&json!({})).send().await;
    assert_eq!((again.status, &again.json()["state"]), (StatusCode::OK, &json!("waiting")));
    deliver_all(&test.app).await.unwrap();
    assert_eq!(messages(&test).await[0]["state"], "delivered");
    let twice = test.post(&path).key(&test.keys.operator).json(&json!({})).send().await;
    assert_eq!(twice.status, StatusCode::CONFLICT, "{}", twice.text());
    assert!(twice.json()["detail"].as_str().unwrap().contains("the message is delivered"));
}

#[tokio::test]
async fn a_subscription_that_nobody_knows_is_undeliverable() {
    let test = TestApp::new().await;
    let target = Target::Subscription("sub_1".to_owned());
    test.store.notify(vec![NewNotification { target, ..message(&test, "a") }]).await.unwrap();
    deliver_all(&test.app).await.unwrap();
    let found = &messages(&test).await[0];
    assert_eq!((&found["state"], &found["target"]), (&json!("undeliverable"), &json!("subscription:sub_1")));
}
