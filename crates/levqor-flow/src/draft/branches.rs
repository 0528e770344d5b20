//! The grammar of branches: "if …", "unless …", "otherwise …", before their steps or behind one.
//!
//! A condition that is not understood takes its steps with it: without it they would run always.

use super::{
    call::{Target, callable},
    clause::{DEPTH_MAX, IF_WORDS, Parser, Scope},
    condition,
    cursor::Cursor,
    form::{Base, Condition, If, Phrase, Quantifier, Step, StepKind, Tests},
    lexer::{Kind, Token},
    predicate, words,
};

impl Parser<'_> {
    /// "otherwise …": the other branch of the last if.
    pub(super) fn otherwise(&mut self, list: &mut [Step]) -> bool {
        if !self.is_otherwise() {
            return false;
        }
        let start = self.c.at();
        let _ = self.c.eat_any_phrase(&["or else", "if not", "otherwise", "else"]);
        let mut steps = Vec::new();
        if last_if(list).is_none() {
            self.take_sentence();
            let words = self.c.quote(start..self.c.at());
            self.notes.warn(format!(
                "\"{words}\" is left out: there is no understood condition that it is the other side of"
            ));
            return true;
        }
        self.depth += 1;
        self.clauses(&mut steps, Scope::Branch);
        self.depth -= 1;
        if let Some(branch) = last_if(list) {
            branch.otherwise.append(&mut steps);
        }
        extend(list, self.c.at());
        true
    }

    /// "If so, …" after "Check whether …".
    pub(super) fn if_so(&mut self, list: &mut [Step]) -> bool {
        let start = self.c.at();
        const PHRASES: [&str; 6] = ["if so", "if yes", "in that case", "if true", "if it is", "if they are"];
        let found = PHRASES.into_iter().find(|phrase| {
            let length = phrase.split(' ').count();
            let comma = self.c.peek_at(length).is_some_and(|token| token.kind == Kind::Comma);
            self.c.sees(phrase) && (comma || self.c.word_at(length).is_some_and(words::opens_clause))
        });
        if !found.is_some_and(|phrase| self.c.eat_phrase(phrase)) {
            return false;
        }
        let empty = last_if(list).is_some_and(|branch| branch.then.is_empty());
        if !empty {
            self.take_sentence();
            let words = self.c.quote(start..self.c.at());
            self.notes.warn(format!("\"{words}\" is left out: there is no understood condition before it"));
            return true;
        }
        let mut steps = Vec::new();
        self.depth += 1;
        self.clauses(&mut steps, Scope::Branch);
        self.depth -= 1;
        if let Some(branch) = last_if(list) {
            branch.then.append(&mut steps);
        }
        extend(list, self.c.at());
        true
    }

    /// "if …, …", "unless …, …", "check whether …".
    pub(super) fn conditional(&mut self, list: &mut Vec<Step>, from: usize) -> bool {
        let start = self.c.at();
        let Some(opener) = self.if_word() else { return false };
        if self.depth >= DEPTH_MAX {
            self.take_sentence();
            self.unmade_condition(start, start, self.c.at());
            return true;
        }
        let at = self.c.at();
        let mut condition = self.c.attempt(condition::condition).filter(|_| self.condition_ends());
        if condition.is_none() {
            self.c.back_to(at);
            condition = self.sourced(list);
        }
        let Some(condition) = condition else {
            self.c.back_to(start);
            // "post them, if the wind turns.": no verb follows, so it is about the step before.
            let follows = self.verb_follows();
            let kept = if follows || list.len() <= from || opener.starts_with("check") {
                list.len()
            } else {
                list.len() - 1
            };
            self.unknown_condition(list, kept);
            return true;
        };
        let condition = if opener.contains("unless") || opener.starts_with("except") {
            Condition::Not(Box::new(condition))
        } else {
            condition
        };
        let end = self.c.at();
        let mut then = Vec::new();
        if self.c.kind() == Some(&Kind::Colon) {
            self.listed(&mut then, Scope::Branch);
        } else {
            self.depth += 1;
            self.clauses(&mut then, Scope::Branch);
            self.depth -= 1;
        }
        // "…, if it fails." at the end of a sentence is about the step before it.
        if then.is_empty() && list.len() > from && self.c.at() == end && !opener.starts_with("check") {
            if let Some(step) = list.pop() {
                let places = step.places.start..self.c.at();
                list.push(Step {
                    kind: StepKind::If(If { condition, then: vec![step], otherwise: vec![] }),
                    places,
                });
            }
            return true;
        }
        list.push(Step {
            kind: StepKind::If(If { condition, then, otherwise: vec![] }),
            places: start..self.c.at(),
        });
        true
    }

    /// A condition that names the address of what it looks at: "the total from URL is over 5", "URL returns a quantity of 0".
    /// The address is read first.
    fn sourced(&mut self, list: &mut Vec<Step>) -> Option<Condition> {
        let start = self.c.at();
        let is_address = |token: &Token| matches!(token.kind, Kind::Url(_) | Kind::Domain(_));
        let mut ahead = 0;
        // The address stands first, behind a preposition, or behind the noun that it is the address of.
        let ahead = loop {
            let token = self
                .c
                .peek_at(ahead)
                .filter(|token| ahead < 9 && !matches!(token.kind, Kind::Stop | Kind::Comma))?;
            if is_address(token) {
                break ahead;
            }
            ahead += 1;
        };
        let preposition =
            ahead > 0 && matches!(self.c.word_at(ahead - 1), Some("from" | "in" | "at" | "of" | "on" | "by"));
        let url = start + ahead;
        let hidden = url - usize::from(preposition)..url + 1;
        let text = match self.c.peek_at(ahead).map(|token| &token.kind) {
            Some(Kind::Url(text) | Kind::Domain(text)) => text.clone(),
            _ => return None,
        };
        let condition = self.c.attempt_without(hidden, |c| {
            if ahead == 0 {
                return answer(c);
            }
            c.attempt(page).or_else(|| match condition::condition(c)? {
                found @ (Condition::Test { .. } | Condition::Count { .. }) => Some(found),
                _ => None,
            })
        });
        let condition = condition.filter(|_| self.condition_ends());
        let Some(condition) = condition else {
            self.c.back_to(start);
            return None;
        };
        let target = match callable(&text) {
            Ok((url, assumed)) => {
                if let Some(warning) = assumed {
                    self.notes.warn(warning);
                }
                Some(Target::Url(url))
            }
            Err(warning) => {
                self.notes.warn(warning);
                None
            }
        };
        let places = start..self.c.at();
        self.read_source(list, target, Vec::new(), places);
        Some(condition)
    }

    fn if_word(&mut self) -> Option<&'static str> {
        if let Some(opener) = self.c.eat_any_phrase(IF_WORDS) {
            return Some(opener);
        }
        const CHECKS: &[&str] = &[
            "check if",
            "check whether",
            "see if",
            "see whether",
            "find out if",
            "find out whether",
            "test if",
            "test whether",
        ];
        if let Some(opener) = self.c.eat_any_phrase(CHECKS) {
            return Some(if opener.starts_with("check") { opener } else { "check if" });
        }
        const FAILING: &[&str] = &[
            "on failure",
            "on error",
            "in case of failure",
            "in case of an error",
            "in case of error",
            "upon failure",
        ];
        let failing = FAILING.iter().any(|phrase| self.c.sees(phrase));
        // The condition is in the phrase itself; its last word is left for the condition's rule.
        failing.then_some("on")
    }

    /// Whether what follows a condition can follow one; otherwise half of it was read.
    fn condition_ends(&self) -> bool {
        match self.c.peek() {
            None => true,
            Some(token) => match &token.kind {
                Kind::Word => {
                    let word = token.text.as_str();
                    words::opens_clause(word)
                        || words::verb(word).is_some()
                        || matches!(
                            word,
                            "then"
                                | "and"
                                | "or"
                                | "but"
                                | "please"
                                | "also"
                                | "do"
                                | "just"
                                | "for"
                                | "after"
                                | "in"
                                | "at"
                                | "every"
                                | "on"
                                | "so"
                                | "not"
                                | "immediately"
                                | "only"
                        )
                }
                Kind::Comma | Kind::Stop | Kind::Colon | Kind::Close | Kind::Dash | Kind::Bullet => true,
                _ => false,
            },
        }
    }

    /// Whether a verb stands between here and the end of the sentence.
    fn verb_follows(&self) -> bool {
        let mut ahead = 1;
        while let Some(token) = self.c.peek_at(ahead) {
            if token.kind == Kind::Stop {
                return false;
            }
            if self.c.word_at(ahead).is_some_and(words::opens_clause) || self.verb_at(ahead).is_some() {
                return true;
            }
            ahead += 1;
        }
        false
    }

    /// Whether the "if" here is followed by a condition that a rule reads.
    pub(super) fn is_understood_if(&mut self) -> bool {
        let at = self.c.at();
        let condition = self.c.attempt(|c| {
            c.eat_any_phrase(IF_WORDS)?;
            condition::condition(c)
        });
        let understood = condition.is_some() && self.condition_ends();
        self.c.back_to(at);
        understood
    }

    /// A condition that no rule reads: what hangs on it is not made, because it would run always. That is what follows it,
    /// and the steps of the list from `kept` on, when it stands behind them.
    pub(super) fn unknown_condition(&mut self, list: &mut Vec<Step>, kept: usize) {
        let condition = self.c.at();
        let dropped: Vec<Step> = list.drain(kept.min(list.len())..).collect();
        let start = dropped.first().map_or(condition, |step| step.places.start.min(condition));
        let mut end = None;
        while !self.c.is_done() && self.c.kind() != Some(&Kind::Stop) {
            let boundary = self.c.kind() == Some(&Kind::Comma)
                || self.c.word().is_some_and(|word| {
                    word == "then" || (words::verb(word).is_some() && !words::is_noun_too(word))
                });
            if boundary && end.is_none() && self.c.at() > condition + 1 {
                end = Some(self.c.at());
            }
            self.c.take();
        }
        self.unmade_condition(start, condition, end.unwrap_or(self.c.at()));
        for step in dropped {
            if let StepKind::Call(call) = step.kind
                && call.method == "get"
            {
                let result = if call.result.is_empty() { vec!["response".into()] } else { call.result };
                self.gap(list, result, start);
            }
        }
        self.gap(list, Vec::new(), start);
    }

    /// `start`: of all that is left out; the condition's own words are `from` to `end`.
    fn unmade_condition(&mut self, start: usize, from: usize, end: usize) {
        let condition = self.c.quote(from..end);
        let all = self.c.quote(start..self.c.at());
        self.notes.ask(format!(
            "What exactly should \"{condition}\" check? Name a field and a value, such as \"if any total is over 100\"."
        ));
        self.notes.warn(format!("\"{all}\" is left out, because its condition is not understood"));
    }

    /// "post them to URL if any total is over 100": unless a verb follows at once, the condition is about the step before.
    pub(super) fn postfix_if(&mut self, list: &mut Vec<Step>, count: usize) -> bool {
        let mut read = 0;
        let found = {
            let parser = &mut self.c;
            parser.attempt(|c| {
                let opener = c.eat_any_phrase(IF_WORDS)?;
                let condition = condition::condition(c)?;
                let next = c.word();
                let prefix = next.is_some_and(|word| {
                    word == "then"
                        || (words::opens_clause(word)
                            && !is_if_word(word)
                            && word != "otherwise"
                            && word != "else")
                });
                let comma = c.kind() == Some(&Kind::Comma);
                let ended = c.is_done()
                    || comma
                    || matches!(c.kind(), Some(Kind::Stop | Kind::Close | Kind::Bullet))
                    || next.is_some();
                (!prefix && ended).then_some((opener, condition))
            })
        };
        let Some((opener, condition)) = found.or_else(|| {
            let at = self.c.at();
            let opener = self.c.eat_any_phrase(IF_WORDS)?;
            let mut source = Vec::new();
            let follows = self.verb_follows();
            let Some(condition) = self.sourced(&mut source).filter(|_| !follows) else {
                self.c.back_to(at);
                return None;
            };
            // What the condition reads is read before the step that hangs on it.
            list.splice(count..count, source.drain(..));
            read = 1;
            Some((opener, condition))
        }) else {
            return false;
        };
        let count = count + read;
        let negated = opener.contains("unless") || opener.starts_with("except");
        let condition = if negated { Condition::Not(Box::new(condition)) } else { condition };
        let then: Vec<Step> = list.drain(count..).collect();
        let start = then.first().map_or(self.c.at(), |step| step.places.start);
        list.push(Step {
            kind: StepKind::If(If { condition, then, otherwise: vec![] }),
            places: start..self.c.at(),
        });
        true
    }
}

