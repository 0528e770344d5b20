//! The grammar of clauses by their verb: which rule reads what follows. Calls are in `call`.

use super::{
    clause::Parser,
    cursor::Cursor,
    form::{Base, Change, Operand, Path, Phrase, Reshape, Step, StepKind, Tests},
    lexer::Kind,
    phrase, predicate,
    words::{self, Verb},
};

impl Parser<'_> {
    /// Reads a clause that begins with a verb.
    pub(super) fn verb(&mut self, list: &mut Vec<Step>) -> bool {
        let Some(verb) = self.verb_here() else { return false };
        let start = self.c.at();
        let stem = stem(self.c.word().unwrap_or_default());
        let reshape = match verb {
            Verb::Get if self.is_request() => return self.ask_model_or_person(list, verb),
            Verb::Get => return self.get(list, &stem, None),
            Verb::Send(method) => return self.send(list, &stem, method),
            Verb::Request => return self.request(list),
            Verb::Delete => return self.delete(list),
            Verb::Notify => return self.notify(list),
            Verb::Email => return self.mail(list, start),
            Verb::Ai | Verb::Approve | Verb::Ask => return self.ask_model_or_person(list, verb),
            Verb::Wait => return self.wait(list),
            Verb::Stop => return self.stop(list),
            Verb::Fail => return self.fail(list),
            Verb::Set => return self.set(list),
            Verb::Save => return self.save(list),
            // Read by the rules for what hangs on the call before.
            Verb::Retry | Verb::Repeat | Verb::GiveUp => return false,
            Verb::Keep => self.c.attempt(keep),
            Verb::Remove => self.c.attempt(remove),
            Verb::Count => self.c.attempt(count),
            // "add them to URL" sends; "add up the totals" counts.
            Verb::Sum if stem == "add" && self.c.word_at(1) != Some("up") => {
                return self.send(list, "add", "post");
            }
            Verb::Sum => self.c.attempt(|c| aggregate(c, Change::Sum)),
            Verb::Average => self.c.attempt(|c| aggregate(c, Change::Average)),
            Verb::Greatest => self.c.attempt(greatest),
            Verb::Sort => self.c.attempt(sort),
            Verb::Take => self.c.attempt(take),
            Verb::Reverse => self.c.attempt(|c| {
                c.take();
                Some(Reshape { items: target(c), change: Change::Reverse })
            }),
        };
        let Some(reshape) = reshape else { return false };
        list.push(Step { kind: StepKind::Reshape(reshape), places: start..self.c.at() });
        true
    }

    /// "request approval" reads like a fetch and is none; neither is "get the manager's approval".
    fn is_request(&self) -> bool {
        (1..6).any(|ahead| {
            self.c
                .word_at(ahead)
                .is_some_and(|word| matches!(word, "approval" | "approvals" | "sign-off" | "permission"))
        })
    }

    /// "make a GET request to URL".
    fn request(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        if self.c.eat_phrase("do nothing") {
            list.push(Step { kind: StepKind::Nothing, places: start..self.c.at() });
            return true;
        }
        let method = (1..4).find_map(|ahead| {
            let method = ["get", "post", "put", "patch", "delete", "head"]
                .into_iter()
                .find(|method| self.c.word_at(ahead) == Some(method));
            method.filter(|_| {
                self.c.word_at(ahead + 1).is_some_and(|word| matches!(word, "request" | "call" | "to"))
            })
        });
        match method {
            Some("get" | "head") => self.get(list, "call", method),
            Some("delete") => self.get(list, "delete", method),
            Some(method) => self.send(list, method, method),
            None => {
                let called = (1..4).any(|ahead| {
                    self.c.word_at(ahead).is_some_and(|word| matches!(word, "request" | "call"))
                });
                called && self.get(list, "call", None)
            }
        }
    }

    fn ask_model_or_person(&mut self, list: &mut Vec<Step>, verb: Verb) -> bool {
        let start = self.c.at();
        self.c.take();
        self.take_rest();
        let words = self.c.quote(start..self.c.at());
        let lower = words.to_lowercase();
        let approval = verb == Verb::Approve
            || ["approv", "sign-off", "permission", "confirm"].iter().any(|word| lower.contains(word));
        if approval {
            self.warn_approval(&words);
            self.gate(list, start);
        } else if verb == Verb::Ask
            && !["ai", "gpt", "chatgpt", "model", "claude", "llm", "assistant"]
                .iter()
                .any(|name| lower.split(' ').any(|word| word == *name))
        {
            self.notes.warn(format!("asking someone (\"{words}\") is not available yet; the step is left out, and so is what comes after it"));
            self.gate(list, start);
        } else {
            self.notes.warn(format!("AI steps (\"{words}\") are not available yet; the step is left out"));
            let result = if lower.starts_with("summar") { "summary" } else { "answer" };
            self.gap(list, vec![result.into()], start);
        }
        true
    }

    fn wait(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        if let Some(ms) = self.c.attempt(|c| {
            c.take();
            c.eat(&["for"]);
            c.eat(&["another", "about"]).filter(|word| *word == "about");
            c.span_ms()
        }) {
            list.push(Step { kind: StepKind::Wait(ms), places: start..self.c.at() });
            return true;
        }
        let held = (1..8).any(|ahead| {
            self.c.word_at(ahead).is_some_and(|word| {
                word.starts_with("approv") || matches!(word, "confirmation" | "sign-off" | "permission")
            })
        });
        self.c.take();
        self.take_rest();
        let words = self.c.quote(start..self.c.at());
        if held {
            self.warn_approval(&words);
            self.gate(list, start);
        } else {
            self.notes.warn(format!(
                "\"{words}\" is left out: only a fixed time can be waited for, such as \"wait 5 minutes\""
            ));
            self.gap(list, Vec::new(), start);
        }
        true
    }

    fn stop(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        self.c.take();
        self.c.eat(&["here", "there"]);
        let _ = self.c.attempt(|c| {
            c.eat(&["the", "this"]);
            c.eat(&["whole", "entire"]);
            c.eat(&["workflow", "run", "everything", "flow", "automation"])
        });
        if !self.is_boundary() {
            self.c.back_to(start);
            return false;
        }
        list.push(Step { kind: StepKind::Stop, places: start..self.c.at() });
        true
    }

    fn fail(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        self.c.take();
        let _ = self.c.attempt(|c| {
            c.eat(&["the", "this", "with", "an", "a"]);
            c.eat(&["workflow", "run", "an", "error", "exception"])
        });
        let _ = self.c.attempt(|c| {
            c.eat(&["with", "saying", "called", "because", "that"]);
            c.eat(&["the", "an", "a"]);
            c.eat(&["message", "error", "text", "reason"]);
            c.eat(&["saying"]);
            matches!(c.kind(), Some(Kind::Quoted(_))).then_some(())
        });
        if self.c.kind() == Some(&Kind::Colon) {
            self.c.skip();
        }
        let text = match self.c.kind() {
            Some(Kind::Quoted(text)) => {
                self.c.take();
                text.clone()
            }
            _ => {
                let at = self.c.at();
                self.c.eat(&["with", "because", "saying"]);
                let words = self.c.at();
                self.take_rest();
                if words == self.c.at() && words > at {
                    self.c.back_to(at);
                }
                self.c.quote(words..self.c.at())
            }
        };
        list.push(Step { kind: StepKind::Fail(text), places: start..self.c.at() });
        true
    }

    /// "set status to done".
    fn set(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        let Some((name, value)) = self.c.attempt(|c| {
            c.take();
            c.eat(&["the", "a", "its"]);
            let (name, _) = phrase::name(c)?;
            c.eat(&["to", "as", "equal"]).or_else(|| c.eat_kind(&Kind::Operator("==")).then_some("="))?;
            c.eat(&["to"]);
            let value = super::call::operand(c)?;
            Some((name, value))
        }) else {
            return false;
        };
        list.push(Step { kind: StepKind::Set { name, value }, places: start..self.c.at() });
        true
    }

    /// "remember the total as grand total", "save it as orders", "remember the total".
    fn save(&mut self, list: &mut Vec<Step>) -> bool {
        let start = self.c.at();
        let Some((phrase, name)) = self.c.attempt(|c| {
            c.take();
            let phrase = phrase::phrase(c)?;
            let name = c.attempt(|c| {
                c.eat(&["as", "under", "in"])?;
                c.eat(&["the", "a"]);
                c.eat(&["name"]);
                phrase::name(c).map(|(name, _)| name)
            });
            // "save it to disk" is something else.
            if c.word().is_some_and(|word| matches!(word, "to" | "into" | "in" | "on" | "at")) {
                return None;
            }
            let name = match (name, &phrase.base, phrase.fields.first()) {
                (Some(name), ..) => name,
                (None, _, Some(field)) => field.last()?.clone(),
                (None, Base::Named(words), None) => words.clone(),
                _ => return None,
            };
            Some((phrase, name))
        }) else {
            // With an address it is a call: "save them to URL".
            let word = self.c.word().unwrap_or_default().to_owned();
            let address = (1..8).any(|ahead| {
                self.c
                    .peek_at(ahead)
                    .is_some_and(|token| matches!(token.kind, Kind::Url(_) | Kind::Domain(_)))
            });
            return address && self.send(list, &stem(&word), "post");
        };
        list.push(Step { kind: StepKind::Save { phrase, name }, places: start..self.c.at() });
        true
    }
}

