//! `emit` and `listen`.

use serde_json::json;

use super::play::{
    Answer, Cancel, Lose, Pass, Publish, PublishAll, Retry, Sent, check, play, play_in, workflow,
};

fn event(members: serde_json::Value) -> super::play::Do {
    let mut event = json!({ "specversion": "1.0", "id": "x", "source": "/test", "type": "a" });
    for (name, value) in members.as_object().unwrap() {
        event[name] = value.clone();
    }
    PublishAll(event)
}

#[test]
fn emit_completes_and_checks_the_event() {
    check(vec![
        (
            "what is missing is filled in",
            "do: [{ e: { emit: { event: { with: { type: order.paid, subject: '${ .n }', data: { n: '${ .n }', s: $x } } } } } }]",
            json!({ "n": "7" }),
            vec![Sent(1)],
            r#"#1 emit {"specversion":"1.0","id":"run_01KDV7N5C00000000000000000/do/0/e/0","source":"/tests/flow/1.0.0","time":"2026-01-01T00:00:00.000000Z","type":"order.paid","subject":"7","data":{"n":"7","s":"$x"}}; = {"specversion":"1.0","id":"run_01KDV7N5C00000000000000000/do/0/e/0","source":"/tests/flow/1.0.0","time":"2026-01-01T00:00:00.000000Z","type":"order.paid","subject":"7","data":{"n":"7","s":"$x"}}"#,
        ),
        (
            "what is given stays",
            "do: [{ e: { emit: { event: { with: { id: '1', source: /s, type: t, time: '2026-01-02T00:00:00Z', roomid: 5 } } } } }]",
            json!({}),
            vec![Sent(1)],
            r#"#1 emit {"specversion":"1.0","id":"1","source":"/s","time":"2026-01-02T00:00:00Z","type":"t","roomid":5}; = {"specversion":"1.0","id":"1","source":"/s","time":"2026-01-02T00:00:00Z","type":"t","roomid":5}"#,
        ),
        (
            "null is absent",
            "do: [{ e: { emit: { event: { with: { id: '${ .x }', subject: '${ .x }', type: t } } } } }]",
            json!({}),
            vec![],
            r#"#1 emit {"specversion":"1.0","id":"run_01KDV7N5C00000000000000000/do/0/e/0","source":"/tests/flow/1.0.0","time":"2026-01-01T00:00:00.000000Z","type":"t"}"#,
        ),
        (
            "what is no event can be caught",
            "do: [{ t: { try: [{ e: { emit: { event: { with: { type: '${ .x }' } } } } }], catch: { as: why, do: [{ s: { set: '${ $why }' } }] } } }]",
            json!({ "x": 5 }),
            vec![],
            r#"= {"type":"https://serverlessworkflow.io/spec/1.0.0/errors/validation","status":400,"title":"the event could not be made","detail":"`type` is not text; write it in quotes","instance":"/do/0/t/try/0/e"}"#,
        ),
        (
            "a repeat that was not answered has the same id, one that was has another",
            "do: [{ t: { try: [{ e: { emit: { event: { with: { type: t } } } } }, { c: { call: http, with: { method: get, endpoint: 'http://h/' } } }], catch: { retry: { limit: { attempt: { count: 3 } } } } } }]",
            json!({}),
            vec![Lose(1), Sent(2), Lose(3), Sent(4)],
            r#"#1 emit {"specversion":"1.0","id":"run_01KDV7N5C00000000000000000/do/0/t/try/0/e/0","source":"/tests/flow/1.0.0","time":"2026-01-01T00:00:00.000000Z","type":"t"}; #2 emit {"specversion":"1.0","id":"run_01KDV7N5C00000000000000000/do/0/t/try/0/e/0","source":"/tests/flow/1.0.0","time":"2026-01-01T00:00:00.000000Z","type":"t"}; #3 GET http://h/; #4 emit {"specversion":"1.0","id":"run_01KDV7N5C00000000000000000/do/0/t/try/0/e/1","source":"/tests/flow/1.0.0","time":"2026-01-01T00:00:00.000000Z","type":"t"}; #5 GET http://h/"#,
        ),
        (
            "the event is the output",
            "do: [{ e: { emit: { event: { with: { id: '1', time: '2026-01-02T00:00:00Z', type: t, data: 1 } } }, output: { as: .data } } }]",
            json!({}),
            vec![Sent(1)],
            r#"#1 emit {"specversion":"1.0","id":"1","source":"/tests/flow/1.0.0","time":"2026-01-02T00:00:00Z","type":"t","data":1}; = 1"#,
        ),
        (
            "a timeout lets go of it",
            "do: [{ e: { emit: { event: { with: { id: '1', time: '2026-01-02T00:00:00Z', type: t } } }, timeout: { after: { seconds: 1 } } } }]",
            json!({}),
            vec![Pass(2)],
            r#"#1 +1s; #2 emit {"specversion":"1.0","id":"1","source":"/tests/flow/1.0.0","time":"2026-01-02T00:00:00Z","type":"t"}; drop #2; ! timeout 408 /do/0/e"#,
        ),
    ]);
}

