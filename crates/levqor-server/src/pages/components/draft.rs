//! What became of a sentence: the same picture for visitors and for those who are signed in.

use levqor_flow::graph::Graph;
use maud::{Markup, html};

use super::{
    badge::Tone,
    code::{Language, code_block},
    graph::graph,
    note::note,
};

/// A drafted workflow, ready to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The request as it was understood: trimmed.
    pub sentence: String,
    pub summary: Vec<String>,
    pub warnings: Vec<String>,
    pub questions: Vec<String>,
    /// None when no step was understood.
    pub document: Option<Document>,
}

/// The drafted document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub yaml: String,
    pub graph: Graph,
}

/// The sentence, what it means, what it leaves open, and the picture.
pub fn findings(preview: &Preview) -> Markup {
    html! {
        div.stack {
            @if !preview.summary.is_empty() {
                section.card aria-labelledby="summary" {
                    header { h2 id="summary" { "What it will do" } }
                    div.body { ol.steps-list { @for line in &preview.summary { li { span { (line) } } } } }
                }
            }
            @if !preview.questions.is_empty() {
                (note(Tone::Accent, &html! {
                    p { strong { "Still open" } }
                    ul { @for question in &preview.questions { li { (question) } } }
                }))
            }
            @if !preview.warnings.is_empty() {
                (note(Tone::Warn, &html! {
                    p { strong { "Not understood" } }
                    ul { @for warning in &preview.warnings { li { (warning) } } }
                }))
            }
            @if preview.document.is_none() {
                (note(Tone::Bad, &html! {
                    p { strong { "No step was understood." } }
                    p { "Say what should happen and to which address, for example: "
                        q { "Every hour, fetch https://example.org/health and post the answer to https://example.org/log" } "." }
                }))
            }
        }
    }
}

/// The picture of the drafted workflow.
pub fn picture(document: &Document) -> Markup {
    html! {
        section.card aria-labelledby="picture" {
            header { h2 id="picture" { "The picture" } }
            div.body { (graph(&document.graph, "draft", "The steps of the drafted workflow")) }
        }
    }
}

/// The drafted document as text.
pub fn definition(document: &Document) -> Markup {
    code_block("definition-text", "Definition (CNCF Serverless Workflow 1.0)", &document.yaml, Language::Yaml)
}
