//! The values that expressions work on: JSON, shared, counted, and bounded in size and depth.
//!
//! Invariants, kept by the constructors here:
//! - what a value owns is charged to the running evaluation's [`budget`] and credited when it is dropped;
//! - [`Val::weight`] is the size that the value would have if nothing in it were shared. It stays within the
//!   evaluation's bytes, or the evaluation is stopped; so work on a whole value is bounded, too;
//! - [`Val::depth`] stays within [`DEPTH_MAX`], so that functions may recurse over a value;
//! - values never leave the evaluation that made them, so sharing needs no atomic counters.
//!
//! A constructor that meets a bound records it in the budget and answers any value: the evaluation is over, and
//! its answer is the bound's error.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use indexmap::IndexMap;

use super::budget::{self, Stop};
use super::number::Num;

/// How deep values may nest while an expression works on them. Results have the product's own, lower limit.
pub(super) const DEPTH_MAX: u32 = 256;

const TEXT_BYTES: usize = 40;
const LIST_BYTES: usize = 64;
const TABLE_BYTES: usize = 112;
const ITEM_BYTES: usize = 16;
const ENTRY_BYTES: usize = 56;

pub(super) type Entries = IndexMap<Key, Val>;
pub(super) type Error = jaq_core::Error<Val>;
pub(super) type ValR = jaq_core::ValR<Val>;
pub(super) type ValX<'a> = jaq_core::ValX<'a, Val>;
pub(super) type ValXs<'a> = jaq_core::ValXs<'a, Val>;

#[derive(Clone, Debug, Default)]
pub(super) enum Val {
    #[default]
    Null,
    Bool(bool),
    Num(Num),
    Str(Rc<Text>),
    Arr(Rc<List>),
    Obj(Rc<Table>),
}

#[derive(Debug)]
pub(super) struct Text {
    string: String,
}

#[derive(Debug)]
pub(super) struct List {
    items: Vec<Val>,
    charged: usize,
    weight: usize,
    depth: u32,
}

#[derive(Debug)]
pub(super) struct Table {
    entries: Entries,
    charged: usize,
    weight: usize,
    depth: u32,
}

/// The name of an object's member: a text that hashes and compares as one.
#[derive(Clone, Debug)]
pub(super) struct Key(pub(super) Rc<Text>);

impl Val {
    pub(super) fn int(n: usize) -> Self {
        Self::Num(Num::from_usize(n))
    }

    /// A result of arithmetic.
    pub(super) fn float(float: f64) -> Self {
        Self::Num(Num::from_f64(float))
    }

    /// A text. What is long is asked for with [`budget::fits`] before it is made.
    pub(super) fn text(string: impl Into<String>) -> Self {
        Self::Str(Rc::new(Text::new(string.into())))
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::Arr(Rc::new(List::new(items)))
    }

    pub(super) fn table(entries: Entries) -> Self {
        Self::Obj(Rc::new(Table::new(entries)))
    }

    /// Bytes that the value would take if nothing were shared, besides its place in its owner.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Num(_) => 0,
            Self::Str(text) => TEXT_BYTES + text.string.len(),
            Self::Arr(list) => list.weight,
            Self::Obj(table) => table.weight,
        }
    }

    /// Levels of arrays and objects: an upper bound, exact for values that were not changed in place.
    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::Arr(list) => list.depth,
            Self::Obj(table) => table.depth,
            _ => 0,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(&text.string),
            _ => None,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Num(_) => "number",
            Self::Str(_) => "string",
            Self::Arr(_) => "array",
            Self::Obj(_) => "object",
        }
    }
}

impl Text {
    fn new(string: String) -> Self {
        budget::charge(TEXT_BYTES + string.len());
        Self { string }
    }

    pub(super) fn empty() -> Self {
        Self::new(String::new())
    }

