//! Extensions: what they are around, what they see, and what they change (nothing, but for `exit`).

use serde_json::json;

use super::play::{Answer, Pass, Refuse, Retry, check, play_in};

#[test]
fn around_tasks() {
    check(vec![
        (
            "before and after, with the extended task as `$task`, and the data untouched",
            "use: { extensions: [{ log: { extend: set,
                before: [{ x: { call: http, with: { method: post, endpoint: https://log.example, body: '${ [$task.name, .] }' } } }],
                after: [{ y: { call: http, with: { method: post, endpoint: https://log.example, body: '${ [$task.reference, $task.output, .] }' } } }] } }] }
do: [{ a: { set: { n: 1 }, output: { as: '. + { out: true }' } } }]",
            json!({ "in": 1 }),
            vec![Answer(1, json!("dropped")), Answer(2, json!("dropped too"))],
            r#"#1 POST https://log.example ["a",{"in":1}]; #2 POST https://log.example ["/do/0/a",{"n":1},{"n":1}]; = {"n":1,"out":true}"#,
        ),
        (
            "layers nest, and are chosen by kind and condition; theirs are not extended",
            "use: { extensions: [
               { one: { extend: all, when: '$task.name == \"a\"', before: [{ b1: { wait: PT1S } }], after: [{ a1: { wait: PT2S } }] } },
               { two: { extend: set, before: [{ b2: { wait: PT3S } }], after: [{ a2: { wait: PT4S } }] } },
               { no: { extend: wait, before: [{ b3: { raise: { error: { type: no, status: 500 } } } }] } } ] }
do: [{ a: { set: { n: 1 } } }, { c: { set: { n: 2 } } }]",
            json!({}),
            vec![Pass(17)],
            "#1 +1s; waiting; #2 +3s; waiting; #3 +4s; waiting; #4 +2s; waiting; #5 +3s; waiting; #6 +4s; waiting; = {\"n\":2}",
        ),
        (
            "composite is do and fork, and not for",
            "use: { extensions: [{ c: { extend: composite, before: [{ w: { wait: PT1S } }] } }] }
do:
- a: { do: [{ s: { set: { n: 1 } } }] }
- b: { fork: { branches: [{ s: { set: { n: 2 } } }] } }
- c: { for: { in: '[1]' }, do: [{ s: { set: { n: 3 } } }] }",
            json!({}),
            vec![Pass(5)],
            "#1 +1s; waiting; #2 +1s; waiting; = {\"n\":3}",
        ),
        (
            "a skipped task is not extended",
            "use: { extensions: [{ c: { extend: all, before: [{ w: { wait: PT1S } }] } }] }
do: [{ a: { if: 'false', set: { n: 1 } } }]",
            json!({}),
            vec![],
            "= {}",
        ),
        (
            "tasks inside functions are extended, functions called by an extension are not",
            "use: { functions: { f: { set: { n: 1 } } }, extensions: [{ e: { extend: set, before: [{ w: { wait: PT1S } }, { g: { call: f } }] } }] }
do: [{ a: { call: f } }]",
            json!({}),
            vec![Pass(1)],
            "#1 +1s; waiting; = {\"n\":1}",
        ),
    ]);
}

/// The case of the published example: a service is mocked.
const MOCK: &str = "
use:
  extensions:
  - outer: { extend: call, before: [{ o1: { wait: PT1S } }], after: [{ o2: { wait: PT2S } }] }
  - mock:
      extend: call
      when: $task.definition.with.endpoint == $task.with.endpoint and ($task.with.endpoint | startswith(\"https://mocked\"))
      before: [{ m1: { set: { mocked: true }, then: exit } }, { m2: { raise: { error: { type: no, status: 500 } } } }]
      after: [{ m3: { wait: PT3S } }]
  - inner: { extend: call, before: [{ i1: { raise: { error: { type: no, status: 500 } } } }], when: '$task.name == \"a\"', after: [{ i2: { wait: PT9S } }] }
do:
- a: { call: http, with: { method: get, endpoint: 'https://mocked.example' }, output: { as: '{ got: . }' } }
- b: { call: http, with: { method: get, endpoint: 'https://real.example' }, output: { as: '[., 1]' } }
";

#[test]
fn exit_stands_in_for_the_task() {
    check(vec![
        (
            "exit",
            MOCK,
            json!({}),
            vec![Pass(10), Answer(5, json!("real")), Pass(10)],
            "#1 +1s; waiting; #2 +3s; waiting; #3 +2s; waiting; #4 +1s; waiting; #5 GET https://real.example; \
             #6 +2s; waiting; = [\"real\",1]",
        ),
        (
            "exit passes over what it stands for, and its output goes through the task's own",
            "use: { extensions: [{ e: { extend: raise, before: [{ x: { switch: [{ y: { then: exit } }], output: { as: '{ x: . }' } } }] } }] }
do: [{ a: { raise: { error: { type: no, status: 500 } }, output: { as: '{ a: . }' } } }]",
            json!(1),
            vec![],
            r#"= {"a":{"x":1}}"#,
        ),
        (
            "exit in a task after only leaves its list",
            "use: { extensions: [{ e: { extend: set, after: [{ x: { set: { no: 1 }, then: exit } }, { y: { wait: PT1S } }] } }] }
do: [{ a: { set: { n: 1 } } }]",
            json!({}),
            vec![],
            r#"= {"n":1}"#,
        ),
        (
            "end before ends the workflow with what is at hand",
            "use: { extensions: [{ e: { extend: set, before: [{ x: { switch: [{ y: { then: end } }] } }] } }] }
do: [{ a: { set: { n: 1 } } }]",
            json!({ "in": 1 }),
            vec![],
            r#"= {"in":1}"#,
        ),
        (
            "end after ends the workflow with the task's output",
            "use: { extensions: [{ e: { extend: set, after: [{ x: { switch: [{ y: { then: end } }] } }] } }] }
do: [{ a: { set: { n: 1 }, output: { as: .n } } }, { b: { set: { n: 2 } } }]",
            json!({ "in": 1 }),
            vec![],
            "= 1",
        ),
    ]);
}

#[test]
fn errors_and_time() {
    let failing = "use: { extensions: [{ e: { extend: try, before: [{ x: { call: http, with: { method: get, endpoint: https://x.example } } }] } }] }
do: [{ t: { try: [{ a: { set: { n: 1 } } }], catch: {} } }]";
    check(vec![
        (
            "an extension's error is not caught by the task that it is around",
            failing,
            json!({}),
            vec![Refuse(1, 500), Retry, Answer(2, json!(1))],
            r#"#1 GET https://x.example; ! communication 500 /use/extensions/0/e/before/0/x; #2 GET https://x.example; = {"n":1}"#,
        ),
        (
            "an error of `when` is the task's",
            "use: { extensions: [{ e: { extend: set, when: '$task.name | .x', before: [] } }] }
do: [{ a: { set: { n: 1 } } }]",
            json!({}),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "the task's time covers its extensions and begins once",
            "use: { extensions: [{ e: { extend: call, before: [{ x: { wait: PT4S } }], after: [{ y: { wait: PT4S } }] } }] }
do: [{ a: { call: http, with: { method: get, endpoint: https://x.example }, timeout: { after: PT6S } } }]",
            json!({}),
            vec![Pass(4), Answer(3, json!(1)), Pass(4)],
            "#1 +6s; #2 +4s; waiting; #3 GET https://x.example; #4 +4s; waiting; drop #4; ! timeout 408 /do/0/a",
        ),
        (
            "each attempt of a `try` is extended anew",
            "use: { extensions: [{ e: { extend: call, before: [{ x: { wait: PT1S } }] } }] }
do: [{ t: { try: [{ a: { call: http, with: { method: get, endpoint: https://x.example } } }], catch: { retry: { limit: { attempt: { count: 1 } } } } } }]",
            json!({}),
            vec![Pass(1), Refuse(2, 503), Pass(1), Answer(4, json!(1))],
            "#1 +1s; waiting; #2 GET https://x.example; #3 +1s; waiting; #4 GET https://x.example; = 1",
        ),
    ]);
}

#[test]
fn keys_name_the_extended_task() {
    let flow = "use: { extensions: [{ e: { extend: set, before: [{ x: { call: http, with: { method: get, endpoint: https://x.example } } }] } }] }
do: [{ each: { for: { in: '[1, 2]' }, do: [{ a: { set: { n: 1 } } }] } }]";
    let player = play_in(&Default::default(), flow, json!({}), &[Answer(1, json!(1)), Answer(2, json!(1))]);
    assert_eq!(
        player.keys,
        [
            "do/0/each[0]/do/0/a/use/extensions/0/e/before/0/x/0",
            "do/0/each[1]/do/0/a/use/extensions/0/e/before/0/x/0",
        ]
    );
}
