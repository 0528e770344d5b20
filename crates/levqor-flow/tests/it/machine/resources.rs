//! What runs need from elsewhere: schemas before they begin, OpenAPI documents when a task calls.

use serde_json::json;

use super::play::{Answer, Cancel, Lose, Pass, Refuse, Retry, check};

const SCHEMA: &str = "input: { schema: { resource: { endpoint: 'http://h/s' } } }
do: [{ a: { set: { ok: true }, output: { schema: { resource: { endpoint: 'http://h/s' } } } } }]";
const TEXT: &str = "{ type: object, required: [ok] }";

#[test]
fn schemas_come_first() {
    check(vec![
        (
            "once for all places",
            SCHEMA,
            json!({ "ok": 1 }),
            vec![Answer(1, json!(TEXT))],
            "#1 GET http://h/s; = {\"ok\":true}",
        ),
        (
            "the input",
            SCHEMA,
            json!({}),
            vec![Answer(1, json!(TEXT))],
            "#1 GET http://h/s; ! validation 400 /input",
        ),
        (
            "not there",
            SCHEMA,
            json!({}),
            vec![Refuse(1, 404)],
            "#1 GET http://h/s; ! communication 404 /input",
        ),
        (
            "no schema",
            SCHEMA,
            json!({}),
            vec![Answer(1, json!("{ type: 7 }"))],
            "#1 GET http://h/s; ! configuration 400 /input",
        ),
        (
            "no text",
            SCHEMA,
            json!({}),
            vec![Answer(1, json!({ "type": 7 }))],
            "#1 GET http://h/s; ! expression 400 /input",
        ),
        (
            "again after a fault",
            SCHEMA,
            json!({ "ok": 1 }),
            vec![Lose(1), Retry, Answer(2, json!(TEXT))],
            "#1 GET http://h/s; ! communication 500 /input; #2 GET http://h/s; = {\"ok\":true}",
        ),
        ("cancelled", SCHEMA, json!({}), vec![Cancel], "#1 GET http://h/s; drop #1; cancelled"),
    ]);
}

const CALL: &str = "do: [{ a: {
    timeout: { after: { seconds: 30 } },
    call: openapi,
    with: { document: { endpoint: 'http://h/d' }, operationId: get, parameters: '${ { id: .id } }' } } }]";
const DOCUMENT: &str = "{ openapi: 3.0.0, paths: { '/x/{id}': { get: { operationId: get, parameters: [ { name: id, in: path } ] } } } }";

#[test]
fn documents_lead_to_calls() {
    let twice = "do: [{ l: { for: { in: '[1, 2]' }, do: [{ a: { call: openapi, with: { document: { endpoint: 'http://h/d' }, operationId: get, parameters: { id: '${ $item }' } } } }] } }]";
    check(vec![
        (
            "a document and a call",
            CALL,
            json!({ "id": "a b" }),
            vec![Answer(2, json!(DOCUMENT)), Answer(3, json!("x"))],
            "#1 +30s; #2 GET http://h/d; #3 GET http://h/x/a%20b; drop #1; = \"x\"",
        ),
        (
            "no document",
            CALL,
            json!({ "id": 1 }),
            vec![Refuse(2, 500)],
            "#1 +30s; #2 GET http://h/d; drop #1; ! communication 500 /do/0/a",
        ),
        (
            "no parameter",
            CALL,
            json!({}),
            vec![Answer(2, json!(DOCUMENT))],
            "#1 +30s; #2 GET http://h/d; drop #1; ! validation 400 /do/0/a",
        ),
        (
            "no time",
            CALL,
            json!({ "id": 1 }),
            vec![Pass(30)],
            "#1 +30s; #2 GET http://h/d; drop #2; ! timeout 408 /do/0/a",
        ),
        (
            "one document for a loop",
            twice,
            json!({}),
            vec![Answer(1, json!(DOCUMENT)), Answer(2, json!(1)), Answer(3, json!(2))],
            "#1 GET http://h/d; #2 GET http://h/x/1; #3 GET http://h/x/2; = 2",
        ),
    ]);
}