#[test]
fn listen_takes_what_its_filters_say() {
    check(vec![
        (
            "one, by type",
            "do: [{ l: { listen: { to: { one: { with: { type: order.paid } } } } } }]",
            json!({}),
            vec![Publish("order.placed", json!(1)), Publish("order.paid", json!({ "n": 2 }))],
            r#"#1 listen [{"kind":"order.paid"}]; waiting; #1 hears 2; = [{"n":2}]"#,
        ),
        (
            "dots are dots, stars make a pattern of the whole text",
            "do: [{ l: { listen: { to: { any: [{ with: { type: a.b } }, { with: { type: 'x\\..*' } }] } } } }]",
            json!({}),
            vec![Publish("a-b", json!(1)), Publish("yx.z", json!(2)), Publish("x.z", json!(3))],
            r#"#1 listen [{"kind":"a.b"},{}]; waiting; #1 hears 3; = [3]"#,
        ),
        (
            "a text with special characters is itself, too",
            "do: [{ l: { listen: { to: { one: { with: { subject: 'what?' } } } } } }]",
            json!({}),
            vec![event(json!({ "subject": "whatt" })), event(json!({ "subject": "what?" }))],
            r#"#1 listen [{}]; waiting; #1 hears 2; = [null]"#,
        ),
        (
            "a condition on data, which fails on data of another form",
            "do: [{ l: { listen: { to: { one: { with: { type: t, data: '${ .c > 38 }' } } } } } }]",
            json!({}),
            vec![
                Publish("t", json!("x")),
                Publish("t", json!({ "c": 38 })),
                Publish("t", json!({ "c": 39 })),
            ],
            r#"#1 listen [{"kind":"t"}]; waiting; #1 hears 3; = [{"c":39}]"#,
        ),
        (
            "computed values, extension attributes, numbers and data as they are",
            "do: [{ l: { listen: { to: { one: { with: { type: '${ .t }', room: '${ .room }', level: 5, data: { a: '${ .room }' } } } } } } }]",
            json!({ "t": "a", "room": "r1" }),
            vec![
                event(json!({ "room": "r1", "level": 5, "data": { "a": "r2" } })),
                event(json!({ "room": "r1", "level": 6, "data": { "a": "r1" } })),
                event(json!({ "room": "r1", "level": 5, "data": { "a": "r1" } })),
            ],
            r#"#1 listen [{"kind":"a","equal":[["/room","r1"],["/level",5]]}]; waiting; #1 hears 3; = [{"a":"r1"}]"#,
        ),
        (
            "events from before are not seen",
            "do: [{ w: { wait: { seconds: 5 } } }, { l: { listen: { to: { any: [] }, read: raw } } }]",
            json!({}),
            vec![Publish("a", json!(1)), Pass(5), Publish("b", json!({ "n": 2 }))],
            r#"#1 +5s; waiting; #2 listen [{}]; waiting; #2 hears 2; = ["{\"n\":2}"]"#,
        ),
        (
            "what fails when listening begins is an error",
            "do: [{ l: { listen: { to: { one: { with: { type: '${ .x | error }' } } } } } }]",
            json!({ "x": "no" }),
            vec![],
            r#"! expression 400 /do/0/l"#,
        ),
        (
            "the envelope",
            "do: [{ l: { listen: { to: { any: [] }, read: envelope } } }]",
            json!({}),
            vec![event(json!({ "data": 1 }))],
            r#"#1 listen [{}]; waiting; #1 hears 1; = [{"specversion":"1.0","id":"x","source":"/test","type":"a","data":1}]"#,
        ),
    ]);
}

