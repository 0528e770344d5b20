//! Regions are what was seen, not what was declared.

use std::time::Duration;

use http::StatusCode;
use levqor_model::{NodeId, PublicKey, RegionSnapshot, RegionStatus, SignedSnapshot};
use levqor_store::{
    nodes::NewNode,
    regions::{NewAct, NodeState},
};

use crate::support::TestApp;

/// A node of that region in the database, which is said to be reached there.
async fn neighbour(test: &TestApp, region: &str, url: &str, ready: bool) -> NodeId {
    let id = NodeId::new(test.app.now(), &*test.random);
    let new = NewNode {
        id,
        region: region.parse().unwrap(),
        version: "0.1.0".to_owned(),
        lease: Duration::from_secs(60),
        alone: false,
    };
    test.store.register_node(new, test.app.now()).await.unwrap();
    tell(test, id, url, ready).await;
    id
}

async fn tell(test: &TestApp, id: NodeId, url: &str, ready: bool) {
    let state = NodeState {
        node: id,
        url: Some(url.to_owned()),
        key_id: "0123456789abcdef".to_owned(),
        migration: 18,
        ready,
        reason: (!ready).then(|| "disk: full".to_owned()),
        clock_ahead_us: Some(-1_500_000),
        load: None,
        age: Duration::ZERO,
    };
    test.store.note_node_state(state, test.app.now()).await.unwrap();
}

/// The region snapshot, which must be signed by the key that operators are told.
async fn snapshot(test: &TestApp) -> RegionSnapshot {
    let told = test.get("/api/ops/regions").key(&test.keys.operator).send().await.json();
    let key = PublicKey::parse(told["snapshot_key"].as_str().unwrap()).unwrap();
    let answer = test.get("/api/regions/snapshot").send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let signed: SignedSnapshot = serde_json::from_value(answer.json()).unwrap();
    signed.open(&key).unwrap()
}

#[tokio::test]
async fn edges_are_told_the_regions_by_one_key_and_a_number_that_grows() {
    let test = TestApp::new().await;
    let empty = snapshot(&test).await;
    assert_eq!(empty.sequence, 1);
    assert!(empty.regions.iter().all(|region| region.origins.is_empty()), "nobody has told its address");
    let us = neighbour(&test, "us-east", "http://10.2.0.1:8000", true).await;
    let first = snapshot(&test).await;
    assert_eq!(first.sequence, 2);
    let codes: Vec<_> = first.regions.iter().map(|region| region.code.as_str()).collect();
    assert_eq!(codes, ["eu-west", "us-east", "ap-south"]);
    assert_eq!(first.preference.len(), 3);
    let there = &first.regions[1];
    assert_eq!(there.status, Some(RegionStatus::Active));
    assert_eq!(
        (there.origins[0].name.as_str(), there.origins[0].url.as_str()),
        (us.to_string().as_str(), "http://10.2.0.1:8000")
    );

    // The same for as long as nothing changes.
    test.advance(20);
    tell(&test, us, "http://10.2.0.1:8000", true).await;
    assert_eq!(snapshot(&test).await, first);
    // The next node on the same address takes the place of the one before.
    let again = neighbour(&test, "us-east", "http://10.2.0.1:8000", true).await;
    let second = snapshot(&test).await;
    assert_eq!((second.sequence, second.regions[1].origins.len()), (3, 1));
    assert_eq!(second.regions[1].origins[0].name, again.to_string());
    // Its lease ends, and its address with it.
    test.advance(120);
    let third = snapshot(&test).await;
    assert_eq!((third.sequence, third.regions[1].origins.len()), (4, 0));
    assert_eq!(third.regions[1].status, Some(RegionStatus::Planned));
    assert!(third.expires_at > test.app.now());
    // The next process signs with the same key, and goes on counting.
    let key =
        async |test: &TestApp| test.get("/api/ops/regions").key(&test.keys.operator).send().await.json();
    let next = test.restarted().await;
    assert_eq!(key(&next).await, key(&test).await);
    neighbour(&next, "us-east", "http://10.2.0.1:8000", true).await;
    assert_eq!(snapshot(&next).await.sequence, 5);
}

#[tokio::test]
async fn a_seed_of_another_keyring_does_not_open() {
    let test = TestApp::new().await;
    snapshot(&test).await;
    let name = levqor_engine::keyring::REGION_SNAPSHOT_SEED;
    let was = test.store.agreement(name).await.unwrap().unwrap();
    let foreign = levqor_engine::Vault::new(&levqor_model::Secret::new("of another installation"));
    let sealed = foreign.seal_own(name, &serde_json::json!("seed"), &*test.random).await.unwrap();
    let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, sealed.bytes);
    assert!(test.store.seal_agreement_again(name, was, text, sealed.tag.to_string()).await.unwrap());
    let other = test.restarted().await;
    let answer = other.get("/api/regions/snapshot").send().await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal"));
}

