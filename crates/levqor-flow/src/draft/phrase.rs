//! The grammar of nouns: "them", "each order", "its customer's email", "the id and total of each order".

use super::{
    cursor::Cursor,
    form::{Base, Path, Phrase},
    lexer::Kind,
    words,
};

/// Articles and the like, which say nothing that the noun does not.
pub const DETERMINERS: &[&str] =
    &["the", "a", "an", "all", "my", "our", "your", "just", "only", "full", "whole", "some", "any"];

const PRONOUNS: &[&str] = &["it", "them", "that", "this", "those", "these", "they", "one"];

/// Nouns for what was last spoken of, whatever it is.
const GENERIC: &[&str] = &["result", "results", "response", "output", "answer", "reply", "outcome"];

/// No noun goes on past these.
const STOPS: &[&str] = &[
    "from",
    "to",
    "at",
    "into",
    "onto",
    "via",
    "using",
    "through",
    "with",
    "where",
    "whose",
    "that",
    "which",
    "if",
    "when",
    "unless",
    "then",
    "and",
    "or",
    "but",
    "for",
    "saying",
    "as",
    "on",
    "in",
    "by",
    "every",
    "each",
    "otherwise",
    "else",
    "of",
    "is",
    "are",
    "was",
    "were",
    "be",
    "equals",
    "has",
    "have",
    "had",
    "does",
    "do",
    "not",
    "contains",
    "contain",
    "includes",
    "exceeds",
    "starts",
    "ends",
    "exists",
    "over",
    "above",
    "below",
    "under",
    "greater",
    "less",
    "than",
    "between",
    "until",
    "after",
    "before",
    "so",
    "it",
    "them",
    "they",
    "goes",
    "drops",
    "falls",
    "rises",
    "reaches",
    "gets",
    "becomes",
    "once",
    "whenever",
    "retry",
    "fails",
    "failed",
    "succeeds",
    "returns",
    "except",
    "about",
    "because",
    "while",
    "without",
];

/// At most this many words make one name.
const NAME_WORDS_MAX: usize = 4;

/// The words of one name, as far as the next stop; a possessive ends it.
pub fn name(c: &mut Cursor<'_>) -> Option<(Vec<String>, bool)> {
    let mut name = Vec::new();
    while name.len() < NAME_WORDS_MAX {
        let Some(token) = c.peek() else { break };
        let text = match &token.kind {
            Kind::Quoted(text) if name.is_empty() && !text.is_empty() && text.len() <= 60 => text.clone(),
            Kind::Word if !STOPS.contains(&token.text.as_str()) => exact_case(c),
            _ => break,
        };
        if !name.is_empty() && begins_clause(c) {
            break;
        }
        let quoted = matches!(token.kind, Kind::Quoted(_));
        let possessive = token.possessive;
        c.take();
        name.push(text);
        if possessive || quoted {
            return Some((name, possessive));
        }
    }
    (!name.is_empty()).then_some((name, false))
}

/// Whether the word here is the verb of a next clause: "for each order post its id".
fn begins_clause(c: &Cursor<'_>) -> bool {
    let Some(word) = c.word().filter(|word| words::verb(word).is_some()) else { return false };
    // "first name to URL": a noun before its preposition.
    if words::is_noun_too(word) && matches!(c.word_at(1), Some("to" | "by")) {
        return false;
    }
    match c.peek_at(1).map(|token| &token.kind) {
        Some(Kind::Url(_) | Kind::Domain(_) | Kind::Quoted(_) | Kind::Json(_) | Kind::Email(_)) => true,
        Some(Kind::Word) => c.word_at(1).is_some_and(|word| {
            is_determiner(word)
                || matches!(
                    word,
                    "its"
                        | "their"
                        | "to"
                        | "me"
                        | "us"
                        | "this"
                        | "that"
                        | "these"
                        | "those"
                        | "by"
                        | "only"
                )
        }),
        _ => false,
    }
}

/// The word here as it was written when that looks like a member's name (dueDate, created_at), else in lower case.
pub fn exact_case(c: &Cursor<'_>) -> String {
    let Some(token) = c.peek() else { return String::new() };
    let written = c.quote(c.at()..c.at() + 1);
    let inner_capital =
        written.chars().skip(1).any(char::is_uppercase) && written.chars().any(char::is_lowercase);
    if inner_capital && !token.possessive { written } else { token.text.clone() }
}

fn determiners(c: &mut Cursor<'_>) {
    while c.eat(DETERMINERS).is_some() {}
}

