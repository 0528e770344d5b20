//! What a run may do only when somebody allows it: approvals and budgets of `metadata.levqor`.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use levqor_engine::{
    Engine, RetryFrom,
    fault::{Barrier, Faults, Point},
    handlers::{self, Handled, Handler, HandlerCall, Handlers},
};
use levqor_flow::{machine::Outcome, services::Service};
use levqor_model::{RunId, RunStatus, TaskStatus, WorkflowId};
use levqor_store::approvals::{Approval, Decided, Decision};
use levqor_testkit::{Reply, Route, wait_for};
use serde_json::json;

use crate::world::{World, kind, seconds};

const PAY: &str = "do: [{ pay: { call: http, with: { method: post, endpoint: 'STUB/pay' } } }]";
const PAY_GATED: &str = "do: [{ pay: { call: http, with: { method: post, endpoint: 'STUB/pay' }, metadata: { levqor: { approval: { title: '${ \"Pay \\(.sum)?\" }' } } } } }]";
const CALLS: &str = "do: [{ all: { for: { in: '[range(5)]' }, do: [{ c: { call: http, with: { method: post, endpoint: 'STUB/c' } } }] } }]";

async fn open(world: &World) -> Approval {
    wait_for("the question", || async {
        world.store.approvals_of(world.account, true, None, 10).await.unwrap().into_iter().next()
    })
    .await
}

async fn decide(world: &World, engine: &Engine, approved: bool) {
    let approval = open(world).await;
    engine.decide(world.account, approval.id, approved, "ada".to_owned(), None).await.unwrap();
}

async fn why(world: &World, engine: &Engine, run: RunId) -> String {
    engine.waiting_for(world.account, run).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_run_asks_before_its_first_task_and_again_when_it_is_retried() {
    let world = World::new().await;
    world.stub.route(Route::new("/pay").reply(Reply::json(&json!("paid"))));
    let engine = world.engine().await;
    let ours = "{ approval: { title: '${ \"Pay \\(.sum)?\" }', message: Sure? } }";
    let workflow = world.save_with("pay", "1.0.0", ours, PAY).await;
    let run = world.start(&engine, workflow, json!({ "sum": 9 })).await;
    let approval = open(&world).await;
    assert_eq!((approval.title.as_str(), approval.task.as_str()), ("Pay 9?", ""));
    world.status(run, RunStatus::Waiting).await;
    assert_eq!(why(&world, &engine, run).await, "waits for a decision before its first task: Pay 9?");

    // A restart asks nothing again, and loses nothing.
    engine.halt().await;
    let engine = world.engine().await;
    world.advance(&engine, seconds(86_400));
    decide(&world, &engine, false).await;
    let detail = world.ended(&engine, run).await;
    assert_eq!((detail.run.status, kind(&detail)), (RunStatus::Faulted, "authorization"), "{detail:?}");
    assert_eq!(world.stub.count(), 0);

    engine.retry(world.account, run, RetryFrom::Failed).await.unwrap();
    decide(&world, &engine, true).await;
    assert_eq!(world.ended(&engine, run).await.output, Some(json!("paid")));
    assert_eq!(world.stub.count(), 1);
}

#[tokio::test]
async fn a_task_waits_for_leave_however_often_the_engine_dies() {
    for point in [Point::BeforeAppend, Point::AfterAppend, Point::BeforeCall, Point::AfterCall] {
        for nth in 1..=3 {
            let world = World::new().await;
            world.stub.route(Route::new("/pay").reply(Reply::json(&json!("paid"))));
            let workflow = world.save("pay", "1.0.0", PAY_GATED).await;
            let engine = world.engine_with(Faults::at(point, nth)).await;
            let Ok(started) = world.try_start(&engine, workflow, json!({ "sum": 9 })).await else { continue };
            let run = started.run.id;
            let decided = wait_for("the question, or the crash", || async {
                if engine.is_stopped() {
                    return Some(false);
                }
                let open = world.store.approvals_of(world.account, true, None, 10).await.unwrap();
                let approval = open.into_iter().next()?;
                let decision =
                    Decision { approved: true, by: "ada".to_owned(), comment: None, at: world.now() };
                world.store.decide_approval(world.account, approval.id, decision).await.unwrap();
                Some(true)
            })
            .await;
            engine.halt().await;
            let engine = world.engine().await;
            if !decided {
                decide(&world, &engine, true).await;
            }
            let detail = world.ended(&engine, run).await;
            assert_eq!(detail.output, Some(json!("paid")), "{point:?} {nth}: {detail:?}");
            let asked = world.store.approvals_of(world.account, false, None, 10).await.unwrap();
            assert_eq!(asked.len(), 1, "{point:?} {nth}");
        }
    }
}

#[tokio::test]
async fn a_gated_task_waits_and_its_refusal_can_be_caught() {
    let world = World::new().await;
    let engine = world.engine().await;
    let tasks = PAY_GATED.strip_prefix("do: ").unwrap();
    let rest = format!(
        "do: [{{ t: {{ try: {tasks}, catch: {{ errors: {{ with: {{ status: 403 }} }}, do: [{{ n: {{ set: {{ said: '${{ $error.detail }}' }} }} }}] }} }} }}]"
    );
    let workflow = world.save("pay", "1.0.0", &rest).await;
    let run = world.start(&engine, workflow, json!({ "sum": 9 })).await;
    world.status(run, RunStatus::Waiting).await;
    assert_eq!(why(&world, &engine, run).await, "waits for a decision: Pay 9? (task pay)");
    let tasks = engine.tasks(world.account, run, None, 10).await.unwrap();
    assert_eq!(tasks[1].status, TaskStatus::Waiting);
    decide(&world, &engine, false).await;
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.output, Some(json!({ "said": "ada was asked and said no" })), "{detail:?}");
    assert_eq!(world.stub.count(), 0);
}

