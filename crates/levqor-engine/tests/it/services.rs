//! The server's own functions, performed.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use levqor_engine::{
    Engine, RetryFrom,
    fault::{Faults, Point},
};
use levqor_model::{ApprovalId, RunId, RunStatus};
use levqor_store::approvals::{Approval, Decided};
use levqor_testkit::{Reply, Route, wait_for};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{PATIENCE, World, kind, seconds};

fn store(with: &str) -> String {
    format!("{{ call: 'store:1.0.0@default', with: {with} }}")
}

#[tokio::test]
async fn values_are_kept_changed_and_deleted() {
    let world = World::new().await;
    let tasks = [
        ("a", "{ action: get, key: k }"),
        ("b", "{ action: set, key: k, value: { n: 1 } }"),
        ("c", "{ action: compare-and-set, key: k, expected: { n: 1 }, value: 2 }"),
        ("d", "{ action: compare-and-set, key: k, expected: { n: 1 }, value: 3 }"),
        ("e", "{ action: compare-and-set, key: k, value: 3 }"),
        ("f", "{ action: get, key: k }"),
        ("g", "{ action: delete, key: k }"),
        ("h", "{ action: delete, key: k }"),
        ("i", "{ action: compare-and-set, key: k, value: null }"),
        ("j", "{ action: get, key: k }"),
    ];
    let lines: Vec<_> = tasks
        .iter()
        .map(|(name, with)| {
            let export = format!("{{ as: '$context + {{ {name}: [.found, .value, .changed] }}' }}");
            format!("- {name}: {{ call: 'store:1.0.0@default', with: {with}, export: {export} }}")
        })
        .collect();
    let rest = format!("do:\n{}\noutput: {{ as: $context }}", lines.join("\n"));
    let engine = world.engine().await;
    let workflow = world.save("keeps", "1.0.0", &rest).await;
    let detail = world.play(&engine, workflow, json!({})).await;
    let expected = json!({
        "a": [false, null, false], "b": [true, { "n": 1 }, true], "c": [true, 2, true], "d": [true, 2, false],
        "e": [true, 2, false], "f": [true, 2, false], "g": [false, null, true], "h": [false, null, false],
        "i": [true, null, true], "j": [true, null, false],
    });
    assert_eq!(detail.output, Some(expected), "{detail:?}");
}

