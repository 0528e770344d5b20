//! Answers are as the API's description says: every answer that any test gets is checked here.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use http::Method;
use jsonschema::Validator;
use levqor_server::openapi;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(openapi::document()).unwrap());
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Checks a JSON answer of a described operation against its schema.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    let content_type = answer.header("content-type").unwrap_or_default();
    let Some(operation) = operation(method, path) else { return };
    let status = answer.status.as_str();
    let responses = &operation["responses"];
    let response = responses.get(status).or_else(|| responses.get("default"));
    let response = response.unwrap_or_else(|| panic!("{method} {path}: {status} is not described"));
    let Some(content) = response.get("content") else {
        assert!(answer.bytes.is_empty(), "{method} {path}: {status} has a body that is not described");
        return;
    };
    let media = content_type.split(';').next().unwrap_or_default();
    let schema = &content
        .get(media)
        .unwrap_or_else(|| panic!("{method} {path}: {status} is {content_type:?}"))["schema"];
    let is_json = media.ends_with("/json") || media.ends_with("+json");
    if !is_json || answer.bytes.is_empty() {
        return;
    }
    let validator = validator(schema);
    let body = answer.json();
    let errors: Vec<_> =
        validator.iter_errors(&body).map(|error| format!("{} {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{method} {path}: {status}: {errors:#?}\n{body:#}");
}

fn validator(schema: &Value) -> Arc<Validator> {
    let mut all = VALIDATORS.lock().unwrap();
    let validator = all.entry(schema.to_string()).or_insert_with(|| {
        let root = json!({ "components": DOCUMENT["components"], "allOf": [schema] });
        Arc::new(jsonschema::validator_for(&root).unwrap())
    });
    validator.clone()
}

/// The described operation that answers; a path without parameters goes first, as in the router.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let item = paths
        .get(path)
        .or_else(|| paths.iter().find(|(template, _)| matches(template, path)).map(|(_, item)| item))?;
    item.get(method.as_str().to_lowercase())
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
}

/// The AI endpoints have no types that their description could be made from, so they are asked here.
#[tokio::test]
async fn ai_answers_are_as_described() {
    let test = TestApp::new().await;
    let rows = [
        ("/api/ai/chat", json!({ "query": "How do I start a run?" }), 200),
        (
            "/api/ai/chat",
            json!({ "query": "How do I start a run?", "language": "de", "conversation_id": "c1" }),
            200,
        ),
        ("/api/ai/chat", json!({}), 400),
        ("/api/ai/chat", json!({ "query": "a" }), 422),
        ("/api/ai/workflow", json!({ "query": "every day at 9am fetch https://example.com/orders" }), 200),
        ("/api/ai/workflow", json!({}), 400),
        ("/api/ai/workflow", json!({ "query": "a" }), 422),
    ];
    for (path, body, status) in rows {
        let answer = test.post(path).json(&body).send().await;
        assert_eq!(answer.status.as_u16(), status, "{path} {body}: {}", answer.text());
    }
}
