//! The grammar of loops: "for each order, …", "… for each order", "… one at a time", and lists below a colon.

use super::{
    call::{Target, call},
    clause::{DEPTH_MAX, Parser, Scope},
    cursor::Cursor,
    form::{Base, Call, Each, Phrase, Places, Step, StepKind, Tests},
    lexer::Kind,
    phrase, predicate, words,
};

impl Parser<'_> {
    /// "for each order, …", "loop over the orders and …".
    pub(super) fn each(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        let Some((items, tests)) = self.opening_with_source(list) else { return false };
        if !self.loop_ends() {
            self.unknown_loop(list, list.len(), start);
            return true;
        }
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

    /// "for each order", and "for each order from URL", which fetches them first.
    fn opening_with_source(&mut self, list: &mut Vec<Step>) -> Option<(Phrase, Option<Tests>)> {
        let start = self.c.at();
        let (items, tests) = self.c.attempt(each_opening)?;
        let sourced = matches!(self.c.word(), Some("from" | "in" | "at" | "of"))
            && self.c.peek_at(1).is_some_and(|token| matches!(token.kind, Kind::Url(_) | Kind::Domain(_)));
        if !sourced || !items.fields.is_empty() {
            return Some((items, tests));
        }
        self.c.take();
        let target = self.target();
        let tests = tests.or_else(|| predicate::relative(&mut self.c));
        self.c.eat(&["do"]);
        let nouns = match &items.base {
            Base::Named(words) => {
                let mut words = words.clone();
                if let Some(last) = words.last_mut() {
                    *last = words::plural(last);
                }
                words
            }
            _ => Vec::new(),
        };
        let places = start..self.c.at();
        self.read_source(list, target, nouns.clone(), places);
        let base = if nouns.is_empty() { Base::Pronoun } else { Base::Named(nouns) };
        Some((Phrase { base, ..items }, tests))
    }

    /// Whether what follows the opening of a loop can follow one; otherwise only a part of which items are meant was read.
    fn loop_ends(&self) -> bool {
        let Some(token) = self.c.peek() else { return true };
        match &token.kind {
            Kind::Word => {
                let word = token.text.as_str();
                let later = matches!(word, "after" | "in")
                    && self
                        .c
                        .peek_at(2)
                        .is_some_and(|token| token.kind == Kind::Word && words::unit(&token.text).is_some());
                let span = self.c.peek_at(1).is_some_and(|token| matches!(token.kind, Kind::Span(_)));
                words::opens_clause(word)
                    || words::verb(word).is_some()
                    || later
                    || (matches!(word, "after" | "in") && span)
                    || matches!(
                        word,
                        "then"
                            | "and"
                            | "but"
                            | "please"
                            | "also"
                            | "do"
                            | "just"
                            | "every"
                            | "daily"
                            | "hourly"
                            | "weekly"
                            | "so"
                            | "immediately"
                            | "i"
                            | "we"
                            | "you"
                            | "to"
                            | "separately"
                            | "individually"
                            | "repeat"
                            | "on"
                            | "at"
                            | "for"
                            | "first"
                            | "with"
                            | "one"
                            | "each"
                            | "not"
                            | "never"
                            | "it"
                            | "that"
                    )
            }
            Kind::Comma | Kind::Stop | Kind::Colon | Kind::Close | Kind::Dash | Kind::Bullet | Kind::Open => {
                true
            }
            _ => false,
        }
    }

    /// A loop of which it is not understood which items it is for: its steps are not made, because they would be for all.
    fn unknown_loop(&mut self, list: &mut Vec<Step>, kept: usize, opening: usize) {
        let dropped: Vec<Step> = list.drain(kept.min(list.len())..).collect();
        let start = dropped.first().map_or(opening, |step| step.places.start.min(opening));
        let mut end = None;
        while !self.c.is_done() && self.c.kind() != Some(&Kind::Stop) {
            let verb =
                self.c.word().is_some_and(|word| words::verb(word).is_some() && !words::is_noun_too(word));
            if end.is_none() && (verb || matches!(self.c.kind(), Some(Kind::Comma | Kind::Colon))) {
                end = Some(self.c.at());
            }
            self.c.take();
        }
        let which = self.c.quote(opening..end.unwrap_or(self.c.at()));
        let all = self.c.quote(start..self.c.at());
        self.notes.ask(format!(
            "Which items exactly does \"{which}\" mean? Name a field and a value, such as \"for each order whose total is over 100\"."
        ));
        self.notes.warn(format!("\"{all}\" is left out, because it would be done for every item"));
        self.gap(list, Vec::new(), start);
    }

    /// Reads an address for a loop or a condition that names it.
    pub(super) fn read_source(
        &mut self,
        list: &mut Vec<Step>,
        target: Option<Target>,
        result: Vec<String>,
        places: Places,
    ) {
        let kind = match target {
            Some(Target::Url(url)) => StepKind::Call(Box::new(Call { result, ..call("get", "fetch", url) })),
            _ => {
                let result = if result.is_empty() { vec!["response".into()] } else { result };
                StepKind::Gap { result }
            }
        };
        list.push(Step { kind, places });
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
            let at = self.c.at();
            let Some(opening) = self.c.attempt(each_opening) else { return false };
            if !self.loop_ends() {
                self.unknown_loop(list, count, at);
                return true;
            }
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
        c.attempt(|c| c.eat(&["of", "in"]).and_then(|_| phrase::phrase(c))).unwrap_or(Phrase {
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
            c.eat(&["in", "of", "from", "among"])?;
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
