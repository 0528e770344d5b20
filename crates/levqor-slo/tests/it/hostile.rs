//! Whatever a file holds: an answer, soon, of a bounded size.

use levqor_slo::{FILE_BYTES_MAX, read};
use proptest::prelude::*;

fn one(text: String) -> Vec<(String, String)> {
    vec![("x.yaml".to_owned(), text)]
}

fn looks_sane(text: String) {
    // As YAML counts them: a carriage return alone ends a line.
    let lines = text.replace("\r\n", "\n").replace('\r', "\n").lines().count() as u32 + 1;
    let (catalogue, issues) = read(&one(text));
    assert!(issues.len() <= 100 && catalogue.objectives.len() <= 200);
    for issue in issues {
        assert!(issue.message.chars().count() < 1_000, "{issue}");
        assert!((1..=lines).contains(&issue.line), "{issue} of {lines}");
    }
}

#[test]
fn bombs_are_refused() {
    let aliases: String = (0..30)
        .map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", ")))
        .collect::<String>()
        .replacen("[*a-1, *a-1, *a-1, *a-1, *a-1, *a-1, *a-1, *a-1, *a-1]", "[x]", 1);
    for (text, expected) in [
        ("[".repeat(100_000), "line"),
        ("{a: ".repeat(10_000), "line"),
        ("- ".repeat(100_000), "line"),
        (format!("a: {}", "[".repeat(40) + &"]".repeat(40)), "nested deeper"),
        (aliases, "too large"),
        ("x".repeat(FILE_BYTES_MAX + 1), "are allowed"),
        ("---\na: 1\n".repeat(500), "more than 200 documents"),
        ("kind: 1\n".to_owned() + &"a: 1\n".repeat(5_000), "twice"),
        ("\u{0}".to_owned(), "YAML"),
        ("!!binary x".to_owned(), ""),
        ("a: .nan".to_owned(), ""),
        ("? [a]\n: b".to_owned(), ""),
    ] {
        let (catalogue, issues) = read(&one(text.clone()));
        assert!(catalogue.objectives.is_empty());
        assert!(!issues.is_empty() && issues.len() <= 100, "{:.40}", text);
        if expected != "line" {
            let shown: Vec<_> = issues.iter().map(ToString::to_string).collect();
            assert!(shown.iter().any(|issue| issue.contains(expected)), "{expected}: {shown:#?}");
        }
        looks_sane(text);
    }
    // Nothing at all is no mistake.
    for text in ["", "\n\n", "# a comment\n", "---\n---\n", "\u{feff}"] {
        assert_eq!(read(&one(text.to_owned())).1, [], "{text:?}");
    }
}

/// Words of which documents are made, so that what is made up gets far.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "apiVersion: openslo/v1",
        "kind: SLO",
        "kind: SLI",
        "kind: AlertPolicy",
        "kind: Service",
        "metadata:",
        "name: a",
        "spec:",
        "service: a",
        "indicator:",
        "ratioMetric:",
        "thresholdMetric:",
        "good:",
        "bad:",
        "total:",
        "metricSource:",
        "type: levqor",
        "series: http_requests",
        "evidence: api",
        "timeWindow:",
        "- duration: 30d",
        "isRolling: true",
        "budgetingMethod: Occurrences",
        "objectives:",
        "- target: 0.99",
        "op: lte",
        "value: 1e308",
        "alertPolicies:",
        "conditions:",
        "- conditionRef: a",
        "---",
        "*a",
        "&a",
        "<<: *a",
        "[",
        "]",
        "{",
        "}",
        "? a",
        ": b",
        "|",
        "null",
        "~",
    ];
    (0_usize..8, prop::sample::select(words.to_vec()))
        .prop_map(|(depth, word)| format!("{}{word}\n", "  ".repeat(depth)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn documents_of_pieces_are_answered(pieces in prop::collection::vec(piece(), 0..60)) {
        looks_sane(pieces.concat());
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,300}") {
        looks_sane(text);
    }

    /// Where the lines of several documents end in every way there is.
    #[test]
    fn lines_end_in_any_way(pieces in prop::collection::vec(
        prop::sample::select(vec!["\r", "\n", "\r\n", "---", "kind: SLO", "$", "a: 1", " "]), 0..40,
    )) {
        looks_sane(pieces.concat());
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        looks_sane(String::from_utf8_lossy(&bytes).into_owned());
    }

    /// A good document in which something is broken.
    #[test]
    fn a_broken_document_is_answered(at in any::<prop::sample::Index>(), length in 0_usize..40, with in "\\PC{0,10}") {
        let good = include_str!("../../../../slo/levqor.yaml");
        let bounds: Vec<usize> = good.char_indices().map(|(at, _)| at).collect();
        let from = at.index(bounds.len());
        let to = (from + length).min(bounds.len() - 1);
        looks_sane(format!("{}{with}{}", &good[..bounds[from]], &good[bounds[to]..]));
    }
}
