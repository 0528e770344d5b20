//! Nodes and their epochs.

use std::time::Duration;

use levqor_model::{NodeId, Residency, RunStatus, Timestamp};
use levqor_store::{
    Error,
    nodes::NewNode,
    runs::{Append, LeftRuns, Taker},
};

use crate::support::{NOW, World, region, step};

const MINUTE: Duration = Duration::from_secs(60);

async fn register(world: &World, id: NodeId, now: Timestamp) -> i64 {
    world.store.register_node(node(id, MINUTE), now).await.unwrap()
}

fn node(id: NodeId, lease: Duration) -> NewNode {
    NewNode { id, region: region("eu-west"), version: "1.0.0".to_owned(), lease, alone: false }
}

#[tokio::test]
async fn every_registration_gets_a_newer_epoch() {
    let world = World::new();
    let (first, second) = (world.node_id(), world.node_id());
    let store = &world.store;
    let old = register(&world, first, NOW).await;
    let other = register(&world, second, NOW).await;
    let new = register(&world, first, NOW + MINUTE / 2).await;
    assert!(0 < old && old < other && other < new);
    assert_eq!(store.renew_node(first, old, NOW + MINUTE, MINUTE).await, Ok(false), "it was replaced");
    assert_eq!(store.renew_node(first, new, NOW + MINUTE * 2, MINUTE).await, Ok(true));

    let ids = async |live_at| -> Vec<NodeId> {
        store.nodes(live_at).await.unwrap().iter().map(|node| node.id).collect()
    };
    assert_eq!(ids(None).await, [first, second]);
    assert_eq!(ids(Some(NOW)).await, [first, second]);
    assert_eq!(ids(Some(NOW + MINUTE)).await, [first], "the second has expired");
    store.stop_node(first, NOW).await.unwrap();
    assert_eq!(ids(Some(NOW)).await, [second]);
    assert_eq!(store.renew_node(first, new, NOW + MINUTE * 8, MINUTE).await, Ok(false), "it was stopped");
    let stopped = store.nodes(None).await.unwrap();
    assert_eq!((stopped[0].epoch, stopped[0].stopped_at), (new, Some(NOW)));
}

#[tokio::test]
async fn it_is_known_when_a_node_was_heard_of_last() {
    let world = World::new();
    let (store, id) = (&world.store, world.node_id());
    let usual = Duration::from_secs(7);
    let epoch = store.register_node(node(id, MINUTE), NOW).await.unwrap();
    let found = async || store.nodes(None).await.unwrap().remove(0);
    assert_eq!((found().await.lease, found().await.heard_at(usual)), (Some(MINUTE), NOW));
    // With another lease than before, and others have seen no sign since.
    store.renew_node(id, epoch, NOW + MINUTE / 2, MINUTE * 2).await.unwrap();
    assert_eq!((found().await.lease, found().await.heard_at(usual)), (Some(MINUTE * 2), NOW + MINUTE / 2));
    let other = world.node_id();
    store.register_node(node(other, MINUTE), NOW + MINUTE * 4).await.unwrap();
    store.condemn_nodes(other, NOW + MINUTE * 4).await.unwrap();
    let gone = store.nodes(None).await.unwrap().into_iter().find(|node| node.id == id).unwrap();
    assert_eq!((gone.stopped_at, gone.heard_at(usual)), (Some(NOW + MINUTE * 4), NOW + MINUTE / 2));
    assert_eq!(gone.lived_until(usual), NOW + MINUTE / 2, "nobody knows more than that");
    store.stop_node(other, NOW + MINUTE * 5).await.unwrap();
    assert_eq!(found().await.lived_until(usual), NOW + MINUTE * 5, "it said so itself");
    // One of a build that does not say; and it was not heard of before it began.
    let older = levqor_store::nodes::Node { lease: None, expires_at: NOW + MINUTE, ..gone };
    assert_eq!((older.heard_at(usual), older.heard_at(MINUTE * 9)), (NOW + MINUTE - usual, NOW));
}

