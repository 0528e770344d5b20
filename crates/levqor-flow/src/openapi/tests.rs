use serde_json::json;

use super::*;

fn shown(request: &Request) -> String {
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    };
    let mut text = format!("{} {}", request.method, request.uri);
    if !request.query.is_empty() {
        text.push_str(&format!(" ?{}", pairs(&request.query)));
    }
    if !request.headers.is_empty() {
        text.push_str(&format!(" [{}]", pairs(&request.headers)));
    }
    if let Some(body) = &request.body {
        text.push_str(&format!(" {body}"));
    }
    text
}

fn ask(document: &Value, operation: &str, parameters: Value) -> String {
    let parameters = parameters.as_object().unwrap().clone();
    match request(document, "https://docs.example/v1/openapi.json", operation, &parameters) {
        Ok(request) => shown(&request),
        Err(error) => {
            let kind = error.kind.rsplit('/').next().unwrap_or_default().to_owned();
            format!("{kind}: {}", error.detail.unwrap_or_default())
        }
    }
}

fn check(document: &Value, rows: &[(&str, Value, &str)]) {
    let mut wrong = String::new();
    for (operation, parameters, expected) in rows {
        let got = ask(document, operation, parameters.clone());
        if got != *expected {
            wrong.push_str(&format!("{operation} {parameters}\n  expected {expected}\n  but was  {got}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

const PETS: &str = "
swagger: 2.0
host: petstore.swagger.io
basePath: /v2
schemes: [https, http]
parameters:
  trace: { name: X-Trace, in: header, type: string }
paths:
  /pet/findByStatus:
    get:
      operationId: findPetsByStatus
      parameters:
        - { name: status, in: query, required: true, type: array, collectionFormat: multi }
        - { name: tags, in: query, type: array, collectionFormat: pipes }
  /pet/{petId}:
    parameters:
      - { name: petId, in: path, required: true, type: integer }
      - { $ref: '#/parameters/trace' }
    get: { operationId: getPetById }
    post:
      operationId: updateForm
      parameters: [ { name: name, in: formData, type: string }, { name: age, in: formData, type: integer } ]
    put:
      operationId: upload
      parameters: [ { name: photo, in: formData, type: file } ]
  /pet:
    post: { operationId: addPet, parameters: [ { name: pet, in: body, required: true } ] }
  /loop:
    get: { operationId: loop, parameters: [ { $ref: '#/paths/~1loop/get/parameters/0' } ] }
";

#[test]
fn version_2() {
    let document = read(PETS).unwrap();
    check(
        &document,
        &[
            (
                "findPetsByStatus",
                json!({ "status": "available" }),
                "GET https://petstore.swagger.io/v2/pet/findByStatus ?status=available",
            ),
            (
                "findPetsByStatus",
                json!({ "status": ["a", "b"], "tags": ["x", 1, true] }),
                "GET https://petstore.swagger.io/v2/pet/findByStatus ?status=a&status=b&tags=x|1|true",
            ),
            (
                "getPetById",
                json!({ "petId": "1/ü", "X-Trace": "t" }),
                "GET https://petstore.swagger.io/v2/pet/1%2F%C3%BC [X-Trace=t]",
            ),
            (
                "updateForm",
                json!({ "petId": 1, "name": "Milou", "age": 3 }),
                "POST https://petstore.swagger.io/v2/pet/1 [Content-Type=application/x-www-form-urlencoded] {\"name\":\"Milou\",\"age\":\"3\"}",
            ),
            ("addPet", json!({ "pet": { "id": 1 } }), "POST https://petstore.swagger.io/v2/pet {\"id\":1}"),
            ("getPetById", json!({}), "validation: the parameter `petId` is missing; add it to `parameters`"),
            (
                "getPetById",
                json!({ "petId": null }),
                "validation: the parameter `petId` is missing; add it to `parameters`",
            ),
            (
                "getPetById",
                json!({ "petId": 1, "petid": 1 }),
                "validation: the operation has no parameter `petid`; did you mean `petId`?",
            ),
            (
                "getPetById",
                json!({ "petId": { "a": [1] } }),
                "validation: the parameter `petId` is nested, and its place takes texts, numbers and booleans, or one list or object of them",
            ),
            (
                "getPetByID",
                json!({}),
                "configuration: it has no operation \"getPetByID\"; did you mean `getPetById`?",
            ),
            (
                "upload",
                json!({ "petId": 1, "photo": "x" }),
                "configuration: the parameter `photo` is a file, which cannot be sent yet",
            ),
            ("loop", json!({}), "configuration: a reference of its parameters leads nowhere"),
        ],
    );
}

#[test]
fn version_3() {
    let document = read(
        "
openapi: 3.1.0
servers: [ { url: '/{stage}/', variables: { stage: { default: live } } } ]
components:
  schemas: { Order: { type: object, properties: { id: {}, items: {} } } }
  requestBodies: { Order: { required: true, content: { application/json: { schema: { $ref: '#/components/schemas/Order' } } } } }
paths:
  /orders:
    get:
      operationId: list
      parameters:
        - { name: ids, in: query }
        - { name: flat, in: query, explode: false }
        - { name: piped, in: query, style: pipeDelimited }
        - { name: deep, in: query, style: deepObject }
        - { name: filter, in: query, content: { application/json: {} } }
        - { name: session, in: cookie }
        - { name: X-List, in: header }
    post:
      operationId: make
      servers: [ { url: 'https://write.example/v3' } ]
      requestBody: { $ref: '#/components/requestBodies/Order' }
    put:
      operationId: note
      requestBody: { content: { text/plain: {} } }
    patch:
      operationId: upload
      requestBody: { content: { multipart/form-data: {} } }
  /orders/{ids}/{point}:
    get:
      operationId: many
      parameters: [ { name: ids, in: path }, { name: point, in: path, explode: true } ]
  /bad:
    get: { operationId: bad, servers: [ { url: 'ftp://x' } ] }
    put: { operationId: open, servers: [ { url: 'https://{host}' } ] }
",
    )
    .unwrap();
    check(
        &document,
        &[
            (
                "list",
                json!({ "ids": [1, 2], "flat": [1, 2], "piped": ["a", "b"], "deep": { "a": 1, "b": "c" } }),
                "GET https://docs.example/live/orders ?ids=1&ids=2&flat=1,2&piped=a|b&deep[a]=1&deep[b]=c",
            ),
            (
                "list",
                json!({ "ids": { "a": 1 }, "filter": { "x": [1] }, "session": "s 1", "X-List": ["a", "b"] }),
                "GET https://docs.example/live/orders ?a=1&filter={\"x\":[1]} [X-List=a,b&Cookie=session=s%201]",
            ),
            (
                "make",
                json!({ "body": { "id": 7 } }),
                "POST https://write.example/v3/orders [Content-Type=application/json] {\"id\":7}",
            ),
            (
                "make",
                json!({ "id": 7, "items": [] }),
                "POST https://write.example/v3/orders [Content-Type=application/json] {\"id\":7,\"items\":[]}",
            ),
            ("make", json!({}), "validation: the operation needs a body; add `body` to `parameters`"),
            (
                "make",
                json!({ "id": 7, "itemz": [] }),
                "validation: the operation has no parameter `itemz`; did you mean `items`?",
            ),
            (
                "note",
                json!({ "body": "hello" }),
                "PUT https://docs.example/live/orders [Content-Type=text/plain] \"hello\"",
            ),
            ("note", json!({}), "PUT https://docs.example/live/orders"),
            (
                "upload",
                json!({ "body": "x" }),
                "configuration: the operation takes multipart/form-data, which cannot be sent yet",
            ),
            (
                "many",
                json!({ "ids": [1, "a,b"], "point": { "x": 1, "y": 2 } }),
                "GET https://docs.example/live/orders/1,a%2Cb/x=1,y=2",
            ),
            (
                "bad",
                json!({}),
                "configuration: its server has the scheme ftp; only http and https can be called",
            ),
            ("open", json!({}), "configuration: a variable in the address of its server has no default"),
        ],
    );
}

#[test]
fn addresses_follow_the_document() {
    let rows = [
        (json!({ "swagger": "2.0" }), "GET https://docs.example/a"),
        (
            json!({ "swagger": "2.0", "schemes": ["http"], "host": "h:81", "basePath": "b/" }),
            "GET http://h:81/b/a",
        ),
        (json!({ "openapi": "3.0.1" }), "GET https://docs.example/a"),
        (json!({ "openapi": "3.0.1", "servers": [{ "url": "../v2" }] }), "GET https://docs.example/v2/a"),
        (
            json!({ "openapi": "3.0.1", "servers": [{ "url": "http://127.0.0.1:8/" }] }),
            "GET http://127.0.0.1:8/a",
        ),
        (json!({ "openapi": "4.0" }), "configuration: it is no OpenAPI document of version 2.0 or 3.x"),
        (json!({}), "configuration: it is no OpenAPI document of version 2.0 or 3.x"),
    ];
    for (mut document, expected) in rows {
        document["paths"] = json!({ "/a": { "get": { "operationId": "a" } } });
        assert_eq!(ask(&document, "a", json!({})), expected, "{document}");
    }
    assert_eq!(ask(&json!({ "openapi": "3.0.0" }), "a", json!({})), "configuration: it has no `paths`");
    assert!(read("a: [").is_err() && read("{\"openapi\": \"3.0.0\"}").is_ok());
}
