//! Due times that come while the run before has not ended, and those that nobody was there for.

use levqor_engine::Engine;
use levqor_model::{RunStatus, Timestamp, TriggerKind, WorkflowId};
use levqor_store::{runs::Run, schedules::ScheduleState};
use levqor_testkit::wait_for;

use crate::world::{World, seconds};

async fn save(world: &World, policy: &str, task: &str) -> WorkflowId {
    let ours = format!("{{ schedule: {{ {policy} }} }}");
    world
        .save_with(
            "tick",
            "1.0.0",
            &ours,
            &format!("schedule: {{ every: {{ minutes: 10 }} }}\ndo: [{{ a: {task} }}]"),
        )
        .await
}

/// Longer than the time between two due times.
const LONG: &str = "{ wait: { minutes: 25 } }";
const SHORT: &str = "{ set: { ok: true } }";

async fn runs(world: &World) -> Vec<Run> {
    let mut runs = world.store.runs_of(None, Default::default(), None, 200).await.unwrap();
    runs.reverse();
    runs
}

async fn state(world: &World, workflow: WorkflowId) -> ScheduleState {
    world.store.schedule_state(workflow).await.unwrap().unwrap()
}

/// Lets time pass until the schedule has come to this.
async fn until(
    world: &World,
    engine: &Engine,
    workflow: WorkflowId,
    minutes: u64,
    (fired, skipped, buffered): (i64, i64, i64),
) {
    for _ in 0..minutes / 5 {
        let before = world.now();
        world.advance(engine, seconds(300));
        // Whatever is due then has been looked at.
        wait_for("the due time to pass", || async {
            let next = state(world, workflow).await.next_due_at;
            let runs = runs(world).await;
            let settled = runs.iter().all(|run| match run.status {
                RunStatus::Waiting => world.now() < run.started_at.unwrap() + seconds(25 * 60),
                status => status.is_ended(),
            });
            (settled && next.is_some_and(|next| next > world.now())).then_some(())
        })
        .await;
        assert!(world.now() > before);
    }
    wait_for(&format!("{fired} fired, {skipped} skipped, {buffered} buffered"), || async {
        let now = state(world, workflow).await;
        ((now.fired, now.skipped, now.buffered) == (fired, skipped, buffered)).then_some(())
    })
    .await;
}

fn at(minute: u64) -> Timestamp {
    "2026-11-24T00:00:00Z".parse::<Timestamp>().unwrap() + seconds(60 * minute)
}

async fn firings(world: &World, workflow: WorkflowId) -> Vec<u64> {
    let mut found = Vec::new();
    for minute in (10..=120).step_by(10) {
        if world.store.firing(workflow, at(minute)).await.unwrap().is_some() {
            found.push(minute);
        }
    }
    found
}

#[tokio::test]
async fn skip_passes_over_what_comes_meanwhile() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = save(&world, "overlap: skip", LONG).await;
    // 10 runs until 35; 20 and 30 are skipped; 40 runs.
    until(&world, &engine, workflow, 40, (2, 2, 0)).await;
    assert_eq!(firings(&world, workflow).await, [10, 40]);
    let now = state(&world, workflow).await;
    assert_eq!((now.last_due_at, now.next_due_at), (Some(at(40)), Some(at(50))));
    assert_eq!(now.last_run, Some(runs(&world).await[1].id));
}

#[tokio::test]
async fn buffer_one_keeps_the_first_that_comes_meanwhile() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = save(&world, "overlap: buffer-one", LONG).await;
    until(&world, &engine, workflow, 30, (1, 1, 1)).await;
    // It survives a crash, and starts when the run before ends.
    engine.halt().await;
    let engine = world.engine().await;
    until(&world, &engine, workflow, 5, (2, 1, 0)).await;
    assert_eq!(firings(&world, workflow).await, [10, 20]);
    assert_eq!(runs(&world).await[1].trigger, TriggerKind::Schedule);
}