#[tokio::test]
async fn an_answer_that_no_run_was_told_of_comes_before_the_timeout() {
    let world = World::new().await;
    let engine = world.engine().await;
    let ask =
        "do: [{ ask: { call: 'approval:1.0.0@default', with: { title: Go? }, timeout: { after: PT1H } } }]";
    let workflow = world.save("ask", "1.0.0", ask).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Waiting).await;
    let decision = Decision { approved: true, by: "ada".to_owned(), comment: None, at: world.now() };
    // Past the engine, so that the run hears of it only by its timeout.
    world.store.decide_approval(world.account, open(&world).await.id, decision).await.unwrap();
    world.advance(&engine, seconds(3_601));
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.output.unwrap()["approved"], true);
}

/// The driver has looked for answers, found none, and is about to write that the time is over.
#[tokio::test]
async fn an_answer_that_comes_as_the_timeout_is_written_is_taken() {
    for by_engine in [false, true] {
        let world = World::new().await;
        let barrier = Barrier::at(Point::BeforeAppend);
        let engine = world.engine_with(Faults::default().with_barrier(Arc::clone(&barrier))).await;
        let ask = "do: [{ ask: { call: 'approval:1.0.0@default', with: { title: Go? }, timeout: { after: PT1H } } }]";
        let workflow = world.save("ask", "1.0.0", ask).await;
        let run = world.start(&engine, workflow, json!({})).await;
        world.status(run, RunStatus::Waiting).await;
        let id = open(&world).await.id;

        barrier.lower();
        world.advance(&engine, seconds(3_601));
        barrier.arrived().await;
        let decided = if by_engine {
            engine.decide(world.account, id, true, "ada".to_owned(), None).await.unwrap()
        } else {
            let decision = Decision { approved: true, by: "ada".to_owned(), comment: None, at: world.now() };
            world.store.decide_approval(world.account, id, decision).await.unwrap()
        };
        assert!(matches!(decided, Decided::Now(_)), "{decided:?}");
        barrier.lift();

        let detail = world.ended(&engine, run).await;
        assert_eq!(detail.run.status, RunStatus::Completed, "{detail:?}");
        let output = detail.output.unwrap();
        assert_eq!((&output["approved"], &output["by"]), (&json!(true), &json!("ada")));
        let journal = world.store.journal(run, None, 100).await.unwrap();
        let fired = journal.iter().filter(|entry| entry.events.contains("timer_fired")).count();
        let events: Vec<&str> = journal.iter().map(|entry| entry.events.as_str()).collect();
        assert_eq!(fired, 0, "what the answer came before was not written: {events:?}");
        let all = world.store.approvals_of(world.account, false, None, 10).await.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].decision.as_ref().map(|decision| decision.by.as_str()), Some("ada"));
        engine.halt().await;
    }
}

#[tokio::test]
async fn a_run_stands_still_when_its_budget_is_used_up_and_goes_on_with_as_much_again() {
    let world = World::new().await;
    world.stub.route(Route::new("/c").reply(Reply::json(&json!(1))));
    let engine = world.engine().await;
    let workflow = world.save_with("calls", "1.0.0", "{ budget: { calls: 2 } }", CALLS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Suspended).await;
    let sentence = "has used up its budget of 2 calls and is suspended since 2026-11-24T00:00:00Z; resume it to allow 2 more";
    assert_eq!(why(&world, &engine, run).await, sentence);
    let shown = engine.run(world.account, run).await.unwrap().run.waiting_for;
    assert_eq!(shown.as_deref(), Some(sentence));
    assert_eq!(world.stub.count(), 2);

    // Neither time nor a restart allows more.
    world.advance(&engine, seconds(86_400));
    engine.halt().await;
    let engine = world.engine().await;
    engine.suspend(world.account, run, "ada").await.unwrap();
    assert_eq!((why(&world, &engine, run).await.as_str(), world.stub.count()), (sentence, 2));

    engine.resume(world.account, run).await.unwrap();
    wait_for("two more calls", || async { (world.stub.count() == 4).then_some(()) }).await;
    world.status(run, RunStatus::Suspended).await;
    engine.resume(world.account, run).await.unwrap();
    assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed);
    assert_eq!(world.stub.count(), 5);
}

