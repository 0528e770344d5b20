//! From text to a checked workflow, or to a list of places and reasons.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::definition::Workflow;

/// Something to say about a place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// JSON Pointer (RFC 6901); empty for the whole document.
    pub pointer: String,
    pub message: String,
}

/// What checking a document found. `workflow` is there exactly when `errors` is empty.
#[derive(Debug)]
pub struct Checked {
    pub workflow: Option<Arc<Workflow>>,
    pub errors: Vec<Issue>,
    pub warnings: Vec<Issue>,
}

/// Reads YAML 1.2 (of which JSON is a part) into plain data, within the bounds of `levqor_model::limits`.
///
/// # Errors
/// One issue at the document's root, which gives line and column where there are any: not YAML, larger than
/// 1 MiB, nested deeper than 64, a doubled key, aliases that expand beyond bounds, several documents.
pub fn read(_text: &str) -> Result<Value, Issue> {
    unimplemented!("document::read")
}

/// Checks a document that was read, and compiles it.
pub fn check(_document: &Value) -> Checked {
    unimplemented!("document::check")
}

/// [`read`] and [`check`] in one.
pub fn parse(text: &str) -> Checked {
    match read(text) {
        Ok(document) => check(&document),
        Err(issue) => Checked { workflow: None, errors: vec![issue], warnings: Vec::new() },
    }
}
