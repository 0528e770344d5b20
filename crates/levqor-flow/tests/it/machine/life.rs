//! A run's life: what is seen of it, cancelled, aborted, and retried after a fault.

use std::{sync::Arc, time::Duration};

use levqor_flow::{
    expression::Bounds,
    machine::{ApplyError, Effect, ErrorKind, Event, Machine, Outcome, Progress, Surroundings},
};
use levqor_model::RunStatus;
use serde_json::{Value, json};

use super::play::{
    Answer, Cancel, Lose, Pass, Player, Refuse, Retry, START, check, play_in, started, workflow,
};

const CALL: &str = "{ call: http, with: { method: get, endpoint: http://h/ } }";

#[test]
fn cancelling_lets_everything_go() {
    check(vec![
        (
            "a call",
            "do: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }]",
            json!({}),
            vec![Cancel, Cancel, Answer(1, json!(1)), Retry],
            "#1 GET http://h/; drop #1; cancelled; refused: the run is cancelled; #1 is not pending; refused: the run is cancelled",
        ),
        (
            "a fork with timeouts",
            "timeout: { after: PT1H }\ndo: [{ f: { fork: { branches: [{ a: { wait: PT1M } }, { b: { call: http, with: { method: get, endpoint: http://h/ } } }] }, timeout: { after: PT9M } } }]",
            json!({}),
            vec![Cancel],
            "#1 +3600s; #2 +540s; #3 +60s; #4 GET http://h/; drop #4; drop #3; drop #2; drop #1; cancelled",
        ),
        (
            "a delay before a retry",
            "do: [{ t: { try: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }], catch: { retry: { delay: PT9S } } } }]",
            json!({}),
            vec![Lose(1), Cancel],
            "#1 GET http://h/; #2 +9s; drop #2; cancelled",
        ),
        (
            "what has ended",
            "do: [{ a: { set: { x: 1 } } }]",
            json!({}),
            vec![Cancel, Retry],
            r#"= {"x":1}; refused: the run is completed; refused: the run is completed"#,
        ),
    ]);
}