/// The verb as it is written in names: fetch for fetches and fetching.
fn stem(word: &str) -> String {
    const BASES: &[&str] = &[
        "fetch", "get", "read", "download", "pull", "load", "retrieve", "query", "grab", "check", "ping",
        "poll", "call", "hit", "visit", "request", "monitor", "watch", "test", "look", "import", "collect",
        "access", "post", "send", "submit", "push", "forward", "upload", "report", "deliver", "publish",
        "add", "pass", "write", "export", "copy", "relay", "transmit", "transfer", "put", "patch", "save",
        "store", "remember",
    ];
    // The longest that it begins with, allowing for a dropped "e": "writing", "retrieves".
    let begins = |base: &&&str| {
        let stem = base.strip_suffix('e').unwrap_or(base);
        word.starts_with(stem)
    };
    BASES
        .iter()
        .filter(begins)
        .max_by_key(|base| base.len())
        .map_or_else(|| word.to_owned(), |base| (*base).to_owned())
}

fn pronoun() -> Phrase {
    Phrase { base: Base::Pronoun, fields: vec![], each: false, count: false, places: 0..0 }
}

/// What is worked on: "them", "the orders", or, when it is not said, what was last spoken of.
fn target(c: &mut Cursor<'_>) -> Phrase {
    c.attempt(|c| {
        phrase::phrase(c).filter(|phrase| phrase.fields.is_empty() && !phrase.count && !phrase.each)
    })
    .unwrap_or_else(pronoun)
}