    /// Appends in place when the text is not shared, else to a copy.
    pub(super) fn append(text: Rc<Self>, more: &str) -> Rc<Self> {
        if !budget::charge(more.len()) {
            budget::credit(more.len());
            return text;
        }
        match Rc::try_unwrap(text) {
            Ok(mut text) => {
                text.string.push_str(more);
                Rc::new(text)
            }
            Err(shared) => {
                budget::credit(more.len());
                let length = shared.string.len() + more.len();
                if !budget::fits(length) || !budget::work(length) {
                    return shared;
                }
                let mut string = String::with_capacity(length);
                string.push_str(&shared.string);
                string.push_str(more);
                Rc::new(Self::new(string))
            }
        }
    }
}

impl std::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.string
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        budget::credit(TEXT_BYTES + self.string.len());
    }
}

impl List {
    fn new(items: Vec<Val>) -> Self {
        let mut list = Self { items, charged: 0, weight: 0, depth: 0 };
        list.settle();
        list
    }

    pub(super) fn items(&self) -> &[Val] {
        &self.items
    }

    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// The list itself when nobody else holds it, else a copy.
    pub(super) fn own(list: Rc<Self>) -> Self {
        Rc::try_unwrap(list).unwrap_or_else(|shared| Self::new(copy_items(&shared.items)))
    }

    /// The items, without copying when nobody else holds the list.
    pub(super) fn into_items(list: Rc<Self>) -> Vec<Val> {
        let mut list = Self::own(list);
        let items = std::mem::take(&mut list.items);
        drop(list);
        items
    }

    pub(super) fn append(list: Rc<Self>, more: &[Val]) -> Rc<Self> {
        let bytes = more.len() * ITEM_BYTES;
        if !budget::fits(bytes) || !budget::work(bytes) {
            return list;
        }
        let mut list = Self::own(list);
        for item in more {
            list.weight = list.weight.saturating_add(ITEM_BYTES + item.weight());
            list.depth = list.depth.max(item.depth() + 1);
        }
        list.items.extend_from_slice(more);
        list.charged += bytes;
        budget::charge(bytes);
        check(list.weight, list.depth);
        Rc::new(list)
    }

    /// Replaces the item at `index`, which exists.
    pub(super) fn replace(&mut self, index: usize, item: Val) {
        if let Some(place) = self.items.get_mut(index) {
            self.weight = self.weight.saturating_sub(place.weight()).saturating_add(item.weight());
            self.depth = self.depth.max(item.depth() + 1);
            *place = item;
            check(self.weight, self.depth);
        }
    }

    /// Takes the item at `index` out to be changed; [`Self::replace`] or [`Self::remove`] comes next.
    pub(super) fn take(&mut self, index: usize) -> Val {
        let item = self.items.get_mut(index).map(std::mem::take).unwrap_or_default();
        self.weight = self.weight.saturating_sub(item.weight());
        item
    }

    pub(super) fn remove(&mut self, index: usize) {
        if index < self.items.len() {
            self.items.remove(index);
            self.settle();
        }
    }

    /// Fills up with null to `length`.
    pub(super) fn pad(&mut self, length: usize) {
        let more = length.saturating_sub(self.items.len());
        let bytes = more.saturating_mul(ITEM_BYTES);
        if budget::fits(bytes) && budget::work(bytes) {
            self.items.resize(length.max(self.items.len()), Val::Null);
            self.charged += bytes;
            self.weight += bytes;
            budget::charge(bytes);
        }
    }

    /// Computes what the invariants need after the items changed at large.
    fn settle(&mut self) {
        let charged = LIST_BYTES + self.items.len() * ITEM_BYTES;
        budget::work(charged);
        budget::charge(charged);
        budget::credit(self.charged);
        self.charged = charged;
        self.weight = charged;
        self.depth = 1;
        for item in &self.items {
            self.weight = self.weight.saturating_add(item.weight());
            self.depth = self.depth.max(item.depth() + 1);
        }
        check(self.weight, self.depth);
    }
}

impl Drop for List {
    fn drop(&mut self) {
        budget::credit(self.charged);
    }
}