#[tokio::test]
async fn a_value_is_changed_once_however_often_the_engine_dies() {
    // The count is what it would be without a crash, wherever it comes.
    let count = format!(
        "do:\n- read: {}\n- add: {}\n- read2: {}",
        store("{ action: get, key: n }"),
        store("{ action: compare-and-set, key: n, expected: 1, value: 2 }"),
        store("{ action: get, key: n }")
    );
    for point in [Point::BeforeCall, Point::AfterCall, Point::BeforeAppend, Point::AfterAppend] {
        for nth in 1..=3 {
            let world = World::new().await;
            let engine = world.engine().await;
            let begin = world
                .save(
                    "begin",
                    "1.0.0",
                    &format!("do: [{{ a: {} }}]", store("{ action: set, key: n, value: 1 }")),
                )
                .await;
            world.play(&engine, begin, json!({})).await;
            engine.drain(PATIENCE).await;
            let rest = format!("{count}\noutput: {{ as: '.' }}")
                .replace("add: { call", "add: { export: { as: '{ changed: .changed }' }, call");
            let rest = rest.replace("output: { as: '.' }", "output: { as: '$context + { value: .value }' }");
            let workflow = world.save("count", "1.0.0", &rest).await;
            let engine = world.engine_with(Faults::at(point, nth)).await;
            let Ok(started) = world.try_start(&engine, workflow, json!({})).await else {
                panic!("{point:?} {nth}")
            };
            wait_for("the crash or the end", || async {
                let row = world.store.run(None, started.run.id).await.unwrap()?;
                (engine.is_stopped() || row.status.is_ended()).then_some(())
            })
            .await;
            engine.halt().await;
            let engine = world.engine().await;
            let detail = world.ended(&engine, started.run.id).await;
            assert_eq!(
                detail.output,
                Some(json!({ "changed": true, "value": 2 })),
                "{point:?} {nth}: {detail:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let world = World::new().await;
    let large = store("{ action: set, key: k, value: '${ [range(20000)] }' }");
    let detail = world.play_tasks(&format!("[{{ a: {large} }}]")).await;
    assert_eq!((detail.run.status, kind(&detail)), (RunStatus::Faulted, "validation"), "{detail:?}");
    let many = "do: [{ all: { for: { in: '[range(1001)]' }, do: [{ a: { call: 'store:1.0.0@default', with: { action: set, key: '${ \"k\\($item)\" }', value: 1 } } }] } }]";
    let engine = world.engine().await;
    let workflow = world.save("many", "1.0.0", many).await;
    let detail = world.play(&engine, workflow, json!({})).await;
    let error = detail.error.unwrap();
    assert!(error.detail.unwrap().contains("keeps 1000 values"), "{:?}", error.title);
}

const HOOK: &str = "use: { secrets: [hook] }
do:
- tell:
    call: webhook:1.0.0@default
    with: { url: STUB/hook, secret: '${ $secrets.hook }', body: { type: order.paid, n: '${ .n }' } }";

#[tokio::test]
async fn a_message_is_signed_and_its_id_is_the_same_when_it_is_sent_again() {
    let world = World::new().await;
    let key = [7_u8; 24];
    let secret = format!("whsec_{}", BASE64_STANDARD.encode(key));
    let engine = world.engine_with(Faults::at(Point::AfterCall, 1)).await;
    engine.set_secret(world.account, "hook", &json!(secret), 10).await.unwrap();
    world.stub.route(Route::new("/hook").reply(Reply::json(&json!({ "ok": true }))));
    let workflow = world.save("tell", "1.0.0", HOOK).await;
    let run = world.start(&engine, workflow, json!({ "n": 5 })).await;
    wait_for("the crash", || async { engine.is_stopped().then_some(()) }).await;
    engine.halt().await;
    world.clock.advance(seconds(60));
    let engine = world.engine().await;
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.output, Some(json!({ "statusCode": 200, "content": { "ok": true } })), "{detail:?}");

    let requests = world.stub.requests();
    assert_eq!(requests.len(), 2);
    let headers: Vec<_> = requests
        .iter()
        .map(|request| {
            let header = |name: &str| request.header(name).unwrap().to_owned();
            let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).unwrap();
            mac.update(format!("{id}.{at}.{}", request.text()).as_bytes());
            let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
            assert_eq!(header("webhook-signature"), expected);
            assert_eq!(header("content-type"), "application/json");
            assert_eq!(request.json(), json!({ "type": "order.paid", "n": 5 }));
            (id, at)
        })
        .collect();
    assert_eq!(headers[0].0, headers[1].0);
    assert_ne!(headers[0].1, headers[1].1, "the time is that of the sending");
    let shown = format!("{detail:?} {:?}", engine.tasks(world.account, run, None, 10).await.unwrap());
    assert!(!shown.contains(&secret), "{shown}");
}

#[tokio::test]
async fn a_message_that_is_refused_is_an_error() {
    let world = World::new().await;
    world.stub.route(Route::new("/hook").reply(Reply::status(500)));
    let with = |url: &str| {
        format!(
            "[{{ a: {{ call: 'webhook:1.0.0@default', with: {{ url: '{url}', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, body: 1 }} }} }}]"
        )
    };
    let detail = world.play_tasks(&with("STUB/hook")).await;
    assert_eq!(kind(&detail), "communication");
    let world = World::new().await;
    let detail = world.play_tasks(&with("http://10.0.0.1/hook")).await;
    assert_eq!(kind(&detail), "configuration", "{detail:?}");
}

const ASK: &str = "do:
- ask:
    call: approval:1.0.0@default
    with: { title: '${ \"Pay \\(.sum)?\" }', message: Please look., data: '${ . }' }
    timeout: { after: PT1H }
- done: { set: { approved: '${ .approved }', by: '${ .by }', comment: '${ .comment }' } }";

/// The only question of the account.
async fn asked(world: &World) -> Approval {
    wait_for("the question", || async {
        world.store.approvals_of(world.account, false, None, 10).await.unwrap().into_iter().next()
    })
    .await
}

async fn decide(world: &World, engine: &Engine, id: ApprovalId, approved: bool) -> Decided {
    let comment = Some("fine".to_owned());
    engine.decide(world.account, id, approved, "ada@example.com".to_owned(), comment).await.unwrap()
}

async fn waiting(world: &World, engine: &Engine) -> (RunId, Approval) {
    let workflow = world.save("ask", "1.0.0", ASK).await;
    let run = world.start(engine, workflow, json!({ "sum": 900 })).await;
    world.status(run, RunStatus::Waiting).await;
    let approval = asked(world).await;
    assert_eq!((approval.run_id, approval.title.as_str(), approval.task.as_str()), (run, "Pay 900?", "ask"));
    assert_eq!(approval.data.as_deref(), Some(r#"{"sum":900}"#));
    (run, approval)
}

#[tokio::test]
async fn a_run_goes_on_with_the_answer_of_a_person() {
    let world = World::new().await;
    let engine = world.engine().await;
    let (run, approval) = waiting(&world, &engine).await;
    let waits = engine.waiting_for(world.account, run).await.unwrap();
    assert_eq!(waits.as_deref(), Some("waits for a decision: Pay 900? (task ask)"));
    assert!(matches!(decide(&world, &engine, approval.id, false).await, Decided::Now(_)));
    let detail = world.ended(&engine, run).await;
    assert_eq!(
        detail.output,
        Some(json!({ "approved": false, "by": "ada@example.com", "comment": "fine" })),
        "{detail:?}"
    );
    // The first answer stays.
    let Decided::Before(after) = decide(&world, &engine, approval.id, true).await else { panic!() };
    assert!(!after.decision.unwrap().approved);
    let stranger = levqor_model::AccountId::new(world.now(), &*world.random);
    let other = engine.decide(stranger, approval.id, true, String::new(), None).await.unwrap();
    assert_eq!(other, Decided::NotFound);
}

#[tokio::test]
async fn an_answer_that_nobody_confirmed_reaches_the_run_when_it_is_given_again() {
    let world = World::new().await;
    let engine = world.engine().await;
    let (run, approval) = waiting(&world, &engine).await;
    // It is durable, and its confirmation was lost, so that no run was told.
    let decision = levqor_store::approvals::Decision {
        approved: false,
        by: "ada@example.com".to_owned(),
        comment: None,
        at: world.now(),
    };
    world.store.decide_approval(world.account, approval.id, decision).await.unwrap();
    assert!(matches!(decide(&world, &engine, approval.id, true).await, Decided::Before(_)));
    let detail = world.ended(&engine, run).await;
    let output = detail.output.unwrap();
    assert_eq!((&output["approved"], &output["by"]), (&json!(false), &json!("ada@example.com")));
}

#[tokio::test]
async fn an_answer_survives_whatever_happens_between_it_and_the_run() {
    // Given while no engine is there.
    let world = World::new().await;
    let engine = world.engine().await;
    let (run, approval) = waiting(&world, &engine).await;
    engine.halt().await;
    let decision = levqor_store::approvals::Decision {
        approved: true,
        by: "key_1".to_owned(),
        comment: None,
        at: world.now(),
    };
    world.store.decide_approval(world.account, approval.id, decision).await.unwrap();
    let engine = world.engine().await;
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.output, Some(json!({ "approved": true, "by": "key_1", "comment": null })));

    // A restart while it waits asks nothing again.
    let world = World::new().await;
    let engine = world.engine().await;
    let (run, approval) = waiting(&world, &engine).await;
    engine.halt().await;
    let engine = world.engine().await;
    world.advance(&engine, seconds(60));
    decide(&world, &engine, approval.id, true).await;
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.output.unwrap()["approved"], true);
    assert_eq!(world.store.approvals_of(world.account, false, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_can_answer_what_nobody_waits_for() {
    let world = World::new().await;
    let engine = world.engine().await;
    let (run, approval) = waiting(&world, &engine).await;
    world.advance(&engine, seconds(3_601));
    let detail = world.ended(&engine, run).await;
    assert_eq!(kind(&detail), "timeout");
    assert!(
        matches!(decide(&world, &engine, approval.id, true).await, Decided::Before(closed) if closed.closed_at.is_some())
    );

    // A retry asks anew; the other one stays closed. Cancelling closes too.
    engine.retry(world.account, run, RetryFrom::Failed).await.unwrap();
    world.status(run, RunStatus::Waiting).await;
    let open = wait_for("the new question", || async {
        world.store.approvals_of(world.account, true, None, 10).await.unwrap().into_iter().next()
    })
    .await;
    assert_ne!(open.id, approval.id);
    engine.cancel(world.account, run).await.unwrap();
    assert!(world.store.approvals_of(world.account, true, None, 10).await.unwrap().is_empty());

    // The timeout beats a restart, too.
    let world = World::new().await;
    let engine = world.engine().await;
    let (run, _) = waiting(&world, &engine).await;
    engine.halt().await;
    world.clock.advance(seconds(3_601));
    let engine = world.engine().await;
    world.ended(&engine, run).await;
    let all = world.store.approvals_of(world.account, false, None, 10).await.unwrap();
    assert!(all.iter().all(|approval| !approval.is_open()), "{all:?}");
}

#[tokio::test]
async fn branches_ask_for_themselves() {
    let world = World::new().await;
    let engine = world.engine().await;
    let branch = |name: &str| {
        format!(
            "{{ {name}: {{ call: 'approval:1.0.0@default', with: {{ title: {name} }}, output: {{ as: .approved }} }} }}"
        )
    };
    let rest =
        format!("do: [{{ both: {{ fork: {{ branches: [{}, {}] }} }} }}]", branch("left"), branch("right"));
    let workflow = world.save("both", "1.0.0", &rest).await;
    let run = world.start(&engine, workflow, json!({})).await;
    let open = wait_for("both questions", || async {
        let open = world.store.approvals_of(world.account, true, None, 10).await.unwrap();
        (open.len() == 2).then_some(open)
    })
    .await;
    for approval in open {
        decide(&world, &engine, approval.id, approval.title == "left").await;
    }
    let detail = world.ended(&engine, run).await;
    assert_eq!(detail.output, Some(Value::from(vec![true, false])));
}

#[tokio::test]
async fn an_answer_to_a_suspended_run_is_kept_until_it_goes_on() {
    let world = World::new().await;
    let engine = world.engine().await;
    let (run, approval) = waiting(&world, &engine).await;
    engine.suspend(world.account, run, "ada").await.unwrap();
    assert!(matches!(decide(&world, &engine, approval.id, true).await, Decided::Now(_)));
    assert_eq!(engine.run(world.account, run).await.unwrap().run.status, RunStatus::Suspended);
    engine.resume(world.account, run).await.unwrap();
    assert_eq!(world.ended(&engine, run).await.output.unwrap()["approved"], true);
}