/// "of each order", "of the orders", "in them".
fn of_target(c: &mut Cursor<'_>) -> Option<Phrase> {
    c.attempt(|c| {
        c.eat(&["of", "in", "from", "for"])?;
        let mut items = phrase::phrase(c)?;
        items.each = false;
        items.fields.is_empty().then_some(items)
    })
}

fn keep(c: &mut Cursor<'_>) -> Option<Reshape> {
    let filtering =
        words::verb(c.word()?) == Some(Verb::Keep) && matches!(c.word()?, "filter" | "filters" | "filtering");
    c.take();
    c.eat(&["out"]).is_none().then_some(())?;
    c.eat(&["only", "just"]);
    if let Some(change) = c.attempt(first_or_last) {
        let items = of_target(c).unwrap_or_else(|| target(c));
        return Some(Reshape { items, change });
    }
    // "keep only those with a total over 100", "filter the orders by status open", "keep the orders where …".
    if let Some((items, tests)) = c.attempt(|c| {
        let items = filter_target(c);
        if filtering && c.eat(&["by", "to", "on", "for"]).is_some() {
            c.eat(&["only", "those", "with", "where"]);
            return Some((items, predicate::tests(c).or_else(|| equals(c))?));
        }
        Some((items, predicate::relative(c)?))
    }) {
        return Some(Reshape { items, change: Change::Filter(tests, true) });
    }
    if filtering {
        return None;
    }
    // "keep only the name and total of each".
    let phrase = phrase::phrase(c)?;
    let fields = match (&phrase.base, phrase.fields.is_empty()) {
        (_, false) => phrase.fields.clone(),
        (Base::Named(words), true) => vec![vec![words.clone()]],
        _ => return None,
    };
    let mut fields = fields;
    while let Some(more) = c.attempt(|c| {
        let comma = c.eat_kind(&Kind::Comma);
        let and = c.eat(&["and"]).is_some();
        let opens = c.word().is_none_or(words::opens_clause);
        if (comma || and) && !opens { phrase::path(c) } else { None }
    }) {
        fields.push(more);
    }
    let items = of_target(c).unwrap_or_else(|| {
        if phrase.fields.is_empty() { pronoun() } else { Phrase { fields: vec![], each: false, ..phrase } }
    });
    Some(Reshape { items, change: Change::KeepFields(fields) })
}