#[test]
fn listen_ends_when_its_strategy_says() {
    check(vec![
        (
            "all, in any order, each once",
            "do: [{ l: { listen: { to: { all: [{ with: { type: a } }, { with: { type: b } }] } } } }]",
            json!({}),
            vec![
                Publish("b", json!(1)),
                Publish("b", json!(2)),
                Publish("c", json!(3)),
                Publish("a", json!(4)),
            ],
            r#"#1 listen [{"kind":"a"},{"kind":"b"}]; waiting; #1 hears 1; waiting; #1 hears 4; = [1,4]"#,
        ),
        (
            "until a condition holds on what came",
            "do: [{ l: { listen: { to: { any: [], until: '( . | length ) > 2' } } } }]",
            json!({}),
            vec![
                Publish("a", json!(1)),
                Publish("b", json!(2)),
                Publish("c", json!(3)),
                Publish("d", json!(4)),
            ],
            r#"#1 listen [{}]; waiting; #1 hears 1; waiting; #1 hears 2; waiting; #1 hears 3; drop #1; = [1,2,3]"#,
        ),
        (
            "until a condition fails",
            "do: [{ l: { listen: { to: { any: [], until: '.[0].n > 1' } } } }]",
            json!({}),
            vec![Publish("a", json!("text"))],
            r#"#1 listen [{}]; waiting; #1 hears 1; drop #1; ! expression 400 /do/0/l"#,
        ),
        (
            "until other events, which are not output",
            "do: [{ l: { listen: { to: { any: [{ with: { type: a } }], until: { all: [{ with: { type: x } }, { with: { type: y } }] } } } } }]",
            json!({}),
            vec![
                Publish("a", json!(1)),
                Publish("x", json!(0)),
                Publish("b", json!(2)),
                Publish("a", json!(3)),
                Publish("y", json!(0)),
            ],
            r#"#1 listen [{"kind":"a"},{"kind":"x"},{"kind":"y"}]; waiting; #1 hears 1; waiting; #1 hears 2; waiting; #1 hears 4; waiting; #1 hears 5; = [1,3]"#,
        ),
        (
            "nothing but the end",
            "do: [{ l: { listen: { to: { any: [{ with: { type: a } }], until: { one: { with: { type: x } } } } } } }]",
            json!({}),
            vec![Publish("x", json!(0))],
            r#"#1 listen [{"kind":"a"},{"kind":"x"}]; waiting; #1 hears 1; = []"#,
        ),
    ]);
}

#[test]
fn correlation_binds_by_the_first_event_or_to_what_is_expected() {
    let both = "do: [{ l: { listen: { to: { all: [
        { with: { type: t }, correlate: { room: { from: .roomid } } },
        { with: { type: h }, correlate: { room: { from: .roomid } } }] } } } }]";
    check(vec![
        (
            "the first binds for all filters",
            both,
            json!({}),
            vec![
                event(json!({ "type": "t" })),
                event(json!({ "type": "t", "roomid": "r1", "data": 1 })),
                event(json!({ "type": "h", "roomid": "r2", "data": 2 })),
                event(json!({ "type": "h", "roomid": "r1", "data": 3 })),
            ],
            r#"#1 listen [{"kind":"t"},{"kind":"h"}]; waiting; #1 hears 2; waiting; #1 hears 4; = [1,3]"#,
        ),
        (
            "expected from the input, equal as numbers are",
            "do: [{ l: { listen: { to: { one: { with: { type: t }, correlate: { id: { from: .data.id, expect: '${ .id }' } } } } } } }]",
            json!({ "id": 7 }),
            vec![
                Publish("t", json!({ "id": "7" })),
                Publish("t", json!({ "id": 8 })),
                Publish("t", json!(1)),
                Publish("t", json!({ "id": 7.0 })),
            ],
            r#"#1 listen [{"kind":"t","equal":[["/data/id",7]]}]; waiting; #1 hears 4; = [{"id":7.0}]"#,
        ),
        (
            "what is expected to be nothing is never there",
            "do: [{ l: { listen: { to: { one: { with: { type: t }, correlate: { id: { from: .data.id, expect: '${ .id }' } } } } } } }]",
            json!({}),
            vec![Publish("t", json!({ "id": null }))],
            r#"#1 listen [{"kind":"t"}]; waiting"#,
        ),
        (
            "the end correlates, too",
            "do: [{ l: { listen: { to: { any: [{ with: { type: t }, correlate: { p: { from: .subject } } }], until: { one: { with: { type: out }, correlate: { p: { from: .subject } } } } } } } }]",
            json!({}),
            vec![
                event(json!({ "type": "t", "subject": "p1", "data": 1 })),
                event(json!({ "type": "t", "subject": "p2", "data": 2 })),
                event(json!({ "type": "out", "subject": "p2" })),
                event(json!({ "type": "t", "subject": "p1", "data": 3 })),
                event(json!({ "type": "out", "subject": "p1" })),
            ],
            r#"#1 listen [{"kind":"t"},{"kind":"out"}]; waiting; #1 hears 1; waiting; #1 hears 4; waiting; #1 hears 5; = [1,3]"#,
        ),
    ]);
}

