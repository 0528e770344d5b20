//! Names: of steps, of the document, of results; readable, and never twice the same.

use std::collections::BTreeSet;

use super::{
    jq::camel,
    lexer::{Kind, Token},
    words,
};

/// The longest DNS label.
const LABEL_MAX: usize = 63;
const TITLE_MAX: usize = 80;

/// Hands out names of steps, each once in the whole document.
#[derive(Debug, Default)]
pub struct Names {
    used: BTreeSet<String>,
}

impl Names {
    /// "fetch", "orders" → fetchOrders, then fetchOrders2.
    pub fn step(&mut self, words: &[String]) -> String {
        let mut name: String = camel(words).chars().take(40).collect();
        if name.is_empty() || matches!(name.as_str(), "continue" | "exit" | "end") {
            name = format!("step{}", capital(&name));
        }
        let mut count = 1;
        let mut unique = name.clone();
        while !self.used.insert(unique.clone()) {
            count += 1;
            unique = format!("{name}{count}");
        }
        unique
    }
}

pub fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Words for what an address is about: its last readable path segment, else its host's name.
pub fn address_words(url: &str) -> Vec<String> {
    let plain: String = url.chars().filter(|c| !matches!(c, '{' | '}')).collect();
    let Ok(parsed) = url::Url::parse(&plain) else { return Vec::new() };
    let readable = |segment: &&str| {
        let letters = segment.chars().filter(char::is_ascii_alphabetic).count();
        letters >= 3 && letters * 2 > segment.len() && segment.len() <= 30 && !segment.contains('%')
    };
    let segments: Vec<&str> = parsed.path_segments().map(Iterator::collect).unwrap_or_default();
    let named = segments.iter().rev().find(|segment| readable(segment)).map(|segment| {
        let stem = segment.split('.').next().unwrap_or(segment);
        stem.split(['-', '_', '+']).filter(|part| !part.is_empty()).map(str::to_lowercase).collect::<Vec<_>>()
    });
    named.filter(|words| !words.is_empty()).unwrap_or_else(|| {
        let host = parsed.host_str().unwrap_or_default();
        let labels: Vec<&str> = host.split('.').collect();
        let label = match labels.as_slice() {
            [.., name, _] if name.chars().any(char::is_alphabetic) => name,
            [name] => name,
            _ => return Vec::new(),
        };
        vec![label.to_lowercase()]
    })
}

/// The end of the address's path when it can be a name as it stands, however short: "x" of `https://api.example.com/x`.
pub fn last_segment(url: &str) -> Option<String> {
    let parsed = url::Url::parse(url).ok()?;
    let last = parsed.path_segments()?.next_back()?;
    let plain = last.len() <= 30
        && last.starts_with(|c: char| c.is_ascii_alphabetic())
        && last.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain.then(|| last.to_owned())
}

/// The request's own words without what says when and where, for the title.
pub fn title(request: &str, tokens: &[Token], schedule: &[std::ops::Range<usize>]) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if schedule.iter().any(|places| places.contains(&at)) {
            continue;
        }
        match &token.kind {
            Kind::Url(_) | Kind::Domain(_) | Kind::Email(_) | Kind::Json(_) => {
                // The preposition goes with its address.
                let preposition =
                    |word: &mut &str| matches!(*word, "from" | "to" | "at" | "into" | "on" | "of");
                parts.pop_if(preposition);
            }
            Kind::Word
            | Kind::Number(_)
            | Kind::Span(_)
            | Kind::Ordinal(_)
            | Kind::Time(_)
            | Kind::Operator(_) => {
                let text = request.get(token.span.clone()).unwrap_or("");
                // Both halves of a contraction have the same place.
                let again = at > 0 && tokens[at - 1].span == token.span;
                if !again {
                    parts.push(text);
                }
            }
            Kind::Quoted(text) if text.len() <= 30 => {
                parts.push(request.get(token.span.clone()).unwrap_or(""))
            }
            Kind::Stop
                if !parts.is_empty() && parts.iter().map(|part| part.len() + 1).sum::<usize>() > 20 =>
            {
                break;
            }
            _ => {}
        }
    }
    while parts.first().is_some_and(|word| matches!(*word, "and" | "then" | "please" | "Please")) {
        parts.remove(0);
    }
    let mut title = String::new();
    for part in parts {
        if title.chars().count() + part.chars().count() + 1 > TITLE_MAX {
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(part);
    }
    let title = title.trim_end_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '"'));
    let words: Vec<&str> = title.split(' ').collect();
    let kept = words
        .iter()
        .rposition(|word| !matches!(*word, "and" | "then" | "to" | "the" | "a"))
        .map_or(0, |at| at + 1);
    capital(&words[..kept].join(" "))
}

/// A title from the first step's line, its address without the scheme.
pub fn short(summary: &[String]) -> String {
    let line = summary.first().map_or("Workflow", String::as_str);
    let line = line.replace("https://", "").replace("http://", "");
    line.trim().trim_end_matches(':').chars().take(TITLE_MAX).collect()
}

/// The title as a DNS label.
pub fn slug(title: &str) -> String {
    let mut slug = String::new();
    for word in title.split(|c: char| !c.is_ascii_alphanumeric()) {
        let word = word.to_ascii_lowercase();
        if word.is_empty() || words::is_function_word(&word) || slug.len() + word.len() + 1 > LABEL_MAX {
            continue;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word);
    }
    if slug.is_empty() { "workflow".into() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_twice_the_same() {
        let mut names = Names::default();
        let words = ["fetch".to_owned(), "orders".to_owned()];
        assert_eq!(names.step(&words), "fetchOrders");
        assert_eq!(names.step(&words), "fetchOrders2");
        assert_eq!(names.step(&["end".to_owned()]), "stepEnd");
        assert_eq!(names.step(&["日本".to_owned()]), "step");
    }

    #[test]
    fn addresses_have_words() {
        let words = |url| address_words(url).join(" ");
        assert_eq!(words("http://127.0.0.1:4010/alert"), "alert");
        assert_eq!(words("https://api.example.com/v2/order-lines.json?x=1"), "order lines");
        assert_eq!(words("https://www.example.com/"), "example");
        assert_eq!(words("http://127.0.0.1:4010"), "");
        assert_eq!(words("https://x.example.com/orders/{id}"), "orders");
    }
}
