//! Events of the life of runs and tasks: told to those who name them, and to nobody else.

use levqor_engine::Engine;
use levqor_flow::event::is_lifecycle;
use levqor_model::RunStatus;
use levqor_store::runs::RunFilter;
use levqor_testkit::wait_for;
use serde_json::{Value, json};

use crate::world::{World, seconds};

/// Saves a workflow as the server does.
async fn save(world: &World, engine: &Engine, name: &str, rest: &str) -> levqor_model::WorkflowId {
    let id = world.save(name, "1.0.0", rest).await;
    let text = format!("document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: 1.0.0 }}\n{rest}");
    engine.workflow_saved(world.account, &levqor_flow::document::parse(&text).workflow.unwrap());
    id
}

fn on(kinds: &[&str]) -> String {
    let filters: Vec<_> =
        kinds.iter().map(|kind| format!("{{ with: {{ type: io.serverlessworkflow.{kind}.v1 }} }}")).collect();
    format!(
        "schedule: {{ on: {{ any: [ {} ] }} }}\ndo: [{{ keep: {{ set: {{ event: '${{ .[0] }}' }} }} }}]",
        filters.join(", ")
    )
}

/// What the runs of a workflow were started with, oldest first, once there are so many.
async fn heard(world: &World, workflow: levqor_model::WorkflowId, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} events"), || async {
        let filter = RunFilter {
            workflow_id: Some(workflow),
            status: Some(RunStatus::Completed),
            ..RunFilter::default()
        };
        let mut runs = world.store.runs_of(None, filter, None, 50).await.unwrap();
        runs.sort_by_key(|run| run.id);
        let mut events = Vec::new();
        for run in runs {
            let payloads = world.store.payloads(run.id).await.unwrap().unwrap();
            events.push(serde_json::from_str::<Value>(&payloads.input).unwrap()[0].clone());
        }
        (events.len() >= count).then_some(events)
    })
    .await
}

/// Types and places, without the parts that all have.
fn shown(events: &[Value]) -> Vec<String> {
    let mut lines: Vec<_> = events
        .iter()
        .map(|event| {
            let kind = event["type"].as_str().unwrap();
            let kind = kind.strip_prefix("io.serverlessworkflow.").unwrap().strip_suffix(".v1").unwrap();
            let data = &event["data"];
            let place = data["task"].as_str().unwrap_or_default();
            let error =
                data["error"]["status"].as_i64().map(|status| format!(" {status}")).unwrap_or_default();
            let output = data.get("output").map(|output| format!(" {output}")).unwrap_or_default();
            format!("{kind} {place}{error}{output}").trim_end().replace("  ", " ")
        })
        .collect();
    lines.sort();
    lines
}

const WORKS: &str = "do:
- make: { set: { n: 1 } }
- skipped: { if: 'false', set: { n: 2 } }
- attempts: { try: [{ fail: { raise: { error: { type: 'urn:no', status: 418 } } } }], catch: { do: [{ mend: { set: { ok: true } } }] } }";

#[tokio::test]
async fn the_life_of_a_run_and_its_tasks_is_told() {
    let world = World::new().await;
    let engine = world.engine().await;
    let watch = save(
        &world,
        &engine,
        "watch",
        &on(&["workflow.started", "workflow.completed", "task.started", "task.completed", "task.faulted"]),
    )
    .await;
    let works = save(&world, &engine, "works", WORKS).await;
    let run = world.start(&engine, works, json!({})).await;
    let events = heard(&world, watch, 11).await;
    assert_eq!(
        shown(&events),
        [
            "task.completed /do/0/make {\"n\":1}",
            "task.completed /do/2/attempts {\"ok\":true}",
            "task.completed /do/2/attempts/catch/do/0/mend {\"ok\":true}",
            "task.faulted /do/2/attempts/try/0/fail 418",
            "task.started /do/0/make",
            "task.started /do/1/skipped",
            "task.started /do/2/attempts",
            "task.started /do/2/attempts/catch/do/0/mend",
            "task.started /do/2/attempts/try/0/fail",
            "workflow.completed {\"ok\":true}",
            "workflow.started",
        ][..]
    );
    let completed =
        events.iter().find(|event| event["type"] == "io.serverlessworkflow.workflow.completed.v1").unwrap();
    assert_eq!(completed["data"]["name"], format!("works-{run}.test"));
    assert_eq!(
        completed["data"]["definition"],
        json!({ "namespace": "test", "name": "works", "version": "1.0.0" })
    );
    assert_eq!(completed["subject"], json!(run));
    assert!(completed["data"]["completedAt"].is_string(), "{completed}");
}