/// "status open" without a verb between.
fn equals(c: &mut Cursor<'_>) -> Option<Tests> {
    c.attempt(|c| {
        let field = vec![vec![phrase::exact_case(c)]];
        c.word()?;
        c.take();
        let literal = predicate::literal(c)?;
        let test = super::form::Test::Compare(super::form::Comparison::Equal, literal);
        Some(Tests::One { field, test, negated: false })
    })
}

fn filter_target(c: &mut Cursor<'_>) -> Phrase {
    if c.eat_any_phrase(&["those", "the ones", "ones", "items", "the items", "entries"]).is_some() {
        return pronoun();
    }
    target(c)
}

fn remove(c: &mut Cursor<'_>) -> Option<Reshape> {
    let verb = c.take()?.text.clone();
    if verb.starts_with("dedup") || c.eat_any_phrase(&["duplicates", "the duplicates", "duplicate"]).is_some()
    {
        if c.word() != Some("by") {
            let items = of_target(c).unwrap_or_else(|| target(c));
            let field = by_field(c);
            return Some(Reshape { items, change: Change::Unique(field) });
        }
        return Some(Reshape { items: pronoun(), change: Change::Unique(by_field(c)) });
    }
    let items = filter_target(c);
    let tests = predicate::relative(c)?;
    Some(Reshape { items, change: Change::Filter(tests, false) })
}

fn by_field(c: &mut Cursor<'_>) -> Option<Path> {
    c.attempt(|c| {
        c.eat(&["by"])?;
        c.eat(&["their", "its"]);
        phrase::path(c)
    })
}

fn count(c: &mut Cursor<'_>) -> Option<Reshape> {
    c.take();
    c.eat_any_phrase(&["up", "how many"]);
    let items = target(c);
    c.eat_any_phrase(&["there are", "we have"]);
    Some(Reshape { items, change: Change::Count })
}

/// "sum the totals", "add up the totals of the orders", "average the price".
fn aggregate(c: &mut Cursor<'_>, change: fn(Path) -> Change) -> Option<Reshape> {
    let verb = c.take()?.text.clone();
    if verb == "add" || verb == "adds" {
        c.eat(&["up"])?;
    }
    c.eat(&["up"]);
    let phrase = phrase::phrase(c)?;
    let (items, field) = match (&phrase.base, phrase.fields.as_slice()) {
        (_, [field]) => (Phrase { fields: vec![], each: false, ..phrase.clone() }, field.clone()),
        (Base::Named(words), []) => (of_target(c).unwrap_or_else(pronoun), vec![words.clone()]),
        _ => return None,
    };
    Some(Reshape { items, change: change(one_of(field)) })
}

/// "totals" is what every item has a "total" of.
fn one_of(mut field: Path) -> Path {
    if let Some(word) = field.last_mut().and_then(|segment| segment.last_mut()) {
        *word = words::singular(word);
    }
    field
}

