//! Errors: raised, caught, tried again; and time running out.

use serde_json::{Value, json};

use super::play::{Answer, Do, Lose, Pass, Refuse, check, play_in};

/// A call in a `try` with this `catch`.
fn try_call(catch: &str) -> &'static str {
    format!(
        "do: [{{ t: {{ try: [{{ a: {{ call: http, with: {{ method: get, endpoint: http://h/a }} }} }}], catch: {catch} }} }}, {{ z: {{ set: '${{ [.] }}' }} }}]"
    )
    .leak()
}

/// A `raise` in a `try` with this `catch`.
fn try_raise(error: &str, catch: &str) -> &'static str {
    format!("do: [{{ t: {{ try: [{{ a: {{ raise: {{ error: {error} }} }} }}], catch: {catch} }} }}]").leak()
}

#[test]
fn a_caught_error_goes_its_own_way() {
    let flow = |catch: &str, then: &str| -> &'static str {
        format!(
            "do: [{{ t: {{ try: [{{ a: {{ call: http, with: {{ method: get, endpoint: http://h/a }} }} }}], catch: {catch}{then} }} }}, \
             {{ x: {{ set: '${{ [., 1] }}' }} }}, {{ y: {{ set: '${{ [., 2] }}' }} }}]"
        )
        .leak()
    };
    let handled = "{ do: [{ h: { set: '${ $error.status }' } }], then: y }";
    check(vec![
        (
            "without an error, the next",
            flow(handled, ""),
            json!(0),
            vec![Answer(1, json!(9))],
            "#1 GET http://h/a; = [[9,1],2]",
        ),
        (
            "after the handler",
            flow(handled, ""),
            json!(0),
            vec![Refuse(1, 503)],
            "#1 GET http://h/a; = [503,2]",
        ),
        (
            "before the task's own",
            flow("{ then: y }", ", then: end"),
            json!(0),
            vec![Refuse(1, 503)],
            "#1 GET http://h/a; = [0,2]",
        ),
        (
            "which is for the other way",
            flow("{ then: y }", ", then: end"),
            json!(0),
            vec![Answer(1, json!(9))],
            "#1 GET http://h/a; = 9",
        ),
        ("the end", flow("{ then: end }", ""), json!(0), vec![Refuse(1, 503)], "#1 GET http://h/a; = 0"),
        (
            "after the retries",
            flow("{ retry: { limit: { attempt: { count: 1 } } }, then: y }", ""),
            json!(0),
            vec![Refuse(1, 503), Refuse(2, 503)],
            "#1 GET http://h/a; #2 GET http://h/a; = [0,2]",
        ),
        (
            "not for what is not caught",
            flow("{ errors: { with: { status: 404 } }, then: y }", ""),
            json!(0),
            vec![Refuse(1, 503)],
            "#1 GET http://h/a; ! communication 503 /do/0/t/try/0/a",
        ),
    ]);
}

const PLAIN: &str = "{ type: 'urn:odd', status: 418, title: T, detail: D }";

#[test]
fn errors_are_raised() {
    let rows = [
        (
            "{ type: 'urn:odd', status: 418 }",
            json!({ "type": "urn:odd", "status": 418, "instance": "/do/0/a" }),
        ),
        (
            "{ type: 'urn:odd', status: 418, title: 'about ${ .x }', detail: '${ \"x is \\(.x)\" }', instance: /mine }",
            json!({ "type": "urn:odd", "status": 418, "title": "about ${ .x }", "detail": "x is 1", "instance": "/do/0/a" }),
        ),
        (
            "{ type: 'urn:odd', status: 500, detail: '${ . }' }",
            json!({ "type": "urn:odd", "status": 500, "detail": "{\"x\":1}", "instance": "/do/0/a" }),
        ),
    ];
    for (error, expected) in rows {
        let text = format!("do: [{{ a: {{ raise: {{ error: {error} }} }} }}]");
        let player = play_in(&Default::default(), &text, json!({ "x": 1 }), &[]);
        let got = serde_json::to_value(player.machine.error().unwrap()).unwrap();
        assert_eq!(got, expected, "{error}");
    }
}

