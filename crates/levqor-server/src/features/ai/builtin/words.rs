//! Words that can be compared: lower case, stemmed, without those that carry no meaning.

use std::{collections::HashSet, sync::LazyLock};

use super::super::retrieval::{FUNCTION_WORDS, stem_of};

/// Frequent words without meaning of their own, in languages that are not English.
const OTHERS: &str = "der die das den dem des ein eine einen einem einer eines und oder aber nicht ist sind war wird \
    mit von zu zum zur im am auf für bei aus nach sich auch als wie es er sie wir ihr ich du hat haben \
    le la les un une des du de et ou mais pas est sont dans sur pour par avec que qui ce cette il elle nous vous \
    el los las una y o pero no es son en con por para que se su lo al del como más \
    il lo gli una e ma non è sono nel nella con per che si di da \
    os as um uma não é são no na em com por para que se do da dos das";

static IGNORED: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| FUNCTION_WORDS.split_whitespace().chain(OTHERS.split_whitespace()).collect());

/// The stems of a text, in order, with repeats. A script without spaces gives pairs of letters.
pub(super) fn stems(text: &str) -> Vec<String> {
    let mut stems = Vec::new();
    for word in text.to_lowercase().split(|letter: char| !letter.is_alphanumeric()) {
        if word.is_empty() || IGNORED.contains(word) {
            continue;
        }
        if word.chars().any(is_spaceless) {
            let letters: Vec<char> = word.chars().collect();
            match letters.as_slice() {
                [one] => stems.push(one.to_string()),
                more => stems.extend(more.windows(2).map(|pair| pair.iter().collect::<String>())),
            }
        } else {
            stems.push(stem_of(word));
        }
    }
    stems
}

/// Chinese, Japanese and Thai write without spaces between words.
fn is_spaceless(letter: char) -> bool {
    matches!(letter, '\u{e00}'..='\u{e7f}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}