/// A run whose engine was stopped by a crash, or when its budget was used up; None when it was not accepted.
async fn crashed(world: &World, workflow: WorkflowId, faults: Faults) -> Option<RunId> {
    let engine = world.engine_with(faults).await;
    let run = world.try_start(&engine, workflow, json!({})).await.ok()?.run.id;
    wait_for("the crash, or the end of the budget", || async {
        let row = world.store.run(None, run).await.unwrap()?;
        (engine.is_stopped() || row.status == RunStatus::Suspended).then_some(())
    })
    .await;
    engine.halt().await;
    Some(run)
}

#[tokio::test]
async fn a_crash_neither_counts_nor_forgets_calls() {
    for point in [Point::BeforeAppend, Point::AfterAppend, Point::BeforeCall, Point::AfterCall] {
        for nth in 1..=4 {
            let world = World::new().await;
            world.stub.route(Route::new("/c").reply(Reply::json(&json!(1))));
            let workflow = world.save_with("calls", "1.0.0", "{ budget: { calls: 2 } }", CALLS).await;
            let Some(run) = crashed(&world, workflow, Faults::at(point, nth)).await else { continue };
            let engine = world.engine().await;
            for _ in 0..2 {
                world.status(run, RunStatus::Suspended).await;
                engine.resume(world.account, run).await.unwrap();
                wait_for("the run to go on", || async {
                    let row = world.store.run(None, run).await.unwrap()?;
                    let keys = calls_received(&world);
                    (row.status.is_ended() || (row.status == RunStatus::Suspended && keys >= 4)).then_some(())
                })
                .await;
            }
            assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed, "{point:?} {nth}");
            assert_eq!(calls_received(&world), 5, "{point:?} {nth}");
        }
    }
}

/// Answers, for a credit each.
#[derive(Debug, Default)]
struct Oracle(Mutex<Vec<String>>);

impl Oracle {
    fn asked(&self) -> usize {
        self.0.lock().unwrap().iter().collect::<BTreeSet<_>>().len()
    }
}

impl Handler for Oracle {
    fn call<'a>(&'a self, call: HandlerCall<'a>) -> Handled<'a> {
        self.0.lock().unwrap().push(call.key.to_owned());
        Box::pin(async {
            handlers::Answer { outcome: Outcome::Output(json!({ "answer": "Yes." })), credits: 1 }
        })
    }
}

const ASKS: &str = "do: [{ all: { for: { in: '[range(5)]' }, do: [{ ask: { call: 'ai-chat:1.0.0@default', with: { prompt: Well? } } }] } }]";

async fn with_oracle() -> (World, Arc<Oracle>) {
    let oracle = Arc::new(Oracle::default());
    let mut world = World::new().await;
    world.handlers = Handlers::default().with(Service::AiChat, Arc::clone(&oracle) as Arc<dyn Handler>);
    (world, oracle)
}

#[tokio::test]
async fn a_run_stands_still_when_its_credits_are_used_up() {
    let (world, oracle) = with_oracle().await;
    let engine = world.engine().await;
    let workflow = world.save_with("asks", "1.0.0", "{ budget: { credits: 2, calls: 9 } }", ASKS).await;
    let run = world.start(&engine, workflow, json!({})).await;
    world.status(run, RunStatus::Suspended).await;
    let sentence = "has used up its budget of 2 AI credits and is suspended since 2026-11-24T00:00:00Z; resume it to allow 2 more";
    assert_eq!((why(&world, &engine, run).await.as_str(), oracle.asked()), (sentence, 2));

    // What was used stands in the journal, so a restart knows it.
    engine.halt().await;
    let engine = world.engine().await;
    assert_eq!(why(&world, &engine, run).await, sentence);
    engine.resume(world.account, run).await.unwrap();
    wait_for("two more answers", || async { (oracle.asked() == 4).then_some(()) }).await;
    world.status(run, RunStatus::Suspended).await;
    engine.resume(world.account, run).await.unwrap();
    assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed);
    assert_eq!(oracle.asked(), 5);
}

#[tokio::test]
async fn a_crash_neither_counts_nor_forgets_credits() {
    for point in [Point::BeforeAppend, Point::AfterAppend, Point::BeforeCall, Point::AfterCall] {
        for nth in 1..=4 {
            let (world, oracle) = with_oracle().await;
            let workflow = world.save_with("asks", "1.0.0", "{ budget: { credits: 2 } }", ASKS).await;
            let Some(run) = crashed(&world, workflow, Faults::at(point, nth)).await else { continue };
            let engine = world.engine().await;
            for allowed in [2, 4] {
                wait_for("the end of the budget", || async {
                    let row = world.store.run(None, run).await.unwrap()?;
                    (row.status == RunStatus::Suspended && oracle.asked() == allowed).then_some(())
                })
                .await;
                engine.resume(world.account, run).await.unwrap();
            }
            assert_eq!(world.ended(&engine, run).await.run.status, RunStatus::Completed, "{point:?} {nth}");
            assert_eq!(oracle.asked(), 5, "{point:?} {nth}");
        }
    }
}

/// Different calls that were received, however often.
fn calls_received(world: &World) -> usize {
    let requests = world.stub.requests();
    let keys: BTreeSet<_> =
        requests.iter().filter_map(|request| request.header("idempotency-key").map(str::to_owned)).collect();
    keys.len()
}
