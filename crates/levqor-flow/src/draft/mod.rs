//! Workflows from plain English: a grammar, not a model.
//!
//! ```text
//! request ─► lexer ─► clause, schedule, condition, call … ─► form ─► arrange ─► compile ─► document::check ─► Draft
//!                            └── taken ──► coverage ──► warnings
//! ```
//!
//! What the words mean where English leaves it open is decided once, here and in the modules, and said in a warning when it
//! could surprise: a time without a zone is UTC, a day without an hour is 00:00, "them" after "if any …" are the items for
//! which it holds, "if the total …" about a list is about any item, "both" and "the results" are an object of what was read
//! one after another, by name.
//!
//! What limits a step (a condition, which items, how often, another schedule) and can't be kept takes the step with it, or the
//! schedule: a draft never does more than was asked.
//!
//! Invariant (coverage rule): every content word of the request is used, or quoted in a warning or a question; see
//! `coverage`. No step is invented, and no address ever.

use serde_json::{Map, Value, json};

use crate::document;

mod aggregate;
mod arrange;
mod branches;
mod call;
mod calls;
mod clause;
mod compile;
mod condition;
mod coverage;
mod cron;
mod cursor;
mod data;
mod event;
mod form;
mod jq;
mod lexer;
mod loops;
mod modifiers;
mod moments;
mod naming;
mod notes;
mod phrase;
mod predicate;
mod repeat;
mod reshape;
mod schedule;
mod scope;
mod send;
mod several;
#[cfg(test)]
mod tests;
mod verbs;
mod with;
mod words;
mod zones;

/// The longest request, in characters.
pub const REQUEST_CHARS_MAX: usize = 1_000;

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

/// What is known about who asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// IANA name of the time zone to use where the request names none; UTC, with a warning, if absent.
    pub zone: Option<&'a str>,
}

/// Drafts a workflow from a request in English.
pub fn draft(request: &str) -> Draft {
    draft_with(request, Context::default())
}

/// [`draft`] for someone of whom something is known.
pub fn draft_with(request: &str, context: Context<'_>) -> Draft {
    let empty = |warning: String| Draft {
        workflow: None,
        summary: Vec::new(),
        warnings: vec![warning],
        questions: Vec::new(),
    };
    if request.chars().count() > REQUEST_CHARS_MAX {
        return empty(format!(
            "the request is longer than {REQUEST_CHARS_MAX} characters; say it in fewer, or in two workflows"
        ));
    }
    let tokens = lexer::tokens(request);
    if tokens.iter().all(|token| !coverage::is_content(token)) {
        let said = cursor::quote(request, &tokens, 0..tokens.len());
        return empty(format!("there is nothing to do in \"{said}\"; {EXAMPLE}"));
    }
    let mut parsed = clause::parse(request, &tokens);
    let quote = |places: &form::Places| cursor::quote(request, &tokens, places.clone());
    parsed.form.steps = arrange::arrange(std::mem::take(&mut parsed.form.steps), &quote, &mut parsed.notes);
    let zone = context.zone.filter(|zone| jiff::tz::TimeZoneDatabase::bundled().get(zone).is_ok());
    let compiled = compile::compile(&parsed.form, zone, &quote);
    let mut notes = parsed.notes;
    for warning in compiled.notes.warnings {
        notes.warn(warning);
    }
    for question in compiled.notes.questions {
        notes.ask(question);
    }
    let foreign = compiled.tasks.is_empty() && notes.questions.is_empty() && !has_english(&tokens);
    if foreign {
        let said = cursor::quote(request, &tokens, 0..tokens.len());
        return empty(format!(
            "drafting understands English for now, and found no English instruction in \"{said}\"; {EXAMPLE}"
        ));
    }
    for run in coverage::leftovers(&tokens, &parsed.taken) {
        notes.warn(format!("\"{}\" is not understood; nothing in the workflow does it", quote(&run)));
    }
    if compiled.tasks.is_empty() {
        let said = quote(&(0..tokens.len()));
        notes.warn(format!("no step was understood in \"{said}\", so there is no workflow; {EXAMPLE}"));
        return Draft {
            workflow: None,
            summary: Vec::new(),
            warnings: notes.warnings,
            questions: notes.questions,
        };
    }
    let title = naming::title(request, &tokens, &parsed.schedule_places);
    // "Fetch" alone says little: then the first step's line does better.
    let title = if title.contains(' ') { title } else { naming::short(&compiled.summary) };
    let document = document(request, &title, &compiled.start, parsed.form.timeout_ms, compiled.tasks);
    let mut summary = vec![compiled.start.words];
    if let Some(ms) = parsed.form.timeout_ms {
        summary.push(format!("Gives up after {}", cron::span_words(ms)));
    }
    summary.extend(compiled.summary);
    let checked = document::check(&document);
    if let Some(issue) = checked.errors.first() {
        // The grammar should not be able to make one; if it does, saying so beats handing it out.
        notes.warn(format!(
            "\"{}\" can't be made into a valid workflow: {} {}",
            quote(&(0..tokens.len())),
            issue.pointer,
            issue.message
        ));
        return Draft {
            workflow: None,
            summary: Vec::new(),
            warnings: notes.warnings,
            questions: notes.questions,
        };
    }
    Draft { workflow: Some(document), summary, warnings: notes.warnings, questions: notes.questions }
}

const EXAMPLE: &str = "say what to do and where, such as \"every weekday at 9am London time, fetch the orders from \
                       https://api.example.com/orders and if any total is over 100 post them to https://example.com/alert\"";

/// Whether the request has a word that the grammar could start from.
fn has_english(tokens: &[lexer::Token]) -> bool {
    let word = |token: &lexer::Token| token.kind == lexer::Kind::Word;
    let common = tokens.iter().filter(|token| word(token) && words::is_function_word(&token.text)).count();
    let verbs = tokens.iter().filter(|token| word(token) && words::opens_clause(&token.text)).count();
    let total = tokens.iter().filter(|token| word(token)).count();
    verbs > 0 || common * 5 >= total.max(1)
}

fn document(
    request: &str,
    title: &str,
    start: &cron::Start,
    timeout_ms: Option<u64>,
    tasks: Vec<Value>,
) -> Value {
    let summary: Vec<&str> = request.split_whitespace().collect();
    let mut head = Map::new();
    head.insert("dsl".into(), "1.0.3".into());
    head.insert("namespace".into(), "default".into());
    head.insert("name".into(), naming::slug(title).into());
    head.insert("version".into(), "0.1.0".into());
    head.insert("title".into(), title.into());
    head.insert("summary".into(), summary.join(" ").into());
    if let Some(zone) = &start.zone {
        head.insert("metadata".into(), json!({ "levqor": { "zone": zone } }));
    }
    let mut document = Map::new();
    document.insert("document".into(), head.into());
    if let Some(schedule) = &start.schedule {
        document.insert("schedule".into(), schedule.clone());
    }
    if let Some(ms) = timeout_ms {
        document.insert("timeout".into(), json!({ "after": cron::duration(ms) }));
    }
    document.insert("do".into(), tasks.into());
    Value::Object(document)
}
