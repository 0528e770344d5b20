//! The engine is stopped dead at every point of its protocol, and nothing that was acknowledged is lost or done twice.

use std::collections::BTreeMap;

use levqor_engine::fault::{Faults, Point};
use levqor_model::RunStatus;
use levqor_testkit::wait_for;
use serde_json::{Value, json};

use crate::world::{World, seconds};

/// Two calls, a wait, a sub-run with a call of its own, a fork with two calls.
const PARENT: &str = "do:
  - first: { call: http, with: { method: post, endpoint: 'STUB/first' } }
  - pause: { wait: { seconds: 30 } }
  - below: { run: { workflow: { namespace: test, name: below, version: latest } } }
  - both:
      fork:
        branches:
          - left: { call: http, with: { method: post, endpoint: 'STUB/left' } }
          - right: { call: http, with: { method: post, endpoint: 'STUB/right' } }
  - done: { set: { result: '${ length }' } }";
const BELOW: &str = "do: [{ inner: { call: http, with: { method: post, endpoint: 'STUB/inner' } } }]";

/// Lets time pass until the engine stops or everything has ended.
async fn until_quiet(world: &World, engine: &levqor_engine::Engine) {
    wait_for("the crash or the end", || async {
        world.advance(engine, seconds(10));
        let counts = world.store.run_counts(None).await.unwrap();
        let ended = counts.completed >= 2 && counts.pending + counts.running + counts.waiting == 0;
        (ended || engine.is_stopped()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_crash_at_any_point_loses_nothing() {
    let mut crashes = BTreeMap::new();
    for point in Point::ALL {
        for nth in 1..=8 {
            let world = World::new().await;
            world.save("below", "1.0.0", BELOW).await;
            let workflow = world.save("above", "1.0.0", PARENT).await;
            let engine = world.engine_with(Faults::at(*point, nth)).await;
            let started = world.try_start(&engine, workflow, json!({})).await;
            let acknowledged = started.as_ref().ok().map(|detail| detail.run.id);
            until_quiet(&world, &engine).await;
            let crashed = engine.is_stopped();
            engine.halt().await;
            if crashed {
                *crashes.entry(format!("{point:?}")).or_insert(0) += 1;
            }

            let engine = world.engine().await;
            let context = format!("{point:?} {nth}");
            let runs = world.store.runs_of(None, Default::default(), None, 10).await.unwrap();
            let Some(parent) = runs.iter().find(|run| run.parent.is_none()) else {
                assert_eq!(
                    (*point, nth, acknowledged),
                    (Point::BeforeAccept, 1, None),
                    "{context}: a run was lost"
                );
                continue;
            };
            assert!(acknowledged.is_none_or(|id| id == parent.id), "{context}");
            until_quiet(&world, &engine).await;
            let detail = world.ended(&engine, parent.id).await;
            assert_eq!(detail.run.status, RunStatus::Completed, "{context}: {:?}", detail.error);
            assert_eq!(detail.output, Some(json!({ "result": 2 })), "{context}");
            let counts = world.store.run_counts(None).await.unwrap();
            assert_eq!((counts.completed, counts.faulted, counts.cancelled), (2, 0, 0), "{context}");
            assert_eq!(world.store.timers_count().await.unwrap(), 0, "{context}");

            // Each call was made under one key; only the one that the crash interrupted was made twice.
            let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for request in world.stub.requests() {
                paths
                    .entry(request.path.clone())
                    .or_default()
                    .push(request.idempotency_key().unwrap().to_owned());
            }
            assert_eq!(
                paths.keys().collect::<Vec<_>>(),
                ["/first", "/inner", "/left", "/right"],
                "{context}"
            );
            let mut repeated = 0;
            for (path, keys) in &paths {
                assert!(keys.iter().all(|key| *key == keys[0]), "{context}: {path} {keys:?}");
                repeated += keys.len() - 1;
            }
            assert!(repeated <= 2, "{context}: {paths:?}");
            if !crashed {
                assert_eq!(repeated, 0, "{context}");
            }
            // Every record is there once.
            let tasks = engine.tasks(world.account, parent.id, None, 100).await.unwrap();
            let names: Vec<_> = tasks.iter().map(|task| task.name.as_str()).collect();
            assert_eq!(names, ["first", "pause", "below", "both", "left", "right", "done"], "{context}");
            assert!(tasks.iter().all(|task| task.ended_at.is_some()), "{context}");
        }
    }
    // The plan struck at every point; a point that is never reached would prove nothing.
    assert_eq!(crashes.len(), Point::ALL.len(), "{crashes:?}");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let world = World::new().await;
    let workflow = world.save("one", "1.0.0", "do: [{ a: { set: { n: '${ .n }' } } }]").await;
    let engine = world.engine().await;
    let mut starts = tokio::task::JoinSet::new();
    for number in 0..200 {
        let (engine, request) = (engine.clone(), world.request(workflow, json!({ "n": number })));
        starts.spawn(async move { engine.start_run(request).await });
    }
    let mut acknowledged = Vec::new();
    while let Some(started) = starts.join_next().await {
        if let Ok(detail) = started.unwrap() {
            acknowledged.push((detail.run.id, detail.input));
        }
        if acknowledged.len() == 100 {
            engine.halt().await;
        }
    }
    assert!(acknowledged.len() >= 100);
    let engine = world.engine().await;
    for (run, input) in acknowledged {
        let detail = world.ended(&engine, run).await;
        assert_eq!((detail.run.status, detail.output.as_ref()), (RunStatus::Completed, Some(&input)));
    }
    // What was not acknowledged may or may not be there, and ends all the same.
    wait_for("all to end", || async {
        let counts = world.store.run_counts(None).await.unwrap();
        (counts.pending + counts.running == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_run_whose_definition_is_gone_says_that_it_is_stuck() {
    let world = World::new().await;
    let workflow = world
        .save("pause", "1.0.0", "do: [{ a: { call: http, with: { method: get, endpoint: 'STUB/x' } } }]")
        .await;
    let engine = world.engine_with(Faults::at(Point::AfterAccept, 1)).await;
    let _ = world.try_start(&engine, workflow, Value::Null).await;
    engine.halt().await;
    let run = world.store.runs_of(None, Default::default(), None, 1).await.unwrap()[0].id;
    // Nothing in the product can do this; a damaged or foreign database can.
    let mut row = world.store.run(None, run).await.unwrap().unwrap();
    row.version = "0.0.1".to_owned();
    row.id = levqor_model::RunId::new(world.now() + seconds(1), &*world.random);
    let new = levqor_store::runs::NewRun {
        run: row.clone(),
        input: "{}".to_owned(),
        events: None,
        firing: None,
        day: world.now().date(),
        claim: None,
        keeps_first_entry: false,
    };
    world.store.accept_run(new).await.unwrap();
    let engine = world.engine().await;
    let reason = wait_for("the reason", || async {
        world.store.run(None, row.id).await.unwrap().unwrap().waiting_for
    })
    .await;
    assert!(reason.starts_with("cannot go on: ") && reason.contains("no version \"0.0.1\""), "{reason}");
    assert_eq!(engine.waiting_for(world.account, row.id).await.unwrap(), Some(reason));
    world.status(row.id, RunStatus::Waiting).await;
    assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed);
    let counts = world.store.run_counts(Some(world.account)).await.unwrap();
    assert_eq!((counts.running, counts.waiting), (0, 1), "it takes no turn from others");
    // It can still be ended.
    let detail = engine.cancel(world.account, row.id).await.unwrap();
    assert_eq!((detail.run.status, detail.run.waiting_for), (RunStatus::Cancelled, None));
}