#[tokio::test]
async fn regions_are_as_their_nodes_told_lately() {
    let test = TestApp::new().await;
    let us = neighbour(&test, "us-east", "http://10.2.0.1:8000", true).await;
    neighbour(&test, "ap-south", "http://10.3.0.1:8000", false).await;
    let regions = async || {
        let body = test.get("/api/regions").send().await.json();
        let all = body["regions"].as_array().unwrap().iter();
        all.map(|region| region["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(regions().await, ["active", "active", "down"]);
    let nodes = test.get("/api/ops/nodes").key(&test.keys.operator).send().await.json();
    let node = nodes["nodes"].as_array().unwrap().iter().find(|node| node["region"] == "ap-south").unwrap();
    assert_eq!((&node["ready"], &node["reason"]), (&false.into(), &"disk: full".into()));
    assert_eq!((&node["clock_ahead_ms"], &node["migration"]), (&(-1_500.0).into(), &18.into()));
    // Round trips are told as they were measured.
    let to = "eu-west".parse().unwrap();
    test.store.note_latencies(us, vec![(to, 81_234, 15)], test.app.now()).await.unwrap();
    let region = test.get("/api/regions/us-east").send().await.json();
    assert_eq!(region["latency_ms"], serde_json::json!({ "eu-west": 81.234 }));
    assert!(test.get("/api/regions/eu-west").send().await.json()["latency_ms"].is_null());
    // What they said is old now, though their leases hold.
    test.advance(50);
    assert_eq!(regions().await[1..], ["down", "down"]);
    let region = test.get("/api/regions/us-east").send().await.json();
    assert!(region["latency_ms"].is_null(), "{region}");
}

#[tokio::test]
async fn a_drained_region_is_never_active() {
    let test = TestApp::new().await;
    neighbour(&test, "us-east", "http://10.2.0.1:8000", true).await;
    let act = NewAct {
        region: "us-east".parse().unwrap(),
        verb: "drain",
        target: None,
        actor: "API key key_1".to_owned(),
        reason: None,
        phase: "handing_over",
        drains: true,
        fences: false,
    };
    test.store.begin_act(act, test.app.now()).await.unwrap();
    let region = test.get("/api/regions/us-east").send().await.json();
    assert_eq!((&region["status"], &region["reason"]), (&"draining".into(), &"an operator drains it".into()));
    assert!(region["drained_since"].is_string());
    let page = test.get("/status").header("accept", "text/html").send().await.text();
    assert!(page.contains("draining") && page.contains("1 live node"), "{page}");
    assert_eq!(snapshot(&test).await.regions[1].status, Some(RegionStatus::Draining));
}

#[tokio::test]
async fn only_this_process_says_which_region_it_is() {
    let test = TestApp::new().await;
    let answer = test.get("/health").header("x-levqor-region", "us-east").send().await;
    assert_eq!(
        (answer.header("x-levqor-region"), &answer.json()["region"]),
        (Some("eu-west"), &"eu-west".into())
    );
    let answer = test.get("/api/regions").header("x-levqor-region", "mars\u{e4}").send().await;
    assert_eq!(answer.json()["current"], "eu-west");
}

#[tokio::test]
async fn the_registry_with_what_is_so_now() {
    let test = TestApp::new().await;
    let body = test.get("/api/regions").send().await.json();
    assert_eq!(body["current"], "eu-west");
    let rows: Vec<_> = body["regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| {
            (
                region["code"].as_str().unwrap(),
                region["status"].as_str().unwrap(),
                region["nodes_live"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(rows, [("eu-west", "active", 1), ("us-east", "planned", 0), ("ap-south", "planned", 0)]);
    let one = test.get("/api/regions/eu-west").send().await.json();
    assert_eq!(one, body["regions"][0]);
    assert_eq!(one["replication"]["mode"], "single database");
    for unknown in [&one["replication"]["lag_seconds"], &one["latency_ms"]] {
        assert!(unknown.is_null());
    }
}

#[tokio::test]
async fn an_active_region_that_is_not_ready_is_down() {
    let test = TestApp::new().await;
    test.app.stopping.cancel();
    let region = test.get("/api/regions/eu-west").send().await.json();
    assert_eq!((region["status"].as_str(), region["declared"].as_str()), (Some("down"), Some("active")));
    assert_eq!(region["reason"], "its nodes are alive but not ready");
}

#[tokio::test]
async fn an_unknown_code_names_the_known_ones() {
    let test = TestApp::new().await;
    let answer = test.get("/api/regions/mars-north").send().await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.problem(), "region-not-found");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("eu-west, us-east, ap-south"), "{detail}");
}
