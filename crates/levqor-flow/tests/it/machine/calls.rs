//! What is asked of the engine: requests, sub-runs and timers, and the keys under which callees know them.

use serde_json::json;

use super::play::{Answer, Cancel, Do, Lose, Pass, Refuse, Retry, check, play_in};

#[test]
fn requests_are_evaluated() {
    let get = |endpoint: &str| -> &'static str {
        format!("do: [{{ a: {{ call: http, with: {{ method: get, endpoint: {endpoint} }} }} }}]").leak()
    };
    let post = |with: &str| -> &'static str {
        format!("do: [{{ a: {{ call: http, with: {{ method: post, endpoint: http://h/, {with} }} }} }}]")
            .leak()
    };
    check(vec![
        (
            "a template",
            get("'http://h/{a}?q={b}&n={n}'"),
            json!({ "a": "x y/ü", "b": "&", "n": 5 }),
            vec![],
            "#1 GET http://h/x%20y%2F%C3%BC?q=%26&n=5",
        ),
        (
            "what is absent or null is empty",
            get("'http://h/{a}{b}'"),
            json!({ "a": null }),
            vec![],
            "#1 GET http://h/",
        ),
        (
            "what is no scalar is an error",
            get("'http://h/{a}'"),
            json!({ "a": [] }),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "an expression",
            get("'${ .base + \"/x\" }'"),
            json!({ "base": "http://h" }),
            vec![],
            "#1 GET http://h/x",
        ),
        (
            "an expression within the object form",
            get("{ uri: '${ .base }' }"),
            json!({ "base": "http://h" }),
            vec![],
            "#1 GET http://h",
        ),
        (
            "an expression that gives no text",
            get("'${ .base }'"),
            json!({ "base": 1 }),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "query and headers become text, null is left out",
            post(
                "query: { a: 1, b: true, c: '${ null }', d: '${ .d }' }, headers: { x-a: 1.5, x-b: '${ .d }' }",
            ),
            json!({ "d": "e" }),
            vec![],
            "#1 POST http://h/ ?a=1 ?b=true ?d=e hx-a=1.5 hx-b=e",
        ),
        (
            "query as one expression",
            post("query: '${ { a: .d } }'"),
            json!({ "d": "e" }),
            vec![],
            "#1 POST http://h/ ?a=e",
        ),
        (
            "a query member that is no scalar",
            post("query: { a: '${ [1] }' }"),
            json!({}),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "headers that are no object",
            post("headers: '${ [1] }'"),
            json!({}),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "a body",
            post("body: { a: '${ .d }', b: [1, 2] }"),
            json!({ "d": "e" }),
            vec![],
            r#"#1 POST http://h/ {"a":"e","b":[1,2]}"#,
        ),
        ("a body of text", post("body: 'plain'"), json!({}), vec![], r#"#1 POST http://h/ "plain""#),
        (
            "with variables",
            "do: [{ l: { for: { in: '[7]' }, do: [{ a: { input: { from: .d }, call: http, with: { method: post, endpoint: http://h/, body: '${ [., $input, $item, $task.name, $context] }' } } }] } }]",
            json!({ "d": "e" }),
            vec![],
            r#"#1 POST http://h/ ["e","e",7,"a",{}]"#,
        ),
        (
            "the answer is the raw output",
            "do: [{ a: { call: http, with: { method: get, endpoint: http://h/ }, output: { as: .x }, export: { as: '[.]' } } }, { b: { set: '${ [., $context] }' } }]",
            json!({}),
            vec![Answer(1, json!({ "x": 1 }))],
            "#1 GET http://h/; = [1,[1]]",
        ),
    ]);
}

