//! A run that stands still: nothing begins, no time counts against it, and nothing that came meanwhile is lost.

use std::sync::Arc;

use levqor_flow::machine::{Machine, Surroundings, TimerUse};
use levqor_model::RunStatus;
use serde_json::json;

use super::play::{
    Answer, Cancel, Pass, Player, Publish, Refuse, Resume, Retry, Sent, Suspend, check, play_in, workflow,
};

const CALL: &str = "{ call: http, with: { method: get, endpoint: http://h/ } }";

#[test]
fn while_suspended_nothing_moves_and_nothing_is_lost() {
    check(vec![
        (
            "a result is held and taken in",
            "do: [{ a: { call: http, with: { method: get, endpoint: http://h/1 } } }, { b: { call: http, with: { method: get, endpoint: http://h/2 } } }]",
            json!({}),
            vec![
                Suspend,
                Answer(1, json!("x")),
                Answer(1, json!("again")),
                Pass(100),
                Resume,
                Answer(2, json!("y")),
            ],
            r#"#1 GET http://h/1; suspended; suspended; #1 is not pending; #2 GET http://h/2; = "y""#,
        ),
        (
            "a wait that is over meanwhile is over at once",
            "do: [{ w: { wait: { seconds: 60 } } }]",
            json!(7),
            vec![Pass(10), Suspend, Pass(1000), Resume, Pass(0)],
            "#1 +60s; waiting; drop #1; suspended; #2 +0ns; waiting; = 7",
        ),
        (
            "a wait that is not goes on",
            "do: [{ w: { wait: { seconds: 60 } } }]",
            json!(7),
            vec![Pass(10), Suspend, Pass(20), Resume, Pass(29), Pass(1)],
            "#1 +60s; waiting; drop #1; suspended; #2 +30s; waiting; = 7",
        ),
        (
            "a timeout does not run",
            "do: [{ a: { call: http, with: { method: get, endpoint: http://h/ }, timeout: { after: PT30S } } }]",
            json!({}),
            vec![Pass(10), Suspend, Pass(1000), Resume, Pass(19), Pass(1)],
            "#1 +30s; #2 GET http://h/; drop #1; suspended; #3 +20s; drop #2; ! timeout 408 /do/0/a",
        ),
        (
            "nor does the workflow's",
            "timeout: { after: PT50S }\ndo: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }]",
            json!({}),
            vec![Pass(5), Suspend, Pass(500), Resume, Pass(44), Pass(1)],
            "#1 +50s; #2 GET http://h/; drop #1; suspended; #3 +45s; drop #2; ! timeout 408 /timeout",
        ),
        (
            "the delay before a retry keeps its moment",
            "do: [{ t: { try: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }], catch: { retry: { delay: PT30S } } } }]",
            json!({}),
            vec![Refuse(1, 500), Pass(10), Suspend, Pass(5), Resume, Pass(15), Answer(4, json!(1))],
            "#1 GET http://h/; #2 +30s; drop #2; suspended; #3 +15s; #4 GET http://h/; = 1",
        ),
        (
            "what was held is taken in in its order",
            "do: [{ f: { fork: { compete: true, branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { b: { call: http, with: { method: get, endpoint: http://h/b } } }] } } }]",
            json!({}),
            vec![Suspend, Answer(2, json!("b")), Answer(1, json!("a")), Resume],
            r#"#1 GET http://h/a; #2 GET http://h/b; suspended; suspended; suspended; = "b""#,
        ),
        (
            "a suspended run can be cancelled, and nothing else",
            "do: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }]",
            json!({}),
            vec![Suspend, Suspend, Retry, Answer(1, json!(1)), Cancel, Resume],
            "#1 GET http://h/; suspended; refused: the run is suspended; refused: the run is suspended; suspended; cancelled; refused: the run is cancelled",
        ),
        (
            "only what is live is suspended, and only what is suspended goes on",
            "do: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }]",
            json!({}),
            vec![Resume, Answer(1, json!(1)), Suspend],
            "#1 GET http://h/; refused: the run is running; = 1; refused: the run is completed",
        ),
        (
            "a listener takes nothing meanwhile, and misses nothing",
            "do: [{ l: { listen: { to: { all: [{ with: { type: a } }, { with: { type: b } }] } } } }]",
            json!({}),
            vec![Publish("a", json!(1)), Suspend, Publish("c", json!(2)), Publish("b", json!(3)), Resume],
            r#"#1 listen [{"kind":"a"},{"kind":"b"}]; waiting; #1 hears 1; waiting; suspended; #1 is full; #1 is full; waiting; #1 hears 3; = [1,3]"#,
        ),
        (
            "an event that is sent meanwhile has been sent",
            "do: [{ e: { emit: { event: { with: { type: a, source: /s } } } } }, { s: { set: '${ .type }' } }]",
            json!({}),
            vec![Suspend, Sent(1), Resume],
            r#"#1 emit {"specversion":"1.0","id":"run_01KDV7N5C00000000000000000/do/0/e/0","source":"/s","time":"2026-01-01T00:00:00.000000Z","type":"a"}; suspended; suspended; = "a""#,
        ),
        (
            "a document that comes meanwhile is read when the run goes on",
            "do: [{ a: { call: openapi, with: { document: { endpoint: http://h/api }, operationId: get } } }]",
            json!({}),
            vec![
                Suspend,
                Answer(
                    1,
                    json!(
                        r#"{ "openapi": "3.0.0", "servers": [{ "url": "http://h" }], "paths": { "/x": { "get": { "operationId": "get" } } } }"#
                    ),
                ),
                Resume,
                Answer(2, json!(1)),
            ],
            "#1 GET http://h/api; suspended; suspended; #2 GET http://h/x; = 1",
        ),
        (
            "an error that was held ends what it would have ended",
            "do: [{ f: { fork: { branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { b: { call: http, with: { method: get, endpoint: http://h/b } } }] } } }]",
            json!({}),
            vec![Suspend, Refuse(1, 500), Answer(2, json!("b")), Resume, Retry],
            "#1 GET http://h/a; #2 GET http://h/b; suspended; suspended; suspended; ! communication 500 /do/0/f/fork/branches/0/a; #3 GET http://h/a; #4 GET http://h/b",
        ),
    ]);
}

