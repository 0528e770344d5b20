//! Functions: what goes in, what comes out, and where their tasks stand.

use serde_json::json;

use super::play::{Answer, Lose, Pass, Refuse, check, play_in};

const PET: &str = "use: { functions: { getPet: {
    input: { schema: { document: { type: object, required: [id] } }, from: '{ id: .id }' },
    call: http, with: { method: get, endpoint: 'https://pets.example/{id}' },
    output: { as: .name } } } }
";

#[test]
fn calls() {
    let pet = |rest: &str| format!("{PET}{rest}");
    let with = pet(
        "do: [{ a: { call: getPet, with: { id: '${ .number }', more: 1 }, output: { as: '{ pet: . }' } } }]",
    );
    let without = pet("do: [{ a: { call: getPet } }]");
    let wrong = pet("do: [{ a: { call: getPet, with: { number: 1 } } }]");
    let caught = pet(
        "do: [{ a: { try: [{ b: { call: getPet, with: { id: 1 } } }], catch: { errors: { with: { status: 404 } }, as: e, do: [{ c: { set: { at: '${ $e.instance }' } } }] } } }]",
    );
    check(vec![
        (
            "the arguments are the function's raw input; its output is the task's raw output",
            &with,
            json!({ "number": 7 }),
            vec![Answer(1, json!({ "name": "Milou" }))],
            r#"#1 GET https://pets.example/7; = {"pet":"Milou"}"#,
        ),
        (
            "without arguments the function gets the task's input",
            &without,
            json!({ "id": 7 }),
            vec![Answer(1, json!({ "name": "Milou" }))],
            r#"#1 GET https://pets.example/7; = "Milou""#,
        ),
        (
            "the function checks its input, at its own place",
            &wrong,
            json!({}),
            vec![],
            "! validation 400 /use/functions/getPet",
        ),
        (
            "an error of a function can be caught around its call",
            &caught,
            json!({}),
            vec![Refuse(1, 404)],
            r#"#1 GET https://pets.example/1; = {"at":"/use/functions/getPet"}"#,
        ),
        (
            "a function sees the run's context and nothing of its caller's loop",
            "use: { functions: { count: { set: { n: '${ $context.n + . }' }, export: { as: '{ n: .n }' } } }
             }
do:
- first: { set: '${ 0 }', export: { as: '{ n: 10 }' } }
- each: { for: { in: '[1, 2]' }, do: [{ a: { call: count, with: '${ $item }' } }] }",
            json!({}),
            vec![],
            r#"= {"n":13}"#,
        ),
        (
            "functions call functions; `exit` leaves a function's own list, `end` the workflow",
            "use: { functions: {
               outer: { do: [{ a: { call: inner, with: { x: 1 } } }, { b: { set: '${ . + { outer: true } }' } }] },
               inner: { do: [{ c: { set: '${ . + { inner: true } }', then: exit } }, { d: { set: { no: 1 } } }] },
               last: { set: { last: true }, then: end } } }
do: [{ x: { call: outer } }, { y: { call: last, output: { as: '. + { y: 1 }' } } }, { z: { set: { no: 1 } } }]",
            json!({}),
            vec![],
            r#"= {"last":true,"y":1}"#,
        ),
    ]);
}

#[test]
fn places_and_keys_are_those_of_the_call() {
    let flow = "use: { functions: { ping: { try: [{ send: { call: http, with: { method: post, endpoint: https://x.example } } }], catch: { retry: { limit: { attempt: { count: 1 } } } } } } }
do: [{ both: { fork: { branches: [{ a: { call: ping } }, { b: { call: ping } }] } } }]";
    let player =
        play_in(&Default::default(), flow, json!({}), &[Lose(1), Answer(2, json!(2)), Answer(3, json!(1))]);
    assert_eq!(player.said.last().unwrap(), "= [1,2]");
    assert_eq!(
        player.keys,
        [
            "do/0/both/fork/branches/0/a/use/functions/ping/try/0/send/0",
            "do/0/both/fork/branches/1/b/use/functions/ping/try/0/send/0",
            "do/0/both/fork/branches/0/a/use/functions/ping/try/0/send/0",
        ]
    );
}

#[test]
fn a_function_is_timed_by_its_task_and_by_itself() {
    let flow = |outer: &str, inner: &str| {
        format!(
            "use: {{ functions: {{ rest: {{ wait: PT1M, timeout: {{ after: {inner} }} }} }} }}\n\
             do: [{{ a: {{ call: rest, timeout: {{ after: {outer} }} }} }}]"
        )
    };
    let (outer, inner) = (flow("PT5S", "PT30S"), flow("PT30S", "PT5S"));
    check(vec![
        (
            "outer",
            &outer,
            json!({}),
            vec![Pass(60)],
            "#1 +5s; #2 +30s; #3 +60s; waiting; drop #2; drop #3; ! timeout 408 /do/0/a",
        ),
        (
            "inner",
            &inner,
            json!({}),
            vec![Pass(60)],
            "#1 +30s; #2 +5s; #3 +60s; waiting; drop #3; drop #1; ! timeout 408 /use/functions/rest",
        ),
    ]);
}
