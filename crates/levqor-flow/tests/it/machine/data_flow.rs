//! The order in which data is checked and shaped, and what expressions see on the way.

use serde_json::json;

use super::play::{check, play_in};

#[test]
fn data_flows_in_the_order_of_the_dsl() {
    check(vec![
        (
            "a list passes its data on",
            "do: [{ a: { set: { x: 1 } } }, { b: { set: { y: '${ .x + 1 }' } } }]",
            json!({}),
            vec![],
            r#"= {"y":2}"#,
        ),
        (
            "the workflow's input is shaped first",
            "input: { from: .user }\ndo: [{ a: { set: '${ . }' } }]",
            json!({ "user": "ann" }),
            vec![],
            r#"= "ann""#,
        ),
        (
            "the workflow's output is shaped last",
            "output: { as: { got: '${ .x }' } }\ndo: [{ a: { set: { x: 1 } } }]",
            json!({}),
            vec![],
            r#"= {"got":1}"#,
        ),
        (
            "input.from is what the task and $input see",
            "do: [{ a: { input: { from: .n }, set: { dot: '${ . }', input: '${ $input }' } } }]",
            json!({ "n": 5 }),
            vec![],
            r#"= {"dot":5,"input":5}"#,
        ),
        (
            "output.as sees the raw output as . and the input as $input",
            "do: [{ a: { input: { from: .n }, set: { x: 2 }, output: { as: '{ x, input: $input, raw: $task.input, out: $task.output }' } } }]",
            json!({ "n": 5 }),
            vec![],
            r#"= {"x":2,"input":5,"raw":{"n":5},"out":{"x":2}}"#,
        ),
        (
            "export.as sees the shaped output as . and $output",
            "do: [{ a: { set: { x: 2 }, output: { as: .x }, export: { as: '{ dot: ., out: $output, raw: $task.output, was: $context }' } } }, { b: { set: '${ $context }' } }]",
            json!({}),
            vec![],
            r#"= {"dot":2,"out":2,"raw":{"x":2},"was":{}}"#,
        ),
        (
            "an export replaces the context",
            "do: [{ a: { set: '${ 1 }', export: { as: '{ a: . }' } } }, { b: { set: '${ 2 }', export: { as: '{ b: . }' } } }, { c: { set: '${ $context }' } }]",
            json!({}),
            vec![],
            r#"= {"b":2}"#,
        ),
        (
            "without export the context stays",
            "do: [{ a: { set: { x: 1 }, export: { as: . } } }, { b: { set: { y: 1 } } }, { c: { set: '${ $context }' } }]",
            json!({}),
            vec![],
            r#"= {"x":1}"#,
        ),
        (
            "the context is the run's, whatever the depth",
            "do: [{ outer: { do: [{ a: { set: { x: 1 }, export: { as: . } } }] } }, { b: { set: '${ $context }' } }]",
            json!({}),
            vec![],
            r#"= {"x":1}"#,
        ),
        (
            "a composite begins with its shaped input and gives its last task's output",
            "do: [{ outer: { input: { from: .in }, do: [{ a: { set: '${ . + 1 }' } }, { b: { set: '${ . * 10 }' } }], output: { as: '{ r: ., i: $input }' } } }]",
            json!({ "in": 1 }),
            vec![],
            r#"= {"r":20,"i":1}"#,
        ),
        (
            "an object template may hold expressions anywhere",
            "do: [{ a: { set: { list: [1, '${ .n }', { deep: '${ .n * 2 }' }], text: 'n is ${ .n }', lit: .n } } }]",
            json!({ "n": 3 }),
            vec![],
            r#"= {"list":[1,3,{"deep":6}],"text":"n is ${ .n }","lit":".n"}"#,
        ),
        (
            "input.from may be an object",
            "do: [{ a: { input: { from: { twice: '${ .n * 2 }' } }, set: '${ . }' } }]",
            json!({ "n": 3 }),
            vec![],
            r#"= {"twice":6}"#,
        ),
        (
            "several results are an array, none is null",
            "do: [{ a: { set: { many: '${ .[] }', none: '${ empty }' } } }]",
            json!([1, 2]),
            vec![],
            r#"= {"many":[1,2],"none":null}"#,
        ),
        (
            "what looks like an expression in data is data",
            "do: [{ a: { set: '${ . }' } }]",
            json!({ "x": "${ .y }" }),
            vec![],
            r#"= {"x":"${ .y }"}"#,
        ),
        (
            "if is evaluated on the raw input",
            "do: [{ a: { if: .go, input: { from: .n }, set: '${ . }' } }]",
            json!({ "go": true, "n": 1 }),
            vec![],
            "= 1",
        ),
        (
            "a skipped task gives its raw input, and nothing else of it counts",
            "do: [{ a: { if: .go, input: { from: error }, set: { x: 1 }, output: { as: error }, export: { as: error }, then: end } }, { b: { set: '${ { seen: . } }' } }]",
            json!({ "go": false }),
            vec![],
            r#"= {"seen":{"go":false}}"#,
        ),
        (
            "null is false, anything else is true",
            "do: [{ a: { if: .absent, set: { a: 1 } } }, { b: { if: .zero, set: { b: '${ . }' } } }]",
            json!({ "zero": 0 }),
            vec![],
            r#"= {"b":{"zero":0}}"#,
        ),
        (
            "$workflow",
            "do: [{ a: { set: '${ $workflow | { id, input, at: .startedAt.iso8601, s: .startedAt.epoch.seconds, ms: .startedAt.epoch.milliseconds, name: .definition.document.name } }' } }]",
            json!({ "n": 1 }),
            vec![],
            r#"= {"id":"run_01KDV7N5C00000000000000000","input":{"n":1},"at":"2026-01-01T00:00:00.000000Z","s":1767225600,"ms":1767225600000,"name":"flow"}"#,
        ),
        (
            "$workflow.input is the raw one",
            "input: { from: .n }\ndo: [{ a: { set: '${ [., $workflow.input] }' } }]",
            json!({ "n": 1 }),
            vec![],
            r#"= [1,{"n":1}]"#,
        ),
        (
            "$task",
            "do: [{ o: { do: [{ a: { set: '${ $task | { name, reference, input, at: .startedAt.iso8601, s: .definition.set[:3] } }' } }] } }]",
            json!(1),
            vec![],
            r#"= {"name":"a","reference":"/do/0/o/do/0/a","input":1,"at":"2026-01-01T00:00:00.000000Z","s":"${ "}"#,
        ),
        (
            "$runtime",
            "do: [{ a: { set: '${ $runtime | .name, .metadata }' } }]",
            json!(1),
            vec![],
            r#"= ["levqor",{}]"#,
        ),
        (
            "64-bit integers pass unharmed",
            "do: [{ a: { set: { n: '${ .n }' } } }]",
            json!({ "n": 9_007_199_254_740_993_u64 }),
            vec![],
            r#"= {"n":9007199254740993}"#,
        ),
    ]);
}

