//! Tests of drafting: a table of requests with snapshots, and what holds for every request.

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::Value;

use super::{Draft, clause, coverage, draft, lexer, lexer::Kind};
use crate::document;

const REQUESTS: &str = include_str!("requests.txt");

/// Sections of the table with their requests.
fn sections() -> Vec<(&'static str, Vec<String>)> {
    let mut sections: Vec<(&str, Vec<String>)> = Vec::new();
    for line in REQUESTS.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push((name, Vec::new()));
        } else if let Some((_, requests)) = sections.last_mut().filter(|_| !line.is_empty()) {
            requests.push(line.replace("\\n", "\n"));
        }
    }
    sections
}

fn requests() -> Vec<String> {
    sections().into_iter().flat_map(|(_, requests)| requests).collect()
}

/// What the person who asked gets to read.
fn told(request: &str) -> String {
    let draft = draft(request);
    let mut text = format!("« {request}\n");
    let schedule = draft.workflow.as_ref().and_then(|workflow| workflow.get("schedule"));
    for (at, line) in draft.summary.iter().enumerate() {
        let exact = schedule.filter(|_| at == 0).map(|schedule| format!("   {schedule}")).unwrap_or_default();
        let _ = writeln!(text, "  {line}{exact}");
    }
    for warning in &draft.warnings {
        let _ = writeln!(text, "! {}", warning.replace(super::EXAMPLE, "(example)"));
    }
    for question in &draft.questions {
        let _ = writeln!(text, "? {question}");
    }
    text
}

#[test]
fn requests_are_understood() {
    for (name, requests) in sections() {
        let text: Vec<String> = requests.iter().map(|request| told(request)).collect();
        insta::assert_snapshot!(name, text.join("\n"));
    }
}

#[test]
fn the_table_is_large_enough_to_mean_something() {
    assert!(requests().len() >= 150, "{}", requests().len());
}

/// Everything that must hold of any draft.
fn check(request: &str) -> Draft {
    let made = draft(request);
    if let Some(workflow) = &made.workflow {
        let checked = document::check(workflow);
        assert!(checked.errors.is_empty(), "{request}\n{:#?}\n{workflow:#}", checked.errors);
        let name = workflow["document"]["name"].as_str().unwrap();
        assert!(!name.is_empty() && name.len() <= 63, "{name}");
        assert_eq!(
            workflow["document"]["summary"].as_str().unwrap(),
            request.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        assert!(made.summary.len() > 1, "{request}");
    } else {
        assert!(!made.warnings.is_empty() || !made.questions.is_empty(), "{request}");
        assert!(made.summary.is_empty());
    }
    assert_eq!(made, draft(request), "drafting is not deterministic: {request}");
    covered(request, &made);
    made
}

/// The coverage rule, and a stricter one for what can't be paraphrased: addresses and quotations are in the document, or said.
fn covered(request: &str, made: &Draft) {
    let tokens = lexer::tokens(request);
    let parsed = clause::parse(request, &tokens);
    let said: String = made.warnings.iter().chain(&made.questions).map(|line| format!("{line}\n")).collect();
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = plain(&said);
    let document = made.workflow.as_ref().map(texts).unwrap_or_default();
    for (at, token) in tokens.iter().enumerate() {
        let written = plain(&request[token.span.clone()]);
        let quoted = said.contains(written.trim_end_matches([',', '.', ';', ':']));
        assert!(
            !coverage::is_content(token) || parsed.taken.contains(&at) || quoted,
            "\"{written}\" is lost from {request}\n{made:#?}"
        );
        match &token.kind {
            Kind::Url(url) => {
                let in_document = document.contains(url.as_str())
                    || url.split(['{', '}']).all(|part| document.contains(part));
                assert!(in_document || quoted, "{url} is lost from {request}\n{made:#?}");
            }
            Kind::Quoted(text) if !text.trim().is_empty() => {
                let parts = text.split(['{', '}', '"', '\\', '\n']).all(|part| document.contains(part));
                assert!(parts || quoted, "\"{text}\" is lost from {request}\n{made:#?}");
            }
            _ => {}
        }
    }
}

/// All texts and names under `do`; the document's own summary holds the request, which would prove nothing.
fn texts(workflow: &Value) -> String {
    fn walk(value: &Value, out: &mut String) {
        match value {
            Value::String(text) => {
                out.push_str(text);
                out.push('\n');
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            Value::Object(members) => {
                for (key, value) in members {
                    out.push_str(key);
                    out.push('\n');
                    walk(value, out);
                }
            }
            _ => {}
        }
    }
    let mut out = String::new();
    walk(&workflow["do"], &mut out);
    out
}

#[test]
fn every_request_of_the_table_keeps_the_rules() {
    for request in requests() {
        check(&request);
    }
}

#[test]
fn addresses_of_a_document_were_all_given() {
    fn endpoints<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                out.extend(members.get("endpoint").and_then(Value::as_str));
                members.values().for_each(|value| endpoints(value, out));
            }
            Value::Array(items) => items.iter().for_each(|item| endpoints(item, out)),
            _ => {}
        }
    }
    for request in requests() {
        let Some(workflow) = draft(&request).workflow else { continue };
        let mut found = Vec::new();
        endpoints(&workflow, &mut found);
        for endpoint in found {
            let host = endpoint.trim_start_matches("${ \"").split("://").last().unwrap_or(endpoint);
            let host: String = host.chars().take_while(|c| !matches!(c, '"' | '%' | '{')).collect();
            assert!(request.contains(&host), "{endpoint} is not in {request}");
        }
    }
}

