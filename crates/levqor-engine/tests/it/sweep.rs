//! Runs that lost what should have moved them are found, woken, and reported when that does not help.

use levqor_model::RunStatus;
use levqor_store::{Options, runs::Append};
use levqor_testkit::wait_until;
use serde_json::json;

use crate::world::{World, seconds};

/// Takes the run's timers away, or writes why it stands still: nothing in the product does this; a damaged database may.
async fn damage(world: &World, run: levqor_model::RunId, waiting_for: Option<&str>) {
    let row = world.store.run(None, run).await.unwrap().unwrap();
    let append = Append {
        run_id: run,
        epoch: row.epoch,
        seq: row.next_seq,
        at: world.now(),
        region: row.region,
        events: None,
        status: row.status,
        waiting_for: waiting_for.map(str::to_owned),
        started_at: row.started_at,
        ended_at: None,
        output: None,
        error: None,
        timers_set: Vec::new(),
        timers_cleared: (1..10).collect(),
        event_changes: Default::default(),
        approval_changes: Default::default(),
    };
    world.store.append(append).await.unwrap();
}

#[tokio::test]
async fn a_run_without_a_timer_is_woken_and_one_that_cannot_go_on_is_counted() {
    let world = World::new().await;
    let engine = world.engine().await;
    let pause = world.save("pause", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }]").await;
    let (lost, stuck, well) = (
        world.start(&engine, pause, json!({})).await,
        world.start(&engine, pause, json!({})).await,
        world.start(&engine, pause, json!({})).await,
    );
    for run in [lost, stuck, well] {
        world.status(run, RunStatus::Waiting).await;
    }
    wait_until("all to leave memory", || engine.load().active_runs == 0).await;
    engine.sweep().await;
    assert_eq!((engine.stuck().runs, engine.load().active_runs), (0, 0), "nothing is wrong with any of them");

    engine.halt().await;
    damage(&world, lost, None).await;
    damage(&world, stuck, Some("cannot go on: a test says so")).await;
    assert_eq!(world.store.timers_count().await.unwrap(), 1);
    let engine = world.engine().await;
    engine.sweep().await;
    let found = engine.stuck();
    assert_eq!(found.runs, 1);
    assert_eq!(found.sentence().unwrap(), format!("run {stuck} is stuck: cannot go on: a test says so"));
    levqor_testkit::wait_for("the timers to be there again", || async {
        (world.store.timers_count().await.unwrap() == 3).then_some(())
    })
    .await;
    world.advance(&engine, seconds(3600));
    for run in [lost, stuck, well] {
        assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed);
    }
    engine.sweep().await;
    assert_eq!(engine.stuck().runs, 0);
}

#[tokio::test]
async fn a_run_that_listens_is_not_stuck() {
    let world = World::new().await;
    let engine = world.engine().await;
    let listens = "do: [{ hear: { listen: { to: { one: { with: { type: a } } } } } }]";
    let workflow = world.save("listens", "1.0.0", listens).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    wait_until("it to leave memory", || engine.load().active_runs == 0).await;
    for _ in 0..3 {
        engine.sweep().await;
        assert_eq!((engine.stuck().runs, engine.load().active_runs), (0, 0));
    }
}

#[tokio::test]
async fn a_run_that_could_not_go_on_is_tried_by_the_next_process_whatever_it_waits_for() {
    let world = World::new().await;
    let engine = world.engine().await;
    let listens = "do: [{ hear: { listen: { to: { one: { with: { type: a } } } } } }]";
    let workflow = world.save("listens", "1.0.0", listens).await;
    let (waits, held) =
        (world.start(&engine, workflow, json!({})).await, world.start(&engine, workflow, json!({})).await);
    for run in [waits, held] {
        world.status(run, RunStatus::Waiting).await;
    }
    engine.suspend(world.account, held, "ada").await.unwrap();
    wait_until("both to leave memory", || engine.load().active_runs == 0).await;
    engine.halt().await;
    for run in [waits, held] {
        damage(&world, run, Some("cannot go on: a test says so")).await;
    }
    let engine = world.engine().await;
    engine.sweep().await;
    assert_eq!(engine.stuck().runs, 2);
    for run in [waits, held] {
        levqor_testkit::wait_for("its row to be right again", || async {
            let why = world.store.run(None, run).await.unwrap().unwrap().waiting_for?;
            (!why.starts_with("cannot go on")).then_some(())
        })
        .await;
    }
    engine.sweep().await;
    assert_eq!(engine.stuck().runs, 0);
    let resumed = engine.resume(world.account, held).await.unwrap();
    assert_eq!(resumed.run.status, RunStatus::Waiting);
}

#[tokio::test]
async fn a_damaged_row_of_a_waiting_run_is_counted_until_it_is_repaired() {
    let directory = levqor_testkit::temp_dir();
    let path = directory.path().join("levqor.db");
    let world = World::with(Options::file(path.clone())).await;
    let engine = world.engine().await;
    let pause = world.save("pause", "1.0.0", "do: [{ a: { wait: { hours: 1 } } }]").await;
    let run = world.start(&engine, pause, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    let set_region = |region: &str| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let sql = "UPDATE runs SET region = ?1 WHERE run_id = ?2";
        assert_eq!(connection.execute(sql, [region, &run.to_string()]).unwrap(), 1);
    };
    set_region("eu%west");
    engine.sweep().await;
    let sentence = engine.stuck().sentence().unwrap();
    assert!(
        sentence.starts_with(&format!("run {run} is stuck: its row cannot be read (column region")),
        "{sentence}"
    );
    assert_eq!(engine.failure(), None, "the node is well");
    set_region("eu-west");
    engine.sweep().await;
    assert_eq!(engine.stuck().runs, 0);
    engine.halt().await;
}
