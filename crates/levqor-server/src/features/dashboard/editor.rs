//! The text of a workflow with its errors beside it.

use levqor_flow::document::Issue;
use maud::{Markup, html};

use super::place::{line_in, line_of};
use crate::{
    features::workflows,
    pages::components::{badge::Tone, code::with_code, form, note::note},
};

/// Errors and warnings that are shown; more say little.
const ISSUES_MAX: usize = 50;

/// An error or a warning with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) line: Option<usize>,
    pub(super) pointer: String,
    pub(super) message: String,
}

impl Finding {
    pub(super) fn new(text: &str, pointer: &str, message: &str) -> Self {
        let line = if pointer.is_empty() { line_in(message) } else { line_of(text, pointer) };
        Self { line, pointer: pointer.to_owned(), message: message.to_owned() }
    }

    pub(super) fn all(text: &str, issues: &[Issue]) -> Vec<Self> {
        issues.iter().take(ISSUES_MAX).map(|issue| Self::new(text, &issue.pointer, &issue.message)).collect()
    }
}

/// What checking a text found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
    pub(super) graph: Option<levqor_flow::graph::Graph>,
}

/// Checks a text. Nothing is saved.
pub(super) async fn check(app: &crate::App, text: &str) -> Result<Findings, crate::Problem> {
    let draft = workflows::service::look(app, serde_json::Value::String(text.to_owned())).await?;
    Ok(Findings {
        errors: Finding::all(text, &draft.errors),
        warnings: Finding::all(text, &draft.warnings),
        graph: draft.workflow.map(|workflow| levqor_flow::graph::graph(&workflow)),
    })
}

/// The errors of an answer of the service, for the same list.
pub(super) fn from_problem(text: &str, problem: &crate::Problem) -> Findings {
    let errors = if problem.errors.is_empty() {
        vec![Finding { line: None, pointer: String::new(), message: problem.detail.clone() }]
    } else {
        problem
            .errors
            .iter()
            .take(ISSUES_MAX)
            .map(|error| Finding::new(text, &error.pointer, &error.message))
            .collect()
    };
    Findings { errors, ..Findings::default() }
}

/// The field with line numbers, and above it what is wrong with the text.
pub(super) fn render(text: &str, findings: &Findings) -> Markup {
    let hits: Vec<_> = findings.errors.iter().filter_map(|finding| finding.line).collect();
    html! {
        @if !findings.errors.is_empty() {
            (note(Tone::Bad, &html! {
                p { strong { @if findings.errors.len() == 1 { "One error" } @else { (findings.errors.len()) " errors" } } ": nothing was saved." }
                (list(&findings.errors))
            }))
        }
        @if !findings.warnings.is_empty() {
            (note(Tone::Warn, &html! { p { strong { "Perhaps not meant" } } (list(&findings.warnings)) }))
        }
        (form::editor("definition", "Definition, YAML or JSON", text, &hits))
    }
}

fn list(findings: &[Finding]) -> Markup {
    html! {
        ul {
            @for finding in findings {
                li {
                    @if let Some(line) = finding.line { a href="#definition" data-line=(line) { "Line " (line) } " " }
                    @if !finding.pointer.is_empty() { code { (finding.pointer) } " " }
                    (with_code(&finding.message))
                }
            }
        }
    }
}