#[test]
fn schemas_are_checked_where_they_stand() {
    let number = "{ schema: { document: { type: number } } }";
    let text = |place: &str| -> &'static str {
        match place {
            "workflow input" => format!("input: {number}\ndo: [{{ a: {{ set: {{ x: 1 }} }} }}]"),
            "workflow output" => format!("output: {number}\ndo: [{{ a: {{ set: '${{ . }}' }} }}]"),
            "input" => format!("do: [{{ a: {{ input: {number}, set: {{ x: 1 }} }} }}]"),
            "output" => format!("do: [{{ a: {{ set: '${{ . }}', output: {number} }} }}]"),
            _ => format!("do: [{{ a: {{ set: '${{ . }}', export: {number} }} }}]"),
        }
        .leak()
    };
    check(vec![
        ("workflow input, met", text("workflow input"), json!(1), vec![], r#"= {"x":1}"#),
        ("workflow input, not met", text("workflow input"), json!("1"), vec![], "! validation 400 /input"),
        ("workflow output, not met", text("workflow output"), json!("1"), vec![], "! validation 400 /output"),
        ("input, not met", text("input"), json!("1"), vec![], "! validation 400 /do/0/a"),
        ("output, met", text("output"), json!(1), vec![], "= 1"),
        ("output, not met", text("output"), json!("1"), vec![], "! validation 400 /do/0/a"),
        ("context, not met by what is there", text("export"), json!(1), vec![], "! validation 400 /do/0/a"),
        (
            "the input's schema is for the raw input",
            "do: [{ a: { input: { schema: { document: { type: object } }, from: .n }, set: '${ . }' } }]",
            json!({ "n": 1 }),
            vec![],
            "= 1",
        ),
        (
            "the output's schema is for the shaped output",
            "do: [{ a: { set: { n: 1 }, output: { as: .n, schema: { document: { type: number } } } } }]",
            json!({}),
            vec![],
            "= 1",
        ),
        (
            "the export's schema is for the new context",
            "do: [{ a: { set: { n: 1 }, export: { as: .n, schema: { document: { type: object } } } } }]",
            json!({}),
            vec![],
            "! validation 400 /do/0/a",
        ),
    ]);
}

