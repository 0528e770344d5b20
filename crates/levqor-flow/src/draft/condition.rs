//! The grammar of conditions: "any total is over 100", "the status is not 200", "it is down", "there are more than 5 orders".

use super::{
    cursor::Cursor,
    form::{Base, Comparison, Condition, Phrase, Quantifier, StatusTest, Test, Tests},
    lexer::Kind,
    phrase,
    predicate::{comparison, field_test, more_tests, negate, operator, relative, tests, value_test},
    words,
};

/// Reads a condition with its "and" and "or"; "or" binds less.
pub fn condition(c: &mut Cursor<'_>) -> Option<Condition> {
    let mut any = vec![all(c)?];
    while let Some(next) = c.attempt(|c| {
        c.eat(&["or"])?;
        c.eat(&["if", "when"]);
        all(c)
    }) {
        any.push(next);
    }
    Some(if any.len() == 1 { any.swap_remove(0) } else { Condition::Any(any) })
}

fn all(c: &mut Cursor<'_>) -> Option<Condition> {
    let mut all = vec![c.attempt(one)?];
    while let Some(next) = c.attempt(|c| {
        c.eat(&["and"])?;
        c.eat(&["if", "when"]);
        let opens = c.word().is_some_and(|word| words::opens_clause(word) && !words::is_noun_too(word));
        if opens { None } else { one(c) }
    }) {
        all.push(next);
    }
    Some(if all.len() == 1 { all.swap_remove(0) } else { Condition::All(all) })
}

fn one(c: &mut Cursor<'_>) -> Option<Condition> {
    c.attempt(failure)
        .or_else(|| c.attempt(there_are))
        .or_else(|| c.attempt(quantified))
        .or_else(|| c.attempt(plain))
}

const FAILURES: &[&str] = &[
    "is down",
    "are down",
    "is offline",
    "is unreachable",
    "is unavailable",
    "is broken",
    "is dead",
    "is failing",
    "goes down",
    "went down",
    "has failed",
    "have failed",
    "had failed",
    "fails",
    "fail",
    "failed",
    "times out",
    "timed out",
    "errors",
    "errors out",
    "returns an error",
    "gives an error",
    "responds with an error",
    "answers with an error",
    "throws an error",
    "gets an error",
    "is not up",
    "is not ok",
    "is not online",
    "is not reachable",
    "is not available",
    "is not responding",
    "is not working",
    "does not respond",
    "does not answer",
    "does not work",
    "does not succeed",
    "does not load",
    "did not work",
    "did not succeed",
    "can not be reached",
    "is not successful",
    "was not successful",
    "is unsuccessful",
    "goes wrong",
    "breaks",
    "is not healthy",
    "is unhealthy",
    "is an error",
    "occurs",
    "happens",
    "returns errors",
];

const SUCCESSES: &[&str] = &[
    "is up",
    "is online",
    "is ok",
    "is reachable",
    "is available",
    "is responding",
    "is working",
    "is healthy",
    "is back",
    "is successful",
    "was successful",
    "succeeds",
    "succeeded",
    "works",
    "worked",
    "responds",
    "answers",
    "is fine",
];

/// What the things that can fail are called, so that "if the report is late" is no failure.
const CALLED: &[&str] = &[
    "call",
    "request",
    "fetch",
    "check",
    "post",
    "site",
    "website",
    "page",
    "server",
    "api",
    "endpoint",
    "service",
    "url",
    "download",
    "upload",
    "step",
    "shop",
    "host",
    "address",
    "app",
    "homepage",
    "webhook",
    "error",
    "response",
    "status",
    "system",
    "job",
    "run",
    "ping",
    "query",
    "delivery",
    "alert",
    "notification",
    "message",
    "get",
    "put",
    "patch",
    "delete",
    "health",
];