#[test]
fn errors_are_caught() {
    let caught = |catch: &str, expected: &'static str| {
        ("", try_raise(PLAIN, catch), json!({ "in": 1 }), Vec::<Do>::new(), expected)
    };
    let yes = r#"= "caught""#;
    let no = "! urn:odd 418 /do/0/t/try/0/a";
    let then = "do: [{ h: { set: '${ \"caught\" }' } }]";
    check(vec![
        caught("{}", r#"= {"in":1}"#),
        caught(&format!("{{ {then} }}"), yes),
        caught(&format!("{{ errors: {{ with: {{ type: 'urn:odd' }} }}, {then} }}"), yes),
        caught(&format!("{{ errors: {{ with: {{ type: 'urn:even' }} }}, {then} }}"), no),
        caught(&format!("{{ errors: {{ with: {{ status: 418 }} }}, {then} }}"), yes),
        caught(&format!("{{ errors: {{ with: {{ status: 500 }} }}, {then} }}"), no),
        caught(
            &format!(
                "{{ errors: {{ with: {{ type: 'urn:odd', status: 418, title: T, detail: D }} }}, {then} }}"
            ),
            yes,
        ),
        caught(&format!("{{ errors: {{ with: {{ title: U }} }}, {then} }}"), no),
        caught(&format!("{{ errors: {{ with: {{ instance: /do/0/t/try/0/a }} }}, {then} }}"), yes),
        caught(&format!("{{ when: .status == 418, {then} }}"), yes),
        caught(&format!("{{ when: $error.status == 418, {then} }}"), yes),
        caught(&format!("{{ as: e, when: $e.status != 418, {then} }}"), no),
        caught(&format!("{{ exceptWhen: .status == 418, {then} }}"), no),
        caught(&format!("{{ when: .status == 418, exceptWhen: .title == \"U\", {then} }}"), yes),
        caught("{ do: [{ h: { set: '${ [., $error.title] }' } }] }", r#"= [{"in":1},"T"]"#),
        caught(
            "{ as: e, do: [{ h: { do: [{ i: { set: '${ $e.instance }' } }] } }] }",
            r#"= "/do/0/t/try/0/a""#,
        ),
        caught(
            "{ do: [{ h: { raise: { error: { type: 'urn:again', status: 500 } } } }] }",
            "! urn:again 500 /do/0/t/catch/do/0/h",
        ),
        caught("{ when: .status.x, do: [{ h: { set: '${ 1 }' } }] }", "! expression 400 /do/0/t"),
        (
            "standard types by their other name",
            try_call(
                "{ errors: { with: { type: https://serverlessworkflow.io/dsl/errors/types/communication, status: 404 } }, do: [{ h: { set: '${ $error.type }' } }] }",
            ),
            json!({}),
            vec![Refuse(1, 404)],
            r#"#1 GET http://h/a; = ["https://serverlessworkflow.io/spec/1.0.0/errors/communication"]"#,
        ),
        (
            "an outer try catches what the inner does not",
            "do: [{ o: { try: [{ i: { try: [{ a: { raise: { error: { type: 'urn:x', status: 401 } } } }], catch: { errors: { with: { status: 402 } } } } }], catch: { do: [{ h: { set: '${ $error.instance }' } }] } } }]",
            json!({}),
            vec![],
            r#"= "/do/0/o/try/0/i/try/0/a""#,
        ),
        (
            "a handler's error goes outwards",
            "do: [{ o: { try: [{ i: { try: [{ a: { raise: { error: { type: 'urn:x', status: 401 } } } }], catch: { do: [{ h: { raise: { error: { type: 'urn:y', status: 402 } } } }] } } }], catch: { do: [{ g: { set: '${ $error.type }' } }] } } }]",
            json!({}),
            vec![],
            r#"= "urn:y""#,
        ),
        (
            "an error in a fork lets the other branches go",
            "do: [{ t: { try: [{ f: { fork: { branches: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }, { b: { wait: { seconds: 9 } } }] } } }], catch: { do: [{ h: { set: '${ $error.status }' } }] } } }]",
            json!({}),
            vec![Refuse(1, 503)],
            "#1 GET http://h/a; #2 +9s; drop #2; = 503",
        ),
        (
            "a try's own output is outside of it",
            "do: [{ t: { try: [{ a: { set: { x: 1 } } }], catch: {}, output: { as: .x.y } } }]",
            json!({}),
            vec![],
            "! expression 400 /do/0/t",
        ),
        (
            "an error without a try",
            "do: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }]",
            json!({}),
            vec![Lose(1)],
            "#1 GET http://h/a; ! communication 500 /do/0/a",
        ),
    ]);
}

#[test]
fn calls_are_tried_again() {
    let refused = |numbers: &[u64]| numbers.iter().map(|number| Refuse(*number, 503)).collect::<Vec<_>>();
    check(vec![
        (
            "at once without a delay",
            try_call("{ retry: { limit: { attempt: { count: 2 } } } }"),
            json!({}),
            vec![Refuse(1, 503), Answer(2, json!("ok"))],
            r#"#1 GET http://h/a; #2 GET http://h/a; = ["ok"]"#,
        ),
        (
            "count is of retries after the first",
            try_call("{ retry: { limit: { attempt: { count: 2 } } } }"),
            json!({}),
            refused(&[1, 2, 3]),
            "#1 GET http://h/a; #2 GET http://h/a; #3 GET http://h/a; ! communication 503 /do/0/t/try/0/a",
        ),
        (
            "the handler comes after the last retry",
            try_call(
                "{ retry: { limit: { attempt: { count: 1 } } }, do: [{ h: { set: '${ $error.status }' } }] }",
            ),
            json!({}),
            refused(&[1, 2]),
            "#1 GET http://h/a; #2 GET http://h/a; = [503]",
        ),
        (
            "constant",
            try_call(
                "{ retry: { delay: { seconds: 2 }, backoff: { constant: {} }, limit: { attempt: { count: 2 } } } }",
            ),
            json!({}),
            vec![Refuse(1, 503), Pass(2), Refuse(3, 503), Pass(2), Answer(5, json!(1))],
            "#1 GET http://h/a; #2 +2s; #3 GET http://h/a; #4 +2s; #5 GET http://h/a; = [1]",
        ),
        (
            "linear",
            try_call(
                "{ retry: { delay: { seconds: 2 }, backoff: { linear: {} }, limit: { attempt: { count: 3 } } } }",
            ),
            json!({}),
            vec![
                Refuse(1, 503),
                Pass(9),
                Refuse(3, 503),
                Pass(9),
                Refuse(5, 503),
                Pass(9),
                Answer(7, json!(1)),
            ],
            "#1 GET http://h/a; #2 +2s; #3 GET http://h/a; #4 +4s; #5 GET http://h/a; #6 +6s; #7 GET http://h/a; = [1]",
        ),
        (
            "exponential",
            try_call(
                "{ retry: { delay: { seconds: 2 }, backoff: { exponential: {} }, limit: { attempt: { count: 3 } } } }",
            ),
            json!({}),
            vec![
                Refuse(1, 503),
                Pass(9),
                Refuse(3, 503),
                Pass(9),
                Refuse(5, 503),
                Pass(9),
                Answer(7, json!(1)),
            ],
            "#1 GET http://h/a; #2 +2s; #3 GET http://h/a; #4 +4s; #5 GET http://h/a; #6 +8s; #7 GET http://h/a; = [1]",
        ),
        (
            "jitter of no width",
            try_call(
                "{ retry: { delay: { seconds: 2 }, jitter: { from: { seconds: 1 }, to: { seconds: 1 } } } }",
            ),
            json!({}),
            vec![Refuse(1, 503)],
            "#1 GET http://h/a; #2 +3s",
        ),
        (
            "retry.when",
            try_call("{ retry: { when: .status == 503, limit: { attempt: { count: 9 } } } }"),
            json!({}),
            vec![Refuse(1, 503), Refuse(2, 404)],
            "#1 GET http://h/a; #2 GET http://h/a; ! communication 404 /do/0/t/try/0/a",
        ),
        (
            "retry.exceptWhen",
            try_call("{ retry: { exceptWhen: $error.status == 404 }, do: [{ h: { set: '${ 1 }' } }] }"),
            json!({}),
            vec![Refuse(1, 503), Refuse(2, 404)],
            "#1 GET http://h/a; #2 GET http://h/a; = [1]",
        ),
        (
            "only what is caught is tried again",
            try_call("{ errors: { with: { status: 503 } }, retry: {} }"),
            json!({}),
            vec![Refuse(1, 404)],
            "#1 GET http://h/a; ! communication 404 /do/0/t/try/0/a",
        ),
        (
            "no retry starts after limit.duration",
            try_call("{ retry: { delay: { seconds: 4 }, limit: { duration: { seconds: 9 } } } }"),
            json!({}),
            vec![Refuse(1, 503), Pass(4), Refuse(3, 503), Pass(4), Refuse(5, 503)],
            "#1 GET http://h/a; #2 +4s; #3 GET http://h/a; #4 +4s; #5 GET http://h/a; ! communication 503 /do/0/t/try/0/a",
        ),
        (
            "attempt.duration bounds an attempt",
            try_call("{ retry: { limit: { attempt: { count: 1, duration: { seconds: 3 } } } } }"),
            json!({}),
            vec![Pass(3), Answer(4, json!(1))],
            "#1 +3s; #2 GET http://h/a; drop #2; #3 +3s; #4 GET http://h/a; drop #3; = [1]",
        ),
        (
            "the last attempt may time out",
            try_call("{ retry: { limit: { attempt: { count: 1, duration: { seconds: 3 } } } } }"),
            json!({}),
            vec![Pass(6)],
            "#1 +3s; #2 GET http://h/a; drop #2; #3 +3s; #4 GET http://h/a; drop #4; ! timeout 408 /do/0/t",
        ),
        (
            "an attempt starts from the try's input",
            "do: [{ t: { try: [{ a: { set: '${ . + 1 }' } }, { b: { call: http, with: { method: get, endpoint: '${ \"http://h/\\(.)\" }' } } }], catch: { retry: {} } } }]",
            json!(1),
            vec![Lose(1), Answer(2, json!("ok"))],
            r#"#1 GET http://h/2; #2 GET http://h/2; = "ok""#,
        ),
        (
            "computed delays see the error",
            try_call("{ retry: { delay: '${ \"PT\\(.status)S\" }' } }"),
            json!({}),
            vec![Refuse(1, 503)],
            "#1 GET http://h/a; #2 +503s",
        ),
        (
            "a named policy",
            "use: { retries: { twice: { limit: { attempt: { count: 1 } } } } }\ndo: [{ t: { try: [{ a: { call: http, with: { method: get, endpoint: http://h/a } } }], catch: { retry: twice } } }]",
            json!({}),
            refused(&[1, 2]),
            "#1 GET http://h/a; #2 GET http://h/a; ! communication 503 /do/0/t/try/0/a",
        ),
    ]);
}

#[test]
fn time_runs_out() {
    let cut = |timeout: &str, rest: &str| -> &'static str {
        format!("do: [{{ a: {{ call: http, with: {{ method: get, endpoint: http://h/a }}, timeout: {{ after: {timeout} }}{rest} }} }}]").leak()
    };
    check(vec![
        (
            "a call is cut off",
            cut("{ seconds: 5 }", ""),
            json!({}),
            vec![Pass(5)],
            "#1 +5s; #2 GET http://h/a; drop #2; ! timeout 408 /do/0/a",
        ),
        (
            "a timer is let go in time",
            cut("PT5S", ""),
            json!({}),
            vec![Pass(4), Answer(2, json!(1))],
            "#1 +5s; #2 GET http://h/a; drop #1; = 1",
        ),
        (
            "a computed timeout",
            cut("'${ .after }'", ""),
            json!({ "after": "PT7S" }),
            vec![],
            "#1 +7s; #2 GET http://h/a",
        ),
        (
            "what ends at once needs no timer",
            "do: [{ a: { set: { x: 1 }, timeout: { after: { seconds: 1 } } } }]",
            json!({}),
            vec![],
            r#"= {"x":1}"#,
        ),
        (
            "a composite is cut off with all inside",
            "do: [{ o: { do: [{ f: { fork: { branches: [{ a: { wait: { seconds: 60 } } }, { b: { call: http, with: { method: get, endpoint: http://h/b } } }] } } }], timeout: { after: { seconds: 5 } } } }]",
            json!({}),
            vec![Pass(5)],
            "#1 +5s; #2 +60s; #3 GET http://h/b; drop #3; drop #2; ! timeout 408 /do/0/o",
        ),
        (
            "a try around it catches the timeout",
            "do: [{ t: { try: [{ a: { wait: { seconds: 60 }, timeout: { after: { seconds: 5 } } } }], catch: { errors: { with: { type: https://serverlessworkflow.io/spec/1.0.0/errors/timeout } }, do: [{ h: { set: '${ $error.status }' } }] } } }]",
            json!({}),
            vec![Pass(5)],
            "#1 +5s; #2 +60s; waiting; drop #2; = 408",
        ),
        (
            "a try inside it does not",
            "do: [{ t: { try: [{ a: { wait: { seconds: 60 } } }], catch: {}, timeout: { after: { seconds: 5 } } } }]",
            json!({}),
            vec![Pass(5)],
            "#1 +5s; #2 +60s; waiting; drop #2; ! timeout 408 /do/0/t",
        ),
        (
            "the workflow's is caught by nobody",
            "timeout: { after: { seconds: 5 } }\ndo: [{ t: { try: [{ a: { wait: { seconds: 60 } } }], catch: {} } }]",
            json!({}),
            vec![Pass(5)],
            "#1 +5s; #2 +60s; waiting; drop #2; ! timeout 408 /timeout",
        ),
        (
            "the workflow's timer is let go",
            "timeout: { after: { seconds: 5 } }\ndo: [{ a: { set: { x: 1 } } }]",
            json!({}),
            vec![],
            r#"#1 +5s; drop #1; = {"x":1}"#,
        ),
        (
            "a deadline is a moment over all iterations",
            "do: [{ l: { for: { in: '[1, 2, 3]' }, do: [{ w: { wait: { seconds: 2 } } }], timeout: { after: { seconds: 5 } } } }]",
            json!({}),
            vec![Pass(9)],
            "#1 +5s; #2 +2s; waiting; #3 +2s; waiting; #4 +2s; waiting; drop #4; ! timeout 408 /do/0/l",
        ),
        (
            "a duration that is none",
            cut("'${ .after }'", ""),
            json!({ "after": "soon" }),
            vec![],
            "! expression 400 /do/0/a",
        ),
    ]);
}

#[test]
fn jitter_is_the_same_in_every_life_of_a_run_and_within_bounds() {
    let text = try_call(
        "{ retry: { delay: { seconds: 2 }, jitter: { from: { seconds: 0 }, to: { seconds: 1 } } } }",
    );
    let player = play_in(&Default::default(), text, Value::Null, &[Refuse(1, 503), Pass(3), Refuse(3, 503)]);
    let spans: Vec<f64> = player
        .said
        .iter()
        .filter_map(|text| text.split_once('+')?.1.strip_suffix('s')?.parse().ok())
        .collect();
    assert_eq!(spans.len(), 2, "{:?}", player.said);
    assert!(spans.iter().all(|span| (2.0..=3.0).contains(span)) && spans[0] != spans[1], "{spans:?}");
}
