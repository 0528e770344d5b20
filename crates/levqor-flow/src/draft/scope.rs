//! What words for data mean at a place of the workflow: results by name, the item of a loop, what "them" was last.

use std::collections::BTreeMap;

use super::{
    form::{Base, Path, Phrase},
    jq, words,
};

/// A result that was given a name, kept in `$context`.
#[derive(Debug, Clone)]
pub struct Known {
    /// The member of `$context`.
    pub key: String,
    /// The noun, for references: "orders".
    pub nouns: Vec<String>,
    pub shape: Shape,
    /// Only its address gave it a name.
    pub unnamed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A response, which may be anything; its uses decide.
    Response,
    List,
    /// A number or a text that the workflow made itself.
    Scalar,
}

/// How a response is used, gathered in a first pass so that the second knows whether to make a list of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    pub any: bool,
    pub list: bool,
    pub member: bool,
}

impl Use {
    /// Made a list once, when it is fetched.
    pub fn is_list(self) -> bool {
        self.list && !self.member
    }
}

pub type Uses = BTreeMap<String, Use>;

/// The item of a loop.
#[derive(Debug, Clone)]
pub struct Item {
    pub variable: String,
    pub noun: String,
}

/// What a pronoun stands for.
#[derive(Debug, Clone)]
pub enum Spoken {
    Nothing,
    /// Position in `known`.
    Known(usize),
    /// Position in `items`.
    Item(usize),
    Input,
    /// Items that a condition picked: jq for the list, and their noun.
    Selection {
        list: String,
        noun: String,
    },
    /// What was said there is not made; the quotation.
    Gap(String),
}

#[derive(Debug, Clone)]
pub struct Scope {
    pub known: Vec<Known>,
    pub items: Vec<Item>,
    pub spoken: Spoken,
    /// Nouns of results that would exist if their step had been made, with the quotation.
    pub missing: Vec<(Vec<String>, String)>,
    /// A clause that was not understood: an unknown noun may be what it would have made.
    pub doubt: Option<String>,
    /// The noun of what the run is started with.
    pub input: Option<Vec<String>>,
    /// Keys of the results that were read one after another, which "both" can mean.
    pub reads: Vec<String>,
    /// Whether the step just before read one.
    pub reading: bool,
    /// What each result that was read is called among several: "x" for `https://api.example.com/x`.
    pub labels: BTreeMap<String, String>,
}

/// Data that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it starts: `$context.orders`, `$order`, `$workflow.input`.
    pub root: Root,
    /// Members below the root that the words' own base named.
    pub path: Path,
    /// "orders", "order".
    pub noun: String,
    /// The noun was read as a member of what was last spoken of.
    pub guessed: bool,
}

#[derive(Debug, Clone)]
pub enum Root {
    Known(usize),
    Item(usize),
    Input,
    Selection(String),
}

/// Why words mean nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nothing was fetched or named before.
    Unknown,
    /// It would come from this, which is not made.
    Gap(String),
    /// It could be one of these, or all.
    Several(String),
}

impl Scope {
    pub fn new(input: Option<Vec<String>>) -> Self {
        let spoken = if input.is_some() { Spoken::Input } else { Spoken::Nothing };
        Self {
            known: Vec::new(),
            items: Vec::new(),
            spoken,
            missing: Vec::new(),
            doubt: None,
            input,
            reads: Vec::new(),
            reading: false,
            labels: BTreeMap::new(),
        }
    }

    /// What was last spoken of.
    pub fn pronoun(&self) -> Result<Found, Lost> {
        let found =
            |root, noun: &str| Found { root, path: Path::new(), noun: noun.to_owned(), guessed: false };
        match &self.spoken {
            Spoken::Nothing => Err(Lost::Unknown),
            Spoken::Gap(words) => Err(Lost::Gap(words.clone())),
            Spoken::Known(at) => self
                .known
                .get(*at)
                .map(|known| found(Root::Known(*at), &known.nouns.join(" ")))
                .ok_or(Lost::Unknown),
            Spoken::Item(at) => {
                self.items.get(*at).map(|item| found(Root::Item(*at), &item.noun)).ok_or(Lost::Unknown)
            }
            Spoken::Input => Ok(found(Root::Input, &self.input.clone().unwrap_or_default().join(" "))),
            Spoken::Selection { list, noun } => Ok(found(Root::Selection(list.clone()), noun)),
        }
    }

    /// What the phrase is about, without its fields.
    pub fn find(&self, phrase: &Phrase) -> Result<Found, Lost> {
        match &phrase.base {
            Base::Pronoun => self.pronoun(),
            Base::Both | Base::Results => self.lone(&phrase.base),
            Base::Selection => match &self.spoken {
                Spoken::Selection { .. } => self.pronoun(),
                // "those orders" after something else is just them.
                _ => self.pronoun(),
            },
            Base::Input => {
                Ok(Found { root: Root::Input, path: Path::new(), noun: "input".into(), guessed: false })
            }
            Base::Named(words) => self.named(words),
        }
    }

