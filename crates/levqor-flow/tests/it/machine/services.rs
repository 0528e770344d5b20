//! Calls of the server's own functions.

use serde_json::json;

use super::play::{Answer, Cancel, Lose, Pass, Refuse, Retry, check, play};

const STORE: &str = "do:
- keep: { call: 'store:1.0.0@default', with: { action: set, key: '${ .key }', value: '${ .n + 1 }' }, output: { as: .value } }";

const ASK: &str = "do:
- ask:
    call: approval:1.0.0@default
    with: { title: '${ \"Pay \\(.sum)?\" }' }
    timeout: { after: PT1H }
    output: { as: .approved }";

#[test]
fn calls() {
    check(vec![
        (
            "the arguments are evaluated, and the result is the task's raw output",
            STORE,
            json!({ "key": "k", "n": 1 }),
            vec![Answer(1, json!({ "found": true, "value": 2, "changed": true }))],
            r#"#1 store {"action":"set","key":"k","value":2}; = 2"#,
        ),
        (
            "without arguments the function gets the task's input",
            "do: [{ a: { call: 'store:1.0.0@default' } }]",
            json!({ "action": "get", "key": "k" }),
            vec![Answer(1, json!({ "found": false }))],
            r#"#1 store {"action":"get","key":"k"}; = {"found":false}"#,
        ),
        (
            "what is not what the function takes is an error of type validation",
            STORE,
            json!({ "key": 7, "n": 1 }),
            vec![],
            "! validation 400 /do/0/keep",
        ),
        (
            "an error of a function can be caught",
            "do: [{ t: { try: [{ a: { call: 'store:1.0.0@default' } }], catch: { do: [{ b: { set: { status: '${ $error.status }' } } }] } } }]",
            json!({ "action": "get", "key": "k" }),
            vec![Refuse(1, 500)],
            r#"#1 store {"action":"get","key":"k"}; = {"status":500}"#,
        ),
        (
            "a person has time",
            ASK,
            json!({ "sum": 9 }),
            vec![Pass(3_599), Answer(2, json!({ "approved": true }))],
            r#"#1 +3600s; #2 approval {"title":"Pay 9?"}; waiting; drop #1; = true"#,
        ),
        (
            "and the time ends",
            ASK,
            json!({ "sum": 9 }),
            vec![Pass(3_600)],
            r#"#1 +3600s; #2 approval {"title":"Pay 9?"}; waiting; drop #2; ! timeout 408 /do/0/ask"#,
        ),
        (
            "a run that is retried asks again",
            "do: [{ f: { fork: { branches: [{ ask: { call: 'approval:1.0.0@default', with: { title: Go? } } }, { b: { call: http, with: { method: get, endpoint: https://a.b } } }] } } }]",
            json!({}),
            vec![Lose(2), Retry, Answer(3, json!({ "approved": false })), Answer(4, json!(1))],
            r#"#1 approval {"title":"Go?"}; #2 GET https://a.b; drop #1; ! communication 500 /do/0/f/fork/branches/1/b; #3 approval {"title":"Go?"}; #4 GET https://a.b; = [{"approved":false},1]"#,
        ),
    ]);
}

#[test]
fn a_run_that_waits_for_a_person_is_waiting_and_can_be_cancelled() {
    assert!(play(ASK, json!({ "sum": 9 }), &[Cancel]).contains("cancelled"));
}