#[tokio::test]
async fn buffer_all_keeps_all_in_order() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = save(&world, "overlap: buffer-all", LONG).await;
    until(&world, &engine, workflow, 30, (1, 0, 2)).await;
    until(&world, &engine, workflow, 5, (2, 0, 1)).await;
    assert_eq!(firings(&world, workflow).await, [10, 20]);
    until(&world, &engine, workflow, 25, (3, 0, 3)).await;
    assert_eq!(firings(&world, workflow).await, [10, 20, 30]);
}

#[tokio::test]
async fn what_is_buffered_starts_after_a_crash_at_the_end_of_the_run_before() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = save(&world, "overlap: buffer-all", LONG).await;
    until(&world, &engine, workflow, 20, (1, 0, 1)).await;
    engine.halt().await;
    // The run's end is long over when somebody is there again; the due times of that time are made up for once.
    world.clock.advance(seconds(15 * 60));
    let engine = world.engine().await;
    until(&world, &engine, workflow, 0, (2, 0, 1)).await;
    assert_eq!(firings(&world, workflow).await, [10, 20]);
}

#[tokio::test]
async fn cancel_other_ends_the_run_before_and_takes_its_place() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = save(&world, "overlap: cancel-other", LONG).await;
    until(&world, &engine, workflow, 10, (1, 0, 0)).await;
    until(&world, &engine, workflow, 10, (2, 0, 0)).await;
    let second = runs(&world).await[1].id;
    world.status(second, RunStatus::Waiting).await;
    let all = runs(&world).await;
    let statuses: Vec<RunStatus> = all.iter().map(|run| run.status).collect();
    assert_eq!(statuses, [RunStatus::Cancelled, RunStatus::Waiting]);
    assert_eq!(firings(&world, workflow).await, [10, 20]);
}

#[tokio::test]
async fn a_run_by_hand_is_in_nobodys_way() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = save(&world, "overlap: skip", LONG).await;
    world.start(&engine, workflow, serde_json::json!({})).await;
    until(&world, &engine, workflow, 10, (1, 0, 0)).await;
}

#[tokio::test]
async fn a_deleted_schedule_forgets_what_was_buffered() {
    let world = World::new().await;
    let engine = world.engine().await;
    let workflow = save(&world, "overlap: buffer-all", LONG).await;
    until(&world, &engine, workflow, 30, (1, 0, 2)).await;
    assert!(world.store.delete_workflow(world.account, workflow, world.now()).await.unwrap());
    world.advance(&engine, seconds(3600));
    let first = runs(&world).await[0].id;
    world.ended(&engine, first).await;
    assert!(world.store.released_firings(10).await.unwrap().is_empty());
    assert_eq!(runs(&world).await.len(), 1);
}

#[tokio::test]
async fn missed_due_times_fire_as_the_policy_says() {
    let rows: [(&str, &[u64], i64); 4] = [
        ("misfire: fire-once", &[120], 11),
        ("misfire: skip", &[120], 11),
        ("misfire: fire-all, catchUp: PT35M", &[90, 100, 110, 120], 8),
        ("misfire: fire-all, catchUp: PT35M, overlap: buffer-one", &[90, 100, 110, 120], 8),
    ];
    for (policy, fires, missed) in rows {
        let world = World::new().await;
        let workflow = save(&world, policy, SHORT).await;
        world.clock.advance(seconds(120 * 60));
        let engine = world.engine().await;
        wait_for("the schedule to have caught up", || async {
            let next = state(&world, workflow).await.next_due_at;
            (next == Some(at(130))).then_some(())
        })
        .await;
        if !policy.contains("overlap") {
            assert_eq!(firings(&world, workflow).await, fires, "{policy}");
        }
        let now = state(&world, workflow).await;
        assert_eq!(now.missed, missed, "{policy}");
        // With an overlap, what ran into the run before waited or was passed over; all of it is counted.
        let all = now.fired + now.skipped + now.buffered;
        assert_eq!(all, i64::try_from(fires.len()).unwrap(), "{policy}: {now:?}");
        engine.halt().await;
    }
}
