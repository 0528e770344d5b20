//! Processes: what is asked for, and what of it is the task's output.

use levqor_flow::{definition::Returns, machine::ProcessEnd};
use serde_json::{Value, json};

use super::play::{Answer, Lose, Pass, Refuse, Retry, check};

#[test]
fn what_is_asked_for() {
    check(vec![
        (
            "a shell with all that it can have",
            "do: [{ a: { run: { shell: { command: 'cat; echo \"${HOME} $1\"', stdin: '${ .text }', arguments: [x, '${ .n }', true], environment: { A: '${ .n }', B: b } }, return: all }, output: { as: .code } } }]",
            json!({ "text": "hello", "n": 5 }),
            vec![Answer(1, json!({ "code": 7 }))],
            r#"#1 shell "cat; echo \"${HOME} $1\"" <"hello" ["x", "5", "true"] A=5 B=b; = 7"#,
        ),
        (
            "what is no text on the standard input is JSON, and nothing is nothing",
            "do: [{ a: { run: { script: { language: python, code: x, stdin: '${ . }', arguments: '${ [1] }' } } } }, { b: { run: { script: { language: javascript, code: '${ $task.name }', stdin: '${ null }' }, return: none } } }]",
            json!({ "n": 5 }),
            vec![Answer(1, json!("out")), Answer(2, Value::Null)],
            r#"#1 python "x" <"{\"n\":5}" ["1"]; #2 js "b" <"" []; = null"#,
        ),
        (
            "a script from elsewhere is fetched once for the run",
            "do: [{ l: { for: { in: '[1, 2]' }, do: [{ a: { run: { script: { language: js, source: { endpoint: 'http://h/x.js' }, arguments: ['${ $item }'] } } } }] } }]",
            json!({}),
            vec![Answer(1, json!("go()")), Answer(2, json!("out")), Answer(3, json!("again"))],
            r#"#1 GET http://h/x.js; #2 js "go()" <"" ["1"]; #3 js "go()" <"" ["2"]; = "again""#,
        ),
        (
            "a script that is not there",
            "do: [{ a: { run: { script: { language: python, source: { endpoint: 'http://h/{dir}/x.py' } } } } }]",
            json!({ "dir": "d" }),
            vec![Refuse(1, 404)],
            "#1 GET http://h/d/x.py; ! communication 404 /do/0/a",
        ),
        (
            "without waiting the task goes on with its input",
            "do: [{ a: { run: { shell: { command: x }, await: false } } }]",
            json!({ "n": 5 }),
            vec![Answer(1, json!("began"))],
            r#"#1 shell "x" <"" [] detached; = {"n":5}"#,
        ),
        (
            "a list of arguments that is none",
            "do: [{ a: { run: { shell: { command: x, arguments: '${ .n }' } } } }]",
            json!({ "n": 5 }),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "a variable with an impossible name",
            "do: [{ a: { run: { shell: { command: x, environment: '${ . }' } } } }]",
            json!({ "a b": 5 }),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "it is let go when its time is up, and begun again by a retry",
            "do: [{ a: { run: { shell: { command: x } }, timeout: { after: PT5S } } }]",
            json!({}),
            vec![Pass(5), Retry, Lose(4)],
            "#1 +5s; #2 shell \"x\" <\"\" []; drop #2; ! timeout 408 /do/0/a; #3 +5s; #4 shell \"x\" <\"\" []; drop #3; ! communication 500 /do/0/a",
        ),
    ]);
}

#[test]
fn what_is_returned() {
    let end = || ProcessEnd { code: 3, stdout: "out\n".to_owned(), stderr: "err".to_owned() };
    let rows = [
        (Returns::Stdout, json!("out\n")),
        (Returns::Stderr, json!("err")),
        (Returns::Code, json!(3)),
        (Returns::All, json!({ "code": 3, "stdout": "out\n", "stderr": "err" })),
        (Returns::None, Value::Null),
    ];
    for (returns, expected) in rows {
        assert_eq!(end().output(returns), expected, "{returns:?}");
    }
}