fn failure(c: &mut Cursor<'_>) -> Option<Condition> {
    let mut address = None;
    let mut verb = None;
    if c.eat_any_phrase(&[
        "on failure",
        "on error",
        "in case of failure",
        "in case of an error",
        "in case of error",
        "upon failure",
    ])
    .is_some()
    {
        return Some(Condition::Failed { address, verb, status: None, negated: false });
    }
    if let Some(subject) =
        c.eat(&["it", "this", "that", "they", "anything", "something", "any", "either", "one"])
    {
        c.eat_any_phrase(&["of them", "of these", "of those", "of the calls", "of the sites"]);
        verb = matches!(subject, "any" | "either" | "one" | "anything" | "something" | "they")
            .then(|| "any".to_owned());
    } else if let Some(Kind::Url(url) | Kind::Domain(url)) = c.kind() {
        address = Some(url.clone());
        c.take();
    } else {
        c.eat(&["there"]);
        while c.eat(&["the", "a", "an", "any", "my", "our"]).is_some() {}
        for _ in 0..3 {
            let Some(token) = c.peek().filter(|token| token.kind == Kind::Word && !token.possessive) else {
                break;
            };
            if is_verdict(c) {
                break;
            }
            verb = CALLED.contains(&token.text.as_str()).then(|| token.text.clone());
            c.take();
        }
        if let Some(Kind::Url(url) | Kind::Domain(url)) = c.kind() {
            address = Some(url.clone());
            c.take();
        }
        if verb.is_none() && address.is_none() {
            return None;
        }
    }
    if let Some(status) = c.attempt(|c| status(c, verb.as_deref())) {
        return Some(failed(address, verb, status));
    }
    // "the status is down" compares a value.
    if verb.as_deref() == Some("status") {
        return None;
    }
    let negated = match c.eat_any_phrase(&longest_first(FAILURES)) {
        Some(_) => false,
        None => {
            c.eat_any_phrase(&longest_first(SUCCESSES))?;
            true
        }
    };
    // A word behind the verdict makes it something else: "fails the test".
    c.eat_phrase("or times out");
    Some(Condition::Failed { address, verb, status: None, negated })
}

