//! Values of a text, by what their schema says they are and what the text calls them.
//!
//! A value is taken when the text names it (`Invoice number: 17`), or when the text has exactly one of its kind (one
//! e-mail address). It must fit its schema. Everything else stays missing.

use std::{collections::BTreeMap, ops::Range};

use serde_json::{Map, Value, json};

use super::{
    super::backend::Extract,
    scan::{self, Kind, Labelled},
};

/// References that are followed from a property to its schema.
const HOPS_MAX: usize = 8;
/// Things of one kind that a list takes.
const ITEMS_MAX: usize = 100;

/// A value, and where the text says it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) value: Value,
    pub(super) places: Vec<Range<usize>>,
}

/// What is found, by name.
pub(super) fn extract(task: &Extract) -> BTreeMap<String, Found> {
    let mut values = BTreeMap::new();
    let nothing: Map<String, Value> = task.names().map(|name| (name.to_owned(), Value::Null)).collect();
    let Some(properties) = task.schema["properties"].as_object() else { return values };
    for (name, property) in properties {
        let property = resolved(&task.schema, property);
        let title = property.get("title").and_then(Value::as_str);
        let labelled = Labelled::find(&task.text, name, title);
        let fits = |value: &Value| {
            let mut whole = nothing.clone();
            whole.insert(name.clone(), value.clone());
            task.compiled.0.is_valid(&Value::Object(whole))
        };
        let found = candidates(&task.text, &task.schema, name, property, &labelled)
            .into_iter()
            .find(|found| fits(&found.value));
        if let Some(found) = found {
            values.insert(name.clone(), found);
        }
    }
    values
}

/// The schema behind references, and behind the branch that allows null.
fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..HOPS_MAX {
        let next = if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
        } else {
            ["anyOf", "oneOf"].iter().find_map(|word| schema.get(*word)?.as_array()).and_then(|branches| {
                branches.iter().find(|branch| branch.get("type").and_then(Value::as_str) != Some("null"))
            })
        };
        match next {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// The type, null left out.
fn kind_of(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind,
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        _ => "",
    }
}

/// What the property may be, the most certain first.
fn candidates(text: &str, root: &Value, name: &str, schema: &Value, labelled: &[Labelled]) -> Vec<Found> {
    let one = |value: Value, place: Range<usize>| Found { value, places: vec![place] };
    if let Some(words) = words(schema) {
        return scan::word_of(text, labelled, &words)
            .map(|(word, place)| one(json!(word), place))
            .into_iter()
            .collect();
    }
    match kind_of(schema) {
        "boolean" => {
            scan::flag(text, labelled).map(|(flag, place)| one(json!(flag), place)).into_iter().collect()
        }
        "integer" => scan::number(text, labelled)
            .and_then(|(number, place)| Some(one(json!(whole(number)?), place)))
            .into_iter()
            .collect(),
        "number" => scan::number(text, labelled)
            .and_then(|(number, place)| {
                // A whole number is shown as one.
                let value = whole(number).map_or_else(
                    || serde_json::Number::from_f64(number).map(Value::Number),
                    |it| Some(json!(it)),
                )?;
                Some(one(value, place))
            })
            .into_iter()
            .collect(),
        "string" => match kind(name, schema) {
            Some(kind) => scan::one_of_kind(text, labelled, kind)
                .map(|(value, place)| one(json!(value), place))
                .into_iter()
                .collect(),
            None => labelled
                .iter()
                .filter(|labelled| labelled.strict)
                .filter_map(|labelled| labelled.words(text))
                .map(|place| one(json!(text[place.clone()]), place))
                .collect(),
        },
        "array" => list(text, root, name, schema, labelled).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// All things of a kind, or the parts of what stands behind the label.
fn list(text: &str, root: &Value, name: &str, schema: &Value, labelled: &[Labelled]) -> Option<Found> {
    let items = resolved(root, schema.get("items")?);
    if kind_of(items) != "string" || items.get("enum").is_some() {
        return None;
    }
    let found: Vec<(String, Range<usize>)> = match kind(name, items) {
        Some(kind) => scan::all_of_kind(text, kind),
        None => {
            let place = labelled.iter().filter(|labelled| labelled.strict).find_map(|it| it.words(text))?;
            scan::parts(text, place)
                .into_iter()
                .map(|place| (text[place.clone()].to_owned(), place))
                .collect()
        }
    };
    let mut values: Vec<String> = Vec::new();
    let mut places = Vec::new();
    for (value, place) in found {
        if values.len() < ITEMS_MAX && !values.contains(&value) {
            values.push(value);
            places.push(place);
        }
    }
    (!values.is_empty()).then(|| Found { value: json!(values), places })
}

/// The words of an `enum` or `const`, when they are all texts.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const") {
        return word.as_str().map(|word| vec![word]);
    }
    let words = schema.get("enum")?.as_array()?.iter().filter(|word| !word.is_null());
    Some(words.map(Value::as_str).collect::<Option<Vec<_>>>().unwrap_or_default())
}

/// What a text is, by its format, or else by its name.
fn kind(name: &str, schema: &Value) -> Option<Kind> {
    match schema.get("format").and_then(Value::as_str) {
        Some("email" | "idn-email") => return Some(Kind::Email),
        Some("uri" | "url" | "iri") => return Some(Kind::Uri),
        Some("date") => return Some(Kind::Date),
        Some("date-time") => return Some(Kind::DateTime),
        Some(_) => return None,
        None => {}
    }
    let last = scan::name_words(name).pop().unwrap_or_default();
    match last.as_str() {
        "email" | "mail" | "emails" => Some(Kind::Email),
        "url" | "uri" | "website" | "link" | "urls" | "links" => Some(Kind::Uri),
        _ => None,
    }
}

/// A number without a fraction that a whole number can hold exactly.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}
