//! From text to a checked workflow, or to a list of places and reasons.
//!
//! ```text
//! text ─► read ─► plain data ─► check ─┬─► Workflow (expressions and schemas compiled, references resolved)
//!                 (bounded)            └─► errors and warnings, each with a JSON Pointer
//! ```
//!
//! The checks are written by hand, task by task, rather than left to the DSL's JSON Schema: that schema is a choice
//! of twelve tasks at every level, which takes exponential time on nested tasks and explains nothing when it fails.
//!
//! Invariant: neither step panics, fetches anything, or takes more than about linear time and memory, whatever it is given.

use std::sync::Arc;

use serde_json::Value;

use crate::definition::Workflow;

mod call;
mod checker;
mod data;
mod duration;
mod fault;
mod flow;
mod functions;
mod issue;
mod json_schema;
mod kinds;
mod near;
mod read;
mod root;
mod schema_graph;
mod task;
mod tree;

pub use duration::duration;
pub use issue::Issue;
pub(crate) use issue::clip;
pub(crate) use near::nearest;
pub use read::{bounded, read};

/// What checking a document found. `workflow` is there exactly when `errors` is empty.
#[derive(Debug)]
pub struct Checked {
    pub workflow: Option<Arc<Workflow>>,
    pub errors: Vec<Issue>,
    pub warnings: Vec<Issue>,
}

/// Checks a document that was read, and compiles it.
pub fn check(document: &Value) -> Checked {
    match bounded(document) {
        Ok(()) => checker::Checker::new(document).check(),
        Err(issue) => Checked { workflow: None, errors: vec![issue], warnings: Vec::new() },
    }
}

/// [`read()`] and [`check`] in one.
pub fn parse(text: &str) -> Checked {
    match read(text) {
        Ok(document) => check(&document),
        Err(issue) => Checked { workflow: None, errors: vec![issue], warnings: Vec::new() },
    }
}
