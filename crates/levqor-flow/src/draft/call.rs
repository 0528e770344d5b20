//! The grammar of calls: reading from an address, sending to one, telling someone at one.
//!
//! A call without an address becomes a question and a gap, never a call: an address is the one thing that can't be guessed.

use super::{
    clause::Parser,
    cursor::Cursor,
    form::{Base, Body, Call, Change, Each, Operand, Phrase, Reshape, Step, StepKind, Tests},
    lexer::Kind,
    phrase, predicate, words,
};

/// An address as it was given, or what stood in its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    Url(String),
    /// It was an address, and one that can't be called; the warning is given.
    Bad,
}

const FROM: &[&str] = &["from", "at", "of", "on", "in", "via", "using", "by", "through", "under"];

impl Parser<'_> {
    /// An address here. Takes its token.
    pub(super) fn target(&mut self) -> Option<Target> {
        let token = self.c.peek()?;
        let (Kind::Url(text) | Kind::Domain(text)) = &token.kind else { return None };
        self.c.take();
        Some(match callable(text) {
            Ok((url, assumed)) => {
                if let Some(warning) = assumed {
                    self.notes.warn(warning);
                }
                Target::Url(url)
            }
            Err(warning) => {
                self.notes.warn(warning);
                Target::Bad
            }
        })
    }

    /// An address behind at most a few words: "the alerts webhook at URL".
    pub(super) fn target_after(&mut self, words_max: usize) -> Option<Target> {
        if let Some(target) = self.target() {
            return Some(target);
        }
        let mut ahead = 0;
        while ahead <= words_max {
            let token = self.c.peek_at(ahead)?;
            match &token.kind {
                Kind::Url(_) | Kind::Domain(_) => {
                    for _ in 0..ahead {
                        self.c.take();
                    }
                    return self.target();
                }
                Kind::Word => {
                    let word = token.text.as_str();
                    let joins = matches!(
                        word,
                        "and" | "then" | "if" | "when" | "unless" | "or" | "saying" | "for" | "otherwise"
                    );
                    if joins {
                        return None;
                    }
                }
                Kind::Colon | Kind::Open => {}
                _ => return None,
            }
            ahead += 1;
        }
        None
    }

    /// More addresses for the same step: "A, B and C".
    pub(super) fn more_targets(&mut self) -> Vec<Target> {
        let mut targets = Vec::new();
        loop {
            let mut ahead = 0;
            while self.c.peek_at(ahead).is_some_and(|token| {
                token.kind == Kind::Comma
                    || (token.kind == Kind::Word
                        && matches!(token.text.as_str(), "and" | "to" | "also" | "then" | "from"))
            }) {
                ahead += 1;
            }
            let address = self
                .c
                .peek_at(ahead)
                .is_some_and(|token| matches!(token.kind, Kind::Url(_) | Kind::Domain(_)));
            if ahead == 0 || ahead > 3 || !address {
                return targets;
            }
            for _ in 0..ahead {
                self.c.skip();
            }
            targets.extend(self.target());
        }
    }

    /// "fetch the orders from URL". `verb` is the stem.
    pub(super) fn get(&mut self, list: &mut Vec<Step>, verb: &str, method: Option<&'static str>) -> bool {
        let start = self.c.at();
        self.c.take();
        self.c.eat(&["up", "out", "down", "in", "me", "us", "back", "over"]);
        let mut method = method.unwrap_or("get");
        let result = self.noun(&mut method);
        if method == "get" && self.reads_unreadable(&result) {
            self.take_rest();
            let words = self.c.quote(start..self.c.at());
            if result.iter().any(|word| word.starts_with("approv")) {
                self.warn_approval(&words);
                self.gate(list, start);
            } else {
                self.notes
                    .warn(format!("reading mail (\"{words}\") is not available yet; the step is left out"));
                self.gap(list, result, start);
            }
            return true;
        }
        // "fetch the orders with a total over 100 from URL".
        let filter =
            self.c.attempt(|c| predicate::relative(c).filter(|_| matches!(c.word(), Some("from" | "at"))));
        self.c.eat(FROM);
        let Some(target) = self.target_after(4) else {
            // "from the billing system": words in the place of an address.
            self.take_rest();
            let words = self.c.quote(start..self.c.at());
            self.notes.ask(format!(
                "Which address should \"{words}\" use? Give its URL; the step is left out until then."
            ));
            self.gap(list, result, start);
            return true;
        };
        let targets = [vec![target], self.more_targets()].concat();
        self.calls(list, targets, start, filter, |address| Call {
            result: result.clone(),
            ..call(method, verb, address)
        });
        true
    }

    /// The noun that is read; with the method when it is "a POST request".
    fn noun(&mut self, method: &mut &'static str) -> Vec<String> {
        let mut result = Vec::new();
        let mut of = false;
        while let Some(word) = self.c.word() {
            if let Some(named) = request_method(word).filter(|_| {
                self.c.word_at(1).is_some_and(|next| matches!(next, "request" | "call" | "requests" | "to"))
            }) {
                *method = named;
                self.c.take();
                if self.c.eat(&["request", "requests", "call"]).is_none() {
                    break;
                }
                continue;
            }
            match word {
                "from" | "at" | "into" | "to" | "via" | "using" | "with" | "where" | "whose" | "that"
                | "which" | "if" | "when" | "unless" | "then" | "for" | "saying" | "as" | "on" | "in"
                | "by" | "every" | "each" | "or" | "otherwise" | "else" | "whenever" | "through"
                | "daily" | "hourly" | "not" | "and" | "until" | "once" | "twice" | "retry" | "except"
                    if !(word == "and" && self.noun_goes_on()) =>
                {
                    break;
                }
                "of" => {
                    of = true;
                    self.c.take();
                    continue;
                }
                "and" if !result.is_empty() => {
                    result.push("and".into());
                    self.c.take();
                    continue;
                }
                "and" | "the" | "a" | "an" | "all" | "any" | "my" | "our" | "your" | "its" | "their"
                | "me" | "us" | "some" => {
                    self.c.take();
                    continue;
                }
                "it" | "them" => {
                    self.c.take();
                    break;
                }
                _ => {}
            }
            if result.len() >= 6 {
                break;
            }
            // "the list of orders" is the orders.
            if of
                && result.len() == 1
                && matches!(
                    result.first().map(String::as_str),
                    Some("list" | "array" | "set" | "contents" | "content" | "copy" | "details")
                )
            {
                result.clear();
            }
            of = false;
            result.push(word.to_owned());
            self.c.take();
        }
        if result.last().is_some_and(|word| word == "and") {
            result.pop();
        }
        result
    }

    /// "users and orders from URL": the noun has a second half, and what follows is no clause.
    fn noun_goes_on(&self) -> bool {
        let mut ahead = 1;
        while ahead < 5 {
            match self.c.word_at(ahead) {
                Some("from" | "at") if ahead > 1 => {
                    return self
                        .c
                        .peek_at(ahead + 1)
                        .is_some_and(|token| matches!(token.kind, Kind::Url(_) | Kind::Domain(_)));
                }
                Some(word) if !words::opens_clause(word) => ahead += 1,
                _ => return false,
            }
        }
        false
    }

    fn reads_unreadable(&self, noun: &[String]) -> bool {
        noun.iter().any(|word| {
            matches!(
                word.as_str(),
                "approval" | "approvals" | "email" | "emails" | "e-mail" | "inbox" | "mailbox"
            )
        })
    }

    pub(super) fn target_is_next(&self) -> bool {
        matches!(self.c.kind(), Some(Kind::Url(_) | Kind::Domain(_) | Kind::Email(_)))
    }

    /// "delete URL", "delete each order at URL".
    pub(super) fn delete(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        self.c.take();
        let object = if self.target_is_next() { None } else { self.c.attempt(phrase::phrase) };
        self.c.eat(FROM);
        let Some(target) = self.target_after(4) else {
            self.take_rest();
            let words = self.c.quote(start..self.c.at());
            self.notes.ask(format!(
                "Which address should \"{words}\" call? Give its URL; the step is left out until then."
            ));
            self.gap(list, Vec::new(), start);
            return true;
        };
        let targets = [vec![target], self.more_targets()].concat();
        let mut steps = Vec::new();
        self.calls(&mut steps, targets, start, None, |address| call("delete", "delete", address));
        match object.filter(|object| object.each) {
            Some(mut items) => {
                items.each = false;
                list.push(Step {
                    kind: StepKind::Each(Each { items, tests: None, steps }),
                    places: start..self.c.at(),
                });
            }
            None => list.append(&mut steps),
        }
        true
    }

    /// Makes the calls, one an address, each with what is said behind them.
    pub(super) fn calls(
        &mut self,
        list: &mut Vec<Step>,
        targets: Vec<Target>,
        start: usize,
        filter: Option<Tests>,
        make: impl Fn(String) -> Call,
    ) {
        let mut extras = call("get", "", String::new());
        let mut filter = filter;
        let reads = targets.iter().find_map(|target| match target {
            Target::Url(url) => Some(make(url.clone())),
            Target::Bad => None,
        });
        if let Some(first) = &reads {
            extras.method = first.method;
            extras.body = first.body.clone();
            extras.verb = first.verb.clone();
        }
        while self.extra(&mut extras, &mut filter) {}
        let places = start..self.c.at();
        let mut result = Vec::new();
        for target in targets {
            match target {
                Target::Url(url) => {
                    let mut call = make(url);
                    call.method = extras.method;
                    call.headers.clone_from(&extras.headers);
                    call.query.clone_from(&extras.query);
                    call.fields.clone_from(&extras.fields);
                    call.retry = extras.retry;
                    call.timeout_ms = extras.timeout_ms;
                    call.body = extras.body.clone();
                    if !extras.result.is_empty() {
                        call.result.clone_from(&extras.result);
                    }
                    if call.method == "get" {
                        call.body = Body::None;
                    }
                    // Without content a field list is the whole body.
                    if matches!(call.body, Body::Implied) && !call.fields.is_empty() {
                        call.body = Body::None;
                    }
                    result.clone_from(&call.result);
                    list.push(Step { kind: StepKind::Call(Box::new(call)), places: places.clone() });
                }
                Target::Bad => {
                    let result =
                        reads.as_ref().map(|call| call.result.clone()).filter(|result| !result.is_empty());
                    let result = result.unwrap_or_else(|| vec!["response".into()]);
                    list.push(Step { kind: StepKind::Gap { result }, places: places.clone() });
                }
            }
        }
        if let Some(tests) = filter {
            let base = if result.is_empty() { Base::Pronoun } else { Base::Named(result) };
            let items = Phrase { base, fields: vec![], each: false, count: false, places: places.clone() };
            list.push(Step {
                kind: StepKind::Reshape(Reshape { items, change: Change::Filter(tests, true) }),
                places,
            });
        }
    }

    /// One thing said behind a call: headers, fields, a name for the result, a message, a filter.
    fn extra(&mut self, call: &mut Call, filter: &mut Option<Tests>) -> bool {
        if call.method == "get"
            && filter.is_none()
            && matches!(self.c.word(), Some("where" | "whose" | "that" | "having" | "with"))
            && let Some(tests) = self.c.attempt(|c| {
                predicate::relative(c).filter(|_| c.is_done() || !matches!(c.kind(), Some(Kind::Number(_))))
            })
        {
            *filter = Some(tests);
            return true;
        }
        if let Some(name) = self.c.attempt(|c| {
            c.eat(&["and"]);
            c.eat_any_phrase(&[
                "as",
                "called",
                "named",
                "call it",
                "name it",
                "call them",
                "save it as",
                "save them as",
                "remember it as",
                "store it as",
                "save the result as",
                "call the result",
            ])?;
            c.eat(&["the", "a"]);
            phrase::name(c).map(|(name, _)| name)
        }) {
            call.result = name;
            return true;
        }
        if matches!(call.body, Body::Text(_) | Body::Implied)
            && let Some(text) = self.saying()
        {
            call.body = Body::Text(Some(text));
            return true;
        }
        let start = self.c.at();
        let with = self.c.attempt(|c| {
            let joined = c.eat(&["and"]).is_some();
            c.eat_kind(&Kind::Comma);
            if joined && matches!(c.word(), Some("header" | "headers" | "query")) {
                return Some(());
            }
            let word = c.eat(&["with", "including", "passing", "plus", "using", "containing"])?;
            (!joined || word == "with").then_some(())
        });
        if with.is_none() {
            return false;
        }
        if self.with(call) {
            return true;
        }
        self.c.back_to(start);
        false
    }

    /// "saying 'done'", ": done", "that the site is down": the rest of the clause is the text.
    fn saying(&mut self) -> Option<String> {
        let marked = self.c.attempt(|c| {
            if c.kind() == Some(&Kind::Colon) {
                c.skip();
                return matches!(c.kind(), Some(Kind::Quoted(_))).then_some(());
            }
            c.eat(&["and"]);
            c.eat_any_phrase(&[
                "saying that",
                "saying",
                "that says",
                "which says",
                "reading",
                "with the text",
                "with the message",
                "with text",
                "with message",
                "with a message saying",
                "with the words",
                "with a message",
                "with",
                "that",
            ])
            .filter(|phrase| {
                !matches!(*phrase, "with" | "with a message" | "with message" | "with text")
                    || matches!(c.kind(), Some(Kind::Quoted(_)))
            })
            .map(|_| ())
        });
        marked?;
        if let Some(Kind::Quoted(text)) = self.c.kind() {
            self.c.take();
            return Some(text.clone());
        }
        let start = self.c.at();
        while !self.is_boundary() {
            self.c.take();
        }
        Some(self.c.quote(start..self.c.at())).filter(|text| !text.is_empty())
    }

    /// Takes the rest of the clause, for a step that is not made.
    pub(super) fn take_rest(&mut self) {
        while !self.is_boundary() {
            self.c.take();
        }
    }

    pub(super) fn warn_approval(&mut self, words: &str) {
        self.notes.warn(format!("approvals (\"{words}\") are not available yet; the step is left out, and so is what comes after it"));
    }
}

