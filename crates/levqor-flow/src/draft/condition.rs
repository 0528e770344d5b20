//! The grammar of conditions: "any total is over 100", "the status is not 200", "it is down", "there are more than 5 orders".

use serde_json::Number;

use super::{
    cursor::Cursor,
    form::{Base, Comparison, Condition, Literal, Path, Phrase, Quantifier, StatusTest, Test, Tests},
    lexer::Kind,
    phrase, words,
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

/// "with a total over 100", "whose status is open", "that have no name", "where total > 5": tests of the items just named.
pub fn relative(c: &mut Cursor<'_>) -> Option<Tests> {
    c.attempt(|c| {
        let opening = c.eat_any_phrase(&[
            "that have",
            "which have",
            "who have",
            "that are",
            "that is",
            "with",
            "whose",
            "where",
            "having",
            "that",
        ])?;
        if matches!(opening, "that are" | "that is") {
            return None;
        }
        tests(c)
    })
}

/// Tests of one item joined by "and" and "or".
pub fn tests(c: &mut Cursor<'_>) -> Option<Tests> {
    let first = c.attempt(field_test)?;
    Some(more_tests(c, first))
}

fn more_tests(c: &mut Cursor<'_>, first: Tests) -> Tests {
    let mut all = vec![first];
    let mut any = Vec::new();
    loop {
        let next = c.attempt(|c| {
            let joint = c.eat(&["and", "or"])?;
            let word = c.word()?;
            let refused = matches!(
                word,
                "any" | "all" | "every" | "each" | "no" | "none" | "it" | "there" | "they" | "if"
            ) || (words::opens_clause(word) && !words::is_noun_too(word));
            if refused {
                return None;
            }
            // "is open or pending": the field of the test before, another value.
            let value_only = match (joint, all.last()) {
                (
                    "or",
                    Some(Tests::One { field, test: Test::Compare(Comparison::Equal, _), negated: false }),
                ) => {
                    let field = field.clone();
                    c.attempt(|c| {
                        let literal = literal(c)?;
                        at_end(c).then(|| Tests::One {
                            field,
                            test: Test::Compare(Comparison::Equal, literal),
                            negated: false,
                        })
                    })
                }
                _ => None,
            };
            Some((joint, value_only.or_else(|| field_test(c))?))
        });
        match next {
            Some(("and", test)) => all.push(test),
            Some((_, test)) => {
                any.push(join(std::mem::replace(&mut all, vec![test])));
            }
            None => break,
        }
    }
    any.push(join(all));
    if any.len() == 1 { any.swap_remove(0) } else { Tests::Any(any) }
}

fn join(mut all: Vec<Tests>) -> Tests {
    if all.len() == 1 { all.swap_remove(0) } else { Tests::All(all) }
}

/// Whether a condition can end here.
fn at_end(c: &Cursor<'_>) -> bool {
    match c.peek() {
        None => true,
        Some(token) => match &token.kind {
            Kind::Word => {
                words::opens_clause(&token.text) || matches!(token.text.as_str(), "and" | "or" | "then")
            }
            Kind::Comma | Kind::Stop | Kind::Colon | Kind::Close => true,
            _ => false,
        },
    }
}

/// "a total over 100", "status is open", "no name", "an empty name".
fn field_test(c: &mut Cursor<'_>) -> Option<Tests> {
    if c.eat(&["no"]).is_some() {
        let field = phrase::path(c)?;
        return Some(Tests::One { field, test: Test::Missing, negated: false });
    }
    c.eat(&["its", "their"]);
    if c.eat_phrase("an empty") {
        return Some(Tests::One { field: phrase::path(c)?, test: Test::Empty, negated: false });
    }
    let field = phrase::path(c)?;
    let (test, negated) = operator(c)?;
    Some(Tests::One { field, test, negated })
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
        tests(c)
    }) {
        return Some(Condition::Test { quantifier: Quantifier::Plain, subject, tests });
    }
    let field = subject.fields.pop().unwrap_or_default();
    let (test, negated) = operator(c)?;
    let tests = more_tests(c, Tests::One { field, test, negated });
    Some(Condition::Test { quantifier: Quantifier::Plain, subject, tests })
}

