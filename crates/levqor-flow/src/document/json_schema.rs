//! JSON Schemas inside a workflow: `input.schema`, `output.schema`, `export.schema`.
//!
//! The validator never fetches anything. What a schema may cost is bounded by [`super::schema_graph`].

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    checker::Checker,
    data::{Moment, Scope, Work},
    issue::{Issue, Place},
    schema_graph, support,
};
use crate::definition::{Endpoint, ExternalSchema, Schema, SchemaSource};

impl<'d> Checker<'d> {
    /// The `schema` of an `input`, `output` or `export`.
    pub(super) fn schema(
        &mut self,
        owner: &'d Map<String, Value>,
        place: &Place<'_>,
    ) -> Option<SchemaSource> {
        let value = owner.get("schema")?;
        let place = place.key("schema");
        let schema = self.object(value, &place, "{ document: { type: object } }")?;
        self.closed(schema, &place, &["format", "document", "resource"]);
        if let Some(format) = self.optional_text(schema, &place, "format")
            && format.split(':').next() != Some("json")
        {
            self.refuse(&place.key("format"), &support::SCHEMA_FORMAT);
        }
        if let Some(resource) = schema.get("resource") {
            let place = place.key("resource");
            if schema.contains_key("document") {
                self.error(&place, "there are both `resource` and `document`; keep one");
            }
            return self.external_schema(resource, &place).map(SchemaSource::Elsewhere);
        }
        let document = self.required(schema, &place, "document")?;
        let place = place.key("document");
        let compiled = analyse(document).and_then(|patterns| {
            if self.work.schema(patterns) { compile(document) } else { Err(Issue::root(TOO_MANY)) }
        });
        let compiled =
            compiled.map_err(|refusal| self.errors.push(&place, &refusal.pointer, refusal.message)).ok()?;
        Some(SchemaSource::Here(compiled))
    }

    /// A schema that runs fetch when they begin, so its address is known before.
    fn external_schema(&mut self, value: &'d Value, place: &Place<'_>) -> Option<Arc<str>> {
        let resource = self.resource(value, place, Scope::new(Moment::Workflow))?;
        let Endpoint::UriTemplate(uri) = resource.endpoint else {
            self.error(&place.key("endpoint"), FIXED);
            return None;
        };
        if uri.contains('{') {
            self.error(&place.key("endpoint"), FIXED);
            return None;
        }
        let uri: Arc<str> = uri.into();
        if !self.schemas.iter().any(|known| known.uri == uri) {
            if self.schemas.len() >= EXTERNAL_MAX {
                let message =
                    format!("more than {EXTERNAL_MAX} schemas are elsewhere; write some under `document`");
                self.error(place, message);
                return None;
            }
            self.schemas
                .push(ExternalSchema { uri: Arc::clone(&uri), authentication: resource.authentication });
        }
        Some(uri)
    }
}

/// Schemas of one workflow that may be elsewhere.
const EXTERNAL_MAX: usize = 16;

const FIXED: &str =
    "the address of a schema is the same for every run; write it without `{ }` and expressions";

/// Compiles a schema that came from elsewhere, with the bounds of those in documents.
pub fn external(document: &Value) -> Result<Schema, String> {
    let compiled = analyse(document).and_then(|patterns| {
        if Work::default().schema(patterns) { compile(document) } else { Err(Issue::root(TOO_MANY)) }
    });
    compiled.map_err(|issue| {
        if issue.pointer.is_empty() { issue.message } else { format!("{}: {}", issue.pointer, issue.message) }
    })
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

/// What a value does not meet, in a line that has the rule in it: the library's words begin with the value, whatever its
/// length, and leave out most of what a longer enumeration allows.
pub(crate) fn misfit(error: &jsonschema::ValidationError<'_>) -> String {
    const VALUE_CHARS_MAX: usize = 80;
    const LINE_CHARS_MAX: usize = 300;
    let value = error.instance().to_string();
    let is_short = value.chars().nth(VALUE_CHARS_MAX).is_none();
    let line = match error.kind() {
        jsonschema::error::ValidationErrorKind::Enum { options } => {
            let allowed = options.as_array().map_or(&[][..], Vec::as_slice);
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            format!("{} is not one of {}", if is_short { value.as_str() } else { "it" }, allowed.join(", "))
        }
        _ if is_short => error.to_string(),
        _ => error.masked_with("it").to_string(),
    };
    match line.char_indices().nth(LINE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A library's message, whose length depends on the schema, cut to a line.
fn clip_line(message: &str) -> String {
    const CHARS_MAX: usize = 300;
    message.lines().next().unwrap_or_default().chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(schema: &Value, value: &Value) -> String {
        misfit(&external(schema).unwrap().0.validate(value).unwrap_err())
    }

    #[test]
    fn what_is_not_met_is_said_however_long_the_value_is() {
        assert_eq!(told(&json!({ "type": "object" }), &json!("x")), r#""x" is not of type "object""#);
        let long = json!("x".repeat(100_000));
        assert_eq!(told(&json!({ "type": "object" }), &long), r#"it is not of type "object""#);
        assert_eq!(
            told(&json!({ "required": ["z"] }), &json!({ "a": long })),
            r#""z" is a required property"#
        );
        let wordy = json!({ "required": ["z".repeat(1_000)] });
        let line = told(&wordy, &json!({}));
        assert!(line.chars().count() == 301 && line.ends_with('…'), "{line}");
    }

    #[test]
    fn all_that_is_allowed_is_named() {
        let schema = json!({ "enum": ["a", "b", "c", "d", "e"] });
        assert_eq!(told(&schema, &json!("f")), r#""f" is not one of "a", "b", "c", "d", "e""#);
        assert_eq!(told(&schema, &json!("f".repeat(1_000))), r#"it is not one of "a", "b", "c", "d", "e""#);
    }
}
