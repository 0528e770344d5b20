//! A summary made of whole sentences of the text, in their order.
//!
//! Sentences are chosen by SumBasic: the one whose words are most frequent on average, and then, so that the next one says
//! something else, the words that it said count less.
//!
//! Source: Nenkova, Vanderwende, "The Impact of Frequency on Summarization", 2005.

use std::collections::HashMap;

use super::words::stems;

/// Sentences of a text that are looked at.
const SENTENCES_MAX: usize = 5_000;

/// At most `sentences_max` sentences with at most `chars_max` characters, spaces between them included.
pub(super) fn summarise(text: &str, sentences_max: usize, chars_max: usize) -> Vec<&str> {
    let sentences = sentences(text);
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut counts: Vec<f64> = Vec::new();
    let words: Vec<Vec<usize>> = sentences
        .iter()
        .map(|sentence| {
            stems(sentence)
                .into_iter()
                .map(|stem| {
                    let fresh = counts.len();
                    let number = *numbers.entry(stem).or_insert(fresh);
                    if number == fresh {
                        counts.push(0.0);
                    }
                    counts[number] += 1.0;
                    number
                })
                .collect()
        })
        .collect();
    let all: f64 = counts.iter().sum();
    let mut weights: Vec<f64> = counts.iter().map(|count| count / all).collect();
    let mut chosen: Vec<usize> = Vec::new();
    let mut chars_left = chars_max;
    let lengths: Vec<usize> = sentences.iter().map(|sentence| sentence.chars().count()).collect();
    while chosen.len() < sentences_max {
        let space = usize::from(!chosen.is_empty());
        let mut best: Option<(f64, usize)> = None;
        for (place, of_sentence) in words.iter().enumerate() {
            if of_sentence.is_empty() || lengths[place] + space > chars_left || chosen.contains(&place) {
                continue;
            }
            let sum: f64 = of_sentence.iter().map(|word| weights[*word]).sum();
            let value = sum / of_sentence.len() as f64;
            // The earlier one of equals.
            if best.is_none_or(|(so_far, _)| value > so_far) {
                best = Some((value, place));
            }
        }
        let Some((_, place)) = best else { break };
        for word in &words[place] {
            weights[*word] *= weights[*word];
        }
        chars_left -= lengths[place] + space;
        chosen.push(place);
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|place| sentences[place]).collect()
}

/// The sentences of a text, trimmed. Lines that a blank line, a list's mark or a heading parts are parted.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for block in blocks(text) {
        let mut begin = 0;
        for (place, letter) in block.char_indices() {
            let end = place + letter.len_utf8();
            if ends(&block[begin..place], letter, &block[end..]) {
                push(&mut found, &block[begin..end]);
                begin = end;
            }
        }
        push(&mut found, &block[begin..]);
        if found.len() >= SENTENCES_MAX {
            found.truncate(SENTENCES_MAX);
            break;
        }
    }
    found
}

fn push<'a>(found: &mut Vec<&'a str>, sentence: &'a str) {
    let sentence = sentence.trim();
    if sentence.chars().any(char::is_alphanumeric) {
        found.push(sentence);
    }
}

/// Pieces of the text that no sentence crosses.
fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut begin = 0;
    let mut place = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        let parts = bare.is_empty() || ["- ", "* ", "• ", "#", "|"].iter().any(|mark| bare.starts_with(mark));
        if parts {
            blocks.push(&text[begin..place]);
            begin = place;
        }
        place += line.len();
    }
    blocks.push(&text[begin..]);
    blocks
}

/// Words that end with a full stop and no sentence.
const SHORT: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "nr", "vs", "e.g", "i.e", "approx", "inc", "ltd", "co",
    "fig", "z.b", "bzw", "ca", "sr", "jr", "art", "vol", "p", "pp", "ch", "cf",
];

/// Whether `letter`, between `before` and `after`, ends a sentence.
fn ends(before: &str, letter: char, after: &str) -> bool {
    match letter {
        '。' | '！' | '？' | '।' | '؟' => return true,
        '.' | '!' | '?' | '…' => {}
        _ => return false,
    }
    let mut rest = after.chars();
    match rest.next() {
        None => return true,
        Some(space) if space.is_whitespace() => {}
        Some(_) => return false,
    }
    if rest.find(|letter| !letter.is_whitespace()).is_some_and(char::is_lowercase) {
        return false;
    }
    if letter != '.' {
        return true;
    }
    let word =
        before.rsplit(|letter: char| letter.is_whitespace() || letter == '(').next().unwrap_or_default();
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    !initial && !SHORT.contains(&word.to_lowercase().as_str())
}