/// "is over 100", "does not contain 'x'", "> 5", "exists", and whether it was negated.
fn operator(c: &mut Cursor<'_>) -> Option<(Test, bool)> {
    let copula = c.eat(&[
        "is", "are", "was", "were", "has", "have", "gets", "becomes", "goes", "drops", "falls", "rises", "be",
    ]);
    let being = copula.is_some() && c.eat(&["been"]).is_some();
    let helper = copula.is_none() && c.eat(&["does", "do", "did"]).is_some();
    let negated = (copula.is_some() || helper) && c.eat(&["not", "never"]).is_some();
    if (helper && !negated) || being {
        return None;
    }
    if c.eat(&["contains", "contain", "includes", "include", "mentions"]).is_some() {
        c.eat(&["the"]);
        c.eat(&["word", "text"]);
        return Some((Test::Contains(literal(c)?), negated));
    }
    if c.eat_any_phrase(&["starts with", "start with", "begins with", "begin with"]).is_some() {
        return Some((Test::StartsWith(text_literal(c)?), negated));
    }
    if c.eat_any_phrase(&["ends with", "end with", "ends in"]).is_some() {
        return Some((Test::EndsWith(text_literal(c)?), negated));
    }
    if c.eat(&["exists", "exist"]).is_some() {
        return Some((Test::Missing, !negated));
    }
    if c.eat(&["empty", "blank"]).is_some() {
        return Some((Test::Empty, negated));
    }
    if c.eat(&["missing", "absent", "null", "undefined", "unset"]).is_some() {
        return Some((Test::Missing, negated));
    }
    if c.eat(&["set", "present", "defined", "filled", "given"]).is_some() {
        return copula.map(|_| (Test::Missing, !negated));
    }
    if c.eat(&["between"]).is_some() {
        let from = number(c)?;
        c.eat(&["and"]).or_else(|| c.eat_kind(&Kind::Dash).then_some("-"))?;
        let to = number(c)?;
        return Some((Test::Between(from, to), negated));
    }
    // "a status of open".
    if copula.is_none() && !helper && c.eat(&["of"]).is_some() {
        return Some((Test::Compare(Comparison::Equal, literal(c)?), false));
    }
    if let Some(comparison) = comparison(c) {
        let ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let literal = literal(c)?;
        let orderable =
            matches!(literal, Literal::Number(_)) || matches!(&literal, Literal::Text(text) if is_date(text));
        return (!ordered || orderable).then_some((Test::Compare(comparison, literal), negated));
    }
    copula.filter(|word| matches!(*word, "is" | "are" | "was" | "were"))?;
    let bare = c.kind() == Some(&Kind::Word);
    let literal = literal(c)?;
    // "is not yet paid" is more than one word: half of it must not pass for the whole.
    if bare && !at_end(c) && !c.word().is_some_and(|word| words::is_function_word(word) || word == "every") {
        return None;
    }
    let comparison = if negated { Comparison::NotEqual } else { Comparison::Equal };
    Some((Test::Compare(comparison, literal), false))
}

/// Dates as text compare in the right order; other texts are not compared by size.
fn is_date(text: &str) -> bool {
    text.len() >= 10 && text.as_bytes().iter().take(4).all(u8::is_ascii_digit) && text.as_bytes()[4] == b'-'
}

fn negate(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Over => Comparison::AtMost,
        Comparison::AtLeast => Comparison::Under,
        Comparison::Under => Comparison::AtLeast,
        Comparison::AtMost => Comparison::Over,
    }
}