#[test]
fn expressions_fail_as_errors_of_their_task() {
    check(vec![
        (
            "if",
            "do: [{ a: { if: '1 | error', set: { x: 1 } } }]",
            json!({}),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "set",
            "do: [{ a: { set: { x: '${ .a.b }' } } }]",
            json!({ "a": 1 }),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "output.as",
            "do: [{ a: { set: { x: 1 }, output: { as: '.x.y' } } }]",
            json!({}),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "output.as of an enclosing task",
            "do: [{ o: { do: [{ a: { set: { x: 1 } } }], output: { as: '.x.y' } } }]",
            json!({}),
            vec![],
            "! expression 400 /do/0/o",
        ),
        (
            "export.as",
            "do: [{ a: { set: { x: 1 }, export: { as: '.x.y' } } }]",
            json!({}),
            vec![],
            "! expression 400 /do/0/a",
        ),
        (
            "workflow input.from",
            "input: { from: .x.y }\ndo: [{ a: { set: { x: 1 } } }]",
            json!({ "x": 1 }),
            vec![],
            "! expression 400 /input",
        ),
        (
            "workflow output.as",
            "output: { as: .x.y }\ndo: [{ a: { set: { x: 1 } } }]",
            json!({}),
            vec![],
            "! expression 400 /output",
        ),
    ]);
}

#[test]
fn limits_name_themselves_and_the_size() {
    let surroundings = |payload_bytes_max, tasks_max| {
        std::sync::Arc::new(levqor_flow::machine::Surroundings {
            payload_bytes_max,
            tasks_max,
            ..Default::default()
        })
    };
    let detail = |bytes, tasks, text: &str| {
        let player = play_in(&surroundings(bytes, tasks), text, json!({}), &[]);
        player.machine.error().and_then(|error| error.detail.clone()).unwrap_or(player.said.join("; "))
    };
    let rows = [
        (10, 9, "do: [{ a: { set: { x: 1 } } }]", r#"= {"x":1}"#),
        (
            10,
            9,
            "do: [{ a: { set: { x: 12345 } } }]",
            "the task's output has 11 bytes as JSON and the limit is 10; keep only what later tasks need",
        ),
        (10, 9, "do: [{ a: { set: { x: 12345 }, output: { as: .x } } }]", "= 12345"),
        (
            10,
            9,
            "do: [{ a: { set: { x: 1 }, export: { as: '\"0123456789\"' } } }]",
            "the context has 12 bytes as JSON and the limit is 10; keep only what later tasks need",
        ),
        (
            10,
            9,
            "output: { as: '[., .]' }\ndo: [{ a: { set: { x: 1 } } }]",
            "the workflow's output has 17 bytes as JSON and the limit is 10; keep only what later tasks need",
        ),
        (
            10,
            9,
            "do: [{ a: { input: { from: '[\"0123456789\"]' }, set: { x: 1 } } }]",
            "the task's transformed input has 14 bytes as JSON and the limit is 10; keep only what later tasks need",
        ),
        (
            99,
            9,
            "do: [{ a: { set: { x: 1 } } }, { b: { set: { x: 2 }, then: a } }]",
            "the run has executed 9 tasks and the limit is 9; split the work over several runs",
        ),
        (
            30,
            9,
            "do: [{ a: { call: http, with: { method: post, endpoint: http://h/, body: { x: '0123456789012345678901234' } } } }]",
            "the request's body has 33 bytes as JSON and the limit is 30; keep only what later tasks need",
        ),
        (
            99,
            9,
            "do: [{ t: { try: [{ a: { set: { x: 1 } } }, { b: { set: { x: 2 }, then: a } }], catch: {} } }]",
            "the run has executed 9 tasks and the limit is 9; split the work over several runs",
        ),
        (
            99,
            9,
            "do: [{ t: { try: [{ a: { raise: { error: { type: 'urn:x', status: 400 } } } }], catch: { retry: { limit: { attempt: { count: 1000 } } } } } }]",
            "the run has executed 9 tasks and the limit is 9; split the work over several runs",
        ),
    ];
    for (bytes, tasks, text, expected) in rows {
        assert_eq!(detail(bytes, tasks, text), expected, "{text}");
    }
    let deeper = "do: [{ l: { for: { in: '[range(70)]' }, do: [{ a: { set: { x: '${ . }' } } }] } }]";
    assert_eq!(
        detail(100_000, 100, deeper),
        "the task's output is nested more than 64 levels deep, which is the limit; make it flatter"
    );
}