#[test]
fn readers_see_that_tasks_are_suspended() {
    let text =
        format!("do: [{{ f: {{ fork: {{ branches: [{{ a: {CALL} }}, {{ w: {{ wait: PT60S }} }}] }} }} }}]");
    let player = play_in(&Arc::default(), &text, json!({}), &[Suspend, Resume]);
    assert_eq!(
        player.seen.lines,
        [
            "1 f began {}",
            "2 a began {}",
            "3 w began {}",
            "3 waiting",
            "1 suspended",
            "2 suspended",
            "3 suspended",
            "1 running",
            "2 running",
            "3 waiting",
        ]
    );
}

#[test]
fn a_run_is_suspended_between_two_tasks() {
    let workflow =
        workflow("do: [{ a: { set: { x: 1 } } }, { b: { set: { x: 2 } } }, { c: { set: { x: 3 } } }]");
    let mut player = Player::start_only(&workflow, &Arc::default(), json!({}), 1);
    assert!(player.run_slice().unwrap());
    player.step(&Suspend);
    assert_eq!((player.machine.status(), player.machine.tasks_begun()), (RunStatus::Suspended, 1));
    assert_eq!(player.machine.suspended().map(|(_, by)| by), Some(Some("tester")));
    player.step(&Resume);
    assert_eq!(player.machine.output(), Some(&json!({ "x": 3 })));
}

#[test]
fn timers_say_what_they_are_for() {
    let text = format!(
        "timeout: {{ after: PT1H }}\ndo: [{{ f: {{ fork: {{ branches: [{{ w: {{ wait: PT60S }} }}, {{ t: {{ try: [{{ a: {CALL} }}], catch: {{ retry: {{ delay: PT9S, limit: {{ attempt: {{ count: 3 }} }} }} }} }} }}] }} }} }}]"
    );
    let mut player = Player::start(&workflow(&text), &Arc::new(Surroundings::default()), json!({}), u64::MAX);
    player.step(&Refuse(3, 500));
    let uses = |machine: &Machine| -> Vec<String> {
        machine.pending().iter().map(|effect| format!("{:?}", machine.timer_use(effect.id()))).collect()
    };
    assert_eq!(
        uses(&player.machine),
        [
            format!("{:?}", Some(TimerUse::Bound)),
            format!("{:?}", Some(TimerUse::Wait { task: "w" })),
            format!("{:?}", Some(TimerUse::Delay { task: "t", retry: 1, of: Some(3) })),
        ]
    );
}