/// The address to call for what was written, with a warning if something had to be assumed; else why it can't be called.
pub(super) fn callable(text: &str) -> Result<(String, Option<String>), String> {
    let (url, assumed) = if text.contains("://") {
        (text.to_owned(), None)
    } else {
        let host = text.split(['/', ':', '?']).next().unwrap_or_default();
        let local = host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::Ipv4Addr>().is_ok();
        let url = format!("{}://{text}", if local { "http" } else { "https" });
        let warning = format!("\"{text}\" has no scheme; it is taken as {url}");
        (url, Some(warning))
    };
    let lower = url.to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Err(format!(
            "\"{text}\" can't be called: only http and https addresses can; the step is left out"
        ));
    }
    // A template's braces are no part of a real address, so its shape is checked without them.
    let plain: String = url.chars().filter(|c| !matches!(c, '{' | '}')).collect();
    match url::Url::parse(&plain) {
        Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => Err(format!(
            "\"{text}\" holds a user name or a password: credentials belong in a secret; the step is left out"
        )),
        Ok(parsed) if parsed.has_host() => Ok((url, assumed)),
        _ => Err(format!("\"{text}\" is not a valid address; the step is left out")),
    }
}

pub(super) fn call(method: &'static str, verb: &str, address: String) -> Call {
    Call {
        method,
        verb: verb.to_owned(),
        address,
        result: Vec::new(),
        body: Body::None,
        headers: Vec::new(),
        query: Vec::new(),
        fields: Vec::new(),
        retry: None,
        timeout_ms: None,
        on_error: None,
        attached: Vec::new(),
    }
}

