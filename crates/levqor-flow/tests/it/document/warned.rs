//! What is taken and perhaps not meant.

use levqor_flow::document::parse;

use super::{HEAD, shown};

#[test]
fn warnings_say_what_may_not_be_meant() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        (
            "do:\n- a: {set: {x: 'Hello ${ .name }'}}",
            &[("/do/0/a/set/x", "is taken literally; to compute it, make the whole text one expression")],
        ),
        (
            "do:\n- a: {set: {x: $context.a, y: .order.id, z: $5, w: a.b}}",
            &[("/do/0/a/set/x", "write ${ $context.a }"), ("/do/0/a/set/y", "write ${ .order.id }")],
        ),
        ("do:\n- a: {set: .order}", &[("/do/0/a/set", "write ${ .order }")]),
        ("do:\n- a: {set: {x: 1}, then: end}\n- b: {set: {x: 1}}", &[("/do/1/b", "nothing leads to `b`")]),
        (
            "do:\n- a: {set: {x: 1}, then: c}\n- b: {set: {x: 1}}\n- c: {set: {x: 1}}",
            &[("/do/1/b", "nothing leads to `b`")],
        ),
        (
            "do:\n- a: {raise: {error: {type: x, status: 400, instance: /a}}}\n- b: {set: {x: 1}}",
            &[("/do/0/a/raise/error/instance", "set by the runtime"), ("/do/1/b", "nothing leads to `b`")],
        ),
        (
            "do:\n- a: {switch: [{x: {when: .x, then: c}}, {y: {then: c}}]}\n- b: {set: {x: 1}}\n- c: {set: {x: 1}}",
            &[("/do/1/b", "nothing leads to `b`")],
        ),
        (
            "do:\n- a: {do: [{b: {set: {x: 1}, then: exit}}, {c: {set: {x: 1}}}]}",
            &[("/do/0/a/do/1/c", "nothing leads to `c`")],
        ),
        ("do: []", &[("/do", "has no tasks")]),
        (
            "do: [{a: {set: {x: length, y: .name, z: some text}}}]\nevaluate: {mode: loose}",
            &[("/do/0/a/set/x", "to keep the text, write ${ \"length\" }")],
        ),
        (
            "do:\n- a: {call: http, with: {method: propfind, endpoint: https://a.b}}",
            &[("/do/0/a/with/method", "not one of HTTP's usual methods")],
        ),
        (
            "do:\n- a: {call: http, with: {method: get, endpoint: 'https://ada:secret@a.b/c'}}\n- b: {call: http, with: {method: get, endpoint: {uri: 'https://token@a.b'}}}",
            &[
                ("/do/0/a/with/endpoint", "credentials in an address are seen by all"),
                ("/do/1/b/with/endpoint/uri", "write `authentication` beside `uri`"),
            ],
        ),
        (
            "do:\n- a: {run: {workflow: {namespace: x, name: y}, return: none}}",
            &[("/do/0/a/run/return", "no effect on a workflow")],
        ),
        (
            "do:\n- a: {set: {x: 1}}\nschedule: {every: PT10S}",
            &[("/schedule/every", "more than one run a minute")],
        ),
        ("do:\n- a: {set: {x: 1}}\nx-owner: me", &[("/x-owner", "not part of the DSL and has no effect")]),
        // Nothing to say about these.
        ("do:\n- a: {set: {x: 1}, then: end, if: .x}\n- b: {set: {x: 1}}", &[]),
        ("do:\n- a: {switch: [{x: {when: .x, then: c}}]}\n- b: {set: {x: 1}}\n- c: {set: {x: 1}}", &[]),
        ("do:\n- a: {set: {x: '${ .name }', y: 'costs $5', z: ...}}", &[]),
        ("do:\n- a: {call: http, with: {method: get, endpoint: 'https://ada:{password}@a.b/c:d@e'}}", &[]),
    ];
    for (rest, expected) in rows {
        let checked = parse(&format!("{HEAD}{rest}"));
        let warnings = shown(&checked.warnings);
        assert!(checked.workflow.is_some(), "{rest}\n{}", shown(&checked.errors));
        assert_eq!(checked.warnings.len(), expected.len(), "{rest}\n{warnings}");
        for (issue, (pointer, words)) in checked.warnings.iter().zip(*expected) {
            assert_eq!(issue.pointer, *pointer, "{rest}\n{warnings}");
            assert!(issue.message.contains(words), "{rest}\n{warnings}");
        }
    }
}
