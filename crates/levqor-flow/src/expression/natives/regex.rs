//! Regular expressions, without backtracking: the time of a match is at most the size of the compiled
//! expression times the length of the text, and that is paid for before.
//!
//! So look-around and references back (Oniguruma's, in jq) do not exist; they are errors that say so.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use jaq_core::native::{bome, v};
use regex::{Captures, Regex, RegexBuilder};

use super::super::budget;
use super::super::value::{Entries, Error, Key, Val, ValR};
use super::text::str_of;
use super::{Native, native};

pub(super) fn natives() -> Vec<Native> {
    // Each takes the pattern and the flags.
    macro_rules! of_pattern {
        ($name:expr, $f:expr) => {
            native!($name, v(2), |mut cv| {
                let flags = cv.0.pop_var();
                let pattern = cv.0.pop_var();
                bome(Search::new(&cv.1, &pattern, &flags).and_then(|search| $f(search)))
            })
        };
    }
    vec![
        of_pattern!("test", |search: Search| Ok(Val::Bool(search.matches()))),
        of_pattern!("_matches", |search: Search| {
            let mut places = Places::default();
            Ok(search.captures().map(|found| search.details(&found, &mut places)).collect())
        }),
        of_pattern!("_captures", |search: Search| Ok(search
            .captures()
            .map(|found| search.named(&found))
            .collect())),
        of_pattern!("_parts", parts),
        of_pattern!("split", between),
    ]
}

/// The texts between the matches, and in their places the named captures of each match.
fn parts(search: Search<'_>) -> ValR {
    let mut end = 0;
    let mut parts = Vec::new();
    for found in search.captures() {
        if !budget::fits(parts.len() * size_of::<Val>()) {
            break;
        }
        if let Some(whole) = found.get(0) {
            parts.push(Val::text(&search.text[end..whole.start()]));
            parts.push(search.named(&found));
            end = whole.end();
        }
    }
    parts.push(Val::text(&search.text[end..]));
    Ok(Val::list(parts))
}

/// The texts between all matches.
fn between(mut search: Search<'_>) -> ValR {
    search.flags.global = true;
    let mut end = 0;
    let mut parts = Vec::new();
    for found in search.captures() {
        if !budget::fits(parts.len() * size_of::<Val>()) {
            break;
        }
        if let Some(whole) = found.get(0) {
            parts.push(Val::text(&search.text[end..whole.start()]));
            end = whole.end();
        }
    }
    parts.push(Val::text(&search.text[end..]));
    Ok(Val::list(parts))
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Flags {
    global: bool,
    skip_empty: bool,
    ignore_case: bool,
    extended: bool,
    dot_is_all: bool,
}

impl Flags {
    fn parse(flags: &Val) -> Result<Self, Error> {
        let mut parsed = Self::default();
        if let Val::Null = flags {
            return Ok(parsed);
        }
        for flag in str_of(flags)?.chars() {
            match flag {
                'g' => parsed.global = true,
                'n' => parsed.skip_empty = true,
                'i' => parsed.ignore_case = true,
                'x' => parsed.extended = true,
                'p' => parsed.dot_is_all = true,
                // Anchors are the text's, and matches the leftmost, anyway.
                's' | 'l' => {}
                other => {
                    return Err(Error::str(format_args!(
                        "{other:?} is not a regular expression flag (gnixspl)"
                    )));
                }
            }
        }
        Ok(parsed)
    }
}

/// A pattern on its way over a text.
struct Search<'a> {
    text: &'a str,
    compiled: Rc<Compiled>,
    flags: Flags,
}

struct Compiled {
    regex: Regex,
    /// An upper bound of its states, about.
    states: usize,
}

/// States times bytes of one search: a second or so at worst, usually a hundredth of that.
const PRODUCT_MAX: usize = 100_000_000;

/// From here on a search may take a millisecond and more.
const SLOW: usize = 500_000;

impl<'a> Search<'a> {
    fn new(val: &'a Val, pattern: &Val, flags: &Val) -> Result<Self, Error> {
        let flags = Flags::parse(flags)?;
        let text = str_of(val)?;
        let compiled = compile(str_of(pattern)?, flags)?;
        let product = compiled.states.saturating_mul(text.len());
        if product > PRODUCT_MAX {
            let (most, bytes) = (PRODUCT_MAX / compiled.states, text.len());
            return Err(Error::str(format_args!(
                "this regular expression searches texts of up to {most} bytes; this one has {bytes}"
            )));
        }
        if product > SLOW {
            budget::look_soon();
        }
        let text = if budget::work(product) { text } else { "" };
        Ok(Self { text, compiled, flags })
    }

    fn matches(&self) -> bool {
        if self.flags.skip_empty {
            self.captures().next().is_some()
        } else {
            self.compiled.regex.is_match(self.text)
        }
    }