#[test]
fn sub_runs_and_waits() {
    let run = |rest: &str| -> &'static str {
        format!("do: [{{ a: {{ run: {{ workflow: {{ namespace: ns, name: sub, version: 1.0.0{rest} }} }} }} }}, {{ b: {{ set: '${{ [.] }}' }} }}]").leak()
    };
    check(vec![
        (
            "a sub-run takes the task's input",
            run(""),
            json!({ "x": 1 }),
            vec![Answer(1, json!("out"))],
            r#"#1 run ns/sub:1.0.0 {"x":1}; = ["out"]"#,
        ),
        (
            "or its own",
            run(", input: { y: '${ .x }' }"),
            json!({ "x": 1 }),
            vec![],
            r#"#1 run ns/sub:1.0.0 {"y":1}"#,
        ),
        (
            "its error is the task's",
            run(""),
            json!({}),
            vec![Refuse(1, 418)],
            "#1 run ns/sub:1.0.0 {}; ! communication 418 /do/0/a",
        ),
        (
            "without waiting, the input goes on",
            "do: [{ a: { run: { workflow: { namespace: ns, name: sub, version: 1.0.0 }, await: false } } }, { b: { set: '${ [.] }' } }]",
            json!({ "x": 1 }),
            vec![Answer(1, json!("accepted"))],
            r#"#1 run ns/sub:1.0.0 {"x":1} detached; = [{"x":1}]"#,
        ),
        (
            "a wait gives its input",
            "do: [{ a: { wait: { minutes: 1, seconds: 30 } } }, { b: { set: '${ [.] }' } }]",
            json!(1),
            vec![Pass(89), Pass(1)],
            "#1 +90s; waiting; = [1]",
        ),
        (
            "a wait by expression",
            "do: [{ a: { wait: '${ .span }' } }]",
            json!({ "span": "PT1M" }),
            vec![],
            "#1 +60s; waiting",
        ),
        (
            "a wait of nothing",
            "do: [{ a: { wait: { seconds: 0 } } }]",
            json!(1),
            vec![Pass(0)],
            "#1 +0ns; waiting; = 1",
        ),
        (
            "waiting only when nothing else is under way",
            "do: [{ f: { fork: { branches: [{ a: { wait: { seconds: 9 } } }, { b: { call: http, with: { method: get, endpoint: http://h/ } } }] } } }]",
            json!(1),
            vec![Answer(2, json!(2))],
            "#1 +9s; #2 GET http://h/; waiting",
        ),
        (
            "an answer is not for a timer",
            "do: [{ a: { wait: { seconds: 9 } } }]",
            json!(1),
            vec![Answer(1, json!(2)), Answer(7, json!(2))],
            "#1 +9s; waiting; #1 is not pending; #7 is not pending",
        ),
    ]);
}