const EACH: &str = "do: [{ l: {
    listen: { to: { any: [{ with: { type: a } }], until: { one: { with: { type: end } } } } },
    foreach: { item: ev, at: i, do: [{ c: { call: http, with: { method: post, endpoint: 'http://h/{room}', body: { e: '${ $ev }', i: '${ $i }' } } } }],
        output: { as: '{ got: ., n: $ev.n, at: $i }' }, export: { as: '{ n: (($context.n // 0) + 1) }' } } } }]";

#[test]
fn foreach_works_on_one_event_after_the_other() {
    let room = json!({ "room": "r" });
    check(vec![
        (
            "in the order in which they came",
            EACH,
            room.clone(),
            vec![
                Publish("a", json!({ "n": 1 })),
                Publish("a", json!({ "n": 2 })),
                Publish("end", json!(0)),
                Answer(2, json!("x")),
                Answer(3, json!("y")),
            ],
            r#"#1 listen [{"kind":"a"},{"kind":"end"}]; waiting; #1 hears 1; #2 POST http://h/r {"e":{"n":1},"i":0}; #1 hears 2; #1 hears 3; #3 POST http://h/r {"e":{"n":2},"i":1}; = [{"got":"x","n":1,"at":0},{"got":"y","n":2,"at":1}]"#,
        ),
        (
            "the end comes while nothing is done",
            EACH,
            room.clone(),
            vec![Publish("a", json!({ "n": 1 })), Answer(2, json!("x")), Publish("end", json!(0))],
            r#"#1 listen [{"kind":"a"},{"kind":"end"}]; waiting; #1 hears 1; #2 POST http://h/r {"e":{"n":1},"i":0}; waiting; #1 hears 2; = [{"got":"x","n":1,"at":0}]"#,
        ),
        (
            "an error of the body ends the task, and lets go of the rest",
            EACH,
            room.clone(),
            vec![Publish("a", json!({ "n": 1 })), Publish("a", json!({ "n": 2 })), Lose(2)],
            r#"#1 listen [{"kind":"a"},{"kind":"end"}]; waiting; #1 hears 1; #2 POST http://h/r {"e":{"n":1},"i":0}; #1 hears 2; drop #1; ! communication 500 /do/0/l/foreach/do/0/c"#,
        ),
        (
            "a retry of the run goes on with the event that failed and those that wait",
            EACH,
            room.clone(),
            vec![
                Publish("a", json!({ "n": 1 })),
                Publish("a", json!({ "n": 2 })),
                Lose(2),
                Publish("a", json!({ "n": 3 })),
                Retry,
                Answer(4, json!("x")),
                Publish("end", json!(0)),
                Answer(5, json!("y")),
            ],
            r#"#1 listen [{"kind":"a"},{"kind":"end"}]; waiting; #1 hears 1; #2 POST http://h/r {"e":{"n":1},"i":0}; #1 hears 2; drop #1; ! communication 500 /do/0/l/foreach/do/0/c; #3 listen [{"kind":"a"},{"kind":"end"}]; #4 POST http://h/r {"e":{"n":1},"i":0}; #5 POST http://h/r {"e":{"n":2},"i":1}; #3 hears 4; = [{"got":"x","n":1,"at":0},{"got":"y","n":2,"at":1}]"#,
        ),
        (
            "the condition is asked when an event has been dealt with, and sees what that exported",
            "do: [{ l: { listen: { to: { any: [], until: '$context.n == 2' } },
                foreach: { do: [{ c: { call: http, with: { method: get, endpoint: 'http://h/' } } }], export: { as: '{ n: (($context.n // 0) + 1) }' } } } }, { s: { set: '${ [., $context.n] }' } }]",
            json!({}),
            vec![
                Publish("a", json!(1)),
                Publish("a", json!(2)),
                Publish("a", json!(3)),
                Answer(2, json!("x")),
                Answer(3, json!("y")),
            ],
            r#"#1 listen [{}]; waiting; #1 hears 1; #2 GET http://h/; #1 hears 2; #1 hears 3; #3 GET http://h/; drop #1; = [["x","y"],2]"#,
        ),
        (
            "without tasks, the event is the output",
            "do: [{ l: { listen: { to: { all: [{ with: { type: a } }, { with: { type: b } }] } }, foreach: { output: { as: '[., $index]' } } } }]",
            json!({}),
            vec![Publish("b", json!(1)), Publish("a", json!(2))],
            r#"#1 listen [{"kind":"a"},{"kind":"b"}]; waiting; #1 hears 1; waiting; #1 hears 2; = [[1,0],[2,1]]"#,
        ),
        (
            "end leaves from within",
            "do: [{ l: { listen: { to: { any: [], until: '${ false }' } }, foreach: { do: [{ s: { set: { x: '${ $item }' }, then: end } }] } } }]",
            json!({}),
            vec![Publish("a", json!(1))],
            r#"#1 listen [{}]; waiting; #1 hears 1; drop #1; = {"x":1}"#,
        ),
    ]);
    let seen = play_in(
        &Default::default(),
        EACH,
        room,
        &[
            Publish("a", json!({ "n": 1 })),
            Publish("a", json!({ "n": 2 })),
            Answer(2, json!("x")),
            Answer(3, json!("y")),
            Publish("end", json!(0)),
        ],
    );
    insta::assert_snapshot!(seen.seen.lines.join("\n"), @r#"
    1 l began {"room":"r"}
    1 waiting
    1 running
    2 c[0] began {"room":"r"}
    2 completed "x"
    3 c[1] began {"room":"r"}
    3 completed "y"
    1 waiting
    1 completed [{"got":"x","n":1,"at":0},{"got":"y","n":2,"at":1}]
    "#);
    assert_eq!(seen.keys, ["do/0/l[0]/foreach/do/0/c/0", "do/0/l[1]/foreach/do/0/c/0"]);
}

