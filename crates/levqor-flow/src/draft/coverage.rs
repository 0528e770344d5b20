//! The coverage rule: what no rule took is found here, so that it can be said instead of being lost.
//!
//! Invariant: a content word is in a place that some rule took, or in the quotation that [`leftovers`] gives.

use std::ops::Range;

use super::{
    lexer::{Kind, Token},
    words,
};

/// Whether leaving the token unread would lose part of the request.
pub fn is_content(token: &Token) -> bool {
    match &token.kind {
        Kind::Comma | Kind::Colon | Kind::Stop | Kind::Bullet | Kind::Dash | Kind::Open | Kind::Close => {
            false
        }
        Kind::Word => !words::is_function_word(&token.text),
        Kind::Symbol => token.text.chars().any(|c| !c.is_ascii_punctuation() && !c.is_whitespace()),
        _ => true,
    }
}

/// Runs of tokens that hold content and that nobody took: each from its first to its last content token, function words
/// between them included, never across the end of a sentence.
pub fn leftovers(tokens: &[Token], taken: &[usize]) -> Vec<Range<usize>> {
    let mut understood = vec![false; tokens.len()];
    for place in taken {
        if let Some(flag) = understood.get_mut(*place) {
            *flag = true;
        }
    }
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (at, token) in tokens.iter().enumerate() {
        if understood[at] || token.kind == Kind::Stop {
            open = false;
        } else if is_content(token) {
            match runs.last_mut().filter(|_| open) {
                Some(run) => run.end = at + 1,
                None => runs.push(at..at + 1),
            }
            open = true;
        }
    }
    runs
}
