//! The API's own description.

use levqor_server::openapi;
use serde_json::Value;

use crate::support::TestApp;

#[test]
fn the_document_changes_only_on_purpose() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    insta::assert_json_snapshot!("openapi", document);
}

#[test]
fn the_document_is_about_this_product_and_whole() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Levqor");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut ids = std::collections::HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{name} has no summary");
            assert!(operation["tags"].is_array(), "{name} has no tag");
            assert!(ids.insert(operation["operationId"].to_string()), "{name} shares its id");
            // What a webhook asks for is in its address.
            let open =
                matches!(path.as_str(), "/health" | "/ready" | "/metrics" | "/hooks/{token}" | "/api/status")
                    || path.starts_with("/api/v2/")
                    || path.starts_with("/ping/");
            assert_eq!(
                operation.get("security").is_some_and(|all| all != &Value::Array(Vec::new())),
                !open,
                "{name}"
            );
        }
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                references.push(reference.clone());
            }
            members.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_served() {
    let test = TestApp::new().await;
    let answer = test.get("/openapi.json").send().await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), serde_json::to_value(openapi::document()).unwrap());
}