/// "returns a quantity of 0", "has no orders", "contains 'x'": what an address answers.
fn answer(c: &mut Cursor<'_>) -> Option<Condition> {
    let subject = Phrase { base: Base::Pronoun, fields: vec![], each: false, count: false, places: 0..0 };
    let says = c.eat_any_phrase(&[
        "returns",
        "returned",
        "gives",
        "answers with",
        "responds with",
        "has",
        "shows",
        "reports",
        "says",
    ]);
    let tests = match says {
        Some(_) => predicate::tests(c).or_else(|| predicate::value_test(c))?,
        None => {
            let (test, negated) = predicate::operator(c)?;
            Tests::One { field: vec![], test, negated }
        }
    };
    Some(Condition::Test { quantifier: Quantifier::Plain, subject, tests })
}

/// "the page contains 'x'", "the API returns a quantity of 0": the answer itself.
fn page(c: &mut Cursor<'_>) -> Option<Condition> {
    c.eat(&["the", "my", "our"]);
    c.eat(&[
        "page", "site", "website", "api", "endpoint", "url", "server", "service", "response", "answer",
        "result", "reply", "output", "content", "document", "feed",
    ])?;
    answer(c)
}

fn is_if_word(word: &str) -> bool {
    matches!(word, "if" | "when" | "whenever" | "unless")
}

/// The last if has grown, and so has what it stands in: a quotation of it must hold all of its words.
fn extend(list: &mut [Step], end: usize) {
    let Some(step) = list.last_mut() else { return };
    step.places.end = end;
    match &mut step.kind {
        StepKind::If(branch) => extend(&mut branch.otherwise, end),
        StepKind::Each(each) => extend(&mut each.steps, end),
        StepKind::Repeat { steps, .. } => extend(steps, end),
        _ => {}
    }
}

/// The last if of the list, also inside a loop that ends it.
fn last_if(list: &mut [Step]) -> Option<&mut If> {
    match &mut list.last_mut()?.kind {
        StepKind::If(branch) => {
            if branch.otherwise.is_empty() {
                return Some(branch);
            }
            // "otherwise if …, otherwise …": the innermost open one.
            last_if(&mut branch.otherwise)
        }
        StepKind::Each(each) => last_if(&mut each.steps),
        StepKind::Repeat { steps, .. } => last_if(steps),
        _ => None,
    }
}