#[test]
fn listeners_are_cut_off_and_begin_again() {
    let one = "do: [{ l: { listen: { to: { all: [{ with: { type: a } }, { with: { type: b } }] } }, timeout: { after: { seconds: 10 } } } }]";
    check(vec![
        (
            "a timeout",
            one,
            json!({}),
            vec![Publish("a", json!(1)), Pass(10), Publish("b", json!(2))],
            r#"#1 +10s; #2 listen [{"kind":"a"},{"kind":"b"}]; waiting; #2 hears 1; waiting; drop #2; ! timeout 408 /do/0/l"#,
        ),
        (
            "a timeout, and all over again",
            one,
            json!({}),
            vec![Publish("a", json!(1)), Pass(10), Retry, Publish("b", json!(2)), Publish("a", json!(3))],
            r#"#1 +10s; #2 listen [{"kind":"a"},{"kind":"b"}]; waiting; #2 hears 1; waiting; drop #2; ! timeout 408 /do/0/l; #3 +10s; #4 listen [{"kind":"a"},{"kind":"b"}]; waiting; #4 hears 2; waiting; #4 hears 3; drop #3; = [2,3]"#,
        ),
        (
            "cancelled",
            one,
            json!({}),
            vec![Publish("a", json!(1)), Cancel, Publish("b", json!(2))],
            r#"#1 +10s; #2 listen [{"kind":"a"},{"kind":"b"}]; waiting; #2 hears 1; waiting; drop #1; drop #2; cancelled"#,
        ),
        (
            "a listener beside the branch that failed keeps what it has",
            "do: [{ f: { fork: { branches: [{ l: { listen: { to: { all: [{ with: { type: a } }, { with: { type: b } }] } } } }, { c: { call: http, with: { method: get, endpoint: 'http://h/' } } }] } } }]",
            json!({}),
            vec![
                Publish("a", json!(1)),
                Lose(2),
                Publish("b", json!(2)),
                Retry,
                Publish("b", json!(3)),
                Answer(4, json!("x")),
            ],
            r#"#1 listen [{"kind":"a"},{"kind":"b"}]; #2 GET http://h/; #1 hears 1; drop #1; ! communication 500 /do/0/f/fork/branches/1/c; #3 listen [{"kind":"a"},{"kind":"b"}]; #4 GET http://h/; #3 hears 3; = [[1,3],"x"]"#,
        ),
        (
            "the race that a listener loses",
            "do: [{ f: { fork: { compete: true, branches: [{ l: { listen: { to: { one: { with: { type: a } } } } } }, { w: { wait: { seconds: 5 } } }] } } }]",
            json!({}),
            vec![Pass(5), Publish("a", json!(1))],
            r#"#1 listen [{"kind":"a"}]; #2 +5s; waiting; drop #1; = {}"#,
        ),
        (
            "extensions are around the whole of it",
            "use: { extensions: [{ log: { extend: listen, before: [{ b: { wait: { seconds: 1 } } }], after: [{ c: { call: http, with: { method: post, endpoint: 'http://log/', body: '${ . }' } } }] } }] }\ndo: [{ l: { listen: { to: { any: [], until: 'length == 2' } } } }]",
            json!({}),
            vec![
                Publish("a", json!(1)),
                Pass(1),
                Publish("a", json!(2)),
                Publish("a", json!(3)),
                Answer(3, json!(0)),
            ],
            "#1 +1s; waiting; #2 listen [{}]; waiting; #2 hears 2; waiting; #2 hears 3; drop #2; #3 POST http://log/ [2,3]; = [2,3]",
        ),
        (
            "a run that talks to itself",
            "do: [{ f: { fork: { branches: [{ l: { listen: { to: { one: { with: { type: a } } } } } }, { e: { emit: { event: { with: { id: '1', time: '2026-01-02T00:00:00Z', type: a, data: hello } } } } }] } } }]",
            json!({}),
            vec![Sent(2)],
            r#"#1 listen [{"kind":"a"}]; #2 emit {"specversion":"1.0","id":"1","source":"/tests/flow/1.0.0","time":"2026-01-02T00:00:00Z","type":"a","data":"hello"}; waiting; #1 hears 1; = [["hello"],{"specversion":"1.0","id":"1","source":"/tests/flow/1.0.0","time":"2026-01-02T00:00:00Z","type":"a","data":"hello"}]"#,
        ),
    ]);
}

