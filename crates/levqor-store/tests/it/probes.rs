//! What probes see: boards of nodes, results, daily sums, and verdicts that are on the evidence log.

use std::time::Duration;

use levqor_model::{NodeId, Timestamp};
use levqor_store::{
    audit::Filter,
    probes::{ProbeDay, ProbeFilter, ProbePlace, ProbeResult, ProbeVerdict},
};

use crate::support::{NOW, World, region};

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn result(node: NodeId, at: Timestamp, good: bool) -> ProbeResult {
    ProbeResult {
        probe: "reach".to_owned(),
        target: "us-east".to_owned(),
        region: region("eu-west"),
        node,
        at,
        good,
        latency_us: good.then_some(1_500),
        reason: (!good).then(|| "no answer".to_owned()),
    }
}

#[tokio::test]
async fn boards_are_replaced_and_grow_old() {
    let world = World::new();
    let (store, node) = (&world.store, world.node_id());
    let put = |text: &str, at| store.put_probe_board(node, region("eu-west"), text.to_owned(), at);
    put("1", NOW).await.unwrap();
    put("2", after(1)).await.unwrap();
    let boards = |at| store.probe_boards(Duration::from_secs(3), at);
    let found = boards(after(1)).await.unwrap();
    assert_eq!((found.len(), found[0].board.as_str(), found[0].node), (1, "2", node));
    // By the caller's clock or by the database's, what is old is not given.
    if found[0].age == Duration::ZERO {
        assert_eq!(boards(after(3)).await.unwrap()[0].age, Duration::from_secs(2));
        assert!(boards(after(5)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn results_are_listed_newest_first_by_target_and_region_and_summed_by_day() {
    let world = World::new();
    let (store, node) = (&world.store, world.node_id());
    let other = ProbeResult { target: "ap-south".to_owned(), ..result(node, after(2), true) };
    let results = vec![result(node, NOW, true), result(node, after(1), false), other.clone()];
    let sum = |good, total, max| ProbeDay {
        probe: "reach".to_owned(),
        target: "us-east".to_owned(),
        region: region("eu-west"),
        day: NOW.date(),
        good,
        total,
        latency_sum_us: good * 100,
        latency_max_us: max,
    };
    store.add_probe_results(results.clone(), vec![sum(3, 4, 900)]).await.unwrap();
    // Told twice, a result is there once; sums are added.
    store.add_probe_results(results.clone(), vec![sum(2, 2, 400)]).await.unwrap();
    let list =
        async |filter: ProbeFilter, before, limit| store.probe_results(filter, before, limit).await.unwrap();
    let of = |target: Option<&str>| ProbeFilter {
        probe: "reach".to_owned(),
        target: target.map(str::to_owned),
        region: None,
    };
    let all = list(of(None), None, 10).await;
    assert_eq!(all, [other, results[1].clone(), results[0].clone()]);
    let first = list(of(None), None, 2).await;
    let last = &first[1];
    let place = ProbePlace { at: last.at, target: last.target.clone(), node: last.node };
    assert_eq!(list(of(None), Some(place), 2).await, [results[0].clone()]);
    assert_eq!(list(of(Some("us-east")), None, 10).await.len(), 2);
    let elsewhere = ProbeFilter { region: Some(region("us-east")), ..of(None) };
    assert!(list(elsewhere, None, 10).await.is_empty());
    let days = store.probe_days("reach".to_owned(), NOW.date()).await.unwrap();
    assert_eq!(days, [ProbeDay { latency_max_us: 900, ..sum(5, 6, 0) }]);
    store.prune_probes(after(1), after(1)).await.unwrap();
    assert_eq!(list(of(None), None, 10).await.len(), 2);
    assert_eq!(store.probe_days("reach".to_owned(), NOW.date()).await.unwrap().len(), 1);
    store.prune_probes(after(90_000), after(90_000)).await.unwrap();
    assert!(store.probe_days("reach".to_owned(), NOW.date()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_verdict_is_noted_once_however_many_nodes_tell_it() {
    let world = World::new();
    let store = &world.store;
    let verdict = |state: &str, since| ProbeVerdict {
        probe: "reach".to_owned(),
        target: "us-east".to_owned(),
        state: state.to_owned(),
        since,
        reason: (state == "down").then(|| "2 of 3 regions cannot reach it".to_owned()),
    };
    assert!(store.note_probe_verdict(verdict("up", NOW)).await.unwrap());
    assert!(store.note_probe_verdict(verdict("down", after(10))).await.unwrap());
    assert!(
        !store.note_probe_verdict(verdict("down", after(11))).await.unwrap(),
        "another node says it, too"
    );
    assert_eq!(store.probe_verdicts().await.unwrap(), [verdict("down", after(10))]);
    assert!(store.note_probe_verdict(verdict("up", after(20))).await.unwrap());
    let changes = store.probe_changes("reach".to_owned(), 10).await.unwrap();
    assert_eq!(changes, [verdict("up", after(20)), verdict("down", after(10)), verdict("up", NOW)]);
    // What is still looked at stays, and what nobody looks at any more goes.
    let day = |date| ProbeDay {
        probe: "reach".to_owned(),
        target: "us-east".to_owned(),
        region: region("eu-west"),
        day: date,
        good: 1,
        total: 1,
        latency_sum_us: 1,
        latency_max_us: 1,
    };
    store.add_probe_results(Vec::new(), vec![day(NOW.date())]).await.unwrap();
    store.prune_probes(after(6 * 86_400), NOW).await.unwrap();
    assert_eq!(store.probe_verdicts().await.unwrap(), [verdict("up", after(20))]);
    store.prune_probes(after(7 * 86_400), NOW).await.unwrap();
    assert!(store.probe_verdicts().await.unwrap().is_empty());
    let filter = Filter { kind: Some("probe".to_owned()), ..Filter::default() };
    let records = store.audit_records(filter, None, 10).await.unwrap();
    assert_eq!(records.len(), 3);
    assert!(records[1].details.contains("2 of 3 regions cannot reach it"), "{}", records[1].details);
}