#[tokio::test]
async fn an_epoch_never_comes_back() {
    let world = World::new();
    let first = world.node_id();
    let epoch = register(&world, first, NOW).await;
    world.store.stop_node(first, NOW).await.unwrap();
    assert_eq!(world.store.node_emptied(first, NOW).await, Ok(true));
    let much_later = NOW + Duration::from_secs(90 * 24 * 3_600);
    let id = world.node_id();
    assert!(register(&world, id, much_later).await > epoch);
    let nodes = world.store.nodes(None).await.unwrap();
    assert_eq!(nodes.len(), 1, "those that are long gone are forgotten");
    assert_eq!(nodes[0].id, id);
}

#[tokio::test]
async fn a_node_whose_lease_is_over_is_stopped_by_another_and_writes_no_more() {
    let world = World::new();
    let store = &world.store;
    let (gone, lives) = (world.node_id(), world.node_id());
    store.register_node(node(gone, Duration::ZERO), NOW).await.unwrap();
    let epoch = store.register_node(node(lives, MINUTE * 10), NOW).await.unwrap();
    let late = store.acting_as(gone);
    late.nudge(world.run_id(NOW), "1".to_owned(), NOW).await.unwrap();

    let later = NOW + MINUTE;
    let condemned = store.condemn_nodes(lives, later).await.unwrap();
    assert_eq!(condemned.iter().map(|node| node.id).collect::<Vec<_>>(), [gone]);
    assert_eq!(condemned[0].stop_reason.as_deref(), Some("expired"));
    assert_eq!(store.condemn_nodes(lives, later).await, Ok(Vec::new()), "once");
    assert_eq!(store.condemn_nodes(gone, later).await, Ok(Vec::new()), "the others live");
    assert_eq!(late.nudge(world.run_id(NOW), "1".to_owned(), NOW).await, Err(Error::Fenced(gone)));
    assert_eq!(store.renew_node(lives, epoch, later, MINUTE).await, Ok(true));
}

