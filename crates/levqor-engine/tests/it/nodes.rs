//! Several nodes on one store: whose runs are whose, what goes on where when a node is gone, what nodes do for each other.

use levqor_engine::{Engine, Error, RunUpdate, StartRun};
use levqor_flow::event::CloudEvent;
use levqor_model::{Clock, NodeId, Residency, RunId, RunStatus};
use levqor_store::{
    approvals::Decided,
    regions::{Begun, NewAct},
};
use levqor_testkit::{wait_for, wait_until};
use serde_json::json;

use crate::world::{LEASE, World, seconds};

const PAUSE: &str = "do: [{ a: { wait: { seconds: 30 } } }, { b: { call: http, with: { method: get, endpoint: 'STUB/b' } } }]";

async fn owner(world: &World, run: RunId) -> Option<NodeId> {
    world.store.run(None, run).await.unwrap().unwrap().owner
}

/// Until the run is the engine's.
async fn owned(world: &World, run: RunId, engine: &Engine) {
    wait_for("the run to have the owner", || async {
        (owner(world, run).await == Some(engine.node())).then_some(())
    })
    .await;
}

async fn pinned(world: &World, workflow: levqor_model::WorkflowId, region: &str) -> StartRun {
    StartRun {
        residency: Some(Residency::Regions(vec![region.parse().unwrap()])),
        ..world.request(workflow, json!({}))
    }
}

#[tokio::test]
async fn each_node_drives_its_own_runs() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let (first, second) =
        (world.start(&eu, workflow, json!({})).await, world.start(&us, workflow, json!({})).await);
    world.status(first, RunStatus::Waiting).await;
    world.status(second, RunStatus::Waiting).await;
    world.advance(&eu, seconds(30));
    us.clock_moved();
    // Each waits for the other's run, too.
    for (engine, run, region) in [(&us, first, "eu-west"), (&eu, second, "us-east")] {
        let detail = world.ended(engine, run).await;
        assert_eq!(detail.run.status, RunStatus::Completed);
        assert_eq!((detail.run.region.as_str(), detail.run.home_region.as_str()), (region, region));
    }
    assert_eq!(world.stub.count(), 2, "each called once");
    assert_eq!(world.store.takeovers(10).await.unwrap(), []);
}

#[tokio::test]
async fn a_node_says_how_long_its_lease_is() {
    let world = World::new().await;
    let engine = world.node("eu-west").await;
    assert_eq!(engine.lease(), LEASE);
    let nodes = world.store.nodes(None).await.unwrap();
    let own = nodes.iter().find(|node| node.id == engine.node()).unwrap();
    assert_eq!(own.lease, Some(LEASE));
}

#[tokio::test]
async fn the_runs_of_a_node_that_is_gone_go_on_elsewhere() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let waiting = world.start(&us, workflow, json!({})).await;
    let suspended = world.start(&us, workflow, json!({})).await;
    world.status(waiting, RunStatus::Waiting).await;
    us.suspend(world.account, suspended, "ada").await.unwrap();
    let gone = us.node();
    us.halt().await;
    assert_eq!(owner(&world, waiting).await, Some(gone), "its lease is not over");

    world.advance(&eu, LEASE + seconds(1));
    let detail = world.ended(&eu, waiting).await;
    assert_eq!(detail.run.status, RunStatus::Completed);
    assert_eq!((detail.run.region.as_str(), detail.run.home_region.as_str()), ("eu-west", "us-east"));
    owned(&world, suspended, &eu).await;
    let takeovers = world.store.takeovers(10).await.unwrap();
    assert_eq!(takeovers.iter().map(|takeover| takeover.runs).sum::<i64>(), 2, "{takeovers:?}");
    assert!(takeovers.iter().all(|takeover| (takeover.node, takeover.from_node) == (eu.node(), gone)));
    wait_for("the node to be empty", || async {
        world.store.left_runs().await.unwrap().is_empty().then_some(())
    })
    .await;

    eu.resume(world.account, suspended).await.unwrap();
    world.advance(&eu, seconds(60));
    assert_eq!(world.ended(&eu, suspended).await.run.status, RunStatus::Completed);
}

