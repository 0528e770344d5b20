//! What touches the nouns of tamper detection, of the drift monitor and of probes.

use std::time::Duration;

use levqor_model::{Deviation, NodeId, RegionCode, SeededRandom, Severity};
use serde_json::json;

use super::NOW;
use crate::{
    Store,
    drift::{DriftAcknowledgement, DriftChange, DriftResult, SeenLock},
    heartbeats::{Heartbeat, Ping},
    probes::{ProbeDay, ProbeFilter, ProbeResult, ProbeVerdict},
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

pub(super) async fn touch_probes(store: &Store, random: &SeededRandom) {
    let (node, region, text) =
        (NodeId::new(NOW, random), "eu-west".parse::<RegionCode>().unwrap(), || "a".to_owned());
    store.put_probe_board(node, region.clone(), "{}".to_owned(), NOW).await.unwrap();
    store.probe_boards(Duration::from_secs(3), NOW).await.unwrap();
    let result = ProbeResult {
        probe: text(),
        target: text(),
        region: region.clone(),
        node,
        at: NOW,
        good: true,
        latency_us: Some(1),
        reason: None,
    };
    let day = ProbeDay {
        probe: text(),
        target: text(),
        region,
        day: NOW.date(),
        good: 1,
        total: 1,
        latency_sum_us: 1,
        latency_max_us: 1,
    };
    store.add_probe_results(vec![result], vec![day]).await.unwrap();
    let filter = ProbeFilter { probe: text(), ..ProbeFilter::default() };
    store.probe_results(filter, None, 10).await.unwrap();
    store.probe_days(text(), NOW.date()).await.unwrap();
    let verdict =
        ProbeVerdict { probe: text(), target: text(), state: "up".to_owned(), since: NOW, reason: None };
    store.note_probe_verdict(verdict).await.unwrap();
    store.probe_verdicts().await.unwrap();
    store.probe_changes(text(), 10).await.unwrap();
    store.prune_probes(NOW, NOW).await.unwrap();
    let spans = (Duration::from_secs(1), Duration::from_secs(1));
    let beat = Heartbeat::new(text(), text(), spans, text(), NOW);
    store.create_heartbeat(beat, [7; 32]).await.unwrap();
    store.ping_heartbeat([7; 32], Ping::Success, NOW).await.unwrap();
    store.heartbeats().await.unwrap();
    store.heartbeat(text()).await.unwrap();
    store.heartbeat_pings(text()).await.unwrap();
    store.miss_heartbeats(NOW + Duration::from_secs(9)).await.unwrap();
    store.change_heartbeat(text(), spans, NOW).await.unwrap();
    store.delete_heartbeat(text(), NOW).await.unwrap();
}
