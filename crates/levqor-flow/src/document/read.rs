//! From text to plain data: JSON by `serde_json`, everything else by a YAML 1.2 reader with a budget.

use levqor_model::limits::{DOCUMENT_BYTES_MAX, NESTING_MAX};
use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_saphyr::{
    Error as YamlError,
    budget::BudgetBreach,
    options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy},
};

use super::{
    Issue,
    tree::{Allowance, Node, TOO_DEEP, doubled},
};

/// Reads YAML 1.2 (of which JSON is a part) into plain data, within the bounds of `levqor_model::limits`.
///
/// # Errors
/// One issue at the document's root, which gives line and column where there are any: not YAML, larger than
/// 1 MiB, nested deeper than 64, a doubled key, aliases that expand beyond bounds, several documents.
pub fn read(text: &str) -> Result<Value, Issue> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(Issue::root(format!(
            "the document has {} bytes, and {DOCUMENT_BYTES_MAX} are allowed; split it into several workflows",
            text.len()
        )));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        match json(text) {
            Ok(value) => return Ok(value),
            Err(Refused::Bounds(issue)) => return Err(issue),
            // A YAML flow mapping may begin like this too, so the other reader has the last word.
            Err(Refused::Syntax) => {}
        }
    }
    yaml(text)
}

/// Checks the bounds of data that did not come through [`read`], such as a definition in an API's body.
///
/// # Errors
/// One issue at the root: nested deeper than 64, or more than 1 MiB of text, keys and nodes.
pub fn bounded(value: &Value) -> Result<(), Issue> {
    // Iterative, because the depth is what is in question.
    let mut left = DOCUMENT_BYTES_MAX;
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        let mut spent = 1;
        match value {
            Value::String(text) => spent += text.len(),
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => {
                spent += members.keys().map(|key| key.len() + 1).sum::<usize>();
                open.extend(members.values().map(|member| (member, depth + 1)));
            }
            _ => {}
        }
        if depth >= NESTING_MAX && (value.is_array() || value.is_object()) {
            return Err(Issue::root(TOO_DEEP.as_str()));
        }
        left = left.checked_sub(spent).ok_or_else(|| {
            Issue::root("the document is larger than 1 MiB; split it into several workflows")
        })?;
    }
    Ok(())
}

/// Why [`json`] did not give a value.
enum Refused {
    /// Perhaps YAML.
    Syntax,
    /// JSON as far as it was read, and refused for what it holds.
    Bounds(Issue),
}

fn json(text: &str) -> Result<Value, Refused> {
    let allowance = Allowance::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Node::root(&allowance).deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    value.map_err(|error| {
        if !error.is_data() {
            return Refused::Syntax;
        }
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        Refused::Bounds(at(message, error.line() as u64, error.column() as u64))
    })
}

fn yaml(text: &str) -> Result<Value, Issue> {
    let options = serde_saphyr::options! {
        // The reader's own budget stops what does not reach the visitor; its sizes follow from the size of the text.
        budget: serde_saphyr::budget! {
            max_events: 4 * DOCUMENT_BYTES_MAX,
            max_nodes: 2 * DOCUMENT_BYTES_MAX,
            max_total_scalar_bytes: 2 * DOCUMENT_BYTES_MAX,
            max_documents: 2,
            max_depth: NESTING_MAX,
            flow_nesting_limit: NESTING_MAX,
            max_anchors: 10_000,
            max_aliases: 10_000,
            max_recorded_anchor_events: DOCUMENT_BYTES_MAX,
            max_recorded_anchor_bytes: 2 * DOCUMENT_BYTES_MAX,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: NESTING_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // YAML 1.2 has neither `<<` nor yes/no/on/off nor 1_000.
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    };
    let allowance = Allowance::new();
    let mut empty = true;
    let value = serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
        let value = Node::root(&allowance).deserialize(reader)?;
        empty = value.is_null();
        Ok(value)
    });
    match value {
        Ok(_) if empty => Err(nothing()),
        Ok(value) => Ok(value),
        Err(YamlError::Eof { .. }) if text.trim().is_empty() => Err(nothing()),
        Err(error) => Err(explain(&error)),
    }
}

fn nothing() -> Issue {
    Issue::root("the document is empty; a workflow has at least `document` and `do`")
}

/// The YAML reader's error in this project's words where there is something to do about it.
fn explain(error: &YamlError) -> Issue {
    let message = match error {
        YamlError::Message { msg, .. } => msg.clone(),
        YamlError::MultipleDocuments { .. } => {
            "there are several documents in this text; a workflow is one document, so remove what follows `---`"
                .to_owned()
        }
        YamlError::DuplicateMappingKey { key: Some(key), .. } => doubled(key),
        YamlError::DuplicateMappingKey { key: None, .. } => {
            "a key is there twice in one object; remove or rename one".to_owned()
        }
        YamlError::MergeKeyNotAllowed { .. } => {
            "`<<` is not part of YAML 1.2; write the members out".to_owned()
        }
        YamlError::NonFiniteFloat { value, .. } => format!(
            "{:?} is not a finite number; write a finite number, or text in quotes",
            super::clip(value)
        ),
        YamlError::UnsupportedTag { tag, .. } => {
            format!("the tag {:?} has no meaning here; remove it", super::clip(tag))
        }
        YamlError::UnknownAnchor { .. } => {
            "this alias (`*name`) has no anchor (`&name`) before it; add one, or put the text in quotes".to_owned()
        }
        YamlError::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => TOO_DEEP.clone(),
            BudgetBreach::Documents { .. } => {
                "there are several documents in this text; a workflow is one document".to_owned()
            }
            _ => "the document's aliases, anchors or nodes are too many; write it out, or split it".to_owned(),
        },
        YamlError::AliasReplayCounterOverflow { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => {
            "the document's aliases expand beyond bounds; use fewer or smaller aliases".to_owned()
        }
        YamlError::RecursiveReferencesRequireWeakTypes { .. } => {
            "this alias stands inside its own anchor; data cannot contain itself".to_owned()
        }
        // The scanner sees deep flow collections before the visitor does.
        YamlError::ExternalMessage { msg, .. } if msg.contains("recursion limit") => TOO_DEEP.clone(),
        YamlError::AliasError { error, .. } => return explain(error),
        YamlError::WithSnippet { error, .. } => return explain(error),
        other => format!("this is not YAML or JSON: {}", reason(other)),
    };
    match error.location() {
        Some(place) if place.line() > 0 => at(&message, place.line(), place.column()),
        _ => Issue::root(message),
    }
}

/// The reader's own words, on one line and without the place, which [`at`] puts in front.
fn reason(error: &YamlError) -> String {
    let text = match error {
        YamlError::ExternalMessage { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or(line);
    super::clip(line).into_owned()
}

fn at(message: &str, line: u64, column: u64) -> Issue {
    Issue::root(format!("line {line}, column {column}: {message}"))
}