#[tokio::test]
async fn what_a_stopped_node_left_is_taken_in_batches_where_it_may_be() {
    let world = World::new();
    let store = &world.store;
    let (gone, lives) = (world.node_id(), world.node_id());
    store.register_node(node(gone, MINUTE), NOW).await.unwrap();
    let epoch = store.register_node(node(lives, MINUTE), NOW).await.unwrap();
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let mut ids = Vec::new();
    for number in 0..5_u64 {
        let mut new = world.run(account, workflow, NOW + Duration::from_secs(number));
        new.run.owner = Some(gone);
        if number == 4 {
            new.run.residency = Residency::Jurisdiction("US".to_owned());
        }
        ids.push(new.run.id);
        store.accept_run(new).await.unwrap();
    }
    assert_eq!(store.left_runs().await, Ok(Vec::new()), "it lives");
    assert_eq!(store.own_run(ids[0], lives, epoch).await, Ok(None), "and so nobody takes from it");
    store.stop_node(gone, NOW).await.unwrap();
    let left = store.left_runs().await.unwrap();
    assert_eq!(left.iter().map(|group| group.runs).collect::<Vec<_>>(), [4, 1]);

    let taker = Taker { node: lives, epoch, region: region("us-east") };
    let anywhere: LeftRuns = left[0].clone();
    let take = |after| store.take_over(anywhere.clone(), taker.clone(), after, 3, NOW);
    assert_eq!(take(None).await, Ok((3, Some(ids[2]))));
    assert_eq!(take(Some(ids[2])).await, Ok((1, Some(ids[3]))));
    assert_eq!(take(Some(ids[3])).await, Ok((0, None)));
    assert_eq!(store.node_emptied(gone, NOW).await, Ok(false), "one may not leave");
    let run = store.run(None, ids[0]).await.unwrap().unwrap();
    assert_eq!(run.owner, Some(lives));
    let stale = Append { epoch: run.epoch - 1, ..step(ids[0], 1, RunStatus::Running) };
    assert_eq!(store.append(stale).await, Err(Error::Stale(ids[0])), "the old owner's");
    let takeovers = store.takeovers(10).await.unwrap();
    assert_eq!(takeovers.iter().map(|takeover| takeover.runs).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(store.owned_runs().await.unwrap().into_iter().map(|(_, runs)| runs).sum::<i64>(), 5);

    store.stop_node(lives, NOW).await.unwrap();
    assert_eq!(take(None).await, Err(Error::Fenced(lives)), "the taker must live");
}

#[tokio::test]
async fn a_node_among_several_sees_its_own_live_runs() {
    let world = World::new();
    let (first, second) = (world.node_id(), world.node_id());
    for id in [first, second] {
        world.store.register_node(node(id, MINUTE), NOW).await.unwrap();
    }
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let mut new = world.run(account, workflow, NOW);
    new.run.owner = Some(first);
    let id = new.run.id;
    world.store.accept_run(new).await.unwrap();
    let timers = Append { timers_set: vec![(1, NOW)], ..step(id, 1, RunStatus::Running) };
    world.store.append(timers).await.unwrap();
    for (store, sees) in [
        (world.store.clone(), true),
        (world.store.acting_as(first), true),
        (world.store.acting_as(second), false),
    ] {
        assert_eq!(store.runs_to_drive(None, 10).await.unwrap().runs.len() == 1, sees);
        assert_eq!(store.due_timers(None, NOW, 10).await.unwrap().len() == 1, sees);
        assert_eq!(store.live_runs(None, 10).await.unwrap().runs.len() == 1, sees);
        assert_eq!(store.run(None, id).await.unwrap().map(|run| run.id), Some(id), "all can be looked at");
    }
}

#[tokio::test]
async fn a_nudge_finds_whoever_has_the_run_and_is_taken_once() {
    let world = World::new();
    let store = &world.store;
    let (first, second) = (world.node_id(), world.node_id());
    for id in [first, second] {
        store.register_node(node(id, MINUTE), NOW).await.unwrap();
    }
    let mut new = world.run(world.account_id(), world.workflow_id(NOW), NOW);
    new.run.owner = Some(first);
    let id = new.run.id;
    store.accept_run(new).await.unwrap();
    for body in ["1", "2", "1"] {
        store.nudge(id, body.to_owned(), NOW).await.unwrap();
    }
    store.nudge(world.run_id(NOW), "a run that is not there".to_owned(), NOW).await.unwrap();
    assert_eq!(store.take_nudges(second, 10).await, Ok(Vec::new()));
    let taken = store.take_nudges(first, 10).await.unwrap();
    assert_eq!(taken.iter().map(|nudge| nudge.body.as_str()).collect::<Vec<_>>(), ["2", "1"]);
    assert_eq!(store.take_nudges(first, 10).await, Ok(Vec::new()), "once");
}

#[tokio::test]
async fn a_duty_is_one_nodes_until_it_is_stopped() {
    let world = World::new();
    let store = &world.store;
    let (first, second) = (world.node_id(), world.node_id());
    for id in [first, second] {
        store.register_node(node(id, MINUTE), NOW).await.unwrap();
    }
    assert_eq!(store.take_duty("sink", first, NOW).await, Ok(true));
    assert_eq!(store.take_duty("sink", second, NOW).await, Ok(false));
    assert_eq!(store.take_duty("sink", first, NOW).await, Ok(true));
    store.stop_node(first, NOW).await.unwrap();
    assert_eq!(store.take_duty("sink", second, NOW).await, Ok(true));
    assert_eq!(store.agree("secret", "a".to_owned()).await.as_deref(), Ok("a"));
    assert_eq!(store.agree("secret", "b".to_owned()).await.as_deref(), Ok("a"), "the first counts");
}
