//! From a sentence to a preview: read, drafted, checked and drawn, with nothing stored.

use std::sync::LazyLock;

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

/// The first example, drafted once: the pictures of pages that explain are the product's own work.
static SHOWN: LazyLock<Preview> = LazyLock::new(|| preview_now(EXAMPLES[0].1.to_owned()));

/// The first example, drafted.
pub fn shown() -> &'static Preview {
    &SHOWN
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("write at least 5 characters: what should happen, and when")]
    TooShort,
    #[error("write at most 1,000 characters; split a longer request into several workflows")]
    TooLong,
    #[error("drafting broke off")]
    Broken(#[source] tokio::task::JoinError),
}

/// # Errors
/// Fewer than 5 or more than 1,000 characters, white space around them not counted.
pub fn sentence(text: &str) -> Result<&str, Error> {
    let text = text.trim();
    match text.chars().count() {
        length if length < *REQUEST_CHARS.start() => Err(Error::TooShort),
        length if length > *REQUEST_CHARS.end() => Err(Error::TooLong),
        _ => Ok(text),
    }
}

/// Drafts by the built-in grammar: no model, no network.
///
/// # Errors
/// A sentence that is too short or too long.
pub async fn preview(text: &str) -> Result<Preview, Error> {
    let text = sentence(text)?.to_owned();
    // Long sentences take milliseconds.
    tokio::task::spawn_blocking(move || preview_now(text)).await.map_err(Error::Broken)
}

/// [`preview`] of a sentence of allowed length, on this thread.
pub(super) fn preview_now(sentence: String) -> Preview {
    let drafted = drafted(&sentence);
    let document = drafted.workflow.and_then(|value| {
        let workflow = document::check(&value).workflow?;
        Some(Document { yaml: yaml::to_yaml(&value), graph: graph::graph(&workflow) })
    });
    Preview {
        sentence,
        summary: drafted.steps,
        warnings: drafted.warnings,
        questions: drafted.questions,
        document,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_sentence_is_bounded_in_characters() {
        assert_eq!(sentence("  wait ten minutes ").unwrap(), "wait ten minutes");
        assert!(sentence("üüüüü").is_ok() && sentence(&"ü".repeat(1_000)).is_ok());
        for short in ["", "    ab    ", "üüüü"] {
            assert!(matches!(sentence(short), Err(Error::TooShort)), "{short:?}");
        }
        assert!(matches!(sentence(&"ü".repeat(1_001)), Err(Error::TooLong)));
    }

    #[test]
    fn every_example_is_understood_whole() {
        for (name, text) in EXAMPLES {
            let preview = preview_now(text.to_owned());
            assert!(preview.document.is_some(), "{name}");
            assert_eq!((preview.warnings, preview.questions), (Vec::new(), Vec::new()), "{name}");
        }
    }
}