#[test]
fn a_retry_goes_on_from_the_task_that_failed() {
    check(vec![
        (
            "the call again",
            "do: [{ s: { set: { x: 1 } } }, { a: { call: http, with: { method: post, endpoint: http://h/, body: '${ . }' } } }, { b: { set: '${ [.] }' } }]",
            json!({}),
            vec![Refuse(1, 500), Retry, Answer(2, json!("ok"))],
            r#"#1 POST http://h/ {"x":1}; ! communication 500 /do/1/a; #2 POST http://h/ {"x":1}; = ["ok"]"#,
        ),
        (
            "it may fail again",
            "do: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }]",
            json!({}),
            vec![Refuse(1, 500), Retry, Refuse(2, 500), Retry, Answer(3, json!(1))],
            "#1 GET http://h/; ! communication 500 /do/0/a; #2 GET http://h/; ! communication 500 /do/0/a; #3 GET http://h/; = 1",
        ),
        (
            "in a loop, at its iteration",
            "do: [{ l: { for: { in: '[1, 2]' }, do: [{ a: { call: http, with: { method: get, endpoint: '${ \"http://h/\\($item)\" }' } } }] } }]",
            json!({}),
            vec![Answer(1, json!(0)), Refuse(2, 500), Retry, Answer(3, json!("ok"))],
            r#"#1 GET http://h/1; #2 GET http://h/2; ! communication 500 /do/0/l/do/0/a; #3 GET http://h/2; = "ok""#,
        ),
        (
            "siblings go on where they were",
            "do: [{ f: { fork: { branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { b: { do: [{ b1: { set: '${ 1 }' } }, { b2: { call: http, with: { method: get, endpoint: http://h/b } } }] } }, { c: { call: http, with: { method: get, endpoint: http://h/c } } }] } } }]",
            json!({}),
            vec![Answer(3, json!("b")), Refuse(1, 500), Retry, Answer(4, json!("a")), Answer(5, json!("c"))],
            r#"#1 GET http://h/a; #2 GET http://h/c; #3 GET http://h/b; drop #2; ! communication 500 /do/0/f/fork/branches/0/a; #4 GET http://h/a; #5 GET http://h/c; = ["a","b","c"]"#,
        ),
        (
            "time between the fault and the retry counts for no timer",
            "do: [{ f: { fork: { branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { w: { wait: { seconds: 60 } } }] }, timeout: { after: { seconds: 100 } } } }]",
            json!(0),
            vec![Pass(10), Refuse(2, 500), Pass(1000), Retry, Answer(6, json!(1))],
            "#1 +100s; #2 GET http://h/a; #3 +60s; drop #1; drop #3; ! communication 500 /do/0/f/fork/branches/0/a; #4 +90s; #5 +50s; #6 GET http://h/a; waiting",
        ),
        (
            "the failed task may be a composite",
            "do: [{ o: { do: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }], output: { as: .x.y } } }]",
            json!(0),
            vec![Answer(1, json!({ "x": 1 })), Retry, Answer(2, json!({ "x": { "y": 2 } }))],
            "#1 GET http://h/; ! expression 400 /do/0/o; #2 GET http://h/; = 2",
        ),
        (
            "a lost race is run again",
            "do: [{ f: { fork: { compete: true, branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { b: { call: http, with: { method: get, endpoint: http://h/b } } }] } } }]",
            json!({}),
            vec![Refuse(1, 500), Refuse(2, 500), Retry, Answer(4, json!("b"))],
            r#"#1 GET http://h/a; #2 GET http://h/b; ! communication 500 /do/0/f/fork/branches/1/b; #3 GET http://h/a; #4 GET http://h/b; drop #3; = "b""#,
        ),
        (
            "a try keeps its count",
            "do: [{ t: { try: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }], catch: { retry: { limit: { attempt: { count: 1 } } } } } }]",
            json!({}),
            vec![Refuse(1, 500), Refuse(2, 500), Retry, Refuse(3, 500)],
            "#1 GET http://h/; #2 GET http://h/; ! communication 500 /do/0/t/try/0/a; #3 GET http://h/; ! communication 500 /do/0/t/try/0/a",
        ),
        (
            "in a handler",
            "do: [{ t: { try: [{ a: { raise: { error: { type: 'urn:x', status: 407 } } } }], catch: { do: [{ h: { call: http, with: { method: post, endpoint: http://h/, body: '${ $error.status }' } } }] } } }]",
            json!({}),
            vec![Refuse(1, 500), Retry, Answer(2, json!(1))],
            "#1 POST http://h/ 407; ! communication 500 /do/0/t/catch/do/0/h; #2 POST http://h/ 407; = 1",
        ),
        (
            "after a timeout the time is new",
            "do: [{ a: { call: http, with: { method: get, endpoint: http://h/ }, timeout: { after: PT5S } } }]",
            json!({}),
            vec![Pass(5), Retry, Answer(4, json!(1))],
            "#1 +5s; #2 GET http://h/; drop #2; ! timeout 408 /do/0/a; #3 +5s; #4 GET http://h/; drop #3; = 1",
        ),
        (
            "also the workflow's",
            "timeout: { after: PT5S }\ndo: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }]",
            json!({}),
            vec![Pass(5), Pass(60), Retry, Answer(4, json!(1))],
            "#1 +5s; #2 GET http://h/; drop #2; ! timeout 408 /timeout; #3 +5s; #4 GET http://h/; drop #3; = 1",
        ),
        (
            "what remains of the workflow's time",
            "timeout: { after: PT50S }\ndo: [{ a: { call: http, with: { method: get, endpoint: http://h/ } } }]",
            json!({}),
            vec![Pass(5), Refuse(2, 500), Pass(60), Retry],
            "#1 +50s; #2 GET http://h/; drop #1; ! communication 500 /do/0/a; #3 +45s; #4 GET http://h/",
        ),
        (
            "a delay before a retry",
            "do: [{ f: { fork: { branches: [{ t: { try: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }], catch: { retry: { delay: PT30S } } } }, { b: { call: http, with: { method: get, endpoint: http://h/b } } }] } } }]",
            json!({}),
            vec![Refuse(2, 500), Pass(10), Refuse(1, 500), Pass(500), Retry, Pass(20)],
            "#1 GET http://h/b; #2 GET http://h/a; #3 +30s; drop #3; ! communication 500 /do/0/f/fork/branches/1/b; #4 +20s; #5 GET http://h/b; #6 GET http://h/a",
        ),
        (
            "a bounded attempt",
            "do: [{ f: { fork: { branches: [{ t: { try: [{ a: { wait: PT20S } }], catch: { retry: { limit: { attempt: { duration: PT30S } } } } } }, { b: { call: http, with: { method: get, endpoint: http://h/b } } }] } } }]",
            json!(0),
            vec![Pass(10), Refuse(2, 500), Retry, Answer(6, json!(1)), Pass(10)],
            "#1 +30s; #2 GET http://h/b; #3 +20s; drop #1; drop #3; ! communication 500 /do/0/f/fork/branches/1/b; #4 +20s; #5 +10s; #6 GET http://h/b; waiting; drop #4; = [0,1]",
        ),
        (
            "a fault of the workflow itself comes again",
            "output: { as: .x.y }\ndo: [{ a: { set: { x: 1 } } }]",
            json!({}),
            vec![Retry],
            "! expression 400 /output; ! expression 400 /output",
        ),
    ]);
}