/// "find the highest total", "find the order with the lowest price".
fn greatest(c: &mut Cursor<'_>) -> Option<Reshape> {
    c.take();
    c.eat(&["the"]);
    let mut items = None;
    if !is_extreme(c.word()?) {
        items = Some(phrase::phrase(c)?);
        c.eat(&["with"])?;
        c.eat(&["the"]);
    }
    let extreme = c.word().filter(|word| is_extreme(word))?;
    let most = matches!(
        extreme,
        "highest" | "largest" | "biggest" | "greatest" | "maximum" | "most" | "latest" | "newest"
    );
    c.take();
    let field = phrase::path(c)?;
    let whole = items.is_some();
    let items = items.or_else(|| of_target(c)).unwrap_or_else(pronoun);
    Some(Reshape { items, change: Change::Extreme { field, most, whole } })
}

fn is_extreme(word: &str) -> bool {
    matches!(
        word,
        "highest"
            | "largest"
            | "biggest"
            | "greatest"
            | "maximum"
            | "most"
            | "lowest"
            | "smallest"
            | "minimum"
            | "least"
            | "cheapest"
            | "latest"
            | "earliest"
            | "newest"
            | "oldest"
    )
}

/// "sort them by date, newest first".
fn sort(c: &mut Cursor<'_>) -> Option<Reshape> {
    c.take();
    let items = if c.word() == Some("by") { pronoun() } else { target(c) };
    let field = by_field(c)?;
    let order = c.attempt(|c| {
        c.eat_kind(&Kind::Comma);
        c.eat_kind(&Kind::Open);
        c.eat(&["in"]);
        let order = c.eat(&[
            "descending",
            "desc",
            "ascending",
            "asc",
            "newest",
            "largest",
            "highest",
            "biggest",
            "latest",
            "oldest",
            "smallest",
            "lowest",
        ])?;
        c.eat(&["first", "order"]);
        c.eat_kind(&Kind::Close);
        Some(order)
    });
    let descending = order.is_some_and(|word| {
        matches!(word, "descending" | "desc" | "newest" | "largest" | "highest" | "biggest" | "latest")
    });
    Some(Reshape { items, change: Change::Sort { field, descending } })
}

fn first_or_last(c: &mut Cursor<'_>) -> Option<Change> {
    c.eat(&["the"]);
    c.eat(&["only"]);
    let end = c.eat(&["first", "top", "last"])?;
    let number = c.count().unwrap_or(1);
    Some(if end == "last" { Change::Last(number) } else { Change::First(number) })
}

/// "the last 3 orders".
pub(super) fn some_of(c: &mut Cursor<'_>) -> Option<Reshape> {
    let counted = c.attempt(|c| {
        let single = |c: &Cursor<'_>| {
            c.word_at(2).is_some_and(|word| !words::is_plural(word) && !matches!(word, "of" | "name"))
        };
        let one = c.word() == Some("the") && single(c);
        let change = first_or_last(c)?;
        let change = match change {
            // "the first order" is that order, not a list of it.
            Change::First(1) if one => Change::One { last: false },
            Change::Last(1) if one => Change::One { last: true },
            Change::First(1) | Change::Last(1) => return None,
            change => change,
        };
        let items = of_target(c).unwrap_or_else(|| target(c));
        Some(Reshape { items, change })
    });
    // "the orders with a total over 100".
    counted.or_else(|| {
        c.eat(&["only", "just"]);
        let items = filter_target(c);
        let tests = predicate::relative(c)?;
        Some(Reshape { items, change: Change::Filter(tests, true) })
    })
}

/// "take the first 5", "limit them to 10".
fn take(c: &mut Cursor<'_>) -> Option<Reshape> {
    let verb = c.take()?.text.clone();
    if verb.starts_with("limit") {
        let items = if c.word() == Some("to") { pronoun() } else { target(c) };
        c.eat(&["to"])?;
        let number = c.count()?;
        c.eat(&["items", "entries", "results"]);
        return Some(Reshape { items, change: Change::First(number) });
    }
    c.eat(&["only", "just"]);
    let change = first_or_last(c)?;
    let items = of_target(c).unwrap_or_else(|| target(c));
    Some(Reshape { items, change })
}

/// The texts in an operand's place are data; this is for summaries.
pub(super) fn operand_words(operand: &Operand) -> String {
    match operand {
        Operand::Number(number) => number.to_string(),
        Operand::Text(text) => text.clone(),
        Operand::Json(value) => value.to_string(),
        Operand::Phrase(_) => "…".into(),
    }
}
