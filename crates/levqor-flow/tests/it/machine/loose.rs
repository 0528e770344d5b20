//! `evaluate.mode: loose`: every text in data is tried.

use serde_json::json;

use super::play::check;

#[test]
fn texts_are_tried_and_stay_texts_where_that_gives_nothing() {
    let rows = [
        ("a path is computed", "x: .name", json!({ "x": "Milou" })),
        (
            "what does not compile is text",
            "x: Hello there, x2: 'a b', x3: ''",
            json!({ "x": "Hello there", "x2": "a b", "x3": "" }),
        ),
        ("what fails is text", "x: .name.first", json!({ "x": ".name.first" })),
        (
            "a variable that is not there makes it text",
            "x: $output.y, y: $nope",
            json!({ "x": "$output.y", "y": "$nope" }),
        ),
        ("a variable that is there is computed", "x: $task.name", json!({ "x": "a" })),
        (
            "text in quotes is an expression too",
            "x: '\"length\"', y: length",
            json!({ "x": "length", "y": 1 }),
        ),
        ("text in ${ } is an expression as ever", "x: '${ .name }'", json!({ "x": "Milou" })),
    ];
    for (title, set, expected) in rows {
        let flow =
            format!("evaluate: {{ mode: loose, language: jq }}\ndo: [{{ a: {{ set: {{ {set} }} }} }}]");
        check(vec![(title, &flow, json!({ "name": "Milou" }), vec![], &format!("= {expected}"))]);
    }
    check(vec![
        (
            "and its failure is a failure",
            "evaluate: { mode: loose }\ndo: [{ a: { set: { x: '${ .name.first }' } } }]",
            json!({ "name": "Milou" }),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "arguments of calls are data",
            "evaluate: { mode: loose }\ndo: [{ a: { call: http, with: { method: post, endpoint: https://x.example, headers: { h: .name }, body: [.name, or not] } } }]",
            json!({ "name": "Milou" }),
            vec![],
            r#"#1 POST https://x.example hh=Milou ["Milou","or not"]"#,
        ),
    ]);
}
