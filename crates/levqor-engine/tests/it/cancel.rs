//! Cancelling: in every state that a run can be in.

use std::time::Duration;

use levqor_engine::{
    Error,
    fault::{Faults, Refusal},
};
use levqor_model::{RunId, RunStatus, SeededRandom, TaskStatus};
use levqor_testkit::{Reply, Route, wait_until};
use serde_json::json;

use crate::world::{World, seconds};

#[tokio::test]
async fn a_run_is_cancelled_wherever_it_is() {
    // Tasks, and what to wait for before cancelling.
    enum Until {
        Called,
        Waiting,
        Gone,
        Nothing,
    }
    let rows = [
        ("in a call", "[{ a: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]", Until::Called),
        ("in a near wait", "[{ a: { wait: { seconds: 2 } } }]", Until::Waiting),
        ("in a far wait", "[{ a: { wait: { hours: 2 } } }]", Until::Gone),
        (
            "before a retry",
            "[{ a: { try: [{ b: { call: http, with: { method: get, endpoint: 'STUB/503' } } }],
                      catch: { retry: { delay: { hours: 1 } } } } }]",
            Until::Gone,
        ),
        (
            "in pure work",
            "[{ a: { for: { each: n, in: '${ [range(50000)] }' }, do: [{ b: { set: { n: '${ $n }' } } }] } }]",
            Until::Nothing,
        ),
    ];
    let world = World::new().await;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    world.stub.route(Route::new("/503").reply(Reply::status(503)));
    let engine = world.engine().await;
    for (number, (what, tasks, until)) in rows.into_iter().enumerate() {
        let workflow = world.save(&format!("case-{number}"), "1.0.0", &format!("do: {tasks}")).await;
        let calls = world.stub.count();
        let run = world.start(&engine, workflow, json!({})).await;
        match until {
            Until::Called => wait_until("a call", || world.stub.count() > calls).await,
            Until::Waiting => world.status(run, RunStatus::Waiting).await,
            Until::Gone => wait_until("the run to leave memory", || engine.load().active_runs == 0).await,
            Until::Nothing => {}
        }
        let detail =
            engine.cancel(world.account, run).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(detail.run.status, RunStatus::Cancelled, "{what}");
        assert!(detail.run.ended_at.is_some() && detail.output.is_none(), "{what}");
        assert!(
            engine
                .tasks(world.account, run, None, 3)
                .await
                .unwrap()
                .iter()
                .all(|task| task.status != TaskStatus::Running),
            "{what}"
        );
        wait_until("the call to be dropped", || engine.load().effects_in_flight == 0).await;
        assert!(
            matches!(
                engine.cancel(world.account, run).await,
                Err(Error::RunEnded { status: RunStatus::Cancelled, .. })
            ),
            "{what}"
        );
    }
    assert_eq!(world.store.timers_count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_cancelled_run_stays_cancelled_after_a_crash() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("pause", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }]").await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    engine.cancel(world.account, run).await.unwrap();
    engine.halt().await;
    let engine = world.engine().await;
    world.advance(&engine, seconds(7200));
    assert_eq!(engine.run(world.account, run).await.unwrap().run.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn a_pending_run_is_cancelled_although_no_place_is_free() {
    let mut world = World::new().await;
    world.limits.active_runs = 1;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    let engine = world.engine().await;
    let workflow = world
        .save("hang", "1.0.0", "do: [{ a: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]")
        .await;
    let first = world.start(&engine, workflow, json!({})).await;
    wait_until("the first call", || world.stub.count() == 1).await;
    let second = world.start(&engine, workflow, json!({})).await;
    assert_eq!(engine.run(world.account, second).await.unwrap().run.status, RunStatus::Pending);
    assert_eq!(
        engine.waiting_for(world.account, second).await.unwrap().as_deref(),
        Some("waits for a free place on a node")
    );
    assert_eq!(engine.cancel(world.account, second).await.unwrap().run.status, RunStatus::Cancelled);
    assert_eq!(world.stub.count(), 1, "it never began");
    engine.cancel(world.account, first).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_cancelled_says_why() {
    let world = World::new().await;
    let engine = world.engine().await;
    let unknown = RunId::new(world.now(), &SeededRandom::new(1));
    assert!(
        matches!(engine.cancel(world.account, unknown).await, Err(Error::RunNotFound(id)) if id == unknown)
    );
    let workflow = world.save("done", "1.0.0", "do: [{ a: { set: { x: 1 } } }]").await;
    let run = world.play(&engine, workflow, json!({})).await.run.id;
    assert!(matches!(
        engine.cancel(world.account, run).await,
        Err(Error::RunEnded { status: RunStatus::Completed, .. })
    ));
    let stranger = levqor_model::AccountId::new(world.now() + Duration::from_secs(1), &*world.random);
    assert!(matches!(engine.cancel(stranger, run).await, Err(Error::RunNotFound(_))));
    assert!(matches!(engine.tasks(stranger, run, None, 1).await, Err(Error::RunNotFound(_))));
}

#[tokio::test]
async fn who_cancels_is_told_at_once_that_the_store_refuses() {
    let world = World::new().await;
    // The beginning is written; later, as on a full disk, nothing more.
    let plan = (50..10_000).map(|nth| (nth, Refusal::Undone)).collect();
    let engine = world.engine_with(Faults::default().refusing(plan)).await;
    world.stub.route(Route::new("/hang").reply(Reply::hang()));
    let workflow = world
        .save("hang", "1.0.0", "do: [{ a: { call: http, with: { method: get, endpoint: 'STUB/hang' } } }]")
        .await;
    let run = world.start(&engine, workflow, json!({})).await;
    wait_until("the call", || world.stub.count() == 1).await;
    while engine.tasks(world.account, run, None, 1).await.is_ok() {}
    let asked = std::time::Instant::now();
    let refused = engine.cancel(world.account, run).await;
    assert!(matches!(refused, Err(Error::Store(levqor_store::Error::Unavailable(_)))), "{refused:?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    engine.halt().await;
}
