//! A place in the tokens, which remembers what the rules took and forgets it when a rule gives up.

use std::ops::Range;

use super::{
    lexer::{Kind, Token},
    words,
};

/// Reads tokens for the grammar. Every rule takes what it understands; [`Cursor::skip`] passes over the rest.
#[derive(Debug)]
pub struct Cursor<'a> {
    request: &'a str,
    tokens: &'a [Token],
    at: usize,
    /// Places of the tokens that rules took, in order of taking.
    taken: Vec<usize>,
}

impl<'a> Cursor<'a> {
    pub fn new(request: &'a str, tokens: &'a [Token]) -> Self {
        Self { request, tokens, at: 0, taken: Vec::new() }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn is_done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub fn taken(self) -> Vec<usize> {
        self.taken
    }

    pub fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    pub fn peek_at(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead)
    }

    pub fn kind(&self) -> Option<&'a Kind> {
        self.peek().map(|token| &token.kind)
    }

    /// The word here, if it is one.
    pub fn word(&self) -> Option<&'a str> {
        self.word_at(0)
    }

    pub fn word_at(&self, ahead: usize) -> Option<&'a str> {
        self.peek_at(ahead).filter(|token| token.kind == Kind::Word).map(|token| token.text.as_str())
    }

    /// Takes the token here as understood.
    pub fn take(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at)?;
        self.taken.push(self.at);
        self.at += 1;
        Some(token)
    }

    /// Passes over the token here; if it has content, it will be reported as not understood.
    pub fn skip(&mut self) {
        self.at += usize::from(self.at < self.tokens.len());
    }

    /// Goes back to a place; nothing behind it counts as taken.
    pub fn back_to(&mut self, at: usize) {
        self.at = at;
        self.taken.retain(|place| *place < at);
    }

    /// Takes the word if it is one of `choices`.
    pub fn eat(&mut self, choices: &[&str]) -> Option<&'a str> {
        let word = self.word().filter(|word| choices.contains(word))?;
        self.take();
        Some(word)
    }

    /// Takes a run of words, such as "at least".
    pub fn eat_phrase(&mut self, phrase: &str) -> bool {
        let length = phrase.split(' ').count();
        if !self.sees(phrase) {
            return false;
        }
        for _ in 0..length {
            self.take();
        }
        true
    }

    /// Takes the first of the phrases that stands here.
    pub fn eat_any_phrase(&mut self, phrases: &[&'static str]) -> Option<&'static str> {
        phrases.iter().find(|phrase| self.eat_phrase(phrase)).copied()
    }

    /// Whether these words stand here.
    pub fn sees(&self, phrase: &str) -> bool {
        phrase.split(' ').enumerate().all(|(ahead, word)| self.word_at(ahead) == Some(word))
    }

    /// Takes the token if it is of this kind.
    pub fn eat_kind(&mut self, kind: &Kind) -> bool {
        let here = self.kind() == Some(kind);
        if here {
            self.take();
        }
        here
    }

    /// Runs a rule; when it gives None, the cursor is as before.
    pub fn attempt<T>(&mut self, rule: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let (at, taken) = (self.at, self.taken.len());
        let found = rule(self);
        if found.is_none() {
            self.at = at;
            self.taken.truncate(taken);
        }
        found
    }

    /// Runs a rule over the tokens as if those at `hidden` were not there; when it reads past them, they count as taken.
    pub fn attempt_without<T>(
        &mut self,
        hidden: Range<usize>,
        rule: impl FnOnce(&mut Cursor<'_>) -> Option<T>,
    ) -> Option<T> {
        let before = self.tokens.get(..hidden.start)?;
        let tokens: Vec<Token> = [before, self.tokens.get(hidden.end..)?].concat();
        let mut inner = Cursor { request: self.request, tokens: &tokens, at: self.at, taken: Vec::new() };
        let found = rule(&mut inner).filter(|_| inner.at > hidden.start)?;
        let outer = |place: usize| if place < hidden.start { place } else { place + hidden.len() };
        self.at = outer(inner.at);
        self.taken.extend(inner.taken.iter().map(|place| outer(*place)));
        self.taken.extend(hidden.clone());
        Some(found)
    }

    /// The user's own words between two places.
    pub fn quote(&self, places: Range<usize>) -> String {
        quote(self.request, self.tokens, places)
    }

    /// An amount: 5, five, a, an, "half an" is not one.
    pub fn count(&mut self) -> Option<u64> {
        let token = self.peek()?;
        let count = match &token.kind {
            Kind::Number(number) => number.as_u64()?,
            Kind::Word => words::number(&token.text)?,
            _ => return None,
        };
        self.take();
        Some(count)
    }

    /// A span of time in milliseconds: "5 minutes", "an hour", "30s", "1.5 hours", "half an hour", "1 hour and 30 minutes".
    pub fn span_ms(&mut self) -> Option<u64> {
        let first = self.attempt(Self::one_span)?;
        let more = self.attempt(|c| {
            c.eat(&["and"]);
            c.one_span()
        });
        first.checked_add(more.unwrap_or(0)).filter(|ms| *ms > 0 && *ms <= SPAN_MS_MAX)
    }

    fn one_span(&mut self) -> Option<u64> {
        if let Some(Kind::Span(ms)) = self.kind() {
            self.take();
            return Some(*ms);
        }
        if self.eat_phrase("half an hour") {
            return Some(1_800_000);
        }
        if self.eat_phrase("half a minute") {
            return Some(30_000);
        }
        if self.eat_phrase("a quarter of an hour") {
            return Some(900_000);
        }
        if let Some(Kind::Number(number)) = self.kind()
            && number.as_u64().is_none()
        {
            let amount = number.as_f64().filter(|amount| *amount > 0.0 && *amount < 1e9)?;
            self.take();
            let unit = words::unit(self.word()?)?.ms()?;
            self.take();
            // Bounded above, so the product is far below 2^53; fractions of a millisecond mean nothing.
            let ms = (amount * 1000.0).round();
            return (ms as u64).checked_mul(unit).map(|ms| ms / 1000);
        }
        let amount = match self.eat(&["a", "an", "one", "another"]) {
            Some(_) => 1,
            None if self.eat_phrase("a couple of") || self.eat_phrase("couple of") => 2,
            None => self.count()?,
        };
        let unit = words::unit(self.word()?)?.ms()?;
        self.take();
        amount.checked_mul(unit)
    }
}

/// No span that the grammar reads is longer than ten years.
const SPAN_MS_MAX: u64 = 10 * 366 * 86_400_000;

/// The user's own words, with white space made plain.
pub fn quote(request: &str, tokens: &[Token], places: Range<usize>) -> String {
    let inside = tokens.get(places).unwrap_or(&[]);
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else { return String::new() };
    let text = request.get(first.span.start..last.span.end.max(first.span.end)).unwrap_or("");
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").trim_end_matches([',', '.', ';', ':']).to_owned()
}