#[test]
fn a_listener_that_is_busy_has_room_for_so_many_events() {
    use levqor_model::limits::LISTEN_QUEUE_MAX;

    let script: Vec<_> = std::iter::repeat_with(|| Publish("a", json!({ "n": 1 })))
        .take(LISTEN_QUEUE_MAX + 3)
        .chain([Answer(2, json!("x"))])
        .collect();
    let said = play(EACH, json!({ "room": "r" }), &script);
    let hears = said.matches("#1 hears").count();
    // One is worked on, and one more is taken when it is done.
    assert_eq!(hears, LISTEN_QUEUE_MAX + 2);
    let full = format!("#1 hears {}; #1 is full; #1 is full; #3", LISTEN_QUEUE_MAX + 1);
    assert!(said.contains(&full), "{said}");
    assert!(said.ends_with(&format!("#1 hears {}; #1 is full", LISTEN_QUEUE_MAX + 2)), "{said}");
}

#[test]
fn what_a_listener_may_gather_is_bounded() {
    let surroundings = std::sync::Arc::new(levqor_flow::machine::Surroundings {
        payload_bytes_max: 1_000,
        ..Default::default()
    });
    let gather = "do: [{ l: { listen: { to: { any: [], until: '${ false }' } } } }]";
    let each =
        "do: [{ l: { listen: { to: { any: [], until: { one: { with: { type: end } } } } }, foreach: { } } }]";
    for text in [gather, each] {
        let script = vec![Publish("a", json!("x".repeat(300))); 4];
        let player = play_in(&surroundings, text, json!({}), &script);
        assert_eq!(player.said.last().unwrap(), "! runtime 500 /do/0/l", "{:?}", player.said);
        let detail = player.machine.error().unwrap().detail.clone().unwrap();
        assert!(detail.contains("the limit is 1000; end it earlier with `until`"), "{detail}");
    }
}

