//! Finds things in a text: what follows a label, addresses, days, numbers. Every result is a place of the text.

use std::{ops::Range, sync::LazyLock};

use levqor_model::{Date, Timestamp};
use regex::Regex;

/// Places with a label that are looked at, in one text.
const LABELS_MAX: usize = 20;

/// A kind of text that is known by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Email,
    Uri,
    Date,
    DateTime,
}

/// What follows a label, to the end of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labelled {
    rest: Range<usize>,
    /// Behind `:` or `=`; else behind a word such as "is", which is enough for things that are known by their form.
    pub(super) strict: bool,
}

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("our own patterns are patterns"));
    };
}

pattern!(
    EMAIL,
    r"[\p{L}\p{N}][\p{L}\p{N}._%+-]*@[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?)+"
);
pattern!(URI, r#"https?://[^\s<>"'`{}|\\^\[\]]+"#);
pattern!(DATE_TIME, r"\b\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})");
pattern!(DATE_ISO, r"\b(\d{4})-(\d{2})-(\d{2})\b");
pattern!(
    DATE_DAY_FIRST,
    r"(?i)\b(\d{1,2})(?:st|nd|rd|th)?\.? (?:of )?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,? (\d{4})\b"
);
pattern!(
    DATE_MONTH_FIRST,
    r"(?i)\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})\b"
);
pattern!(NUMBER, r"^\s*(?:[A-Z]{3}\s?|[£$€¥₹]\s?)?([-−]?)(?:[£$€¥₹]\s?)?([0-9][0-9.,'’\u{a0}\u{202f}]*)");
pattern!(FLAG, r"(?i)^\s*(yes|no|true|false|on|off|y|n)\b");
// Where the value of one label ends and the next label begins, on the same line.
pattern!(NEXT_LABEL, r"(?:[,;|]|\.)\s+[\p{L}][\p{L}\p{N} _-]{0,40}[:=](?:\s|$)| \| |\t");

/// The words of a property's name: `invoiceNumber` and `invoice_number` are `invoice`, `number`.
pub(super) fn name_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in name.chars() {
        if !letter.is_alphanumeric() {
            before = ' ';
            continue;
        }
        let begins = !before.is_alphanumeric() || (letter.is_uppercase() && before.is_lowercase());
        if begins || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

impl Labelled {
    /// Where the text names the property, those with a colon first.
    pub(super) fn find(text: &str, name: &str, title: Option<&str>) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for words in std::iter::once(name_words(name)).chain(title.map(name_words)) {
            if words.is_empty() {
                continue;
            }
            let label = words.iter().map(|word| regex::escape(word)).collect::<Vec<_>>().join(r"[\s_-]*");
            // The name may be long, but then it is the caller's own who gets nothing.
            let Ok(pattern) = Regex::new(&format!(
                r"(?i)(?:^|[^\p{{L}}\p{{N}}]){label}[*_`]{{0,2}}(?:[ \t]*([:=])[ \t*_`]*|[ \t]+(?:is|was|are|of)[ \t]+)"
            )) else {
                continue;
            };
            for captures in pattern.captures_iter(text).take(LABELS_MAX) {
                let Some(whole) = captures.get(0) else { continue };
                let line = text[whole.end()..].find(['\n', '\r']).map_or(text.len(), |end| whole.end() + end);
                let labelled = Self { rest: whole.end()..line, strict: captures.get(1).is_some() };
                if !found.contains(&labelled) {
                    found.push(labelled);
                }
            }
        }
        found.sort_by_key(|labelled| !labelled.strict);
        found
    }

    /// The words behind the label, up to the next one; None when there are none.
    pub(super) fn words(&self, text: &str) -> Option<Range<usize>> {
        let rest = &text[self.rest.clone()];
        let end = NEXT_LABEL.find(rest).map_or(rest.len(), |next| next.start());
        trimmed(text, self.rest.start..self.rest.start + end)
    }
}

/// Without spaces, marks and quotes around it.
fn trimmed(text: &str, place: Range<usize>) -> Option<Range<usize>> {
    let marks = |letter: char| {
        letter.is_whitespace() || matches!(letter, ',' | ';' | '|' | '"' | '“' | '”' | '`' | '*')
    };
    let part = &text[place.clone()];
    let start = place.start + (part.len() - part.trim_start_matches(marks).len());
    let end = place.start + part.trim_end_matches(marks).len();
    (start < end).then_some(start..end)
}

/// The parts of a list: `red, green and blue`.
pub(super) fn parts(text: &str, place: Range<usize>) -> Vec<Range<usize>> {
    pattern!(BETWEEN, r"[,;]\s*(?:and\s+)?|\s+and\s+");
    let part = &text[place.clone()];
    let mut found = Vec::new();
    let mut begin = 0;
    for between in BETWEEN.find_iter(part) {
        found.extend(trimmed(text, place.start + begin..place.start + between.start()));
        begin = between.end();
    }
    found.extend(trimmed(text, place.start + begin..place.end));
    found
}

/// One thing of a kind: behind its label, or the only one of the text.
pub(super) fn one_of_kind(text: &str, labelled: &[Labelled], kind: Kind) -> Option<(String, Range<usize>)> {
    let all = all_of_kind(text, kind);
    for labelled in labelled {
        let end = labelled.words(text).map_or(labelled.rest.end, |words| words.end);
        let behind = all.iter().find(|(_, place)| place.start >= labelled.rest.start && place.end <= end);
        if let Some(found) = behind {
            return Some(found.clone());
        }
    }
    let (first, others) = all.split_first()?;
    others.iter().all(|(value, _)| *value == first.0).then(|| first.clone())
}

/// All things of a kind, in order.
pub(super) fn all_of_kind(text: &str, kind: Kind) -> Vec<(String, Range<usize>)> {
    let plain = |pattern: &Regex| {
        pattern.find_iter(text).map(|found| (found.as_str().to_owned(), found.range())).collect::<Vec<_>>()
    };
    match kind {
        Kind::Email => plain(&EMAIL),
        Kind::Uri => URI
            .find_iter(text)
            .filter_map(|found| {
                // What ends a sentence does not belong to the address.
                let uri = found.as_str().trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '*']);
                url::Url::parse(uri).ok().map(|_| (uri.to_owned(), found.start()..found.start() + uri.len()))
            })
            .collect(),
        Kind::DateTime => {
            let mut all = plain(&DATE_TIME);
            all.retain(|(moment, _)| moment.parse::<Timestamp>().is_ok());
            all
        }
        Kind::Date => days(text),
    }
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Days that can be read in one way only, as `2026-11-24`: numbers alone, such as 03/04/2026, are none.
fn days(text: &str) -> Vec<(String, Range<usize>)> {
    let mut found: Vec<(String, Range<usize>)> = Vec::new();
    for (pattern, [year, month, day]) in
        [(&*DATE_ISO, [1, 2, 3]), (&*DATE_DAY_FIRST, [3, 2, 1]), (&*DATE_MONTH_FIRST, [3, 1, 2])]
    {
        for captures in pattern.captures_iter(text) {
            let part = |group: usize| captures.get(group).map_or("", |part| part.as_str());
            let word = part(month).to_lowercase();
            let number =
                MONTHS.iter().position(|name| *name == word).map_or(word, |month| (month + 1).to_string());
            let day = format!("{}-{number:0>2}-{:0>2}", part(year), part(day));
            if let (Ok(_), Some(whole)) = (day.parse::<Date>(), captures.get(0)) {
                found.push((day, whole.range()));
            }
        }
    }
    found.sort_by_key(|(_, place)| place.start);
    found
}

