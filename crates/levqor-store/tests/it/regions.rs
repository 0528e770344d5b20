//! What nodes tell of themselves, what operators want of regions, and what edges are told.

use std::time::Duration;

use levqor_model::{NodeId, Residency, RunStatus, Timestamp};
use levqor_store::{
    nodes::NewNode,
    regions::{Act, Begun, NewAct, NodeLoad, NodeState, Seen},
    runs::Taker,
};

use crate::support::{NOW, World, region};

const MINUTE: Duration = Duration::from_secs(60);

async fn register(world: &World, code: &str, lease: Duration) -> (NodeId, i64) {
    let id = world.node_id();
    let new = NewNode { id, region: region(code), version: "1.0.0".to_owned(), lease, alone: false };
    (id, world.store.register_node(new, NOW).await.unwrap())
}

fn state(node: NodeId, url: &str) -> NodeState {
    NodeState {
        node,
        url: Some(url.to_owned()),
        key_id: "k".to_owned(),
        migration: 18,
        ready: true,
        reason: None,
        clock_ahead_us: None,
        load: None,
        age: Duration::ZERO,
    }
}

fn drain(code: &str) -> NewAct {
    NewAct {
        region: region(code),
        verb: "drain",
        target: None,
        actor: "ada".to_owned(),
        reason: Some("a new disk".to_owned()),
        phase: "handing_over",
        drains: true,
        fences: false,
    }
}

