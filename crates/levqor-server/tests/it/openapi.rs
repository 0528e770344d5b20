//! The API's own description.

use std::{collections::BTreeMap, fs, path::Path};

use levqor_server::openapi;
use regex::Regex;
use serde_json::Value;

use crate::{pages::Browser, support::TestApp};

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

/// Of two shapes of one name the document would have only one.
#[test]
fn no_two_shapes_share_a_name() {
    let shape = Regex::new(
        r"#\[derive\([^\]]*ToSchema[^\]]*\)\](?P<between>(?:\s*(?:#\[[^\]]*\]|///[^\n]*))*)\s*(?:pub(?:\([^)]*\))?\s+)?(?:struct|enum)\s+(?P<name>\w+)",
    )
    .unwrap();
    let renamed = Regex::new(r"\bas\s*=\s*(\w+)").unwrap();
    let (mut folders, mut names) = (vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            for found in shape.captures_iter(&text) {
                let name = renamed
                    .captures(&found["between"])
                    .map_or_else(|| found["name"].to_owned(), |renamed| renamed[1].to_owned());
                if let Some(other) = names.insert(name.clone(), path.clone()) {
                    panic!("{name} is a shape in {} and in {}", other.display(), path.display());
                }
            }
        }
    }
    assert!(names.len() > 100, "{} shapes are no API", names.len());
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

/// The page is made for whoever comes first, and kept.
#[tokio::test]
async fn the_page_has_every_operation_for_whoever_asks() {
    let test = TestApp::new().await;
    let ask = || test.page("/docs/api").send();
    let (first, second) = tokio::join!(ask(), ask());
    let page = first.text();
    assert_eq!((first.status.as_u16(), &second.text(), &ask().await.text()), (200, &page, &page));
    let document = serde_json::to_value(openapi::document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let id = format!("id=\"{method}{}\"", path.replace(['/', '{', '}'], "-"));
            assert!(page.contains(&id), "{method} {path}");
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
}

#[tokio::test]
async fn the_document_is_served() {
    let test = TestApp::new().await;
    let answer = test.get("/openapi.json").send().await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), serde_json::to_value(openapi::document()).unwrap());
}