/// A number directly behind its label, money included.
pub(super) fn number(text: &str, labelled: &[Labelled]) -> Option<(f64, Range<usize>)> {
    labelled.iter().find_map(|labelled| {
        let rest = &text[labelled.rest.clone()];
        let captures = NUMBER.captures(rest)?;
        let (sign, digits) = (captures.get(1)?, captures.get(2)?);
        let written = digits.as_str().trim_end_matches(['.', ',', '\'', '’', '\u{a0}', '\u{202f}']);
        let end = digits.start() + written.len();
        let after = &rest[end..];
        // A day, a time, a fraction, an ordinal or a part number is no number.
        let mut next = after.chars();
        let goes_on = match next.next() {
            Some('-' | '/' | ':' | '–' | '_') => next.next().is_some_and(char::is_alphanumeric),
            Some('.' | ',') => next.next().is_some_and(char::is_alphanumeric),
            // Perhaps thousands, perhaps two numbers.
            Some(' ') => next.next().is_some_and(|letter| letter.is_ascii_digit()),
            Some(letter) => letter.is_alphabetic() && !unit(after),
            None => false,
        };
        if goes_on {
            return None;
        }
        let value = value_of(written)?;
        let value = if sign.as_str().is_empty() { value } else { -value };
        let begin = if sign.as_str().is_empty() { digits.start() } else { sign.start() };
        Some((value, labelled.rest.start + begin..labelled.rest.start + end))
    })
}