#[test]
fn notes_tell_what_happens_to_tasks() {
    let rows = [
        (
            "a list with a skipped task",
            "do: [{ a: { set: '${ 1 }' } }, { b: { if: 'false', set: '${ 2 }' } }, { c: { set: '${ 3 }' } }]".to_owned(),
            vec![],
            vec!["1 a began 0", "1 completed 1", "2 b began 1", "2 skipped", "3 c began 1", "3 completed 3"],
        ),
        (
            "a composite, a loop, a wait",
            "do: [{ l: { for: { in: '[7, 8]' }, do: [{ w: { wait: { seconds: 1 } } }] } }]".to_owned(),
            vec![Pass(2)],
            vec![
                "1 l began 0", "2 w[0] began 0", "2 waiting", "2 completed 0", "3 w[1] began 0", "3 waiting", "3 completed 0",
                "1 completed 0",
            ],
        ),
        (
            "a retry and a handler",
            format!("do: [{{ t: {{ try: [{{ a: {CALL} }}], catch: {{ retry: {{ limit: {{ attempt: {{ count: 1 }} }} }}, do: [{{ h: {{ set: '${{ 1 }}' }} }}] }} }} }}]"),
            vec![Lose(1), Lose(2)],
            vec![
                "1 t began 0", "2 a began 0", "2 faulted communication", "3 a attempt 2 began 0", "3 faulted communication",
                "4 h began 0", "4 completed 1", "1 completed 1",
            ],
        ),
        (
            "a fault in a fork, and a retry of the run",
            format!("do: [{{ f: {{ fork: {{ branches: [{{ a: {CALL} }}, {{ b: {{ wait: PT1M }} }}, {{ c: {CALL} }}] }} }} }}]"),
            vec![Lose(1), Retry],
            vec![
                "1 f began 0", "2 a began 0", "3 b began 0", "3 waiting", "4 c began 0", "4 cancelled", "3 cancelled",
                "2 faulted communication", "1 faulted communication", "1 running", "3 waiting", "5 a attempt 2 began 0",
                "6 c attempt 2 began 0",
            ],
        ),
        (
            "a race",
            "do: [{ f: { fork: { compete: true, branches: [{ a: { wait: PT1M } }, { b: { set: '${ 1 }' } }, { c: { set: '${ 2 }' } }] } } }]".to_owned(),
            vec![],
            vec!["1 f began 0", "2 a began 0", "2 waiting", "3 b began 0", "3 completed 1", "2 cancelled", "1 completed 1"],
        ),
        (
            "a cancelled sub-run",
            "do: [{ o: { do: [{ a: { run: { workflow: { namespace: n, name: s, version: 1.0.0 } } } }] } }]".to_owned(),
            vec![Cancel],
            vec!["1 o began 0", "2 a began 0", "2 waiting", "2 cancelled", "1 cancelled"],
        ),
    ];
    for (title, text, script, expected) in rows {
        let player = play_in(&Default::default(), &text, json!(0), &script);
        assert_eq!(player.seen.lines, expected, "{title}");
    }
}

/// A loop that takes many slices.
const LONG: &str = "do: [{ l: { for: { in: '[range(50)]' }, do: [{ a: { set: '${ . + 1 }' } }, { b: { set: '${ . + 1 }' } }] } }, { c: { call: http, with: { method: get, endpoint: http://h/ } } }]";

#[test]
fn interrupted_between_slices_a_run_is_rebuilt_as_it_was() {
    for slice in [1, 7, 30] {
        for aborted in [false, true] {
            let mut player =
                Player::start_only(&workflow(LONG), &Arc::new(Surroundings::default()), json!(0), slice);
            for _ in 0..3 {
                assert!(player.run_slice().unwrap());
            }
            let tasks_begun = player.machine.tasks_begun();
            assert_eq!(tasks_begun, slice * 3);
            let event = if aborted {
                let error = ErrorKind::Runtime.error("gave up", "a test");
                Event::Aborted { at: START, tasks_begun, error }
            } else {
                Event::Cancelled { at: START, tasks_begun }
            };
            player.apply(event);
            let ended = if aborted { RunStatus::Faulted } else { RunStatus::Cancelled };
            assert_eq!(player.machine.status(), ended);
            if aborted {
                player.apply(Event::Retried { at: START, secrets: Default::default() });
                assert_eq!(player.said.last().unwrap(), "#1 GET http://h/");
                player.step(&Answer(1, json!("done")));
                assert_eq!(player.machine.output(), Some(&json!("done")));
            }
        }
    }
}

