//! Workflows from plain English: a grammar, not a model.
//!
//! Invariant (coverage rule): every content word of the request is used, or quoted in a warning. No step is invented.

use serde_json::Value;

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// A document that passes `document::check`; None when no step was understood.
    pub workflow: Option<Value>,
    /// One readable line a step, the schedule first.
    pub summary: Vec<String>,
    /// Each quotes the words that it is about.
    pub warnings: Vec<String>,
    /// What must be answered before the workflow does what was asked, such as an address that was not given.
    pub questions: Vec<String>,
}

/// Drafts a workflow from a request in English.
pub fn draft(_request: &str) -> Draft {
    unimplemented!("draft")
}