    /// The matches, or the first one if the search is not global.
    fn captures(&self) -> impl Iterator<Item = Captures<'a>> {
        let all = self.compiled.regex.captures_iter(self.text).take_while(|_| budget::tick(1));
        let skip_empty = self.flags.skip_empty;
        let wanted =
            all.filter(move |found| !(skip_empty && found.get(0).is_some_and(|whole| whole.is_empty())));
        wanted.take(if self.flags.global { usize::MAX } else { 1 })
    }

    fn names(&self) -> impl Iterator<Item = (usize, Option<&str>)> {
        self.compiled.regex.capture_names().enumerate().skip(1)
    }

    /// An object of the named captures; null for those that took no part.
    fn named(&self, found: &Captures<'_>) -> Val {
        let mut entries = Entries::default();
        for (i, name) in self.names() {
            if let Some(name) = name {
                let part = found.get(i).map(|part| Val::text(part.as_str())).unwrap_or_default();
                entries.insert(Key::new(name), part);
            }
        }
        Val::table(entries)
    }

    /// What `match` gives: offset, length, string, captures.
    fn details(&self, found: &Captures<'_>, places: &mut Places) -> Val {
        let whole = found.get(0);
        let start = whole.map_or(0, |whole| whole.start());
        let base = places.advance(self.text, start);
        let mut entries = Entries::default();
        self.place(&mut entries, whole, start, base);
        let captures = self.names().map(|(i, name)| {
            let mut entries = Entries::default();
            self.place(&mut entries, found.get(i), start, base);
            entries.insert(Key::new("name"), name.map(Val::text).unwrap_or_default());
            Val::table(entries)
        });
        entries.insert(Key::new("captures"), captures.collect());
        Val::table(entries)
    }

    fn place(&self, entries: &mut Entries, part: Option<regex::Match<'_>>, start: usize, base: usize) {
        let (offset, length, string) = match part {
            Some(part) => (
                Val::int(base + self.text[start..part.start()].chars().count()),
                Val::int(part.as_str().chars().count()),
                Val::text(part.as_str()),
            ),
            None => (Val::float(-1.0), Val::int(0), Val::Null),
        };
        entries.insert(Key::new("offset"), offset);
        entries.insert(Key::new("length"), length);
        entries.insert(Key::new("string"), string);
    }
}

/// From places in bytes, which only grow, to places in characters.
#[derive(Default)]
struct Places {
    bytes: usize,
    characters: usize,
}

impl Places {
    fn advance(&mut self, text: &str, bytes: usize) -> usize {
        self.characters += text[self.bytes..bytes].chars().count();
        self.bytes = bytes;
        self.characters
    }
}

type Pattern = (String, Flags);

thread_local! {
    /// Patterns of this thread's evaluations. What is in it changes the time of a search, never its steps.
    static CACHE: RefCell<HashMap<Pattern, Result<Rc<Compiled>, String>>> = RefCell::default();
    /// The patterns that the running evaluation has paid for, and its number.
    static PAID: RefCell<(u64, HashSet<Pattern>)> = RefCell::default();
}

/// Patterns kept per thread, and in one evaluation.
const KEPT_MAX: usize = 16;
/// The sizes that a compiled pattern may have; the smallest that does says how much a search costs.
const SIZES: [usize; 5] = [2 * 1024, 8 * 1024, 32 * 1024, 128 * 1024, 512 * 1024];
/// What the library may use to speed a search up.
const DFA_BYTES_MAX: usize = 512 * 1024;
/// Bytes that a state takes, about.
const STATE_BYTES: usize = 32;
const PATTERN_BYTES_MAX: usize = 4096;
/// Groups of a pattern; a search keeps places for all of them, for each state.
const GROUPS_MAX: usize = 50;

fn compile(pattern: &str, flags: Flags) -> Result<Rc<Compiled>, Error> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(Error::str(format_args!(
            "a regular expression has at most {PATTERN_BYTES_MAX} bytes, this one {}",
            pattern.len()
        )));
    }
    let key = (pattern.to_owned(), Flags { global: false, skip_empty: false, ..flags });
    if !pay(&key) {
        return Err(Error::str("the evaluation is over"));
    }
    if let Some(cached) = CACHE.with_borrow(|cache| cache.get(&key).cloned()) {
        return cached.map_err(Error::str);
    }
    let compiled = build(pattern, flags).map(Rc::new);
    budget::look_soon();
    CACHE.with_borrow_mut(|cache| {
        if cache.len() >= KEPT_MAX {
            cache.clear();
        }
        cache.insert(key, compiled.clone());
    });
    compiled.map_err(Error::str)
}

fn build(pattern: &str, flags: Flags) -> Result<Compiled, String> {
    for size in SIZES {
        let built = RegexBuilder::new(pattern)
            .case_insensitive(flags.ignore_case)
            .ignore_whitespace(flags.extended)
            .dot_matches_new_line(flags.dot_is_all)
            .size_limit(size)
            .dfa_size_limit(DFA_BYTES_MAX)
            .nest_limit(64)
            .build();
        match built {
            Ok(regex) if regex.captures_len() > GROUPS_MAX => {
                return Err(format!("a regular expression has at most {GROUPS_MAX} groups"));
            }
            Ok(regex) => return Ok(Compiled { regex, states: size / STATE_BYTES }),
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(other) => {
                return Err(format!("{pattern:?} is not a regular expression here: {}", brief(&other)));
            }
        }
    }
    Err("the regular expression is too large".to_owned())
}

/// Pays for compiling a pattern once in an evaluation, whether it is in the thread's cache or not.
fn pay(pattern: &Pattern) -> bool {
    PAID.with_borrow_mut(|(evaluation, paid)| {
        if *evaluation != budget::evaluation() || paid.len() >= KEPT_MAX {
            *evaluation = budget::evaluation();
            paid.clear();
        }
        let first = paid.insert(pattern.clone());
        budget::tick(if first { 20 + 4 * pattern.0.len() as u64 } else { 1 })
    })
}

/// The last line of the library's message, which says what is wrong; the others draw where.
fn brief(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}
