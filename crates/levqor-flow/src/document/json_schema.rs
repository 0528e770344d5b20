//! JSON Schemas inside a workflow: `input.schema`, `output.schema`, `export.schema`.
//!
//! The validator never fetches anything. What a schema may cost is bounded by [`super::schema_graph`].

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    checker::Checker,
    issue::{Issue, Place},
    schema_graph, support,
};
use crate::definition::Schema;

impl<'d> Checker<'d> {
    /// The `schema` of an `input`, `output` or `export`.
    pub(super) fn schema(&mut self, owner: &'d Map<String, Value>, place: &Place<'_>) -> Option<Schema> {
        let value = owner.get("schema")?;
        let place = place.key("schema");
        let schema = self.object(value, &place, "{ document: { type: object } }")?;
        self.closed(schema, &place, &["format", "document", "resource"]);
        if let Some(format) = self.optional_text(schema, &place, "format")
            && format.split(':').next() != Some("json")
        {
            self.refuse(&place.key("format"), &support::SCHEMA_FORMAT);
        }
        if schema.contains_key("resource") {
            self.refuse(&place.key("resource"), &support::SCHEMA_RESOURCE);
            return None;
        }
        let document = self.required(schema, &place, "document")?;
        let place = place.key("document");
        let compiled = analyse(document).and_then(|patterns| {
            if self.work.schema(patterns) { compile(document) } else { Err(Issue::root(TOO_MANY)) }
        });
        compiled.map_err(|refusal| self.errors.push(&place, &refusal.pointer, refusal.message)).ok()
    }
}

const TOO_MANY: &str = "the document has too many schemas, or patterns in them, to compile; use fewer";

/// The draft that schemas are read by.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Never fetches.
struct Offline;

impl jsonschema::Retrieve for Offline {
    fn retrieve(
        &self,
        uri: &jsonschema::Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("{} is elsewhere", uri.as_str()).into())
    }
}

/// What can be said before compiling, and how many patterns there are.
fn analyse(document: &Value) -> Result<usize, Issue> {
    if !document.is_object() && !document.is_boolean() {
        return Err(Issue::root("a JSON Schema is an object; write for example { type: object }"));
    }
    if let Some(draft) = document.get("$schema")
        && draft.as_str().map(|draft| draft.trim_end_matches('#')) != Some(DRAFT)
    {
        return Err(Issue {
            pointer: "/$schema".to_owned(),
            message: format!(
                "not supported yet: schemas of other drafts; write {DRAFT}, or remove `$schema`"
            ),
        });
    }
    schema_graph::check(document)
}

fn compile(document: &Value) -> Result<Schema, Issue> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_retriever(Offline)
        .with_pattern_options(
            jsonschema::PatternOptions::fancy_regex().backtrack_limit(100_000).size_limit(256 * 1024),
        )
        .build(document)
        .map(|validator| Schema(Arc::new(validator)))
        .map_err(|error| Issue {
            pointer: error.instance_path().to_string(),
            message: format!("not a JSON Schema (draft 2020-12): {}", clip_line(&error.to_string())),
        })
}

/// A library's message, whose length depends on the schema, cut to a line.
fn clip_line(message: &str) -> String {
    const CHARS_MAX: usize = 300;
    message.lines().next().unwrap_or_default().chars().take(CHARS_MAX).collect()
}