/// "over", "more than", "at least", "equal to", ">=" …
pub fn comparison(c: &mut Cursor<'_>) -> Option<Comparison> {
    if let Some(Kind::Operator(operator)) = c.kind() {
        let comparison = match *operator {
            ">" => Comparison::Over,
            ">=" => Comparison::AtLeast,
            "<" => Comparison::Under,
            "<=" => Comparison::AtMost,
            "!=" => Comparison::NotEqual,
            _ => Comparison::Equal,
        };
        c.take();
        return Some(comparison);
    }
    const WORDS: &[(&str, Comparison)] = &[
        ("greater than or equal to", Comparison::AtLeast),
        ("less than or equal to", Comparison::AtMost),
        ("more than or equal to", Comparison::AtLeast),
        ("greater than", Comparison::Over),
        ("higher than", Comparison::Over),
        ("larger than", Comparison::Over),
        ("bigger than", Comparison::Over),
        ("more than", Comparison::Over),
        ("later than", Comparison::Over),
        ("at least", Comparison::AtLeast),
        ("no less than", Comparison::AtLeast),
        ("less than", Comparison::Under),
        ("lower than", Comparison::Under),
        ("smaller than", Comparison::Under),
        ("fewer than", Comparison::Under),
        ("earlier than", Comparison::Under),
        ("at most", Comparison::AtMost),
        ("no more than", Comparison::AtMost),
        ("up to", Comparison::AtMost),
        ("different from", Comparison::NotEqual),
        ("equal to", Comparison::Equal),
        ("the same as", Comparison::Equal),
        ("exactly", Comparison::Equal),
        ("equals", Comparison::Equal),
        ("equal", Comparison::Equal),
        ("exceeds", Comparison::Over),
        ("exceed", Comparison::Over),
        ("reaches", Comparison::AtLeast),
        ("over", Comparison::Over),
        ("above", Comparison::Over),
        ("beyond", Comparison::Over),
        ("after", Comparison::Over),
        ("below", Comparison::Under),
        ("under", Comparison::Under),
        ("before", Comparison::Under),
    ];
    WORDS.iter().find(|(words, _)| c.eat_phrase(words)).map(|(_, comparison)| *comparison)
}

fn number(c: &mut Cursor<'_>) -> Option<Number> {
    match literal(c)? {
        Literal::Number(number) => Some(number),
        _ => None,
    }
}

fn text_literal(c: &mut Cursor<'_>) -> Option<String> {
    match literal(c)? {
        Literal::Text(text) => Some(text),
        Literal::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A value to compare with. A bare word stands for itself, as it was written.
pub fn literal(c: &mut Cursor<'_>) -> Option<Literal> {
    let token = c.peek()?;
    let literal = match &token.kind {
        Kind::Number(number) => {
            c.take();
            c.eat(&["pounds", "dollars", "euros", "gbp", "usd", "eur", "percent", "degrees"]);
            return Some(Literal::Number(number.clone()));
        }
        Kind::Quoted(text) => Literal::Text(text.clone()),
        Kind::Email(_) | Kind::Url(_) | Kind::Domain(_) => Literal::Text(c.quote(c.at()..c.at() + 1)),
        Kind::Word => match token.text.as_str() {
            "true" => Literal::Boolean(true),
            "false" => Literal::Boolean(false),
            "null" | "nothing" => Literal::Null,
            word => match words::number(word) {
                Some(number) => Literal::Number(number.into()),
                None if words::is_function_word(word) || words::opens_clause(word) => return None,
                None if matches!(word, "not" | "or" | "only" | "any" | "all" | "every" | "each" | "no") => {
                    return None;
                }
                None => Literal::Text(c.quote(c.at()..c.at() + 1)),
            },
        },
        _ => return None,
    };
    c.take();
    Some(literal)
}

/// The fields that the tests look at, for names.
pub fn fields(tests: &Tests) -> Vec<&Path> {
    match tests {
        Tests::One { field, .. } => vec![field],
        Tests::All(tests) | Tests::Any(tests) => tests.iter().flat_map(fields).collect(),
    }
}