#[test]
fn events_that_do_not_fit_are_refused() {
    let surroundings = Arc::new(Surroundings::default());
    let flow = workflow("do: [{ w: { wait: PT1S } }, { a: { set: { x: 1 } } }]");
    let ended = Event::ended(START, 1, Outcome::Output(json!(1)));
    for journal in [&[][..], std::slice::from_ref(&ended)] {
        let replayed = Machine::replay(Arc::clone(&flow), Arc::clone(&surroundings), journal, &mut ());
        assert_eq!(replayed.err(), Some(ApplyError::Start));
    }
    let mut machine = Machine::start(Arc::clone(&flow), surroundings, &started(json!(0))).unwrap();
    let mut effects = Vec::new();
    machine.run(9, &mut effects, &mut ()).unwrap();
    assert!(matches!(effects[..], [Effect::Timer { id: 1, .. }]));
    let fired = Event::TimerFired { at: START, effect: 1 };
    assert_eq!(machine.apply(&started(json!(0)), &mut ()), Err(ApplyError::Start));
    assert_eq!(machine.apply(&ended, &mut ()), Err(ApplyError::NotPending(1)));
    assert_eq!(
        machine.apply(&Event::Retried { at: START, secrets: Default::default() }, &mut ()),
        Err(ApplyError::Status(RunStatus::Waiting))
    );
    assert_eq!(machine.apply(&fired, &mut ()), Ok(()));
    assert_eq!(machine.apply(&fired, &mut ()), Err(ApplyError::NotPending(1)));
    // Cancelling now does what the timer led to first, as replay will.
    let cancelled = Event::Cancelled { at: START, tasks_begun: machine.tasks_begun() };
    assert_eq!(machine.apply(&cancelled, &mut ()), Ok(()));
    assert_eq!(machine.status(), RunStatus::Cancelled);
}

#[test]
fn an_event_out_of_turn_is_refused_until_the_run_is_idle() {
    let text = "do: [{ f: { fork: { branches: [{ a: { wait: PT1S } }, { b: { wait: PT1S } }] } } }]";
    let mut machine =
        Machine::start(workflow(text), Arc::new(Surroundings::default()), &started(json!(0))).unwrap();
    machine.run(9, &mut Vec::new(), &mut ()).unwrap();
    let fired = |effect| Event::TimerFired { at: START, effect };
    assert_eq!(machine.apply(&fired(1), &mut ()), Ok(()));
    assert_eq!(machine.apply(&fired(2), &mut ()), Err(ApplyError::Busy));
    machine.run(9, &mut Vec::new(), &mut ()).unwrap();
    assert_eq!(machine.apply(&fired(2), &mut ()), Ok(()));
    machine.run(9, &mut Vec::new(), &mut ()).unwrap();
    assert_eq!(machine.output(), Some(&json!([0, 0])));
}

#[test]
fn a_slice_ends_where_its_steps_do_and_nothing_is_lost() {
    let flow = workflow(
        "do: [{ a: { set: '${ . + 1 }' } }, { b: { set: '${ . + ([range(5000)] | length) }' } }, { c: { set: '${ . + 1 }' } }]",
    );
    let mut machine = Machine::start(flow, Arc::new(Surroundings::default()), &started(json!(0))).unwrap();
    let mut effects = Vec::new();
    for _ in 0..3 {
        assert_eq!(machine.run_within(8, 1_000, &mut effects, &mut ()), Ok(Progress::More));
        assert_eq!(machine.tasks_begun(), 2, "the second is tried again and again");
    }
    let enough = machine.steps_together();
    assert_eq!(machine.run_within(8, enough, &mut effects, &mut ()), Ok(Progress::Idle));
    assert_eq!(machine.output(), Some(&json!(5_002)));
}