#[tokio::test]
async fn a_fault_a_cancellation_and_a_retry_are_told_also_after_a_restart() {
    let world = World::new().await;
    let engine = world.engine().await;
    let watch = save(
        &world,
        &engine,
        "watch",
        &on(&[
            "workflow.faulted",
            "workflow.cancelled",
            "workflow.correlation-started",
            "workflow.correlation-completed",
            "workflow.suspended",
            "workflow.resumed",
            "task.suspended",
            "task.resumed",
        ]),
    )
    .await;
    engine.drain(seconds(5)).await;
    let engine = world.engine().await;
    let fails =
        save(&world, &engine, "fails", "do: [{ a: { raise: { error: { type: 'urn:no', status: 418 } } } }]")
            .await;
    let run = world.start(&engine, fails, json!({})).await;
    heard(&world, watch, 1).await;
    engine.retry(world.account, run, levqor_engine::RetryFrom::Failed).await.unwrap();
    heard(&world, watch, 2).await;
    let waits =
        save(&world, &engine, "waits", "do: [{ a: { listen: { to: { one: { with: { type: x } } } } } }]")
            .await;
    let run = world.start(&engine, waits, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    engine.suspend(world.account, run, "ada").await.unwrap();
    engine.resume(world.account, run).await.unwrap();
    engine.cancel(world.account, run).await.unwrap();
    let events = heard(&world, watch, 9).await;
    assert_eq!(
        shown(&events),
        [
            "task.resumed /do/0/a",
            "task.suspended /do/0/a",
            "workflow.cancelled",
            "workflow.correlation-completed",
            "workflow.correlation-started",
            "workflow.faulted 418",
            "workflow.faulted 418",
            "workflow.resumed",
            "workflow.suspended"
        ]
    );
}

#[tokio::test]
async fn who_names_no_type_hears_nothing_and_who_hears_tells_nothing() {
    let world = World::new().await;
    let engine = world.engine().await;
    let any =
        save(&world, &engine, "any", "schedule: { on: { any: [] } }\ndo: [{ a: { set: { x: 1 } } }]").await;
    let works = save(&world, &engine, "works", WORKS).await;
    world.play(&engine, works, json!({})).await;
    let events = async || {
        let kinds = vec![None];
        world.store.events_after(world.account, kinds, 0, 100).await.unwrap().events
    };
    assert!(events().await.is_empty(), "nobody has named a type, so nothing is told");

    let watch = save(&world, &engine, "watch", &on(&["workflow.completed"])).await;
    world.play(&engine, works, json!({})).await;
    heard(&world, watch, 1).await;
    // A run that waits hears what it names.
    let listens = save(
        &world,
        &engine,
        "listens",
        "do: [{ a: { listen: { to: { one: { with: { type: io.serverlessworkflow.workflow.completed.v1 } } }, read: envelope } } }]",
    )
    .await;
    let run = world.start(&engine, listens, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    world.play(&engine, works, json!({})).await;
    assert_eq!(world.ended(&engine, run).await.output.unwrap()[0]["data"]["definition"]["name"], "works");
    heard(&world, watch, 2).await;
    let told = events().await;
    assert_eq!(told.len(), 2, "of the runs of `works` only");
    assert!(told.iter().all(|event| is_lifecycle(
        serde_json::from_str::<Value>(&event.body).unwrap()["type"].as_str().unwrap()
    )));
    let runs = world
        .store
        .runs_of(None, RunFilter { workflow_id: Some(any), ..RunFilter::default() }, None, 10)
        .await
        .unwrap();
    assert!(runs.is_empty(), "a filter that takes everything takes no such event");
}
