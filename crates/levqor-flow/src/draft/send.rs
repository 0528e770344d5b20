//! The grammar of sending: "post them to URL", "send a message to URL saying …", "notify URL", and mail, which is not made yet.

use super::{
    call::{call, request_method},
    clause::Parser,
    cursor::Cursor,
    form::{Base, Body, Call, Each, Phrase, Step, StepKind},
    lexer::Kind,
    phrase,
};

const TO: &[&str] = &["to", "into", "onto", "at", "via", "through", "on", "using", "with", "by", "in"];

impl Parser<'_> {
    /// "post them to URL", "send 'hello' to URL", "post to URL with name Ann".
    pub(super) fn send(&mut self, list: &mut Vec<Step>, verb: &str, method: &'static str) -> bool {
        let start = self.c.at();
        self.c.take();
        self.c.eat(&["me", "us", "out", "over", "off", "back"]);
        let mut method = method;
        if let Some(named) = self.c.attempt(request_noun) {
            method = named;
        }
        let mut notice = false;
        let mut body = self.c.attempt(|c| message(c, &mut notice)).map(Body::Text);
        if body.is_none() {
            body = self.literal_body();
        }
        let opens_with_target =
            matches!(self.c.word(), Some("to" | "into" | "onto")) || self.target_is_next();
        if body.is_none() && !opens_with_target {
            // "post the last 3 orders to URL" takes them first.
            if let Some(reshape) = self.c.attempt(super::verbs::some_of) {
                list.push(Step { kind: StepKind::Reshape(reshape), places: start..self.c.at() });
                body = Some(Body::Phrase(Phrase {
                    base: Base::Pronoun,
                    fields: vec![],
                    each: false,
                    count: false,
                    places: 0..0,
                }));
            }
        }
        if body.is_none() && !opens_with_target {
            body = self.c.attempt(phrase::phrase).map(Body::Phrase);
        }
        let mut body = body.unwrap_or(Body::Implied);
        if self.is_mail(start) {
            return self.mail(list, start);
        }
        self.c.eat(TO);
        if matches!(self.c.kind(), Some(Kind::Email(_))) {
            return self.mail(list, start);
        }
        let Some(target) = self.target_after(5) else {
            self.take_rest();
            let words = self.c.quote(start..self.c.at());
            if self.mentions_mail(start, self.c.at()) {
                return self.mail(list, start);
            }
            let given = ["http://", "https://"].iter().any(|scheme| words.contains(scheme));
            if given {
                self.notes.ask(format!("What exactly should \"{words}\" send? The step is left out until that is said more plainly."));
            } else {
                self.ask_target(&words);
            }
            self.gap(list, Vec::new(), start);
            return true;
        };
        let targets = [vec![target], self.more_targets()].concat();
        // "post to URL the orders", "post to URL: 'done'".
        if matches!(body, Body::Implied) {
            if self.c.kind() == Some(&Kind::Colon) {
                self.c.skip();
            }
            if let Some(literal) = self.literal_body() {
                body = literal;
            } else if let Some(phrase) = self.c.attempt(|c| {
                c.word().filter(|word| {
                    matches!(*word, "the" | "it" | "them" | "its" | "their" | "each" | "every" | "all")
                })?;
                phrase::phrase(c)
            }) {
                body = Body::Phrase(phrase);
            }
        }
        let each = match &mut body {
            Body::Phrase(phrase) if phrase.each => {
                phrase.each = false;
                let items = Phrase { fields: Vec::new(), ..phrase.clone() };
                phrase.base = Base::Pronoun;
                Some(items)
            }
            _ => None,
        };
        if method == "get" {
            body = Body::None;
        }
        let mut steps = Vec::new();
        let verb = if notice { "notify" } else { verb };
        let verb = if method == "get" { "call" } else { verb };
        self.calls(&mut steps, targets, start, None, |address| Call {
            body: body.clone(),
            ..call(method, verb, address)
        });
        match each {
            Some(items) => list.push(Step {
                kind: StepKind::Each(Each { items, tests: None, steps }),
                places: start..self.c.at(),
            }),
            None => list.append(&mut steps),
        }
        while self.and_to(list, verb, method) {}
        true
    }

    /// "… and its id to URL": the same verb again.
    fn and_to(&mut self, list: &mut Vec<Step>, verb: &str, method: &'static str) -> bool {
        let start = self.c.at();
        let object = self.c.attempt(|c| {
            c.eat_kind(&Kind::Comma);
            c.eat(&["and"])?;
            let phrase = phrase::phrase(c).filter(|phrase| !phrase.each)?;
            c.eat(&["to"])?;
            matches!(c.kind(), Some(Kind::Url(_) | Kind::Domain(_))).then_some(phrase)
        });
        let Some(object) = object else { return false };
        let Some(target) = self.target() else {
            self.c.back_to(start);
            return false;
        };
        self.calls(list, vec![target], start, None, |address| Call {
            body: Body::Phrase(object.clone()),
            ..call(method, verb, address)
        });
        true
    }

    /// A quoted text or JSON that stands where the object stands.
    fn literal_body(&mut self) -> Option<Body> {
        let body = match self.c.kind()? {
            Kind::Quoted(text) => Body::Text(Some(text.clone())),
            Kind::Json(value) => Body::Json(value.clone()),
            _ => return None,
        };
        self.c.take();
        Some(body)
    }

    fn mentions_mail(&self, start: usize, end: usize) -> bool {
        let words = self.c.quote(start..end).to_lowercase();
        words
            .split(|c: char| !c.is_alphanumeric() && c != '-' && c != '@')
            .any(|word| matches!(word, "email" | "e-mail" | "emails" | "mail"))
    }

    /// "send an e-mail …", which is not "post its email …".
    fn is_mail(&self, start: usize) -> bool {
        let words = self.c.quote(start..self.c.at()).to_lowercase();
        let mut words =
            words.split(' ').skip(1).skip_while(|word| matches!(*word, "me" | "us" | "an" | "a" | "the"));
        words.next().is_some_and(|word| matches!(word, "email" | "e-mail" | "mail"))
            && words.next() != Some("address")
    }

    /// E-mail is not a step yet.
    pub(super) fn mail(&mut self, list: &mut Vec<Step>, start: usize) -> bool {
        self.take_rest();
        let words = self.c.quote(start..self.c.at());
        self.notes.warn(format!("sending e-mail (\"{words}\") is not available yet; the step is left out"));
        list.push(Step { kind: StepKind::Gap { result: vec!["email".into()] }, places: start..self.c.at() });
        true
    }

    fn ask_target(&mut self, words: &str) {
        let lower = words.to_lowercase();
        let known = [("slack", "Slack"), ("teams", "Teams"), ("discord", "Discord")];
        let question = match known
            .iter()
            .find(|(word, _)| lower.split(|c: char| !c.is_alphanumeric()).any(|part| part == *word))
        {
            Some((_, name)) => format!(
                "Which {name} webhook address should \"{words}\" use? The step is left out until it is given."
            ),
            None => format!(
                "Which address should \"{words}\" go to? Give its URL; the step is left out until then."
            ),
        };
        self.notes.ask(question);
    }

    /// "notify URL that …", "alert the team at URL".
    pub(super) fn notify(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        self.c.take();
        if let Some(Kind::Email(_)) = self.c.kind() {
            return self.mail(list, start);
        }
        let mut text = None;
        if let Some(Kind::Quoted(quoted)) = self.c.kind() {
            text = Some(quoted.clone());
            self.c.take();
        }
        let Some(target) = self.target_after(6) else {
            self.take_rest();
            let words = self.c.quote(start..self.c.at());
            if self.mentions_mail(start, self.c.at()) || words.contains('@') {
                return self.mail(list, start);
            }
            self.ask_target(&words);
            list.push(Step {
                kind: StepKind::Gap { result: vec!["notice".into()] },
                places: start..self.c.at(),
            });
            return true;
        };
        let targets = [vec![target], self.more_targets()].concat();
        let mut body = Body::Text(text);
        if let Some(about) = self.c.attempt(|c| {
            c.eat(&["about", "of"])?;
            phrase::phrase(c)
        }) {
            body = Body::Phrase(about);
        }
        self.calls(list, targets, start, None, |address| Call {
            body: body.clone(),
            ..call("post", "notify", address)
        });
        true
    }
}

/// "a POST request".
fn request_noun(c: &mut Cursor<'_>) -> Option<&'static str> {
    c.eat(&["a", "an", "the"]);
    c.eat(&["http"]);
    let method = request_method(c.word()?)?;
    c.take();
    c.eat(&["request", "call"])?;
    Some(method)
}

/// "a message", "an alert saying …", "a Slack notification 'x'": a text for people.
fn message(c: &mut Cursor<'_>, notice: &mut bool) -> Option<Option<String>> {
    c.eat(&["a", "an", "the"]);
    c.eat(&["slack", "teams", "discord", "short", "chat", "text", "warning"]);
    c.eat(&["message", "notification", "alert", "notice", "warning", "reminder"])?;
    let marked =
        c.eat_any_phrase(&["saying that", "saying", "that says", "reading", "with the text", "with"]);
    let text = match c.kind() {
        Some(Kind::Quoted(text)) => {
            c.take();
            Some(text.clone())
        }
        _ if marked.is_some() => return None,
        _ => None,
    };
    *notice = true;
    Some(text)
}