#[test]
fn entries_of_events_are_stored_and_read() {
    use levqor_flow::machine::Event;

    let player = play_in(
        &Default::default(),
        "do: [{ l: { listen: { to: { any: [] } } } }]",
        json!({}),
        &[Publish("a", json!(1))],
    );
    let stored = serde_json::to_string(&player.journal).unwrap();
    assert!(stored.contains(r#""event":"received","at":"#), "{stored}");
    assert!(stored.contains(r#""effect":1,"seq":1,"message":{"specversion":"1.0""#), "{stored}");
    assert_eq!(serde_json::from_str::<Vec<Event>>(&stored).unwrap(), player.journal);
}

#[test]
fn an_event_is_consumed_once_and_by_a_listener_only() {
    use levqor_flow::{
        event::CloudEvent,
        machine::{ApplyError, Event, Machine},
    };

    let listens =
        workflow("do: [{ l: { listen: { to: { all: [{ with: { type: a } }, { with: { type: b } }] } } } }]");
    let started = super::play::started(json!({}));
    let mut machine = Machine::start(listens, Default::default(), &started).unwrap();
    let event = |kind: &str| {
        CloudEvent::parse(json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": kind })).unwrap()
    };
    let received =
        |effect, seq, kind| Event::Received { at: super::play::START, effect, seq, event: event(kind) };
    assert_eq!(machine.apply(&received(1, 1, "a"), &mut ()), Err(ApplyError::NotPending(1)));
    let run = |machine: &mut Machine| {
        let progress = machine.run(u64::MAX, &mut Vec::new(), &mut ());
        assert_eq!(progress, Ok(levqor_flow::machine::Progress::Idle));
    };
    run(&mut machine);
    assert_eq!(machine.last_received(1), None);
    assert_eq!(machine.wants(1, &event("c")), Ok(false));
    assert_eq!(machine.apply(&received(1, 4, "c"), &mut ()), Err(ApplyError::NotWanted(1)));
    assert_eq!(machine.apply(&received(2, 4, "a"), &mut ()), Err(ApplyError::NotPending(2)));
    assert_eq!(machine.apply(&received(1, 5, "a"), &mut ()), Ok(()));
    assert_eq!(machine.wants(1, &event("b")), Err(ApplyError::Busy));
    run(&mut machine);
    assert_eq!(machine.last_received(1), Some(5));
    assert_eq!(machine.apply(&received(1, 5, "b"), &mut ()), Err(ApplyError::NotWanted(1)));
    assert_eq!(machine.wants(1, &event("b")), Ok(true));
    assert_eq!(machine.apply(&received(1, 6, "b"), &mut ()), Ok(()));
    assert_eq!(machine.wants(1, &event("b")), Err(ApplyError::NotPending(1)));
    assert!(machine.pending().is_empty());
    run(&mut machine);
    assert_eq!(machine.output(), Some(&json!([null, null])));
}

#[test]
fn events_of_a_life_are_for_those_who_name_them() {
    const KIND: &str = "io.serverlessworkflow.workflow.completed.v1";
    let listen = |to: &str| format!("do: [{{ a: {{ listen: {{ to: {to} }} }} }}]");
    let named = listen(&format!("{{ one: {{ with: {{ type: {KIND} }} }} }}"));
    let computed = listen("{ one: { with: { type: '${ .kind }' } } }");
    for hears in [&named, &computed] {
        let said = play(hears, json!({ "kind": KIND }), &[Publish(KIND, json!(1))]);
        assert!(said.ends_with("= [1]"), "{hears}: {said}");
    }
    for deaf in [
        "{ any: [] }",
        "{ one: { with: { type: 'io.serverlessworkflow.workflow..*' } } }",
        "{ one: { with: { source: '.*' } } }",
        "{ any: [ { with: { type: x } } ], until: { any: [] } }",
    ] {
        let said = play(&listen(deaf), json!({}), &[Publish(KIND, json!(1))]);
        assert!(said.ends_with("waiting"), "{deaf}: {said}");
    }
}
