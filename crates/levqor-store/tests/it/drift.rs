//! Results of the drift monitor, what somebody lives with, and locks: kept, and on the evidence log.

use std::time::Duration;

use levqor_store::{
    audit::Filter,
    drift::{DriftAcknowledgement, DriftChange, DriftResult, SeenLock},
};
use serde_json::json;

use crate::support::{NOW, World, region};

fn after(seconds: u64) -> levqor_model::Timestamp {
    NOW + Duration::from_secs(seconds)
}

async fn kinds(world: &World) -> Vec<String> {
    let records = world.store.audit_records(Filter::default(), None, 100).await.unwrap();
    let mut kinds: Vec<_> = records.into_iter().map(|record| record.kind).collect();
    kinds.reverse();
    kinds
}

#[tokio::test]
async fn each_node_has_its_last_result_and_changes_leave_records() {
    let world = World::new();
    let (first, second) = (world.node_id(), world.node_id());
    let result = |node, at, pass| DriftResult {
        node,
        region: region("eu-west"),
        at,
        pass,
        report: json!({ "pass": pass }).to_string(),
    };
    let store = &world.store;
    assert_eq!(store.last_drift(first, region("eu-west")).await.unwrap(), None);
    store.record_drift(result(first, NOW, true), DriftChange::default()).await.unwrap();
    let found = DriftChange { found: Some(json!({ "total": 2 })), ended: None };
    store.record_drift(result(first, after(10), false), found).await.unwrap();
    // A process that has just begun goes on from what its region found last.
    assert_eq!(
        store.last_drift(second, region("eu-west")).await.unwrap(),
        Some(result(first, after(10), false))
    );
    assert_eq!(store.last_drift(second, region("us-east")).await.unwrap(), None);
    let ended = DriftChange { found: None, ended: Some(json!({ "total": 2 })) };
    store.record_drift(result(second, after(20), true), ended).await.unwrap();
    assert_eq!(
        store.last_drift(first, region("eu-west")).await.unwrap(),
        Some(result(first, after(10), false))
    );
    let all = store.drift_results().await.unwrap();
    assert_eq!(all.iter().map(|result| result.node).collect::<Vec<_>>(), [second, first]);
    assert_eq!(kinds(&world).await, ["drift.found", "drift.ended"]);
    store.prune_drift(after(20)).await.unwrap();
    assert_eq!(store.drift_results().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_somebody_lives_with_ends() {
    let world = World::new();
    let store = &world.store;
    let noted = |found: Option<&str>, reason: &str, ends_at| DriftAcknowledgement {
        place: "plan.starter.month_price on /pricing".to_owned(),
        expected: Some("900".to_owned()),
        found: found.map(str::to_owned),
        reason: reason.to_owned(),
        actor: "user usr_1".to_owned(),
        at: NOW,
        ends_at,
    };
    store.acknowledge_drift(noted(Some("901"), "a test price", after(100))).await.unwrap();
    store.acknowledge_drift(noted(None, "another", after(50))).await.unwrap();
    store.acknowledge_drift(noted(Some("901"), "longer", after(200))).await.unwrap();
    let now = |at| async move { store.drift_acknowledgements(at).await.unwrap() };
    assert_eq!(now(NOW).await, [noted(None, "another", after(50)), noted(Some("901"), "longer", after(200))]);
    assert_eq!(now(after(50)).await, [noted(Some("901"), "longer", after(200))]);
    assert_eq!(now(after(200)).await, []);
    assert_eq!(kinds(&world).await, ["drift.acknowledged"; 3]);
    store.prune_drift(after(201)).await.unwrap();
    assert_eq!(now(NOW).await, []);
}

#[tokio::test]
async fn a_lock_is_noted_once() {
    let world = World::new();
    let lock = |digest: &str| SeenLock {
        digest: digest.to_owned(),
        version: 1,
        locked_at: NOW,
        locked_by: "Ada".to_owned(),
        reason: "the first prices".to_owned(),
    };
    assert!(!world.store.has_seen_lock("sha256:a".to_owned()).await.unwrap());
    assert!(world.store.see_lock(lock("sha256:a"), NOW).await.unwrap());
    assert!(!world.store.see_lock(lock("sha256:a"), NOW).await.unwrap());
    assert!(world.store.see_lock(lock("sha256:b"), NOW).await.unwrap());
    assert!(world.store.has_seen_lock("sha256:a".to_owned()).await.unwrap());
    assert_eq!(kinds(&world).await, ["blueprint.locked", "blueprint.locked"]);
}