#[tokio::test]
async fn a_node_that_was_stopped_writes_nothing_more() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let run = world.start(&us, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    world.store.stop_node(us.node(), world.now()).await.unwrap();
    let late = world.store.acting_as(us.node());
    assert_eq!(
        late.nudge(run, "\"look\"".to_owned(), world.now()).await,
        Err(levqor_store::Error::Fenced(us.node()))
    );
    owned(&world, run, &eu).await;
    us.stopped().await;
    assert!(us.failure().unwrap().contains("lost its lease"));
    assert!(matches!(world.try_start(&us, workflow, json!({})).await, Err(Error::Draining)));
    world.advance(&eu, seconds(30));
    assert_eq!(world.ended(&eu, run).await.run.status, RunStatus::Completed);
}

#[tokio::test]
async fn what_is_wanted_of_a_run_reaches_the_node_that_has_it() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let run = world.start(&us, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    let suspended = eu.suspend(world.account, run, "ada").await.unwrap();
    assert_eq!(suspended.run.status, RunStatus::Suspended);
    assert_eq!(eu.resume(world.account, run).await.unwrap().run.status, RunStatus::Waiting);
    assert_eq!(eu.cancel(world.account, run).await.unwrap().run.status, RunStatus::Cancelled);
    assert_eq!(owner(&world, run).await, Some(us.node()), "its owner did it");
}

#[tokio::test]
async fn events_and_answers_reach_runs_of_other_nodes() {
    let world = World::new().await;
    let listens = world
        .save("listens", "1.0.0", "do: [{ a: { listen: { to: { one: { with: { type: order.paid } } } } } }]")
        .await;
    let asks = world
        .save_with("asks", "1.0.0", "{ approval: { title: Go on? } }", "do: [{ a: { set: { ok: true } } }]")
        .await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let listening = world.start(&us, listens, json!({})).await;
    let asking = world.start(&us, asks, json!({})).await;
    world.status(listening, RunStatus::Waiting).await;
    world.status(asking, RunStatus::Waiting).await;

    let event = json!({ "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid" });
    assert_eq!(eu.publish(world.account, vec![CloudEvent::parse(event).unwrap()]).await.unwrap(), 1);
    assert_eq!(world.ended(&eu, listening).await.run.status, RunStatus::Completed);

    let open = world.store.approvals_of(world.account, true, None, 10).await.unwrap();
    let decided = eu.decide(world.account, open[0].id, true, "ada".to_owned(), None).await.unwrap();
    assert!(matches!(decided, Decided::Now(_)));
    assert_eq!(world.ended(&eu, asking).await.run.status, RunStatus::Completed);
    assert_eq!(owner(&world, asking).await, Some(us.node()));
}

#[tokio::test]
async fn a_run_stays_where_it_must_be() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let eu = world.node("eu-west").await;
    // Nobody lives there yet.
    let run = eu.start_run(pinned(&world, workflow, "us-east").await).await.unwrap().run.id;
    let row = world.store.run(None, run).await.unwrap().unwrap();
    assert_eq!((row.status, row.owner, row.home_region.as_str()), (RunStatus::Pending, None, "us-east"));

    let us = world.node("us-east").await;
    world.status(run, RunStatus::Waiting).await;
    assert_eq!(owner(&world, run).await, Some(us.node()));
    // Now somebody does, and is asked by way of the queue.
    let second = eu.start_run(pinned(&world, workflow, "us-east").await).await.unwrap().run.id;
    world.status(second, RunStatus::Waiting).await;
    assert_eq!(owner(&world, second).await, Some(us.node()));

    let gone = us.node();
    us.halt().await;
    world.advance(&eu, LEASE + seconds(1));
    wait_for("the node to be condemned", || async {
        let nodes = world.store.nodes(None).await.unwrap();
        nodes.iter().find(|node| node.id == gone)?.stopped_at.map(drop)
    })
    .await;
    let left = world.store.left_runs().await.unwrap();
    assert_eq!(left.iter().map(|left| left.runs).sum::<i64>(), 2, "they wait rather than leave");
    let why = eu.waiting_for(world.account, run).await.unwrap().unwrap();
    assert!(why.contains("stopped or lost its lease"), "{why}");

    let back = world.node("us-east").await;
    for run in [run, second] {
        let detail = world.ended(&eu, run).await;
        assert_eq!((detail.run.status, detail.run.region.as_str()), (RunStatus::Completed, "us-east"));
    }
    assert_eq!(owner(&world, run).await, Some(back.node()));
}

