//! What operators do with regions: refusals with their reasons, acts to their end.

use std::time::Duration;

use http::StatusCode;
use levqor_model::NodeId;
use levqor_server::features::regions;
use levqor_store::{
    nodes::NewNode,
    regions::NodeState,
    runs::{LeftRuns, Taker},
};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, WAIT};

/// A ready node of that region, like this one.
async fn join(test: &TestApp, region: &str) -> (NodeId, i64) {
    let id = NodeId::new(test.app.now(), &*test.random);
    let own =
        test.store.nodes(None).await.unwrap().into_iter().find(|node| node.id == test.app.node).unwrap();
    let new = NewNode {
        id,
        region: region.parse().unwrap(),
        version: own.version,
        lease: Duration::from_secs(36_000),
        alone: false,
    };
    let epoch = test.store.register_node(new, test.app.now()).await.unwrap();
    tell(test, id).await;
    (id, epoch)
}

async fn tell(test: &TestApp, node: NodeId) {
    let state = NodeState {
        node,
        url: None,
        key_id: test.app.keyring.identity(),
        migration: levqor_store::Store::migration_expected(),
        ready: true,
        reason: None,
        clock_ahead_us: None,
        load: None,
        age: Duration::ZERO,
    };
    test.store.note_node_state(state, test.app.now()).await.unwrap();
}

async fn act(test: &TestApp, code: &str, verb: &str, body: Value) -> Answer {
    let path = format!("/api/ops/regions/{code}/{verb}");
    test.post(&path).key(&test.keys.operator).json(&body).send().await
}

async fn overview(test: &TestApp, code: &str) -> Value {
    let answer = test.get(&format!("/api/ops/regions/{code}")).key(&test.keys.operator).send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// A look of this node at all open acts.
async fn look(test: &TestApp) {
    regions::look_at_acts(&test.app).await.unwrap();
}

/// The runs of a node, taken by another as its engine would.
async fn take(test: &TestApp, from: NodeId, (to, epoch): (NodeId, i64), region: &str) -> u64 {
    let taker = Taker { node: to, epoch, region: region.parse().unwrap() };
    let mut groups: Vec<LeftRuns> = test.store.drained_runs().await.unwrap();
    groups.extend(test.store.left_runs().await.unwrap());
    let mut taken = 0;
    for group in groups.into_iter().filter(|group| group.node == from && group.runs > 0) {
        let step = test.store.take_drained(group, true, taker.clone(), None, 100, test.app.now());
        taken += step.await.unwrap().0;
    }
    taken
}

#[tokio::test]
async fn a_server_that_is_alone_says_why_it_cannot() {
    let test = TestApp::new().await;
    for verb in ["drain", "failover"] {
        let refused = act(&test, "eu-west", verb, json!({})).await;
        assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "region-not-ready"));
        let body = refused.json();
        assert!(body["detail"].as_str().unwrap().contains("embedded database"), "{body}");
        let errors = body["errors"].as_array().unwrap();
        let error = errors.iter().find(|error| error["pointer"] == "us-east/nodes").unwrap();
        assert_eq!(error["message"], "no node lives there; start one");
    }
    let refused = act(&test, "eu-west", "activate", json!({})).await;
    assert!(refused.text().contains("not drained"), "{}", refused.text());
    assert_eq!(overview(&test, "eu-west").await["status"], "active");
}

#[tokio::test]
async fn bad_wishes_are_told_what_is_wrong() {
    let test = TestApp::new().await;
    let unknown = act(&test, "mars", "drain", json!({})).await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (StatusCode::NOT_FOUND, "region-not-found"));
    assert!(unknown.text().contains("eu-west, us-east, ap-south"));
    let unknown = act(&test, "eu-west", "failover", json!({ "to": "mars" })).await;
    assert_eq!(unknown.problem(), "region-not-found");
    let itself = act(&test, "eu-west", "failover", json!({ "to": "eu-west" })).await;
    assert_eq!(
        (itself.problem().as_str(), &itself.json()["errors"][0]["pointer"]),
        ("invalid-fields", &"/to".into())
    );
    let long = act(&test, "eu-west", "drain", json!({ "reason": "x".repeat(501) })).await;
    assert_eq!(long.json()["errors"][0]["pointer"], "/reason");
    let member = act(&test, "eu-west", "drain", json!({ "force": true })).await;
    assert_eq!(member.problem(), "bad-request");
    let owner =
        test.post("/api/ops/regions/eu-west/drain").key(&test.keys.owner).json(&json!({})).send().await;
    assert_eq!(owner.problem(), "forbidden");
}