/// Whether letters that follow a number at once are its unit, such as `kg`, and not the rest of a word, such as `th`.
fn unit(after: &str) -> bool {
    const UNITS: [&str; 16] =
        ["kg", "g", "km", "m", "cm", "mm", "h", "min", "s", "ms", "l", "ml", "eur", "usd", "gbp", "mb"];
    let word: String = after.chars().take_while(|letter| letter.is_alphanumeric()).collect();
    UNITS.contains(&word.to_lowercase().as_str())
}

/// What digits with separators mean. A comma before exactly three digits parts thousands; a single point is a decimal
/// point; of both, the last one begins the fraction.
fn value_of(written: &str) -> Option<f64> {
    let groups = |parts: &[&str]| {
        parts.iter().skip(1).all(|group| group.len() == 3)
            && parts.first().is_some_and(|part| (1..=3).contains(&part.len()))
    };
    let written: String = written
        .chars()
        .map(|letter| if "’\u{a0}\u{202f}".contains(letter) { '\'' } else { letter })
        .collect();
    let (points, commas) = (written.matches('.').count(), written.matches(',').count());
    let decimal = match (points, commas) {
        (0, 0) => None,
        (0, 1) => {
            let (_, after) = written.split_once(',')?;
            (after.len() != 3).then_some(',')
        }
        (1, 0) => Some('.'),
        (_, 0) | (0, _) => None,
        _ if written.rfind('.') > written.rfind(',') => Some('.'),
        _ => Some(','),
    };
    let (integer, fraction) = match decimal {
        Some(mark) => written.rsplit_once(mark)?,
        None => (written.as_str(), ""),
    };
    if !fraction.chars().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let parts: Vec<&str> = integer.split(['.', ',', '\'']).collect();
    if parts.len() > 1 && !groups(&parts) {
        return None;
    }
    format!("{}.{fraction}0", parts.concat()).parse().ok().filter(|value: &f64| value.is_finite())
}

/// Yes or no behind a label.
pub(super) fn flag(text: &str, labelled: &[Labelled]) -> Option<(bool, Range<usize>)> {
    labelled.iter().filter(|labelled| labelled.strict).find_map(|labelled| {
        let word = FLAG.captures(&text[labelled.rest.clone()])?.get(1)?;
        let flag = matches!(word.as_str().to_lowercase().as_str(), "yes" | "true" | "on" | "y");
        Some((flag, labelled.rest.start + word.start()..labelled.rest.start + word.end()))
    })
}

/// One of some words: behind the label, or the only one of them that the text says.
pub(super) fn word_of<'w>(
    text: &str,
    labelled: &[Labelled],
    words: &[&'w str],
) -> Option<(&'w str, Range<usize>)> {
    let says = |place: Range<usize>| {
        let mut said = words.iter().filter_map(|word| {
            let pattern = Regex::new(&format!(
                r"(?i)(?:^|[^\p{{L}}\p{{N}}])({})(?:$|[^\p{{L}}\p{{N}}])",
                regex::escape(word)
            ));
            let found = pattern.ok()?.captures(&text[place.clone()])?.get(1)?;
            (!word.is_empty()).then(|| (*word, place.start + found.start()..place.start + found.end()))
        });
        match (said.next(), said.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    };
    labelled.iter().filter_map(|labelled| labelled.words(text)).find_map(says).or_else(|| says(0..text.len()))
}