async fn begun(world: &World, new: NewAct, now: Timestamp) -> (Act, Vec<NodeId>) {
    match world.store.begin_act(new, now).await.unwrap() {
        Begun::Now(act, fenced) => (act, fenced),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nodes_tell_of_themselves_while_they_live() {
    let world = World::new();
    let store = &world.store;
    let (node, _) = register(&world, "eu-west", MINUTE).await;
    store.note_node_state(state(node, "http://a"), NOW).await.unwrap();
    let load = NodeLoad { jobs: 33, jobs_alive: 32, writes_waiting: 7, writes_capacity: 1_024 };
    let told = NodeState {
        ready: false,
        reason: Some("disk: full".to_owned()),
        load: Some(load),
        ..state(node, "http://b")
    };
    store.note_node_state(told.clone(), NOW + MINUTE / 6).await.unwrap();
    store.note_node_state(state(world.node_id(), "http://nobody"), NOW).await.unwrap();
    let found = store.node_states(NOW + MINUTE / 2).await.unwrap();
    assert_eq!(found, [NodeState { age: MINUTE / 3, ..told }]);
    store
        .note_latencies(node, vec![(region("us-east"), 80, 3), (region("ap-south"), 9, 1)], NOW)
        .await
        .unwrap();
    store.note_latencies(node, vec![(region("us-east"), 70, 4)], NOW).await.unwrap();
    let found = store.latencies(NOW + MINUTE).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].from_region.as_str(), found[0].to_region.as_str()), ("eu-west", "us-east"));
    assert_eq!((found[0].median_us, found[0].measured, found[0].age), (70, 4, MINUTE));

    assert_eq!(store.node_states(NOW + MINUTE).await, Ok(Vec::new()), "its lease is over");
    store.stop_node(node, NOW).await.unwrap();
    assert_eq!(store.latencies(NOW).await, Ok(Vec::new()));
    store.note_node_state(state(node, "http://late"), NOW).await.unwrap();
    assert_eq!(store.node_states(NOW).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_snapshot_gets_a_new_number_only_with_another_content() {
    let world = World::new();
    let store = &world.store;
    let compose = |seen: &Seen| format!("{} nodes, {} drains", seen.nodes.len(), seen.drains.len());
    let number = async |now| {
        let kept = store.number_snapshot(now, compose).await.unwrap();
        (kept.sequence, kept.content)
    };
    assert_eq!(number(NOW).await, (1, "0 nodes, 0 drains".to_owned()));
    assert_eq!(number(NOW).await.0, 1);
    register(&world, "eu-west", MINUTE).await;
    assert_eq!(number(NOW).await, (2, "1 nodes, 0 drains".to_owned()));
    begun(&world, drain("us-east"), NOW).await;
    assert_eq!(number(NOW).await, (3, "1 nodes, 1 drains".to_owned()));
    // What was before is another number when it comes again.
    assert_eq!(number(NOW + MINUTE * 2).await, (4, "0 nodes, 1 drains".to_owned()));
}

#[tokio::test]
async fn a_region_has_one_act_at_a_time() {
    let world = World::new();
    let store = &world.store;
    register(&world, "eu-west", MINUTE * 60).await;
    let (first, _) = begun(&world, drain("us-east"), NOW).await;
    assert_eq!((first.phase.as_str(), first.ended_at, first.report.as_str()), ("handing_over", None, "{}"));
    assert_eq!(store.begin_act(drain("us-east"), NOW).await, Ok(Begun::Busy(first.clone())));
    let (other, _) = begun(&world, drain("ap-south"), NOW).await;
    assert_eq!(store.open_acts().await, Ok(vec![first.clone(), other]));
    let drains = store.drains().await.unwrap();
    assert_eq!(drains.iter().map(|drain| drain.region.as_str()).collect::<Vec<_>>(), ["ap-south", "us-east"]);
    assert_eq!(drains[1].reason.as_deref(), Some("a new disk"));

    let advance = |from: &str| {
        store.advance_act(first.seq, from.to_owned(), "verifying", "{\"a\":1}".to_owned(), NOW + MINUTE)
    };
    assert_eq!(advance("handing_over").await, Ok(true));
    assert_eq!(advance("handing_over").await, Ok(false), "another node was first");
    let drilled = vec![(region("eu-west"), 7)];
    let end = |from: &str| {
        store.end_act(first.seq, from.to_owned(), "done", "{}".to_owned(), drilled.clone(), NOW + MINUTE * 2)
    };
    assert_eq!(end("handing_over").await, Ok(false));
    assert_eq!(end("verifying").await, Ok(true));
    assert_eq!(end("verifying").await, Ok(false));
    let drills = store.last_drills(NOW + MINUTE * 5).await.unwrap();
    assert_eq!(drills, [(region("eu-west"), MINUTE * 3)]);
    assert_eq!(store.drains().await.unwrap().len(), 2, "the end of the act is not the end of the wish");

    let back = NewAct { verb: "activate", drains: false, ..drain("us-east") };
    begun(&world, back, NOW + MINUTE * 3).await;
    assert_eq!(store.drains().await.unwrap().len(), 1);
    let verbs: Vec<_> =
        store.acts_of(region("us-east"), 10).await.unwrap().into_iter().map(|act| act.verb).collect();
    assert_eq!(verbs, ["activate", "drain"]);
    store.prune_acts(NOW + MINUTE * 60).await.unwrap();
    assert_eq!(store.acts_of(region("us-east"), 10).await.unwrap().len(), 1, "one is open");
    assert_eq!(store.last_drills(NOW).await, Ok(Vec::new()));
}

#[tokio::test]
async fn an_activation_or_a_failover_ends_what_is_under_way() {
    let world = World::new();
    let store = &world.store;
    register(&world, "eu-west", MINUTE * 60).await;
    begun(&world, drain("us-east"), NOW).await;
    let activate = || NewAct { verb: "activate", drains: false, ..drain("us-east") };
    let failover =
        || NewAct { verb: "failover", target: Some(region("eu-west")), fences: true, ..drain("us-east") };
    begun(&world, failover(), NOW).await;
    assert!(
        matches!(store.begin_act(failover(), NOW).await, Ok(Begun::Busy(open)) if open.verb == "failover")
    );
    begun(&world, activate(), NOW + MINUTE).await;
    assert_eq!(store.drains().await, Ok(Vec::new()));
    assert!(
        matches!(store.begin_act(drain("us-east"), NOW).await, Ok(Begun::Busy(open)) if open.verb == "activate")
    );
    let acts = store.acts_of(region("us-east"), 10).await.unwrap();
    let ends: Vec<_> =
        acts.iter().map(|act| (act.verb.as_str(), act.outcome.as_deref(), act.report.as_str())).collect();
    assert_eq!(
        ends,
        [
            ("activate", None, "{}"),
            ("failover", Some("failed"), r#"{"failure":"superseded by an activation"}"#),
            ("drain", Some("failed"), r#"{"failure":"superseded by a failover"}"#),
        ]
    );
    assert_eq!(acts[1].ended_at, Some(NOW + MINUTE));
}

#[tokio::test]
async fn the_last_open_region_is_not_drained() {
    let world = World::new();
    let store = &world.store;
    assert_eq!(store.begin_act(drain("us-east"), NOW).await, Ok(Begun::NoHost), "nobody lives");
    register(&world, "us-east", MINUTE * 60).await;
    assert_eq!(store.begin_act(drain("us-east"), NOW).await, Ok(Begun::NoHost), "nobody else");
    register(&world, "eu-west", MINUTE * 30).await;
    begun(&world, drain("us-east"), NOW).await;
    assert_eq!(store.begin_act(drain("eu-west"), NOW).await, Ok(Begun::NoHost), "the other is drained");
    let over = |to| NewAct { verb: "failover", target: Some(region(to)), fences: true, ..drain("eu-west") };
    assert_eq!(store.begin_act(over("us-east"), NOW).await, Ok(Begun::NoHost), "as a target, too");
    register(&world, "ap-south", MINUTE * 60).await;
    assert_eq!(store.begin_act(over("us-east"), NOW).await, Ok(Begun::NoHost), "the target is what counts");
    assert_eq!(store.drains().await.unwrap().len(), 1, "a refusal changes nothing");
    begun(&world, over("ap-south"), NOW).await;
}

#[tokio::test]
async fn nodes_of_a_region_can_be_fenced_before_their_leases_are_over() {
    let world = World::new();
    let store = &world.store;
    let (us, epoch) = register(&world, "us-east", MINUTE * 60).await;
    let (eu, _) = register(&world, "eu-west", MINUTE * 60).await;
    let over = NewAct { verb: "failover", target: Some(region("eu-west")), fences: true, ..drain("us-east") };
    let (act, fenced) = begun(&world, over, NOW).await;
    assert_eq!((act.target, fenced), (Some(region("eu-west")), vec![us]));
    assert_eq!(store.renew_node(us, epoch, NOW, MINUTE).await, Ok(false));
    assert!(store.acting_as(us).agree("x", "y".to_owned()).await.is_err());
    let live = store.nodes(Some(NOW)).await.unwrap();
    assert_eq!(live.iter().map(|node| node.id).collect::<Vec<_>>(), [eu]);
    let gone = store.nodes(None).await.unwrap().into_iter().find(|node| node.id == us).unwrap();
    assert_eq!(gone.stop_reason.as_deref(), Some("failed over"));
}

#[tokio::test]
async fn a_drained_node_gives_what_rests_and_then_the_rest() {
    let world = World::new();
    let store = &world.store;
    let (us, _) = register(&world, "us-east", MINUTE * 60).await;
    let (eu, epoch) = register(&world, "eu-west", MINUTE * 60).await;
    let (account, workflow) = (world.account_id(), world.workflow_id(NOW));
    let mut ids = Vec::new();
    for (number, status) in [RunStatus::Waiting, RunStatus::Running, RunStatus::Suspended, RunStatus::Pending]
        .into_iter()
        .enumerate()
    {
        let mut new = world.run(account, workflow, NOW + Duration::from_secs(number as u64));
        (new.run.owner, new.run.status) = (Some(us), status);
        if number == 3 {
            new.run.residency = Residency::Regions(vec![region("us-east")]);
        }
        ids.push(new.run.id);
        store.accept_run(new).await.unwrap();
    }
    assert_eq!(store.drained_runs().await, Ok(Vec::new()));
    let (act, _) = begun(&world, drain("us-east"), NOW).await;
    let groups = store.drained_runs().await.unwrap();
    assert_eq!(groups.iter().map(|group| group.runs).collect::<Vec<_>>(), [3, 1]);
    let left = store.left_in(region("us-east")).await.unwrap();
    assert_eq!(
        left.iter().map(|left| (left.stopped, left.runs)).collect::<Vec<_>>(),
        [(false, 3), (false, 1)]
    );

    let taker = Taker { node: eu, epoch, region: region("eu-west") };
    let anywhere = groups.iter().find(|group| group.residency == Residency::Anywhere).unwrap();
    let take = |running| store.take_drained(anywhere.clone(), running, taker.clone(), None, 10, NOW + MINUTE);
    // A suspended one may have calls in flight, as a running one: neither rests.
    assert_eq!(take(false).await, Ok((1, Some(ids[0]))));
    let owner = async |id| store.run(None, id).await.unwrap().unwrap().owner;
    assert_eq!((owner(ids[0]).await, owner(ids[1]).await), (Some(eu), Some(us)));
    assert_eq!(owner(ids[2]).await, Some(us));
    assert_eq!(take(true).await, Ok((2, Some(ids[2]))));
    let moved = store.moved_from(region("us-east"), act.began_at).await.unwrap();
    assert_eq!(
        moved.iter().map(|moved| (moved.region.as_str(), moved.runs)).collect::<Vec<_>>(),
        [("eu-west", 3)]
    );
    assert_eq!(moved[0].last_at, NOW + MINUTE);

    // Once it is over, nothing is taken from whoever lives.
    let back = NewAct { verb: "activate", drains: false, ..drain("us-east") };
    store.end_act(act.seq, act.phase, "done", act.report, Vec::new(), NOW).await.unwrap();
    begun(&world, back, NOW).await;
    let pinned = groups.iter().find(|group| group.runs == 1).unwrap();
    assert_eq!(store.take_drained(pinned.clone(), true, taker, None, 10, NOW).await, Ok((0, None)));
}

#[tokio::test]
async fn a_shared_database_has_a_clock_and_standbys() {
    let world = World::new();
    // SQLite has neither; the PostgreSQL of the tests has no standby, and leaves the time to its callers.
    assert_eq!(world.store.clock_ahead(&levqor_model::SystemClock).await, Ok(None));
    assert_eq!(world.store.standbys().await, Ok(Vec::new()));
}
