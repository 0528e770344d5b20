//! A table of a TOML file, read key by key: each complaint has the file's line, the table's name, what is wrong and what to do.

use std::{cell::RefCell, collections::BTreeSet, fmt, time::Duration};

use levqor_flow::document::nearest;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// More complaints than these help nobody.
const COMPLAINTS_MAX: usize = 100;
/// What of a value is shown.
const SHOWN_CHARS: usize = 60;

/// All that is wrong with a file.
#[derive(Debug)]
pub(super) struct Complaints<'a> {
    file: &'a str,
    text: &'a str,
    found: RefCell<Vec<String>>,
}

impl<'a> Complaints<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: RefCell::default() }
    }

    pub(super) fn add(&self, offset: usize, problem: impl fmt::Display) {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut found = self.found.borrow_mut();
        if found.len() < COMPLAINTS_MAX {
            found.push(format!("{}:{line}: {problem}", self.file));
        }
    }

    pub(super) fn into_found(self) -> Vec<String> {
        self.found.into_inner()
    }

    pub(super) fn are_none(&self) -> bool {
        self.found.borrow().is_empty()
    }
}

/// One table.
pub(super) struct Row<'a, 'i> {
    complaints: &'a Complaints<'a>,
    /// How it is named in complaints.
    place: String,
    table: &'a DeTable<'i>,
    offset: usize,
    taken: RefCell<BTreeSet<&'static str>>,
}

type Cell<'a, 'i> = &'a Spanned<DeValue<'i>>;

impl<'a, 'i> Row<'a, 'i> {
    pub(super) fn new(
        complaints: &'a Complaints<'a>,
        place: String,
        table: &'a DeTable<'i>,
        offset: usize,
    ) -> Self {
        Self { complaints, place, table, offset, taken: RefCell::default() }
    }

    /// Complains of the table as a whole.
    pub(super) fn complain(&self, problem: impl fmt::Display) {
        self.complaints.add(self.offset, format_args!("{}: {problem}", self.place));
    }