    /// Another result is read.
    pub fn read(&mut self, key: &str, label: Option<String>) {
        self.labels.insert(key.to_owned(), label.unwrap_or_else(|| key.to_owned()));
        if !self.reading {
            self.reads.clear();
        }
        self.reads.push(key.to_owned());
        self.reading = true;
    }

    /// "The results" where there is only one, which is no more than "it".
    fn lone(&self, base: &Base) -> Result<Found, Lost> {
        let found = self.pronoun()?;
        let pair = found.noun.split(' ').any(|word| word == "and");
        let one = self.reads.len() < 2 && (matches!(base, Base::Results) || pair);
        let names = if self.reads.is_empty() { vec![found.noun.clone()] } else { self.reads.clone() };
        if one { Ok(found) } else { Err(Lost::Several(names.join(", "))) }
    }

    fn named(&self, words: &[String]) -> Result<Found, Lost> {
        if let Some(found) = self.known_noun(words) {
            return Ok(found);
        }
        if let Some((_, quote)) = self.missing.iter().rev().find(|(nouns, _)| same_head(nouns, words)) {
            return Err(Lost::Gap(quote.clone()));
        }
        if let Some(words) = &self.doubt {
            return Err(Lost::Gap(words.clone()));
        }
        let mut found = self.pronoun()?;
        found.path.push(words.to_vec());
        found.guessed = true;
        Ok(found)
    }

    /// An item or a result of that name; "order total" is the total of an order.
    pub fn known_noun(&self, words: &[String]) -> Option<Found> {
        let first = words.first().map(std::slice::from_ref)?;
        for (owner, rest) in [(words, &words[words.len()..]), (first, &words[1..])] {
            let path = if rest.is_empty() { Path::new() } else { vec![rest.to_vec()] };
            let found = |root, noun: String| Some(Found { root, path: path.clone(), noun, guessed: false });
            let plural = owner.last().is_some_and(|word| words::is_plural(word));
            // Inside a loop over orders, "the order" is the item and "the orders" are all of them.
            let item = self
                .items
                .iter()
                .rposition(|item| !plural && same_head(std::slice::from_ref(&item.noun), owner));
            if let Some(at) = item {
                return found(Root::Item(at), self.items[at].noun.clone());
            }
            if let Some(at) = self.known.iter().rposition(|known| same_head(&known.nouns, owner)) {
                return found(Root::Known(at), self.known[at].nouns.join(" "));
            }
            if self.input.as_ref().is_some_and(|input| same_head(input, owner)) {
                return found(Root::Input, owner.join(" "));
            }
        }
        None
    }

    /// Adds a result; a later one of the same key takes its place.
    pub fn learn(&mut self, known: Known) -> usize {
        self.known.retain(|old| old.key != known.key);
        self.known.push(known);
        let at = self.known.len() - 1;
        self.spoken = Spoken::Known(at);
        at
    }

    /// jq for the start of what was found.
    pub fn root(&self, root: &Root) -> String {
        match root {
            Root::Known(at) => {
                self.known.get(*at).map_or_else(|| "null".into(), |known| format!("$context.{}", known.key))
            }
            Root::Item(at) => {
                self.items.get(*at).map_or_else(|| "null".into(), |item| format!("${}", item.variable))
            }
            Root::Input => "$workflow.input".into(),
            Root::Selection(list) => list.clone(),
        }
    }

    pub fn known_at(&self, root: &Root) -> Option<&Known> {
        match root {
            Root::Known(at) => self.known.get(*at),
            _ => None,
        }
    }

    /// Whether it is most likely a list: made as one, or called by a plural.
    pub fn is_list(&self, found: &Found) -> bool {
        if !found.path.is_empty() {
            return false;
        }
        match &found.root {
            Root::Selection(_) => true,
            Root::Item(_) => false,
            Root::Input => {
                self.input.as_ref().and_then(|nouns| nouns.last()).is_some_and(|noun| words::is_plural(noun))
            }
            Root::Known(at) => self.known.get(*at).is_some_and(|known| match known.shape {
                Shape::List => true,
                Shape::Scalar => false,
                Shape::Response => known.nouns.last().is_some_and(|noun| words::is_plural(noun)),
            }),
        }
    }
}

/// Whether the two names have the same head: "unpaid orders", "order".
fn same_head(nouns: &[String], words: &[String]) -> bool {
    let (Some(noun), Some(word)) = (nouns.last(), words.last()) else { return false };
    let head = |word: &str| words::singular(&word.to_lowercase());
    if head(noun) != head(word) {
        return false;
    }
    // "order total" is not "the grand total": words before the head must not differ.
    words.len() <= 1
        || nouns.len() <= 1 && words.len() <= 1
        || words[..words.len() - 1].iter().all(|word| nouns.contains(word))
}

/// A key of `$context` for these words.
pub fn context_key(words: &[String]) -> String {
    let key = jq::camel(words);
    let key: String = key.chars().take(40).collect();
    let starts_well = key.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = jq::key(&key) == key;
    match (starts_well, plain) {
        (true, true) => key,
        (true, false) => format!("{key}Result"),
        _ => format!("result{key}"),
    }
}