#[tokio::test]
async fn runs_go_home_when_their_region_is_back() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE.replace("30", "3000").as_str()).await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let run = world.start(&us, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    us.drain(seconds(5)).await;
    owned(&world, run, &eu).await;

    let back = world.node("us-east").await;
    world.advance(&eu, seconds(31));
    owned(&world, run, &back).await;
    world.clock.advance(seconds(3_000));
    eu.clock_moved();
    back.clock_moved();
    let detail = world.ended(&eu, run).await;
    assert_eq!((detail.run.status, detail.run.region.as_str()), (RunStatus::Completed, "us-east"));
    assert_eq!(world.stub.count(), 1);
}

#[tokio::test]
async fn a_parent_hears_of_a_sub_run_on_another_node() {
    let world = World::new().await;
    // Shorter than it takes a run to go home.
    world.save("child", "1.0.0", PAUSE.replace("30", "20").as_str()).await;
    let parent = world
        .save(
            "parent",
            "1.0.0",
            "do: [{ a: { run: { workflow: { namespace: test, name: child, version: '1.0.0' } } } }]",
        )
        .await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let run = world.start(&us, parent, json!({})).await;
    let child = wait_for("the sub-run", || async {
        world.store.children_of(run, None, 1).await.unwrap().into_iter().next().map(|child| child.id)
    })
    .await;
    world.status(child, RunStatus::Waiting).await;
    // As a takeover by two nodes may part them.
    let given = world
        .store
        .hand_back(
            us.node(),
            "us-east".parse().unwrap(),
            eu.node(),
            vec![run],
            10,
            "\"look\"".to_owned(),
            world.now(),
        )
        .await
        .unwrap();
    assert_eq!(given, 1);
    owned(&world, child, &eu).await;
    world.clock.advance(seconds(20));
    eu.clock_moved();
    us.clock_moved();
    let detail = world.ended(&us, run).await;
    assert_eq!(detail.run.status, RunStatus::Completed, "{:?}", detail.error);
    assert_eq!(owner(&world, child).await, Some(eu.node()));
    assert_eq!(world.stub.count(), 1);
}

#[tokio::test]
async fn a_schedule_fires_once_for_all_nodes() {
    let world = World::new().await;
    let workflow = world
        .save("tick", "1.0.0", "schedule: { every: { minutes: 1 } }\ndo: [{ a: { call: http, with: { method: get, endpoint: 'STUB/tick' } } }]")
        .await;
    let nodes = [world.node("eu-west").await, world.node("us-east").await, world.node("ap-south").await];
    for minute in 1..=5_u64 {
        // Each due time is a node's to see, and all do at once.
        world.clock.advance(seconds(60));
        for node in &nodes {
            node.clock_moved();
        }
        wait_until("the firing", || world.stub.count() as u64 >= minute).await;
    }
    assert_eq!(world.stub.count(), 5);
    let state = world.store.schedule_state(workflow).await.unwrap().unwrap();
    assert_eq!(state.fired, 5);
    assert!(world.clock.now() > world.store.nodes(None).await.unwrap()[0].started_at);
}

#[tokio::test]
async fn a_run_of_another_node_can_be_watched() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let run = world.start(&us, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    let mut updates = eu.watch(world.account, run).await.unwrap();
    world.clock.advance(seconds(30));
    us.clock_moved();
    let (mut ended, mut last) = (Vec::new(), None);
    // The channel closes with the run's end.
    while let Ok(update) = updates.recv().await {
        match update {
            RunUpdate::Task(task) if task.ended_at.is_some() => ended.push(task.name.clone()),
            RunUpdate::Task(_) => {}
            RunUpdate::Run { status, .. } => last = Some(status),
        }
    }
    assert_eq!(ended, ["a", "b"]);
    assert_eq!(last, Some(RunStatus::Completed));
}

/// An operator begins, or ends, to want the region empty.
async fn drain(world: &World, region: &str, drains: bool) {
    let new = NewAct {
        region: region.parse().unwrap(),
        verb: if drains { "drain" } else { "activate" },
        target: None,
        actor: "ada".to_owned(),
        reason: None,
        phase: "test",
        drains,
        fences: false,
    };
    let Begun::Now(act, _) = world.store.begin_act(new, world.now()).await.unwrap() else { panic!("busy") };
    assert!(
        world.store.end_act(act.seq, act.phase, "done", act.report, Vec::new(), world.now()).await.unwrap()
    );
}