#[test]
fn keys_name_the_attempt_for_the_callee() {
    const CALL: &str = "{ call: http, with: { method: get, endpoint: http://h/ } }";
    let rows: Vec<(&str, String, Vec<Do>, &[&str])> = vec![
        ("one call", format!("do: [{{ a: {CALL} }}]"), vec![], &["do/0/a/0"]),
        (
            "loops show their positions",
            format!("do: [{{ l: {{ for: {{ in: '[1, 2]' }}, do: [{{ m: {{ for: {{ in: '[1, 2]' }}, do: [{{ a: {CALL} }}] }} }}] }} }}]"),
            vec![Answer(1, json!({})), Answer(2, json!({})), Answer(3, json!({}))],
            &[
                "do/0/l[0]/do/0/m[0]/do/0/a/0",
                "do/0/l[0]/do/0/m[1]/do/0/a/0",
                "do/0/l[1]/do/0/m[0]/do/0/a/0",
                "do/0/l[1]/do/0/m[1]/do/0/a/0",
            ],
        ),
        (
            "a retry without an answer repeats the key, one after an answer does not",
            format!("do: [{{ t: {{ try: [{{ a: {CALL} }}], catch: {{ retry: {{}} }} }} }}]"),
            vec![Lose(1), Lose(2), Refuse(3, 503), Lose(4), Refuse(5, 503)],
            &["do/0/t/try/0/a/0", "do/0/t/try/0/a/0", "do/0/t/try/0/a/0", "do/0/t/try/0/a/1", "do/0/t/try/0/a/1", "do/0/t/try/0/a/2"],
        ),
        (
            "what had its result before the retry gets a new key",
            format!("do: [{{ t: {{ try: [{{ a: {CALL} }}, {{ b: {CALL} }}], catch: {{ retry: {{}} }} }} }}]"),
            vec![Answer(1, json!(1)), Lose(2), Answer(3, json!(1))],
            &["do/0/t/try/0/a/0", "do/0/t/try/1/b/0", "do/0/t/try/0/a/1", "do/0/t/try/1/b/0"],
        ),
        (
            "what was cut off by a timer had no answer",
            format!("do: [{{ t: {{ try: [{{ o: {{ do: [{{ a: {CALL} }}], timeout: {{ after: {{ seconds: 1 }} }} }} }}], catch: {{ retry: {{}} }} }} }}]"),
            vec![Pass(1)],
            &["do/0/t/try/0/o/do/0/a/0", "do/0/t/try/0/o/do/0/a/0"],
        ),
        (
            "but a sub-run that was cut off is gone, and the next is another",
            "do: [{ t: { try: [{ a: { run: { workflow: { namespace: n, name: s, version: 1.0.0 } }, timeout: { after: { seconds: 1 } } } }], catch: { retry: {} } } }]".to_owned(),
            vec![Pass(1)],
            &["do/0/t/try/0/a/0", "do/0/t/try/0/a/1"],
        ),
        (
            "jumping back is a new execution",
            format!("do: [{{ a: {CALL} }}, {{ b: {{ set: '${{ 1 }}', then: a }} }}]"),
            vec![Answer(1, json!(1)), Answer(2, json!(1))],
            &["do/0/a/0", "do/0/a@1/0", "do/0/a@2/0"],
        ),
        (
            "also inside a list that is left and entered again",
            format!("do: [{{ o: {{ do: [{{ a: {CALL} }}] }} }}, {{ b: {{ set: '${{ 1 }}', then: o }} }}]"),
            vec![Answer(1, json!(1))],
            &["do/0/o/do/0/a/0", "do/0/o@1/do/0/a/0"],
        ),
        (
            "a retry of the run after an answer",
            format!("do: [{{ a: {CALL} }}]"),
            vec![Refuse(1, 500), Retry, Lose(2), Retry],
            &["do/0/a/0", "do/0/a/1", "do/0/a/1"],
        ),
        (
            "a retry of the run repeats the key of an interrupted sibling",
            format!("do: [{{ f: {{ fork: {{ branches: [{{ a: {CALL} }}, {{ b: {CALL} }}] }} }} }}]"),
            vec![Refuse(1, 500), Retry],
            &["do/0/f/fork/branches/0/a/0", "do/0/f/fork/branches/1/b/0", "do/0/f/fork/branches/0/a/1", "do/0/f/fork/branches/1/b/0"],
        ),
        (
            "keys are fit for a header",
            format!("do: [{{ 'ä \"x\"': {CALL} }}]"),
            vec![Cancel],
            &["do/0/%C3%A4%20%22x%22/0"],
        ),
    ];
    for (title, text, script, expected) in rows {
        let player = play_in(&Default::default(), &text, json!({}), &script);
        assert_eq!(player.keys, expected, "{title}: {:?}", player.said);
    }
    let long =
        (0..6).fold(CALL.to_owned(), |task, _| format!("{{ do: [{{ {}: {task} }}] }}", "x".repeat(100)));
    let player = play_in(&Default::default(), &format!("do: [{{ a: {long} }}]"), json!({}), &[]);
    assert!(player.keys[0].len() < 500 && player.keys[0].contains('~'), "{:?}", player.keys);
}
