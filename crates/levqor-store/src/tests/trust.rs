//! What touches the nouns of tamper detection and of the drift monitor.

use std::time::Duration;

use levqor_model::{Deviation, NodeId, RegionCode, SeededRandom, Severity};
use serde_json::json;

use super::NOW;
use crate::{
    Store,
    drift::{DriftAcknowledgement, DriftChange, DriftResult, SeenLock},
    tamper::{AgreedFinding, NewBaseline, TamperState},
};

pub(super) async fn touch_tamper(store: &Store, random: &SeededRandom) {
    let place = || "host:/data".to_owned();
    let new = |sequence: u64, before: Option<u64>| NewBaseline {
        place: place(),
        sequence,
        content: "text".to_owned(),
        sha256: "hash".to_owned(),
        key: "key".to_owned(),
        before,
        entries: 1,
        paths: vec!["/a".to_owned()],
    };
    store.sign_baseline(new(1, None), NOW).await.unwrap();
    store.sign_baseline(new(2, Some(1)), NOW).await.unwrap();
    store.tamper_baseline(place()).await.unwrap();
    let found = Deviation { severity: Severity::Major, place: "/a".to_owned(), expected: None, found: None };
    store.tell_tampering(place(), vec![found], NOW).await.unwrap();
    let state = TamperState {
        place: place(),
        node: NodeId::new(NOW, random),
        region: "eu-west".parse().unwrap(),
        report: "{}".to_owned(),
    };
    store.note_tamper_state(state, NOW).await.unwrap();
    let (_, findings) = store.tampering(NOW).await.unwrap();
    let agreed = |finding| AgreedFinding { finding, signature: "signature".to_owned() };
    store.agree_to(findings.into_iter().map(agreed).collect(), "reason".to_owned(), NOW).await.unwrap();
    store.wish_new_hashes(vec![place()], "name".to_owned(), NOW).await.unwrap();
    for wish in store.tamper_wishes(place()).await.unwrap() {
        store.refuse_tamper_wish(place(), wish.clone(), NOW).await.unwrap();
        store.drop_tamper_wish(place(), wish).await.unwrap();
    }
    store.tell_tampering(place(), Vec::new(), NOW).await.unwrap();
    store.prune_tamper(NOW + Duration::from_secs(1)).await.unwrap();
}

pub(super) async fn touch_drift(store: &Store, random: &SeededRandom) {
    let (node, region, text) =
        (NodeId::new(NOW, random), "eu-west".parse::<RegionCode>().unwrap(), || "a".to_owned());
    let result = DriftResult { node, region: region.clone(), at: NOW, pass: false, report: text() };
    let change = DriftChange { found: Some(json!({})), ended: Some(json!({})) };
    store.last_drift(node, region.clone()).await.unwrap();
    store.record_drift(result, change).await.unwrap();
    store.last_drift(node, region).await.unwrap();
    store.drift_results().await.unwrap();
    let acknowledgement = DriftAcknowledgement {
        place: text(),
        expected: None,
        found: None,
        reason: text(),
        actor: text(),
        at: NOW,
        ends_at: NOW,
    };
    store.acknowledge_drift(acknowledgement).await.unwrap();
    store.drift_acknowledgements(NOW).await.unwrap();
    let lock = SeenLock { digest: text(), version: 1, locked_at: NOW, locked_by: text(), reason: text() };
    store.see_lock(lock.clone(), NOW).await.unwrap();
    store.see_lock_again(lock, text(), "eu-west".parse().unwrap(), NOW).await.unwrap();
    store.has_seen_lock(text()).await.unwrap();
    store.prune_drift(NOW).await.unwrap();
}