/// Copies items that others hold, too: the memory and the steps of it are counted.
pub(super) fn copy_items(items: &[Val]) -> Vec<Val> {
    let bytes = std::mem::size_of_val(items);
    if budget::fits(bytes) && budget::work(bytes) { items.to_vec() } else { Vec::new() }
}

impl Table {
    fn new(entries: Entries) -> Self {
        let mut table = Self { entries, charged: 0, weight: 0, depth: 0 };
        table.settle();
        table
    }

    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    pub(super) fn own(table: Rc<Self>) -> Self {
        Rc::try_unwrap(table).unwrap_or_else(|shared| {
            let bytes = shared.entries.len() * ENTRY_BYTES;
            // Rehashing costs about as much as copying ten times the bytes.
            if budget::fits(bytes) && budget::work(bytes * 10) {
                Self::new(shared.entries.clone())
            } else {
                Self::new(Entries::default())
            }
        })
    }

    pub(super) fn into_entries(table: Rc<Self>) -> Entries {
        let mut table = Self::own(table);
        let entries = std::mem::take(&mut table.entries);
        drop(table);
        entries
    }

    pub(super) fn insert(&mut self, key: Key, value: Val) {
        self.weight = self.weight.saturating_add(value.weight());
        self.depth = self.depth.max(value.depth() + 1);
        let key_weight = TEXT_BYTES + key.0.len();
        match self.entries.insert(key, value) {
            Some(old) => self.weight = self.weight.saturating_sub(old.weight()),
            None => {
                budget::charge(ENTRY_BYTES);
                self.charged += ENTRY_BYTES;
                self.weight = self.weight.saturating_add(ENTRY_BYTES + key_weight);
            }
        }
        check(self.weight, self.depth);
    }

    /// Takes the member out to be changed; [`Self::insert`] or [`Self::remove`] comes next.
    pub(super) fn take(&mut self, key: &str) -> Val {
        let value = self.entries.get_mut(key).map(std::mem::take).unwrap_or_default();
        self.weight = self.weight.saturating_sub(value.weight());
        value
    }

    pub(super) fn remove(&mut self, key: &str) {
        budget::work(self.entries.len() * ENTRY_BYTES);
        if let Some((key, old)) = self.entries.shift_remove_entry(key) {
            let bytes = ENTRY_BYTES + TEXT_BYTES + key.0.len();
            self.weight = self.weight.saturating_sub(bytes).saturating_sub(old.weight());
            budget::credit(ENTRY_BYTES);
            self.charged -= ENTRY_BYTES;
        }
    }

    fn settle(&mut self) {
        let charged = TABLE_BYTES + self.entries.len() * ENTRY_BYTES;
        budget::work(charged);
        budget::charge(charged);
        budget::credit(self.charged);
        self.charged = charged;
        self.weight = charged;
        self.depth = 1;
        for (key, value) in &self.entries {
            self.weight = self.weight.saturating_add(TEXT_BYTES + key.0.len()).saturating_add(value.weight());
            self.depth = self.depth.max(value.depth() + 1);
        }
        check(self.weight, self.depth);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        budget::credit(self.charged);
    }
}

/// Stops the evaluation whose value became too heavy or too deep.
fn check(weight: usize, depth: u32) {
    if depth > DEPTH_MAX {
        budget::stop(Stop::Nesting);
    }
    // Sharing must not hide the size: whoever walks the value pays for all of it.
    budget::allows(weight);
}

impl Key {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self(Rc::new(Text::new(name.into())))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0.string
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Key {}

/// Collects a list item by item, stopping early when the evaluation is over.
impl FromIterator<Val> for Val {
    fn from_iter<I: IntoIterator<Item = Self>>(iter: I) -> Self {
        let mut items = Vec::new();
        let mut charged = 0;
        for item in iter {
            if !budget::charge(ITEM_BYTES) {
                budget::credit(ITEM_BYTES);
                break;
            }
            charged += ITEM_BYTES;
            items.push(item);
        }
        // The list charges for its items itself.
        budget::credit(charged);
        Self::list(items)
    }
}
