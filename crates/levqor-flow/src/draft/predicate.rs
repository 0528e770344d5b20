//! The grammar of what is tested of one thing: "total over 100", "status is open or pending", "has no e-mail".

use serde_json::Number;

use super::{
    cursor::Cursor,
    form::{Comparison, Literal, Path, Test, Tests},
    lexer::Kind,
    phrase, words,
};

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
        if matches!(opening, "that are" | "that is") || (opening == "with" && is_option(c)) {
            return None;
        }
        tests(c)
    })
}

/// "with a timeout of …", "with a limit of 10": about how the call is made, not about what it gives.
fn is_option(c: &Cursor<'_>) -> bool {
    const OPTIONS: &[&str] = &[
        "timeout",
        "time-out",
        "retry",
        "retries",
        "backoff",
        "back-off",
        "delay",
        "header",
        "headers",
        "query",
        "parameter",
        "parameters",
        "param",
        "params",
        "body",
        "payload",
        "method",
        "cache",
        "caching",
        "redirects",
        "attempts",
        "token",
        "password",
        "credentials",
        "authentication",
        "authorization",
    ];
    // "a maximum timeout of", "a limit of 10"; a limit over 10 is a field.
    let from = (0..2).take_while(|ahead| matches!(c.word_at(*ahead), Some("a" | "an" | "the"))).count();
    (from..from + 3)
        .take_while(|ahead| {
            c.word_at(*ahead).is_some_and(|word| !matches!(word, "of" | "is" | "over" | "and" | "or"))
        })
        .any(|ahead| c.word_at(ahead).is_some_and(|word| OPTIONS.contains(&word)))
        || (matches!(c.word_at(from), Some("limit" | "offset" | "page")) && c.word_at(from + 1) == Some("of"))
}

/// "quantity 0": a field and its value with nothing between.
pub(super) fn value_test(c: &mut Cursor<'_>) -> Option<Tests> {
    c.attempt(|c| {
        let field = phrase::path(c)?;
        let plain = matches!(c.kind(), Some(Kind::Number(_) | Kind::Quoted(_)))
            || matches!(c.word(), Some("true" | "false" | "null"));
        let literal = literal(c).filter(|_| plain)?;
        Some(Tests::One { field, test: Test::Compare(Comparison::Equal, literal), negated: false })
    })
}

/// Tests of one item joined by "and" and "or".
pub fn tests(c: &mut Cursor<'_>) -> Option<Tests> {
    let first = c.attempt(field_test)?;
    Some(more_tests(c, first))
}

pub(super) fn more_tests(c: &mut Cursor<'_>, first: Tests) -> Tests {
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
                        at_end(c).then_some(Tests::One {
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
                let sourced = matches!(token.text.as_str(), "from" | "in" | "at" | "of")
                    && c.peek_at(1).is_some_and(|next| matches!(next.kind, Kind::Url(_) | Kind::Domain(_)));
                sourced
                    || words::opens_clause(&token.text)
                    || matches!(token.text.as_str(), "and" | "or" | "then")
            }
            Kind::Comma | Kind::Stop | Kind::Colon | Kind::Close => true,
            _ => false,
        },
    }
}

/// "a total over 100", "status is open", "no name", "an empty name".
pub(super) fn field_test(c: &mut Cursor<'_>) -> Option<Tests> {
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

/// "is over 100", "does not contain 'x'", "> 5", "exists", and whether it was negated.
pub(super) fn operator(c: &mut Cursor<'_>) -> Option<(Test, bool)> {
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
    if bare && !at_end(c) && !matches!(c.word(), Some("please" | "also" | "just" | "i" | "we" | "you")) {
        return None;
    }
    let comparison = if negated { Comparison::NotEqual } else { Comparison::Equal };
    Some((Test::Compare(comparison, literal), false))
}

/// Dates as text compare in the right order; other texts are not compared by size.
fn is_date(text: &str) -> bool {
    text.len() >= 10 && text.as_bytes().iter().take(4).all(u8::is_ascii_digit) && text.as_bytes()[4] == b'-'
}

pub(super) fn negate(comparison: Comparison) -> Comparison {
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
