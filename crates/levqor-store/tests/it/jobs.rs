//! Due times as rows: one firing at a time, ends by whoever runs, and what is forgotten when.

use std::time::Duration;

use levqor_model::{NodeId, Timestamp};
use levqor_store::{
    Error,
    audit::Filter,
    jobs::{Ended, Fire, Fired, FiringState, JobFiring, JobPlan, Taker},
    nodes::NewNode,
};

use crate::support::{NOW, World, region};

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn fire(due: u64) -> Fire {
    Fire {
        job: "job".to_owned(),
        due_at: after(due),
        fires_at: Some(after(due)),
        next_due_at: after(due + 60),
        missed: 0,
    }
}

fn taker(node: NodeId) -> Taker {
    Taker { node, region: region("eu-west"), lease: Duration::from_secs(100) }
}

fn ended(state: FiringState, at: Timestamp) -> Ended {
    let done = state == FiringState::Done;
    let text = |is: bool| is.then(|| "{}".to_owned());
    Ended { state, summary: text(done), data: text(done), problem: text(!done), at }
}

/// A store with one job, due first at `NOW`, and a node that lives.
async fn world() -> (World, NodeId) {
    let world = World::new();
    let plan = JobPlan { id: "job".to_owned(), schedule: "a".to_owned(), next_due_at: NOW };
    world.store.register_jobs(vec![plan]).await.unwrap();
    let node = node(&world).await;
    (world, node)
}

async fn node(world: &World) -> NodeId {
    let id = world.node_id();
    let lease = Duration::from_secs(1_000_000);
    let new = NewNode { id, region: region("eu-west"), version: "1".to_owned(), lease, alone: false };
    world.store.register_node(new, NOW).await.unwrap();
    id
}

async fn begin(world: &World, node: NodeId, due: u64) -> JobFiring {
    match world.store.fire_job(fire(due), taker(node), after(due)).await.unwrap() {
        Fired::Began(firing) => *firing,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_due_time_is_taken_by_one_of_all_that_look() {
    let (world, node) = world().await;
    let due = world.store.due_jobs(NOW).await.unwrap();
    assert_eq!(due.iter().map(|job| job.next_due_at).collect::<Vec<_>>(), [NOW]);
    let look = |_| {
        let store = world.store.clone();
        tokio::spawn(async move { store.fire_job(fire(0), taker(node), NOW).await })
    };
    let looks: Vec<_> = (0..8).map(look).collect();
    let (mut began, mut late) = (0, 0);
    for look in looks {
        match look.await.unwrap().unwrap() {
            Fired::Began(_) => began += 1,
            Fired::NotDue => late += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((began, late), (1, 7));
    assert!(world.store.due_jobs(after(59)).await.unwrap().is_empty());
    assert_eq!(world.store.job_counts().await.unwrap(), (1, 1));
}

#[tokio::test]
async fn only_the_attempt_that_runs_writes_the_end() {
    let (world, first) = world().await;
    let store = &world.store;
    let stale = begin(&world, first, 0).await;
    assert!(store.firings_to_take(after(100)).await.unwrap().is_empty());
    // Its lease is over, though its node lives.
    let seen = store.firings_to_take(after(101)).await.unwrap().remove(0);
    let second = node(&world).await;
    let taken = store.take_firing(seen.clone(), taker(second), after(101)).await.unwrap().unwrap();
    assert_eq!((taken.attempt, taken.node), (2, Some(second)));
    assert_eq!(store.take_firing(seen, taker(first), after(101)).await.unwrap(), None, "somebody was faster");
    assert!(!store.end_firing(stale.clone(), ended(FiringState::Done, after(102))).await.unwrap());
    assert!(!store.give_firing_back(stale).await.unwrap());
    assert!(store.end_firing(taken.clone(), ended(FiringState::Done, after(103))).await.unwrap());
    assert!(!store.end_firing(taken, ended(FiringState::Failed, after(104))).await.unwrap(), "once");
    let firing = store.job_firings("job".to_owned(), None, 1).await.unwrap().remove(0);
    assert_eq!((firing.state, firing.ended_at), (FiringState::Done, Some(after(103))));
    let filter = Filter { kind: Some("job".to_owned()), ..Filter::default() };
    let records = store.audit_records(filter, None, 10).await.unwrap();
    assert_eq!(records.iter().map(|record| record.kind.as_str()).collect::<Vec<_>>(), ["job.crashed"]);
    assert!(records[0].details.contains("\"then\":\"begun again\""), "{}", records[0].details);
}

#[tokio::test]
async fn a_node_that_was_stopped_begins_and_ends_nothing() {
    let (world, node) = world().await;
    let firing = begin(&world, node, 0).await;
    world.store.stop_node(node, after(1)).await.unwrap();
    let acting = world.store.acting_as(node);
    let end = acting.end_firing(firing, ended(FiringState::Done, after(2))).await;
    assert!(matches!(end, Err(Error::Fenced(_))), "{end:?}");
    let next = acting.fire_job(fire(60), taker(node), after(60)).await;
    assert!(matches!(next, Err(Error::Fenced(_))), "{next:?}");
    assert_eq!(world.store.firings_to_take(after(2)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn failures_in_a_row_are_counted_from_the_last_one_on() {
    use FiringState::{Done, Failed, TimedOut};
    let (world, node) = world().await;
    let rows = [(Failed, 1, None), (Done, 0, Some(1)), (Failed, 1, Some(1)), (TimedOut, 2, Some(1))];
    for (number, (state, failures, done)) in (0..).zip(rows) {
        let firing = begin(&world, node, number * 60).await;
        world.store.end_firing(firing, ended(state, after(number * 60 + 1))).await.unwrap();
        let now = world.store.job("job".to_owned()).await.unwrap().unwrap();
        let done_at = done.map(|number: u64| after(number * 60 + 1));
        assert_eq!((now.failures, now.done_at), (failures, done_at), "{number}");
        assert_eq!(now.last.unwrap().state, state);
        assert_eq!(now.open, None);
    }
    assert!(world.store.job("none".to_owned()).await.unwrap().is_none());
    assert_eq!(world.store.jobs().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_has_ended_is_forgotten_by_its_age_and_its_number() {
    let (world, node) = world().await;
    let store = &world.store;
    for number in 0..5 {
        let firing = begin(&world, node, number * 60).await;
        store.end_firing(firing, ended(FiringState::Done, after(number * 60))).await.unwrap();
    }
    let ended = store.firings_ended_since(after(60), 3).await.unwrap();
    assert_eq!(ended.iter().map(|firing| firing.due_at).collect::<Vec<_>>(), [240, 180, 120].map(after));
    assert!(
        ended.iter().all(|firing| firing.data.is_none()),
        "a day's results are more than one needs in memory"
    );
    let open = begin(&world, node, 300).await;
    let left = async || {
        let all = store.job_firings("job".to_owned(), None, 10).await.unwrap();
        all.iter().map(|firing| firing.due_at).collect::<Vec<_>>()
    };
    store.prune_job_firings(after(60), 100).await.unwrap();
    assert_eq!(left().await, [300, 240, 180, 120, 60].map(after));
    store.prune_job_firings(NOW, 3).await.unwrap();
    assert_eq!(left().await, [300, 240, 180].map(after));
    // What has not ended stays.
    store.prune_job_firings(after(1_000), 0).await.unwrap();
    assert_eq!(left().await, [open.due_at]);
    assert!(store.firings_ended_since(NOW, 10).await.unwrap().is_empty());
}
