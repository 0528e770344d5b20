//! An answer held against its schema: which fields are missing, of another kind, or not described.
//!
//! Only what schemas of this API's answers are made of: `$ref`, `allOf`, `type`, `properties`, `required`, `items`. What else a
//! schema says is not looked at here; the server's own tests hold its answers against all of it.
//!
//! Invariant: a schema comes from outside, so following it is bounded in depth and in steps.

use std::fmt;

use serde_json::Value;

const DEPTH_MAX: usize = 32;
const STEPS_MAX: usize = 50_000;
/// Schemas that one value must fit.
const PARTS_MAX: usize = 64;
/// Differences that are told.
const FOUND_MAX: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Where in the answer; members of lists all go by `-`.
    pub(crate) pointer: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Missing,
    Undescribed,
    Other {
        expected: String,
        found: String,
    },
    /// The schema goes on for ever.
    TooMuch,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.pointer, self.kind)
    }
}

pub(crate) fn differences(document: &Value, schema: &Value, answer: &Value) -> Vec<Difference> {
    let mut walk = Walk { document, steps: 0, found: Vec::new() };
    walk.compare("", schema, answer, 0);
    walk.found
}

struct Walk<'a> {
    document: &'a Value,
    steps: usize,
    found: Vec<Difference>,
}

impl<'a> Walk<'a> {
    fn add(&mut self, pointer: &str, kind: Kind) {
        if self.found.len() < FOUND_MAX || kind == Kind::TooMuch {
            self.found.push(Difference { pointer: pointer.to_owned(), kind });
        }
    }

    /// Whether there is no going on.
    fn is_over(&mut self, pointer: &str, depth: usize) -> bool {
        self.steps += 1;
        let over = depth > DEPTH_MAX || self.steps > STEPS_MAX;
        if over && !self.found.iter().any(|difference| difference.kind == Kind::TooMuch) {
            self.add(pointer, Kind::TooMuch);
        }
        over
    }

    fn compare(&mut self, pointer: &str, schema: &'a Value, value: &Value, depth: usize) {
        if self.is_over(pointer, depth) {
            return;
        }
        // The schema, what it refers to and what it is made of.
        let mut parts = Vec::new();
        self.unfold(pointer, schema, depth, &mut parts);
        let kinds: Vec<&str> = parts.iter().flat_map(|part| kinds(&part["type"])).collect();
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(kind, value)) {
            let (expected, found) = (kinds.join(" or "), kind_of(value).to_owned());
            return self.add(pointer, Kind::Other { expected, found });
        }
        match value {
            Value::Object(members) => {
                for name in parts.iter().flat_map(|part| part["required"].as_array().into_iter().flatten()) {
                    if self.is_over(pointer, depth) {
                        return;
                    }
                    if let Some(name) = name.as_str().filter(|name| !members.contains_key(*name)) {
                        self.add(&format!("{pointer}/{name}"), Kind::Missing);
                    }
                }
                // A schema without properties leaves them open.
                if !parts.iter().any(|part| part["properties"].is_object()) {
                    return;
                }
                for (name, value) in members {
                    let below = format!("{pointer}/{name}");
                    match parts.iter().find_map(|part| part["properties"].get(name)) {
                        Some(schema) => self.compare(&below, schema, value, depth + 1),
                        None => self.add(&below, Kind::Undescribed),
                    }
                }
            }
            Value::Array(items) => {
                let Some(schema) = parts.iter().map(|part| &part["items"]).find(|items| items.is_object())
                else {
                    return;
                };
                for item in items {
                    self.compare(&format!("{pointer}/-"), schema, item, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn unfold(&mut self, pointer: &str, schema: &'a Value, depth: usize, parts: &mut Vec<&'a Value>) {
        let depth = if parts.len() < PARTS_MAX { depth } else { usize::MAX };
        if self.is_over(pointer, depth) {
            return;
        }
        if let Some(reference) = schema["$ref"].as_str() {
            match reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer)) {
                Some(schema) => self.unfold(pointer, schema, depth + 1, parts),
                None => self.add(
                    pointer,
                    Kind::Other {
                        expected: "a schema".to_owned(),
                        found: "a reference to nothing".to_owned(),
                    },
                ),
            }
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.unfold(pointer, part, depth + 1, parts);
        }
        parts.push(schema);
    }
}

fn kinds(kind: &Value) -> impl Iterator<Item = &str> {
    let one = kind.as_str();
    one.into_iter().chain(kind.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "integer" => value.is_i64() || value.is_u64(),
        kind => kind == kind_of(value),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn found(document: &Value, answer: &Value) -> Vec<String> {
        differences(document, &document["schema"], answer).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn fields_are_held_against_their_description() {
        let document = json!({
            "schema": { "$ref": "#/plan" },
            "plan": {
                "type": "object", "required": ["name", "limits", "gone"],
                "properties": {
                    "name": { "type": ["string", "null"] }, "gone": {}, "open": { "type": "object" },
                    "limits": { "allOf": [{ "$ref": "#/limits" }, { "properties": { "more": { "type": "boolean" } } }] },
                    "list": { "type": "array", "items": { "type": "integer" } },
                },
            },
            "limits": { "type": "object", "properties": { "runs": { "type": "integer" } } },
        });
        let answer = json!({
            "name": null, "limits": { "runs": 1.5, "more": true, "new": 1 }, "list": [1, "2", "3"], "open": { "any": 1 },
        });
        assert_eq!(
            found(&document, &answer),
            [
                "/gone: Missing",
                "/limits/runs: Other { expected: \"integer\", found: \"number\" }",
                "/limits/new: Undescribed",
                "/list/-: Other { expected: \"integer\", found: \"string\" }",
                "/list/-: Other { expected: \"integer\", found: \"string\" }",
            ]
        );
        assert_eq!(found(&document, &json!([])), [": Other { expected: \"object\", found: \"array\" }"]);
    }

    #[test]
    fn a_schema_that_goes_on_for_ever_is_left() {
        let document = json!({ "schema": { "$ref": "#/schema" } });
        assert_eq!(found(&document, &json!(1)), [": TooMuch"]);
        let wide = json!({ "schema": { "allOf": [{ "$ref": "#/schema" }, { "$ref": "#/schema" }, { "$ref": "#/schema" }] } });
        assert_eq!(found(&wide, &json!(1)), [": TooMuch"]);
        let nowhere = json!({ "schema": { "$ref": "https://other.example/schema" } });
        assert!(found(&nowhere, &json!(1))[0].contains("a reference to nothing"));
        let items = json!({ "schema": { "items": { "type": "string" } } });
        let many = Value::Array(vec![json!("x"); STEPS_MAX]);
        assert_eq!(found(&items, &many).len(), 1);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let words = prop_oneof![
            Just("$ref"),
            Just("allOf"),
            Just("type"),
            Just("properties"),
            Just("required"),
            Just("items"),
            Just("a"),
        ];
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<i64>().prop_map(|n| json!(n)),
            Just(json!("#/schema")),
            Just(json!("object")),
            Just(json!("a")),
            any::<bool>().prop_map(|b| json!(b)),
        ];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((words.clone(), inner), 0..5).prop_map(|members| members
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_schema_makes_it_panic_or_go_on(schema in any_json(), answer in any_json()) {
            let document = json!({ "schema": schema });
            let found = differences(&document, &document["schema"], &answer);
            prop_assert!(found.len() <= FOUND_MAX + 1);
        }
    }
}