#[test]
fn expressions_of_one_task_are_bounded_together() {
    let many = |expression: &str| {
        let members: Vec<_> = (0..200).map(|n| format!("m{n}: '${{ {expression} }}'")).collect();
        format!("do: [{{ a: {{ set: {{ {} }} }} }}]", members.join(", "))
    };
    let detail = |surroundings: Surroundings, text: &str, input: Value| {
        let player = play_in(&Arc::new(surroundings), text, input, &[]);
        player.machine.error().and_then(|error| error.detail.clone()).unwrap_or_default()
    };
    // Each of them is far below the bound of one.
    let bounds = Bounds { steps: 10_000, ..Bounds::default() };
    let text = many("[range(1000)] | length");
    let told = detail(Surroundings { bounds, ..Default::default() }, &text, json!(0));
    assert!(told.ends_with("the expressions of one task need more than 80000 steps together"), "{told}");
    assert_eq!(detail(Surroundings::default(), &text, json!(0)), "");
    // A loop is no task: each iteration has its own.
    let text =
        "do: [{ l: { for: { in: '[range(200)]' }, do: [{ a: { set: '${ [range(1000)] | length }' } }] } }]";
    assert_eq!(detail(Surroundings { bounds, ..Default::default() }, text, json!(0)), "");
    // Nor is the data of all of them more than a task may hold, however little each gives.
    let text = many(".");
    let told = detail(Surroundings::default(), &text, json!("x".repeat(100_000)));
    assert!(told.starts_with("the task's expressions together give more than 2100042 bytes"), "{told}");
    assert_eq!(detail(Surroundings::default(), &text, json!("x".repeat(1_000))), "");
}

/// A time so short that whatever takes many steps is too slow.
fn hasty() -> Arc<Surroundings> {
    let bounds = Bounds { time: Duration::from_nanos(1), ..Bounds::default() };
    Arc::new(Surroundings { bounds, ..Default::default() })
}

#[test]
fn what_is_too_slow_aborts_the_run_and_replay_finds_the_place() {
    const SLOW: &str = "[range(20000)] | length";
    let rows = [
        (
            "if",
            format!("do: [{{ s: {{ set: '${{ 1 }}' }} }}, {{ a: {{ if: '{SLOW}', set: '${{ 1 }}' }} }}]"),
            "/do/1/a",
        ),
        (
            "a task's own evaluation",
            format!("do: [{{ o: {{ do: [{{ a: {{ set: '${{ {SLOW} }}' }} }}] }} }}]"),
            "/do/0/o/do/0/a",
        ),
        (
            "output.as of a composite",
            format!(
                "do: [{{ o: {{ do: [{{ a: {{ set: '${{ 1 }}', export: {{ as: '{{ n: ($context.n + 1) }}' }} }} }}], output: {{ as: '{SLOW}' }}, timeout: {{ after: PT1H }} }} }}]"
            ),
            "/do/0/o",
        ),
        (
            "while, the second time",
            format!(
                "do: [{{ l: {{ for: {{ in: '[1, 2]' }}, while: 'if $index == 1 then {SLOW} else true end', do: [{{ a: {{ set: '${{ 1 }}' }} }}] }} }}]"
            ),
            "/do/0/l",
        ),
        (
            "catch.when",
            format!(
                "do: [{{ t: {{ try: [{{ f: {{ fork: {{ branches: [{{ w: {{ wait: PT1S }} }}, {{ a: {{ raise: {{ error: {{ type: 'urn:x', status: 401 }} }} }} }}] }} }} }}], catch: {{ when: '{SLOW}' }} }} }}]"
            ),
            "/do/0/t",
        ),
        (
            "a branch, while others go on",
            format!(
                "do: [{{ f: {{ fork: {{ branches: [{{ a: {{ do: [{{ b: {{ set: '${{ 1 }}' }} }}, {{ c: {{ set: '${{ {SLOW} }}' }} }}] }} }}, {{ d: {{ do: [{{ e: {{ set: '${{ 1 }}' }} }}, {{ g: {{ wait: PT1S }} }}] }} }}] }} }} }}]"
            ),
            "/do/0/f/fork/branches/0/a/do/1/c",
        ),
        (
            "the workflow's input",
            format!(
                "input: {{ from: '{SLOW}' }}\ntimeout: {{ after: PT1H }}\ndo: [{{ a: {{ set: '${{ 1 }}' }} }}]"
            ),
            "/input",
        ),
        (
            "the workflow's output",
            format!("output: {{ as: '{SLOW}' }}\ndo: [{{ a: {{ set: '${{ 1 }}' }} }}]"),
            "/output",
        ),
    ];
    for (title, text, place) in rows {
        // A retry comes to the same place; each time the run is compared with the one that its journal gives.
        let player = play_in(&hasty(), &text, json!(0), &[Retry, Pass(2), Retry]);
        let faults = player.said.iter().filter(|said| **said == format!("! expression 400 {place}")).count();
        assert_eq!(faults, 3, "{title}: {:?}", player.said);
        let aborted = player.journal.iter().filter(|event| matches!(event, Event::Aborted { .. })).count();
        assert_eq!(aborted, 3, "{title}: {:?}", player.journal);
    }
}