#[test]
fn what_is_negated_is_not_done() {
    for request in [
        "don't post 'x' to https://b.example.com/in",
        "never delete https://b.example.com/in",
        "please do not fetch https://b.example.com/in",
    ] {
        assert_eq!(draft(request).workflow, None, "{request}");
    }
}

#[test]
fn a_known_zone_is_used_where_none_is_said() {
    let context = super::Context { zone: Some("Europe/Paris") };
    let made = super::draft_with("every day at 9am fetch https://a.example.com/orders", context);
    assert_eq!(made.workflow.unwrap()["document"]["metadata"]["levqor"]["zone"], "Europe/Paris");
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
    let said = super::draft_with("every day at 9am UTC fetch https://a.example.com/orders", context);
    assert_eq!(said.summary[0], "Every day at 09:00 UTC");
}

#[test]
fn long_requests_are_refused() {
    let long = format!("fetch https://a.example.com/{}", "x".repeat(1_000));
    let made = draft(&long);
    assert_eq!(made.workflow, None);
    assert!(made.warnings[0].contains("longer than 1000 characters"), "{:?}", made.warnings);
}

/// Words of the table in any order: the grammar meets what nobody would write.
fn words() -> Vec<String> {
    let mut words: Vec<String> = requests()
        .iter()
        .flat_map(|request| request.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    words.sort();
    words.dedup();
    words
}

/// Clauses of the table in any order.
fn clauses() -> Vec<String> {
    let split = |request: &String| {
        request.split(", ").flat_map(|part| part.split(" and ")).map(str::to_owned).collect::<Vec<_>>()
    };
    requests().iter().flat_map(split).collect()
}

fn joined(parts: Vec<String>, joint: &str) -> String {
    parts.join(joint).chars().take(super::REQUEST_CHARS_MAX).collect()
}

proptest! {
    #[test]
    fn any_words_keep_the_rules(parts in prop::collection::vec(prop::sample::select(words()), 0..40)) {
        check(&joined(parts, " "));
    }

    #[test]
    fn any_clauses_keep_the_rules(
        parts in prop::collection::vec(prop::sample::select(clauses()), 1..8),
        joint in prop::sample::select(vec![", ", " and ", ". ", "\n- ", " then ", "; ", " "]),
    ) {
        check(&joined(parts, joint));
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,300}") {
        check(&text);
    }

    #[test]
    fn any_punctuation_is_survived(text in "[a-z0-9 .,:;!?'\"()\\[\\]{}<>=/\\-$#@%&*+`~|\\\\^_\n\t]{0,200}") {
        check(&text);
    }
}