/// A name with what belongs to it: "order's customer's email" gives three segments; so does `customer.email` two.
pub fn path(c: &mut Cursor<'_>) -> Option<Path> {
    determiners(c);
    // "the first total" picks one of many, which is no name; "first name" is.
    let picks = matches!(
        c.word(),
        Some("first" | "last" | "second" | "third" | "next" | "previous" | "other" | "same")
    );
    if picks && !matches!(c.word_at(1), Some("name" | "names")) {
        return None;
    }
    let mut path = Path::new();
    loop {
        // What is quoted is a name as it stands, dots and all.
        let quoted = matches!(c.kind(), Some(Kind::Quoted(_)));
        let (words, possessive) = name(c)?;
        match words.as_slice() {
            [one] if one.contains('.') && !quoted => {
                path.extend(one.split('.').map(|part| vec![part.to_owned()]))
            }
            _ => path.push(words),
        }
        if !possessive || path.len() >= 6 {
            return Some(path);
        }
    }
}

/// Words for data. None when there are none here.
pub fn phrase(c: &mut Cursor<'_>) -> Option<Phrase> {
    let start = c.at();
    let mut phrase = c.attempt(inner)?;
    phrase.places = start..c.at();
    Some(phrase)
}

/// One thing, not a list of fields: in "name the user's name and source api" the second half is another pair.
pub fn one(c: &mut Cursor<'_>) -> Option<Phrase> {
    let start = c.at();
    let mut one = c.attempt(|c| {
        if c.eat(&["its", "their"]).is_some() {
            return Some(new(Base::Pronoun, vec![path(c)?]));
        }
        if let Some(several) = c.attempt(several) {
            return Some(new(several, Vec::new()));
        }
        if c.eat(PRONOUNS).is_some() {
            return Some(new(Base::Pronoun, Vec::new()));
        }
        determiners(c);
        if c.eat(GENERIC).is_some() {
            return Some(new(Base::Pronoun, Vec::new()));
        }
        let mut segments = path(c)?.into_iter();
        let base = Base::Named(segments.next()?);
        let rest: Path = segments.collect();
        Some(new(base, if rest.is_empty() { Vec::new() } else { vec![rest] }))
    })?;
    one.places = start..c.at();
    Some(one)
}

fn new(base: Base, fields: Vec<Path>) -> Phrase {
    Phrase { base, fields, each: false, count: false, places: 0..0 }
}

fn inner(c: &mut Cursor<'_>) -> Option<Phrase> {
    if c.eat_any_phrase(&["the number of", "the count of", "how many", "the amount of"]).is_some() {
        let mut counted = inner(c)?;
        c.eat_any_phrase(&["there are", "it has", "we have"]);
        counted.count = true;
        return Some(counted);
    }
    if c.eat(&["each", "every"]).is_some() {
        let mut each = if c.eat(&["of"]).is_some() {
            inner(c)?
        } else if c.eat(&["one", "item", "element"]).is_some()
            || c.word().is_none_or(|word| STOPS.contains(&word))
        {
            new(Base::Pronoun, Vec::new())
        } else {
            noun(c)?
        };
        each.each = true;
        return Some(each);
    }
    if c.eat(&["its", "their", "his", "her"]).is_some() {
        let mut fields = vec![path(c)?];
        while let Some(more) = c.attempt(|c| {
            joint(c)?;
            c.eat(&["its", "their"]);
            field_end(c)
        }) {
            fields.push(more);
        }
        return Some(new(Base::Pronoun, fields));
    }
    if let Some(several) = c.attempt(several) {
        return Some(new(several, Vec::new()));
    }
    if let Some(matching) = c.attempt(matching) {
        return Some(matching);
    }
    if let Some(pronoun) = c.eat(PRONOUNS) {
        // "those orders", "this order" point at something that was spoken of just now.
        let pointed = matches!(pronoun, "those" | "these" | "this" | "that");
        if let Some(named) = pointed.then(|| c.attempt(noun)).flatten() {
            let plural = matches!(pronoun, "those" | "these");
            return Some(if plural && named.fields.is_empty() {
                new(Base::Selection, Vec::new())
            } else {
                named
            });
        }
        return Some(new(Base::Pronoun, Vec::new()));
    }
    c.attempt(|c| {
        determiners(c);
        if c.eat(GENERIC).is_some() && c.word() != Some("of") {
            return Some(new(Base::Pronoun, Vec::new()));
        }
        None
    })
    .or_else(|| {
        c.attempt(|c| {
            determiners(c);
            c.eat(&["input", "event", "payload"]).map(|_| new(Base::Input, Vec::new()))
        })
    })
    .or_else(|| noun(c))
}

