//! The documents that the specification publishes. Its conformance kit is played in `conformance`.

use std::{fs, path::PathBuf};

use levqor_flow::document::{check, parse, read, support::CONSTRUCTS};

use super::shown;

fn data(folder: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data/serverless-workflow", folder].iter().collect()
}

/// Names and texts of the files of a folder, in order.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(data(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn all_examples_are_read_and_either_taken_or_refused_as_the_page_says() {
    let examples = files("examples", "yaml");
    assert_eq!(examples.len(), 66);
    let mut table = String::new();
    for (name, text) in examples {
        let document = read(&text).unwrap_or_else(|issue| panic!("{name}: {}", issue.message));
        let checked = check(&document);
        let verdict = if checked.workflow.is_some() { "accepted" } else { "refused" };
        table.push_str(&format!("{name}: {verdict}\n"));
        for line in shown(&checked.errors).lines() {
            let message = line.split_once(": ").unwrap().1;
            let known = CONSTRUCTS.iter().any(|construct| construct.refuses(message));
            assert!(known, "docs/dsl-support.md does not say so: {name}: {line}");
            table.push_str(&format!("  {line}\n"));
        }
        for line in shown(&checked.warnings).lines() {
            table.push_str(&format!("  (warning) {line}\n"));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_invalid_documents_are_refused() {
    let mut table = String::new();
    for (name, text) in files("invalid", "yaml") {
        let checked = parse(&text);
        assert!(checked.workflow.is_none(), "{name}");
        table.push_str(&format!("{name}\n"));
        for line in shown(&checked.errors).lines() {
            table.push_str(&format!("  {line}\n"));
        }
    }
    insta::assert_snapshot!(table);
}

/// A document of tasks in tasks takes a validator five times longer for each level by this schema, which is why the
/// checks here do not use it, and why nobody else's workflow may.
#[test]
fn the_schema_of_the_language_is_refused_as_a_schema_in_a_workflow() {
    let schema = fs::read_to_string(data("schema/workflow.yaml")).unwrap();
    let document = serde_json::json!({
        "document": { "dsl": "1.0.3", "namespace": "test", "name": "self", "version": "1.0.0" },
        "input": { "schema": { "document": read(&schema).unwrap() } },
        "do": [],
    });
    let checked = check(&document);
    insta::assert_snapshot!(shown(&checked.errors), @"/input/schema/document: the references of this schema multiply, so validating could take very long; refer to a schema once");
}