fn longest_first(phrases: &[&'static str]) -> Vec<&'static str> {
    let mut phrases = phrases.to_vec();
    phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
    phrases
}

fn is_verdict(c: &Cursor<'_>) -> bool {
    FAILURES.iter().chain(SUCCESSES).any(|phrase| c.sees(phrase))
        || matches!(
            c.word(),
            Some("is" | "are" | "was" | "code" | "returns" | "responds" | "answers" | "does" | "has")
        )
}

/// "… is not 200", "… returns 500", "status code is 404", "status >= 500".
fn status(c: &mut Cursor<'_>, subject: Option<&str>) -> Option<(Comparison, u64)> {
    let code = c.eat(&["code"]).is_some();
    let returned =
        c.eat_any_phrase(&["does not return", "returns", "responds with", "answers with", "gives"]);
    let (comparison, said) = match returned {
        Some(phrase) => {
            c.eat(&["a", "an", "status", "http", "the"]);
            c.eat(&["status"]);
            c.eat(&["code"]);
            let negated = phrase.starts_with("does not");
            (if negated { Comparison::NotEqual } else { Comparison::Equal }, true)
        }
        None => {
            let copula = c.eat(&["is", "was"]).is_some();
            let not = copula && c.eat(&["not"]).is_some();
            match comparison(c) {
                Some(comparison) if not => (negate(comparison), false),
                Some(comparison) => (comparison, false),
                None if copula => (if not { Comparison::NotEqual } else { Comparison::Equal }, false),
                None => return None,
            }
        }
    };
    let about_status = code || said || matches!(subject, Some("status" | "response"));
    let token = c.peek()?;
    let number = match &token.kind {
        Kind::Number(number) => number.as_u64()?,
        Kind::Word if token.text == "ok" => 200,
        _ => return None,
    };
    c.take();
    c.eat(&["error", "errors", "response", "ok", "status"]);
    (about_status && (100..600).contains(&number)).then_some((comparison, number))
}

fn failed(
    address: Option<String>,
    verb: Option<String>,
    (comparison, status): (Comparison, u64),
) -> Condition {
    let success = (200..300).contains(&status);
    let (status, negated) = match comparison {
        Comparison::Equal if success => (None, true),
        Comparison::NotEqual if success => (None, false),
        // An answer of the kind that was not asked for is a failure of another status, or none at all.
        Comparison::NotEqual => (Some(StatusTest { comparison: Comparison::Equal, status }), true),
        comparison => (Some(StatusTest { comparison, status }), false),
    };
    Condition::Failed { address, verb, status, negated }
}

/// "there are no orders", "there are more than 5 orders with a total over 100", "there is at least one".
fn there_are(c: &mut Cursor<'_>) -> Option<Condition> {
    c.eat_any_phrase(&["there is", "there are", "there were", "we have", "we get", "i have"])?;
    let not = c.eat(&["not"]).is_some();
    let (comparison, number) = match amount(c) {
        Some(amount) => amount,
        None => {
            c.eat(&["a", "an", "any", "some", "the"]);
            (Comparison::AtLeast, 1)
        }
    };
    let comparison = if not { negate(comparison) } else { comparison };
    c.eat(&["of"]);
    let items = phrase::phrase(c).unwrap_or(Phrase {
        base: Base::Pronoun,
        fields: vec![],
        each: false,
        count: false,
        places: 0..0,
    });
    if !items.fields.is_empty() || items.count {
        return None;
    }
    let tests = relative(c);
    c.eat(&["left", "there"]);
    Some(Condition::Count { items, tests, comparison, number })
}

/// "no", "more than 5", "at least one", "exactly 3".
fn amount(c: &mut Cursor<'_>) -> Option<(Comparison, u64)> {
    if c.eat(&["no", "zero"]).is_some() {
        return Some((Comparison::Equal, 0));
    }
    c.attempt(|c| {
        let comparison = match c.eat(&["exactly"]) {
            Some(_) => Comparison::Equal,
            None => comparison(c)?,
        };
        Some((comparison, c.count()?))
    })
}

fn quantified(c: &mut Cursor<'_>) -> Option<Condition> {
    let quantifier = match c.eat(&["any", "some", "all", "every", "each", "none", "no", "one"]) {
        Some("any" | "some" | "one") => Quantifier::Any,
        Some("all" | "every" | "each") => Quantifier::All,
        Some(_) => Quantifier::None,
        None => {
            let (comparison, number) = amount(c)?;
            Quantifier::Number(comparison, number)
        }
    };
    let of = c.eat(&["of"]).is_some();
    let mut subject = if of && c.eat(&["them", "those", "these", "the items"]).is_some() {
        Phrase { base: Base::Pronoun, fields: vec![], each: false, count: false, places: 0..0 }
    } else {
        phrase::phrase(c)?
    };
    let had = c.eat_any_phrase(&["do not have", "does not have", "has", "have", "with"]);
    if let Some(had) = had {
        let first = c.attempt(field_test)?;
        let tests = more_tests(c, first);
        let condition = Condition::Test { quantifier, subject, tests };
        return Some(if had.contains("not") { Condition::Not(Box::new(condition)) } else { condition });
    }
    let field =
        subject.fields.pop().filter(|_| subject.fields.is_empty() && !subject.count).unwrap_or_default();
    if !subject.fields.is_empty() {
        return None;
    }
    let (test, negated) = operator(c)?;
    let tests = more_tests(c, Tests::One { field, test, negated });
    Some(Condition::Test { quantifier, subject, tests })
}

fn plain(c: &mut Cursor<'_>) -> Option<Condition> {
    let mut subject = phrase::phrase(c)?;
    if subject.fields.len() > 1 {
        return None;
    }
    if subject.each {
        subject.each = false;
        let field = subject.fields.pop().unwrap_or_default();
        let (test, negated) = operator(c)?;
        let tests = more_tests(c, Tests::One { field, test, negated });
        return Some(Condition::Test { quantifier: Quantifier::All, subject, tests });
    }
    if c.eat_any_phrase(&["has no", "have no"]).is_some() {
        let field = phrase::path(c)?;
        let tests = Tests::One { field, test: Test::Missing, negated: false };
        return Some(Condition::Test { quantifier: Quantifier::Plain, subject, tests });
    }
    if let Some(tests) = c.attempt(|c| {
        c.eat(&["has", "have"])?;
        c.eat(&["a", "an"]);
        tests(c).or_else(|| value_test(c))
    }) {
        return Some(Condition::Test { quantifier: Quantifier::Plain, subject, tests });
    }
    let field = subject.fields.pop().unwrap_or_default();
    let (test, negated) = operator(c)?;
    let tests = more_tests(c, Tests::One { field, test, negated });
    Some(Condition::Test { quantifier: Quantifier::Plain, subject, tests })
}
