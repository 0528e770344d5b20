//! Reading and checking documents.

mod accepted;
mod bounds;
mod catalogs;
mod events;
mod published;
mod refused;
mod services;
mod support;
mod text;
mod warned;

use levqor_flow::{
    definition::Workflow,
    document::{Issue, parse},
};
use std::sync::Arc;

const HEAD: &str = "document: { dsl: '1.0.3', namespace: test, name: sample, version: '1.0.0' }\n";

/// The workflow of a document that gets the usual head.
fn workflow(rest: &str) -> Arc<Workflow> {
    let checked = parse(&format!("{HEAD}{rest}"));
    checked.workflow.unwrap_or_else(|| panic!("{rest}\n{}", shown(&checked.errors)))
}

/// Issues as one `pointer: message` each.
fn shown(issues: &[Issue]) -> String {
    issues.iter().map(|issue| format!("{}: {}\n", issue.pointer, issue.message)).collect()
}
