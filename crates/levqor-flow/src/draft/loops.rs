//! The grammar of loops: "for each order, …", "… for each order", "… one at a time", and lists below a colon.

use super::{
    clause::{DEPTH_MAX, Parser, Scope},
    cursor::Cursor,
    form::{Base, Each, Phrase, Step, StepKind, Tests},
    lexer::Kind,
    phrase, predicate, words,
};

impl Parser<'_> {
    /// "for each order, …", "loop over the orders and …".
    pub(super) fn each(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        let Some((items, tests)) = self.c.attempt(each_opening) else { return false };
        if self.depth >= DEPTH_MAX {
            self.take_sentence();
            let words = self.c.quote(start..self.c.at());
            self.notes.warn(format!("\"{words}\" is left out: loops and conditions are nested too deeply"));
            return true;
        }
        let mut steps = Vec::new();
        if self.c.kind() == Some(&Kind::Colon) {
            self.listed(&mut steps, Scope::Loop);
        } else {
            self.depth += 1;
            self.clauses(&mut steps, Scope::Loop);
            self.depth -= 1;
        }
        list.push(Step { kind: StepKind::Each(Each { items, tests, steps }), places: start..self.c.at() });
        true
    }

    /// What follows a colon: the rest of the line, or the items of the list below it.
    pub(super) fn listed(&mut self, steps: &mut Vec<Step>, scope: Scope) {
        self.c.skip();
        self.depth += 1;
        let bullets = self.c.kind() == Some(&Kind::Stop)
            && self.c.peek_at(1).is_some_and(|token| token.kind == Kind::Bullet);
        if bullets {
            while self.c.kind() == Some(&Kind::Stop)
                && self.c.peek_at(1).is_some_and(|token| token.kind == Kind::Bullet)
            {
                self.c.skip();
                self.c.skip();
                self.clauses(steps, Scope::Sentence);
            }
        } else {
            self.clauses(steps, scope);
        }
        self.depth -= 1;
    }

    /// "post its id to URL for each order", "… one at a time".
    pub(super) fn postfix_each(&mut self, list: &mut Vec<Step>, count: usize) -> bool {
        let single =
            self.c.eat_any_phrase(&["one at a time", "one by one", "individually", "separately"]).is_some();
        let (items, tests) = if single {
            (Phrase { base: Base::Pronoun, fields: vec![], each: false, count: false, places: 0..0 }, None)
        } else {
            let Some(opening) = self.c.attempt(each_opening) else { return false };
            opening
        };
        let steps: Vec<Step> = list.drain(count..).collect();
        let start = steps.first().map_or(self.c.at(), |step| step.places.start);
        // "post each order to URL one at a time" is one loop already.
        if let ([Step { kind: StepKind::Each(_), .. }], true) = (steps.as_slice(), single) {
            list.extend(steps);
            return true;
        }
        list.push(Step { kind: StepKind::Each(Each { items, tests, steps }), places: start..self.c.at() });
        true
    }
}

/// What the loop goes over, and which of it.
fn each_opening(c: &mut Cursor<'_>) -> Option<(Phrase, Option<Tests>)> {
    let looping = c
        .eat_any_phrase(&["loop over", "loop through", "go through", "iterate over", "walk through"])
        .is_some();
    if looping {
        c.eat(&["each", "every", "all"]);
        c.eat(&["of"]);
    } else {
        c.eat(&["for"])?;
        if c.eat(&["each", "every"]).is_some() {
            c.eat(&["of"]);
        } else {
            c.eat(&["all"])?;
            c.eat(&["of"]);
        }
    }
    let mut items = if !looping && c.kind().is_some_and(|kind| matches!(kind, Kind::Comma | Kind::Colon)) {
        Phrase { base: Base::Pronoun, fields: vec![], each: false, count: false, places: 0..0 }
    } else if c.eat(&["one", "item", "element", "result", "entry"]).is_some() {
        c.eat(&["of", "in"]).and_then(|_| phrase::phrase(c)).unwrap_or(Phrase {
            base: Base::Pronoun,
            fields: vec![],
            each: false,
            count: false,
            places: 0..0,
        })
    } else {
        let item = phrase::phrase(c)?;
        // "for each line of the order", "for each order in the orders".
        match c.attempt(|c| {
            c.eat(&["in", "of"])?;
            phrase::phrase(c)
        }) {
            Some(whole) if whole.fields.is_empty() && same_noun(&item, &whole) => whole,
            Some(mut whole) => {
                if let Base::Named(words) = item.base {
                    whole.fields = vec![[whole.fields.pop().unwrap_or_default(), vec![words]].concat()];
                }
                whole
            }
            None => item,
        }
    };
    items.each = false;
    let tests = predicate::relative(c);
    c.eat(&["do"]);
    Some((items, tests))
}

fn same_noun(item: &Phrase, whole: &Phrase) -> bool {
    let head = |phrase: &Phrase| match &phrase.base {
        Base::Named(words) => words.last().map(|word| words::singular(word)),
        _ => None,
    };
    head(whole).is_none() || head(item) == head(whole)
}