#[tokio::test]
async fn a_drain_ends_when_nothing_is_left_that_may_leave() {
    let test = TestApp::new().await;
    regions::look_around(&test.app).await.unwrap();
    let workflow = test.save("wait", WAIT).await;
    for n in 0..3 {
        test.start(&workflow, 0, &json!({ "n": n })).await;
    }
    let path = format!("/api/workflows/{workflow}/runs");
    let body = json!({ "residency": { "regions": ["eu-west"] } });
    let pinned = test.post(&path).key(&test.keys.editor).json(&body).send().await;
    assert_eq!(pinned.status, StatusCode::ACCEPTED, "{}", pinned.text());
    let us = join(&test, "us-east").await;

    let begun = act(&test, "eu-west", "drain", json!({ "reason": "a new disk" })).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    let id = begun.json()["id"].clone();
    let busy = act(&test, "eu-west", "drain", json!({})).await;
    assert_eq!((busy.status, busy.problem().as_str()), (StatusCode::CONFLICT, "region-busy"));
    assert!(busy.text().contains("a drain of eu-west is under way"), "{}", busy.text());
    look(&test).await;
    let now = overview(&test, "eu-west").await;
    assert_eq!((&now["act"]["phase"], &now["act"]["id"]), (&"handing_over".into(), &id));
    assert_eq!(now["standing"], json!({ "leaving_runs": 3, "pinned_runs": 1 }));
    assert_eq!(now["drained"]["reason"], "a new disk");

    // The engines do that, which know each other's drains; here it is done for one that is not there.
    test.advance(2);
    let groups = test.store.drained_runs().await.unwrap();
    let taker = Taker { node: us.0, epoch: us.1, region: "us-east".parse().unwrap() };
    let anywhere = groups.into_iter().find(|group| group.runs == 3).unwrap();
    test.store.take_drained(anywhere, true, taker, None, 100, test.app.now()).await.unwrap();
    look(&test).await;
    assert_eq!(overview(&test, "eu-west").await["act"]["phase"], "verifying");
    look(&test).await;
    assert_eq!(overview(&test, "eu-west").await["act"]["phase"], "verifying", "its nodes may not know yet");
    test.advance(2);
    look(&test).await;
    look(&test).await;
    let now = overview(&test, "eu-west").await;
    assert!(now["act"].is_null(), "{now}");
    let report = &now["reports"][0];
    assert_eq!((&report["id"], &report["outcome"]), (&id, &"done".into()));
    let report = &report["report"];
    assert_eq!((&report["moved_runs"], &report["moved"]), (&3.into(), &json!({ "us-east": 3 })));
    assert_eq!((&report["pinned_runs"], report["pinned"].as_array().unwrap().len()), (&1.into(), 1));
    assert_eq!(report["pinned"][0]["residency"], json!({ "regions": ["eu-west"] }));
    assert_eq!(report["phases"].as_array().unwrap().len(), 2);
    assert_eq!(report["phases"][0], json!({ "name": "handing_over", "seconds": 2.0 }));
    // The region that took them has had its drill.
    let drill = |now: &Value| {
        let checks = now["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "drill").unwrap()
    };
    assert_eq!(drill(&overview(&test, "us-east").await)["ok"], true);
    assert_eq!(drill(&now)["ok"], false);
}

#[tokio::test]
async fn a_failover_needs_a_target_that_is_ready_and_rehearsed() {
    let test = TestApp::new().await;
    regions::look_around(&test.app).await.unwrap();
    let us = join(&test, "us-east").await;
    let refused = act(&test, "us-east", "failover", json!({ "to": "ap-south" })).await;
    let names: Vec<_> = refused.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["ap-south/nodes", "ap-south/drill"], "{}", refused.text());
    assert!(!refused.text().contains("--unrehearsed"), "that would not help");
    let refused = act(&test, "us-east", "failover", json!({})).await;
    assert_eq!(refused.problem(), "region-not-ready");
    let body = refused.json();
    assert!(body["detail"].as_str().unwrap().contains("--unrehearsed"), "{body}");
    assert!(body.to_string().contains("it has never taken runs over"), "{body}");
    assert_eq!(test.store.drains().await, Ok(Vec::new()), "a refusal changes nothing");
    assert_eq!(test.store.nodes(Some(test.app.now())).await.unwrap().len(), 2);

    test.advance(1);
    let begun = act(&test, "us-east", "failover", json!({ "unrehearsed": true })).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    assert_eq!((&begun.json()["phase"], &begun.json()["target"]), (&"fencing".into(), &"eu-west".into()));
    let gone = test.store.nodes(None).await.unwrap().into_iter().find(|node| node.id == us.0).unwrap();
    assert_eq!(gone.stop_reason.as_deref(), Some("failed over"), "at once");
    // It comes back as another node, and gets nothing.
    test.advance(1);
    let back = join(&test, "us-east").await;
    assert_eq!(take(&test, us.0, back, "us-east").await, 0);
    for phase in ["handing_over", "verifying"] {
        look(&test).await;
        assert_eq!(overview(&test, "us-east").await["act"]["phase"], phase);
    }
    test.advance(2);
    look(&test).await;
    let now = overview(&test, "us-east").await;
    let report = &now["reports"][0];
    assert_eq!((&report["outcome"], &report["report"]["moved_runs"]), (&"done".into(), &0.into()), "{now}");
    assert_eq!(now["status"], "draining");
    // Nothing moved, so nothing was rehearsed.
    let refused = act(&test, "us-east", "failover", json!({})).await;
    assert_eq!(refused.problem(), "region-not-ready");

    let begun = act(&test, "us-east", "activate", json!({})).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    look(&test).await;
    let now = overview(&test, "us-east").await;
    assert_eq!((&now["status"], &now["reports"][0]["outcome"]), (&"active".into(), &"done".into()), "{now}");
}

#[tokio::test]
async fn an_act_that_does_not_come_to_an_end_fails_with_its_reason() {
    let test = TestApp::new().await;
    regions::look_around(&test.app).await.unwrap();
    let us = join(&test, "us-east").await;
    let workflow = test.save("wait", WAIT).await;
    test.start(&workflow, 0, &json!({})).await;
    assert_eq!(act(&test, "eu-west", "drain", json!({})).await.status, StatusCode::ACCEPTED);
    test.advance(601);
    tell(&test, us.0).await;
    look(&test).await;
    let now = overview(&test, "eu-west").await;
    let report = &now["reports"][0];
    assert_eq!(report["outcome"], "failed", "{now}");
    assert!(report["report"]["failure"].as_str().unwrap().starts_with("1 runs that may leave"), "{now}");
    assert!(now["drained"].is_object(), "the wish stays until it is taken back");
    assert_eq!(overview(&test, "us-east").await["checks"][7]["ok"], false, "no drill");
}