    /// Complains of a key's value.
    pub(super) fn complain_of(&self, key: &str, problem: impl fmt::Display) {
        let at = self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(name, _)| name.span().start);
        self.complaints.add(at.unwrap_or(self.offset), format_args!("{}: {key} {problem}", self.place));
    }

    /// Keys that are right here, be they there or not.
    pub(super) fn know(&self, keys: &[&'static str]) {
        self.taken.borrow_mut().extend(keys);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn cell(&self, key: &'static str) -> Option<Cell<'a, 'i>> {
        self.taken.borrow_mut().insert(key);
        self.table.get(key)
    }

    /// The value in its type; another type is a complaint that says what is taken.
    fn typed<T>(
        &self,
        key: &'static str,
        takes: &str,
        read: impl Fn(&'a DeValue<'i>) -> Option<T>,
    ) -> Option<T> {
        let cell = self.cell(key)?;
        let value = read(cell.get_ref());
        if value.is_none() {
            self.complain_of(key, format_args!("is of type {}; it takes {takes}", cell.get_ref().type_str()));
        }
        value
    }

    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        self.typed(key, "a text in quotes", |value| value.as_str())
    }

    /// A text that must be there.
    pub(super) fn must_text(&self, key: &'static str, such_as: &str) -> Option<&'a str> {
        if !self.has(key) {
            self.taken.borrow_mut().insert(key);
            self.complain(format_args!("{key} is missing; write {key} = {such_as}"));
            return None;
        }
        self.text(key)
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.typed(key, "true or false", |value| value.as_bool())
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, key: &'static str, min: u64, max: u64) -> Option<u64> {
        let number = self.typed(key, "a whole number", whole)?;
        let found = u64::try_from(number).ok().filter(|number| (min..=max).contains(number));
        if found.is_none() {
            self.complain_of(key, format_args!("is {number}; give a number from {min} to {max}"));
        }
        found
    }

    /// A span such as `500ms`, within bounds.
    pub(super) fn span(&self, key: &'static str, min: Duration, max: Duration) -> Option<Duration> {
        let text = self.typed(key, "a span in quotes, such as \"30s\"", |value| value.as_str())?;
        match span(text) {
            None => {
                let shown = shown(text);
                self.complain_of(
                    key,
                    format_args!(
                        "is {shown:?}, which is no span; write a whole number with ms, s, m, h or d, such as \"30s\""
                    ),
                );
                None
            }
            Some(found) if found < min || found > max => {
                self.complain_of(
                    key,
                    format_args!("is {}; it may be from {} to {}", shown(text), written(min), written(max)),
                );
                None
            }
            found => found,
        }
    }

    /// A list of texts; a single text is a list of one.
    pub(super) fn texts(&self, key: &'static str, max: usize) -> Vec<&'a str> {
        let takes = "a list of texts";
        let found = self.typed(key, takes, |value| match value {
            DeValue::String(text) => Some(vec![text.as_ref()]),
            DeValue::Array(items) => items.iter().map(|item| item.get_ref().as_str()).collect(),
            _ => None,
        });
        let found = found.unwrap_or_default();
        if found.len() > max {
            self.complain_of(key, format_args!("has {} entries; keep to {max}", found.len()));
            return Vec::new();
        }
        found
    }

    /// A list of anything.
    pub(super) fn list(&self, key: &'static str, max: usize) -> Vec<&'a DeValue<'i>> {
        let found: Vec<_> = self
            .typed(key, "a list", |value| value.as_array())
            .map(|items| items.iter().map(Spanned::get_ref).collect())
            .unwrap_or_default();
        if found.len() > max {
            self.complain_of(key, format_args!("has {} entries; keep to {max}", found.len()));
            return Vec::new();
        }
        found
    }

    /// A table within this one.
    pub(super) fn table(&self, key: &'static str) -> Option<Row<'a, 'i>> {
        let cell = self.cell(key)?;
        match cell.get_ref().as_table() {
            Some(table) => {
                let place = format!("{}: {key}", self.place);
                Some(Row::new(self.complaints, place, table, cell.span().start))
            }
            None => {
                self.complain_of(
                    key,
                    format_args!(
                        "is of type {}; it takes a table, such as {{ a = \"b\" }}",
                        cell.get_ref().type_str()
                    ),
                );
                None
            }
        }
    }

    /// All keys with texts, as a table of the author's own words.
    pub(super) fn pairs(&self, max: usize) -> Vec<(&'a str, &'a str)> {
        if self.table.len() > max {
            self.complain(format_args!("has {} entries; keep to {max}", self.table.len()));
            return Vec::new();
        }
        let mut pairs = Vec::new();
        for (name, value) in self.table {
            match value.get_ref().as_str() {
                Some(text) => pairs.push((name.get_ref().as_ref(), text)),
                None => self.complain_of(name.get_ref(), "is no text; write it in quotes"),
            }
        }
        pairs
    }

    /// Complains of every key that nobody asked for. `of_others` are keys that would be right elsewhere, with where.
    pub(super) fn finish(&self, of_others: &[(&str, &str)]) {
        let taken = self.taken.borrow();
        for (name, _) in self.table {
            let key = name.get_ref().as_ref();
            if taken.contains(key) {
                continue;
            }
            let near = nearest(key, taken.iter().copied());
            let remedy = match (of_others.iter().find(|(other, _)| *other == key), near) {
                (Some((_, owner)), _) => format!("it belongs to {owner}; leave it out here"),
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) => {
                    let known: Vec<_> = taken.iter().copied().collect();
                    format!("known are {}", known.join(", "))
                }
            };
            let shown = shown(key);
            self.complaints
                .add(name.span().start, format_args!("{}: unknown key `{shown}`; {remedy}", self.place));
        }
    }
}

fn whole(value: &DeValue<'_>) -> Option<i128> {
    let number = value.as_integer()?;
    i128::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

/// A whole number of a list.
pub(super) fn number_of(value: &DeValue<'_>) -> Option<i128> {
    whole(value)
}

/// What of a text is shown in a complaint.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A whole number and its unit.
pub(super) fn span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*millis).map(Duration::from_millis)
}

/// As files write it.
pub(super) fn written(span: Duration) -> String {
    let millis = span.as_millis();
    let unit = UNITS.iter().rev().find(|(_, unit)| millis.is_multiple_of(u128::from(*unit)));
    let (name, unit) = unit.copied().unwrap_or(("ms", 1));
    format!("{}{name}", millis / u128::from(unit))
}