#[tokio::test]
async fn a_drained_region_gives_what_it_has_and_begins_nothing_until_it_is_activated() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let waiting = world.start(&us, workflow, json!({})).await;
    let stays = us.start_run(pinned(&world, workflow, "us-east").await).await.unwrap().run.id;
    world.status(waiting, RunStatus::Waiting).await;
    world.status(stays, RunStatus::Waiting).await;
    drain(&world, "us-east", true).await;
    wait_until("the node to know", || us.is_drained()).await;
    assert!(!eu.is_drained());
    owned(&world, waiting, &eu).await;
    assert_eq!(owner(&world, stays).await, Some(us.node()), "it may be nowhere else");

    // What is asked of the drained node begins elsewhere, or waits.
    let elsewhere = world.start(&us, workflow, json!({})).await;
    world.status(elsewhere, RunStatus::Waiting).await;
    owned(&world, elsewhere, &eu).await;
    let waits = us.start_run(pinned(&world, workflow, "us-east").await).await.unwrap().run.id;
    let waits_too = eu.start_run(pinned(&world, workflow, "us-east").await).await.unwrap().run.id;
    // What is pinned goes on, and nothing goes home meanwhile.
    world.advance(&eu, seconds(31));
    us.clock_moved();
    for (run, region) in [(waiting, "eu-west"), (elsewhere, "eu-west"), (stays, "us-east")] {
        let detail = world.ended(&eu, run).await;
        assert_eq!((detail.run.status, detail.run.region.as_str()), (RunStatus::Completed, region));
    }
    for run in [waits, waits_too] {
        let row = world.store.run(None, run).await.unwrap().unwrap();
        assert_eq!((row.status, row.home_region.as_str()), (RunStatus::Pending, "us-east"));
    }
    let takeovers = world.store.takeovers(10).await.unwrap();
    assert_eq!(takeovers.iter().map(|takeover| takeover.runs).sum::<i64>(), 1, "{takeovers:?}");

    drain(&world, "us-east", false).await;
    wait_until("the node to know", || !us.is_drained()).await;
    for run in [waits, waits_too] {
        world.status(run, RunStatus::Waiting).await;
        assert_eq!(owner(&world, run).await, Some(us.node()));
    }
    assert_eq!(world.stub.count(), 3, "no call was made twice");
}

#[tokio::test]
async fn what_a_drained_region_accepts_for_nobody_goes_where_a_region_opens() {
    let world = World::new().await;
    let workflow = world.save("pause", "1.0.0", PAUSE).await;
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    drain(&world, "us-east", true).await;
    wait_until("the node to know", || us.is_drained()).await;
    eu.drain(seconds(5)).await;
    let run = world.start(&us, workflow, json!({})).await;
    let row = world.store.run(None, run).await.unwrap().unwrap();
    assert_eq!((row.status, row.owner), (RunStatus::Pending, Some(us.node())), "nobody else lives");
    assert_eq!(world.store.left_in("us-east".parse().unwrap()).await.unwrap().len(), 1, "it is counted");
    let back = world.node("eu-west").await;
    owned(&world, run, &back).await;
    world.status(run, RunStatus::Waiting).await;
}

#[tokio::test]
async fn a_call_in_flight_has_its_time_before_its_run_is_taken() {
    let world = World::new().await;
    let workflow = world
        .save("slow", "1.0.0", "do: [{ a: { call: http, with: { method: post, endpoint: 'STUB/slow' } } }]")
        .await;
    world.stub.route(
        levqor_testkit::Route::new("/slow")
            .reply(levqor_testkit::Reply::json(&json!({ "ok": true })).after(seconds(600)))
            .reply(levqor_testkit::Reply::json(&json!({ "ok": true }))),
    );
    let (eu, us) = (world.node("eu-west").await, world.node("us-east").await);
    let run = world.start(&us, workflow, json!({})).await;
    wait_until("the call", || world.stub.count() == 1).await;
    drain(&world, "us-east", true).await;
    wait_until("the nodes to know", || us.is_drained()).await;
    assert_eq!(owner(&world, run).await, Some(us.node()), "its call is in flight");
    world.advance(&eu, seconds(11));
    let detail = world.ended(&eu, run).await;
    assert_eq!((detail.run.status, detail.run.region.as_str()), (RunStatus::Completed, "eu-west"));
    let keys: std::collections::BTreeSet<_> = world
        .stub
        .requests()
        .iter()
        .map(|request| request.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!((world.stub.count(), keys.len()), (2, 1), "made again with the same key: {keys:?}");
}
