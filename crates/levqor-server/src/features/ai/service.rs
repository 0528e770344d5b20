//! What the built-in backend answers. Knows nothing of HTTP; the CLI calls it too.

use std::sync::OnceLock;

use levqor_flow::{document, draft, schedule::Zone};
use levqor_model::Blueprint;
use serde::Serialize;
use serde_json::Value;

use super::{
    language::Language,
    library,
    retrieval::{Hit, Index},
};

/// What the built-in backend calls itself; it never claims to be a model.
pub const BACKEND: &str = "builtin";

/// Characters of a question, both ends included.
pub const QUESTION_CHARS: std::ops::RangeInclusive<usize> = 3..=500;
/// Characters of a request for a workflow.
pub const REQUEST_CHARS: std::ops::RangeInclusive<usize> = 5..=1_000;
/// Bytes of the optional context.
pub const CONTEXT_BYTES_MAX: usize = 8 * 1024;

/// What a request costs, in AI credits.
pub const CHAT_CREDITS: i64 = 1;
pub const WORKFLOW_CREDITS: i64 = 2;

/// Sections that one answer quotes at most.
const SECTIONS_MAX: usize = 2;

/// An answer with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    pub answer: String,
    /// What to do, in order, when the sections show commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    pub sources: Vec<Source>,
    /// False when the documentation does not answer.
    #[serde(skip)]
    pub known: bool,
}

/// Where a quote stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    pub title: String,
    pub url: String,
    pub quote: String,
}

/// A drafted workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Drafted {
    /// Valid, or None when nothing was understood.
    pub workflow: Option<Value>,
    pub steps: Vec<String>,
    pub warnings: Vec<String>,
    pub questions: Vec<String>,
}

/// A question or request that is too short or too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("query has {found} characters; write between {min} and {max}")]
pub struct LengthError {
    pub found: usize,
    pub min: usize,
    pub max: usize,
}

/// The trimmed text, when its length is allowed.
///
/// # Errors
/// [`LengthError`].
pub fn checked<'a>(text: &'a str, allowed: &std::ops::RangeInclusive<usize>) -> Result<&'a str, LengthError> {
    let text = text.trim();
    let found = text.chars().count();
    if allowed.contains(&found) {
        Ok(text)
    } else {
        Err(LengthError { found, min: *allowed.start(), max: *allowed.end() })
    }
}

/// Answers a question from the guides and the blueprint, with quotes and links, or says that it does not know.
pub fn answer(question: &str, language: Language, blueprint: &Blueprint) -> Answer {
    // The documentation is compiled in, and a process has one blueprint, so one index serves for its life.
    static INDEX: OnceLock<Index> = OnceLock::new();
    let index = INDEX.get_or_init(|| Index::new(library::sections(blueprint)));
    let hits = index.search(question, SECTIONS_MAX);
    let phrases = language.phrases();
    if hits.is_empty() {
        return Answer {
            answer: phrases.unknown.to_owned(),
            steps: Vec::new(),
            sources: Vec::new(),
            known: false,
        };
    }
    let mut text = phrases.found.to_owned();
    for hit in &hits {
        text.push_str("\n\n");
        text.push_str(&prose(hit));
        text.push_str(&format!("\n[{}]({})", hit.section.title, hit.section.url));
    }
    let sources = hits
        .iter()
        .map(|hit| Source {
            title: hit.section.title.clone(),
            url: hit.section.url.clone(),
            quote: prose(hit),
        })
        .collect();
    let steps = hits.iter().flat_map(|hit| commands(hit)).collect();
    Answer { answer: text, steps, sources, known: true }
}

/// What a provider is told before it answers a question about Levqor.
pub fn grounding(answer: &Answer) -> String {
    let mut words = String::from(
        "You answer questions about Levqor, a workflow engine. Use the excerpts of its documentation below and nothing else; \
         when they do not answer the question, say that you do not know. Be brief.",
    );
    for source in &answer.sources {
        words.push_str(&format!("\n\n{} ({})\n{}", source.title, source.url, source.quote));
    }
    for step in &answer.steps {
        words.push_str(&format!("\n\n{step}"));
    }
    words
}

/// The quotes that are sentences; all of them when there are only code blocks.
fn prose(hit: &Hit<'_>) -> String {
    let sentences: Vec<_> = hit.quotes.iter().copied().filter(|quote| !quote.starts_with("```")).collect();
    if sentences.is_empty() { hit.quotes.join("\n") } else { sentences.join(" ") }
}

/// The commands among the quotes.
fn commands(hit: &Hit<'_>) -> Vec<String> {
    hit.quotes
        .iter()
        .filter_map(|quote| quote.strip_prefix("```")?.strip_suffix("```"))
        .map(|code| code.trim().to_owned())
        .collect()
}

/// Drafts a workflow. What is returned passed the same validation as a hand-written document.
pub fn drafted(request: &str) -> Drafted {
    drafted_in(request, None)
}

/// [`drafted`] for somebody who says which time zone is meant where the request names none.
pub fn drafted_in(request: &str, zone: Option<&str>) -> Drafted {
    let mut draft = draft::draft_with(request, draft::Context { zone });
    if let Some(Err(reason)) = zone.map(Zone::named) {
        draft.warnings.push(format!("{reason}; until then times without a zone are UTC"));
    }
    let mut drafted = Drafted {
        workflow: None,
        steps: draft.summary,
        warnings: draft.warnings,
        questions: draft.questions,
    };
    if let Some(workflow) = draft.workflow {
        let checked = document::check(&workflow);
        if checked.errors.is_empty() {
            drafted.warnings.extend(checked.warnings.into_iter().map(|issue| issue.message));
            drafted.workflow = Some(workflow);
        } else {
            // The draft's own mistake, and never shown as a workflow that works.
            for issue in checked.errors {
                tracing::error!(
                    pointer = issue.pointer,
                    "a drafted workflow is not valid: {}",
                    issue.message
                );
                drafted
                    .warnings
                    .push(format!("the drafted step at {} is not valid: {}", issue.pointer, issue.message));
            }
        }
    }
    drafted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint() -> Blueprint {
        Blueprint::parse(Blueprint::SHIPPED).unwrap()
    }

    #[test]
    fn an_answer_quotes_its_sources() {
        let answer = answer("How much does the Growth plan cost?", Language::En, &blueprint());
        assert!(
            answer.answer.contains("The Growth plan costs £29 a month or £290 a year"),
            "{}",
            answer.answer
        );
        assert_eq!(answer.sources[0].url, "/pricing#plans");
        assert!(answer.known);
    }

    #[test]
    fn without_an_answer_it_says_so_in_the_language_of_the_question() {
        let answer = answer("Wer gewann die WM 1998?", Language::De, &blueprint());
        assert_eq!(answer.answer, Language::De.phrases().unknown);
        assert!(answer.sources.is_empty() && !answer.known);
    }

    #[test]
    fn commands_become_steps() {
        let answer = answer("how do I run a workflow file without a server?", Language::En, &blueprint());
        assert!(answer.known, "{answer:?}");
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert_eq!(checked(" ab ", &QUESTION_CHARS), Err(LengthError { found: 2, min: 3, max: 500 }));
        assert_eq!(checked("価格は", &QUESTION_CHARS), Ok("価格は"));
        assert!(checked(&"é".repeat(501), &QUESTION_CHARS).is_err());
    }
}
