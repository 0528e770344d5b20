//! Schedules: each due time starts one run, in time or a little later.

use levqor_engine::{
    Engine,
    fault::{Faults, Point},
};
use levqor_model::{RunStatus, TriggerKind};
use levqor_store::runs::Run;
use levqor_testkit::{wait_for, wait_until};

use crate::world::{World, seconds};

const EVERY: &str = "schedule: { every: { minutes: 10 } }\ndo: [{ a: { set: { ok: true } } }]";

async fn runs(world: &World) -> Vec<Run> {
    let mut runs = world.store.runs_of(None, Default::default(), None, 200).await.unwrap();
    runs.reverse();
    runs
}

async fn completed(world: &World, count: i64) {
    wait_for(&format!("{count} completed runs"), || async {
        let counts = world.store.run_counts(None).await.unwrap();
        (counts.completed >= count && counts.pending + counts.running == 0).then_some(())
    })
    .await;
    assert_eq!(world.store.run_counts(None).await.unwrap().completed, count);
}

async fn pass(world: &World, engine: &Engine, minutes: u64, count: i64) {
    world.advance(engine, seconds(minutes * 60));
    completed(world, count).await;
}

#[tokio::test]
async fn a_due_time_starts_one_run() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("tick", "1.0.0", EVERY).await;
    pass(&world, &engine, 9, 0).await;
    pass(&world, &engine, 1, 1).await;
    pass(&world, &engine, 10, 2).await;
    let all = runs(&world).await;
    assert!(all.iter().all(|run| run.trigger == TriggerKind::Schedule && run.status == RunStatus::Completed));
    let next = world.store.schedule_next(workflow).await.unwrap();
    assert_eq!(next, Some("2026-11-24T00:30:00Z".parse().unwrap()));
    let first = world.store.firing(workflow, "2026-11-24T00:10:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(first, Some(all[0].id));
}

#[tokio::test]
async fn a_cron_schedule_fires_in_its_zone() {
    let world = World::new().await;
    let engine = world.engine().await;
    world.save("nine", "1.0.0", "schedule: { cron: '0 9 * * *' }\ndo: [{ a: { set: { ok: true } } }]").await;
    pass(&world, &engine, 8 * 60 + 59, 0).await;
    pass(&world, &engine, 1, 1).await;
}

#[tokio::test]
async fn after_a_pause_the_latest_missed_time_fires_once() {
    let world = World::new().await;
    let workflow = world.save("tick", "1.0.0", EVERY).await;
    world.clock.advance(seconds(3 * 86_400 + 5 * 60));
    let engine = world.engine().await;
    completed(&world, 1).await;
    let due = "2026-11-27T00:00:00Z".parse().unwrap();
    wait_for("the next due time", || async {
        let next = world.store.schedule_next(workflow).await.unwrap();
        (next == Some("2026-11-27T00:10:00Z".parse().unwrap())).then_some(())
    })
    .await;
    assert_eq!(world.store.firing(workflow, due).await.unwrap(), Some(runs(&world).await[0].id));
    pass(&world, &engine, 5, 2).await;
}

#[tokio::test]
async fn what_was_missed_too_long_ago_is_skipped() {
    let world = World::new().await;
    let workflow = world
        .save("daily", "1.0.0", "schedule: { cron: '0 9 * * *' }\ndo: [{ a: { set: { ok: true } } }]")
        .await;
    world.clock.advance(seconds(11 * 3600));
    let engine = world.engine().await;
    wait_for("the next due time", || async {
        let next = world.store.schedule_next(workflow).await.unwrap();
        (next == Some("2026-11-25T09:00:00Z".parse().unwrap())).then_some(())
    })
    .await;
    assert!(runs(&world).await.is_empty());
    pass(&world, &engine, 22 * 60, 1).await;
}

#[tokio::test]
async fn two_engines_fire_once() {
    let world = World::new().await;
    let (first, second) = (world.engine().await, world.engine().await);
    world.save("tick", "1.0.0", EVERY).await;
    for count in 1..=5 {
        world.clock.advance(seconds(600));
        first.clock_moved();
        second.clock_moved();
        completed(&world, count).await;
    }
    assert_eq!(runs(&world).await.len(), 5);
}

#[tokio::test]
async fn a_crash_around_a_firing_neither_loses_nor_doubles_it() {
    for point in
        [Point::BeforeAccept, Point::AfterAccept, Point::BeforeAppend, Point::AfterAppend, Point::AfterEnd]
    {
        let world = World::new().await;
        world.save("tick", "1.0.0", EVERY).await;
        let engine = world.engine_with(Faults::at(point, 1)).await;
        world.advance(&engine, seconds(600));
        wait_until("the crash", || engine.is_stopped()).await;
        engine.halt().await;
        let engine = world.engine().await;
        completed(&world, 1).await;
        assert_eq!(runs(&world).await.len(), 1, "{point:?}");
        pass(&world, &engine, 10, 2).await;
    }
}

#[tokio::test]
async fn after_counts_from_the_end() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world
        .save("chain", "1.0.0", "schedule: { after: { minutes: 5 } }\ndo: [{ a: { wait: { minutes: 1 } } }]")
        .await;
    let first = world.start(&engine, workflow, serde_json::json!({})).await;
    world.status(first, RunStatus::Waiting).await;
    assert_eq!(world.store.schedule_next(workflow).await.unwrap(), None);
    world.advance(&engine, seconds(60));
    completed(&world, 1).await;
    assert_eq!(
        world.store.schedule_next(workflow).await.unwrap(),
        Some("2026-11-24T00:06:00Z".parse().unwrap())
    );
    world.advance(&engine, seconds(300));
    wait_for("the second run", || async { (runs(&world).await.len() == 2).then_some(()) }).await;
    let second = runs(&world).await[1].id;
    world.status(second, RunStatus::Waiting).await;
    world.advance(&engine, seconds(60));
    completed(&world, 2).await;
    assert_eq!(
        world.store.schedule_next(workflow).await.unwrap(),
        Some("2026-11-24T00:12:00Z".parse().unwrap())
    );
}

#[tokio::test]
async fn a_deleted_workflow_fires_no_more() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = world.save("tick", "1.0.0", EVERY).await;
    let other = world.save("other", "1.0.0", EVERY).await;
    assert!(world.store.delete_workflow(world.account, workflow, world.now()).await.unwrap());
    pass(&world, &engine, 10, 1).await;
    assert_eq!(runs(&world).await[0].workflow_id, other);
}
