//! From a sentence to a preview: read, drafted, checked and drawn, with nothing stored.

use levqor_flow::{document, graph};

use crate::{
    features::ai::service::{REQUEST_CHARS, drafted},
    pages::{
        components::draft::{Document, Preview},
        yaml,
    },
};

/// Requests that the front page offers to try. A test keeps them free of warnings and questions.
pub const EXAMPLES: [(&str, &str); 3] = [
    (
        "Late orders",
        "Every weekday at 9am London time, fetch https://shop.example/orders and if any total is over 100 post them to https://shop.example/alert",
    ),
    ("Health check", "Every 15 minutes, fetch https://api.example/health"),
    ("Two calls", "Fetch https://api.example/users and post the result to https://hooks.example/users"),
];

/// Why a sentence cannot be drafted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SentenceError {
    #[error("write at least 5 characters: what should happen, and when")]
    TooShort,
    #[error("write at most 1,000 characters; split a longer request into several workflows")]
    TooLong,
}

/// # Errors
/// Fewer than 5 or more than 1,000 characters, white space around them not counted.
pub fn sentence(text: &str) -> Result<&str, SentenceError> {
    let text = text.trim();
    match text.chars().count() {
        length if length < *REQUEST_CHARS.start() => Err(SentenceError::TooShort),
        length if length > *REQUEST_CHARS.end() => Err(SentenceError::TooLong),
        _ => Ok(text),
    }
}

/// Drafts by the built-in grammar: no model, no network.
///
/// # Errors
/// [`SentenceError`].
pub fn preview(text: &str) -> Result<Preview, SentenceError> {
    let text = sentence(text)?;
    let drafted = drafted(text);
    let document = drafted.workflow.and_then(|value| {
        let workflow = document::check(&value).workflow?;
        Some(Document { yaml: yaml::to_yaml(&value), graph: graph::graph(&workflow) })
    });
    Ok(Preview {
        sentence: text.to_owned(),
        summary: drafted.steps,
        warnings: drafted.warnings,
        questions: drafted.questions,
        document,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_sentence_is_bounded_in_characters() {
        let rows = [
            ("", Err(SentenceError::TooShort)),
            ("    ab    ", Err(SentenceError::TooShort)),
            ("  wait ten minutes ", Ok("wait ten minutes")),
            ("üüüüü", Ok("üüüüü")),
        ];
        for (text, result) in rows {
            assert_eq!(sentence(text), result, "{text:?}");
        }
        assert!(sentence(&"ü".repeat(1_000)).is_ok());
        assert_eq!(sentence(&"ü".repeat(1_001)), Err(SentenceError::TooLong));
    }

    #[test]
    fn every_example_is_understood_whole() {
        for (name, text) in EXAMPLES {
            let preview = preview(text).unwrap();
            assert!(preview.document.is_some(), "{name}");
            assert_eq!((preview.warnings, preview.questions), (Vec::new(), Vec::new()), "{name}");
        }
    }
}