pub(super) fn request_method(word: &str) -> Option<&'static str> {
    ["get", "post", "put", "patch", "delete", "head"].into_iter().find(|method| *method == word)
}

/// A value in a field or a header.
pub(super) fn operand(c: &mut Cursor<'_>) -> Option<Operand> {
    let token = c.peek()?;
    let operand = match &token.kind {
        Kind::Number(number) => Operand::Number(number.clone()),
        Kind::Quoted(text) => Operand::Text(text.clone()),
        Kind::Json(value) => Operand::Json(value.clone()),
        Kind::Url(_)
        | Kind::Domain(_)
        | Kind::Email(_)
        | Kind::Time(_)
        | Kind::Span(_)
        | Kind::Ordinal(_) => Operand::Text(c.quote(c.at()..c.at() + 1)),
        Kind::Word => {
            let word = token.text.as_str();
            match word {
                "true" => Operand::Json(true.into()),
                "false" => Operand::Json(false.into()),
                "null" => Operand::Json(serde_json::Value::Null),
                "the" | "its" | "their" | "it" | "them" => {
                    return c.attempt(phrase::one).map(Operand::Phrase);
                }
                _ if words::is_function_word(word) => return None,
                _ => Operand::Text(c.quote(c.at()..c.at() + 1)),
            }
        }
        _ => return None,
    };
    c.take();
    Some(operand)
}