/// "both", "both results", "the results", "all of them", "everything".
fn several(c: &mut Cursor<'_>) -> Option<Base> {
    if c.eat(&["both"]).is_some() {
        let _ = c.eat_any_phrase(&[
            "of them",
            "of these",
            "of those",
            "of the results",
            "of the responses",
            "of the answers",
        ]);
        c.eat(&["results", "responses", "answers", "replies", "outputs", "sets"]);
        return Some(Base::Both);
    }
    if c.eat_any_phrase(&["all of them", "all of it", "all of these", "all of those", "everything"]).is_some()
    {
        return Some(Base::Results);
    }
    determiners(c);
    c.eat(&["results", "responses", "answers", "replies", "outputs"])?;
    (c.word() != Some("of")).then_some(Base::Results)
}

/// "the matching orders", "the ones that match", "the matches".
fn matching(c: &mut Cursor<'_>) -> Option<Phrase> {
    c.eat(&["the", "all"]);
    c.eat(&["the"]);
    if c.eat(&["matching"]).is_some() {
        let _ = c.attempt(name);
    } else if c.eat(&["matches"]).is_none() {
        c.eat_any_phrase(&["ones that match", "ones", "items that match"])?;
    }
    Some(new(Base::Selection, Vec::new()))
}

fn joint(c: &mut Cursor<'_>) -> Option<()> {
    let comma = c.eat_kind(&Kind::Comma);
    let and = c.eat(&["and"]).is_some();
    (comma || and).then_some(())
}

/// One more field of a list of fields: a name, before whatever ends such a list, and no verb of a next clause.
fn field_end(c: &mut Cursor<'_>) -> Option<Path> {
    let word = c.word()?;
    if words::opens_clause(word) || words::verb(word).is_some_and(|_| c.word_at(1).is_some_and(is_determiner))
    {
        return None;
    }
    path(c)
}

fn is_determiner(word: &str) -> bool {
    matches!(word, "the" | "a" | "an" | "it" | "them" | "each" | "every" | "all")
}

/// A name, its fields, and what they are of.
fn noun(c: &mut Cursor<'_>) -> Option<Phrase> {
    let first = path(c)?;
    let mut fields = vec![first];
    // "the id and total of each order": the list is one of fields only when something says what they are of.
    let listed = c.attempt(|c| {
        let mut more = Vec::new();
        while let Some(field) = c.attempt(|c| {
            joint(c)?;
            field_end(c)
        }) {
            more.push(field);
            if more.len() > 20 {
                return None;
            }
        }
        let of = c.attempt(of)?;
        Some((more, of))
    });
    if let Some((more, (each, owner))) = listed {
        fields.extend(more);
        if let [one] = fields.as_slice() {
            let generic = ["list", "array", "set", "contents", "content", "copy", "rest", "details"];
            if one.len() == 1 && one[0].len() == 1 && generic.contains(&one[0][0].as_str()) {
                let mut owner = owner;
                owner.each = each;
                return Some(owner);
            }
        }
        let prefix = owner.fields.first().cloned().unwrap_or_default();
        let fields = fields.into_iter().map(|field| [prefix.clone(), field].concat()).collect();
        return Some(Phrase { each, fields, ..owner });
    }
    let mut segments = fields.pop()?.into_iter();
    let base = Base::Named(segments.next()?);
    let rest: Path = segments.collect();
    // "the user's name and email".
    let mut more = Vec::new();
    while let Some(field) = c.attempt(|c| {
        joint(c).filter(|()| !rest.is_empty() && more.len() < 20)?;
        field_end(c)
    }) {
        more.push(field);
    }
    if !more.is_empty() {
        return Some(new(base, [vec![rest], more].concat()));
    }
    Some(new(base, if rest.is_empty() { Vec::new() } else { vec![rest] }))
}

/// "of each order", "of them", "of the order's customer".
fn of(c: &mut Cursor<'_>) -> Option<(bool, Phrase)> {
    c.eat(&["of", "for", "from"]).filter(|word| *word == "of" || c.word() == Some("each"))?;
    let each = c.eat(&["each", "every"]).is_some();
    if each && c.word().is_none_or(|word| STOPS.contains(&word)) {
        return Some((true, new(Base::Pronoun, Vec::new())));
    }
    if let Some(several) = c.attempt(several) {
        return Some((each, new(several, Vec::new())));
    }
    if c.eat(PRONOUNS).is_some() {
        return Some((each, new(Base::Pronoun, Vec::new())));
    }
    let mut segments = path(c)?.into_iter();
    let base = Base::Named(segments.next()?);
    let rest: Path = segments.collect();
    Some((each, new(base, if rest.is_empty() { Vec::new() } else { vec![rest] })))
}
