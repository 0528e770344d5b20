//! How paths read and change values: `.a`, `.[0]`, `.[1:2]`, `.[]` and their updates.
//!
//! Where the library's own values differ from jq, these follow jq: null has every member and slice, indices
//! are rounded down, an array is filled up with null when an index beyond its end is set, and an update takes
//! the first result of its right side.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range as Bounds;
use jaq_core::{Exn, ValT};

use super::budget;
use super::json;
use super::number::Num;
use super::value::{Entries, Error, Key, List, Table, Val, ValR, ValX};

impl ValT for Val {
    fn from_num(text: &str) -> ValR {
        Num::parse(text).map(Self::Num).ok_or_else(|| Error::str(format_args!("{text} is not a number")))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(iter: I) -> ValR {
        let mut entries = Entries::default();
        for (key, value) in iter {
            match key {
                Self::Str(name) => entries.insert(Key(name), value),
                other => return Err(bad_name(&other)),
            };
        }
        Ok(Self::table(entries))
    }

    fn key_values(self) -> BoxIter<'static, Result<(Self, Self), Error>> {
        match self {
            Self::Arr(list) => Box::new(Each::new(list, |list, i| {
                list.items().get(i).map(|item| (Self::int(i), item.clone()))
            })),
            Self::Obj(table) => Box::new(Each::new(table, |table, i| {
                table.entries().get_index(i).map(|(key, value)| (Self::Str(key.0.clone()), value.clone()))
            })),
            other => box_once(Err(not_iterable(&other))),
        }
    }

    fn values(self) -> BoxIter<'static, ValR> {
        match self {
            Self::Arr(list) => Box::new(Each::new(list, |list, i| list.items().get(i).cloned())),
            Self::Obj(table) => Box::new(Each::new(table, |table, i| {
                table.entries().get_index(i).map(|(_, value)| value.clone())
            })),
            other => box_once(Err(not_iterable(&other))),
        }
    }

    fn index(self, index: &Self) -> ValR {
        Ok(match (&self, index) {
            (Self::Obj(table), Self::Str(name)) => table.entries().get(&***name).cloned().unwrap_or_default(),
            (Self::Arr(list), Self::Num(n)) => position(*n, list.items().len())
                .and_then(|i| list.items().get(i))
                .cloned()
                .unwrap_or_default(),
            (Self::Null, Self::Null | Self::Str(_) | Self::Num(_)) => Self::Null,
            (Self::Null | Self::Arr(_) | Self::Str(_), Self::Obj(slice)) => {
                return self.range(slice_bounds(slice));
            }
            (Self::Arr(_), Self::Arr(_)) => return super::natives::indices(&self, index),
            _ => return Err(not_indexable(&self, index)),
        })
    }

    fn range(self, range: Bounds<&Self>) -> ValR {
        match self {
            Self::Null => Ok(Self::Null),
            Self::Arr(list) => {
                let part = slice(range, list.items().len())?;
                Ok(Self::list(super::value::copy_items(&list.items()[part])))
            }
            Self::Str(text) => {
                let part = text_slice(range, &text)?;
                Ok(if budget::fits(part.len()) && budget::work(text.len()) {
                    Self::text(&text[part])
                } else {
                    Self::Null
                })
            }
            other => Err(Error::str(format_args!("{} ({other}) cannot be sliced", other.type_name()))),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a> {
        match self {
            Self::Arr(list) => {
                let mut items = Vec::new();
                for item in List::into_items(list) {
                    step()?;
                    items.extend(f(item).next().transpose()?);
                }
                Ok(Self::list(items))
            }
            Self::Obj(table) => {
                let mut entries = Entries::default();
                for (key, value) in Table::into_entries(table) {
                    step()?;
                    if let Some(value) = f(value).next().transpose()? {
                        entries.insert(key, value);
                    }
                }
                Ok(Self::table(entries))
            }
            other => opt.fail(other, |other| Exn::from(not_iterable(&other))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a> {
        step()?;
        match (self, index) {
            (Self::Obj(table), Self::Str(name)) => map_member(table, &Key(name.clone()), f),
            (Self::Null, Self::Str(name)) => match f(Self::Null).next().transpose()? {
                Some(value) => Ok(Self::table(Entries::from_iter([(Key(name.clone()), value)]))),
                None => Ok(Self::Null),
            },
            (Self::Arr(list), Self::Num(n)) => map_item(list, *n, opt, f),
            (Self::Null, Self::Num(n)) => match f(Self::Null).next().transpose()? {
                Some(value) => {
                    let Self::Arr(list) = Self::list(Vec::new()) else { return Ok(Self::Null) };
                    map_item(list, *n, opt, |_| std::iter::once(Ok(value.clone())))
                }
                None => Ok(Self::Null),
            },
            (val @ (Self::Null | Self::Arr(_) | Self::Str(_)), Self::Obj(slice)) => {
                val.map_range(slice_bounds(slice), opt, f)
            }
            (other, index) => opt.fail(other, |other| Exn::from(not_indexable(&other, index))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a>>>(
        self,
        range: Bounds<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a> {
        step()?;
        let (items, part) = match self {
            Self::Null => match f(Self::Null).next().transpose()? {
                None => return Ok(Self::Null),
                Some(Self::Arr(list)) => return Ok(Self::Arr(list)),
                Some(other) => return Err(not_a_slice(&other).into()),
            },
            Self::Arr(list) => match slice(range, list.items().len()) {
                Ok(part) => (List::into_items(list), part),
                Err(e) => return opt.fail(Self::Arr(list), |_| Exn::from(e)),
            },
            other => {
                let refuse = |other: Self| {
                    Exn::from(Error::str(format_args!(
                        "a slice of {} ({other}) cannot be changed",
                        other.type_name()
                    )))
                };
                return opt.fail(other, refuse);
            }
        };
        if budget::stopped().is_some() {
            // The items may not be all there.
            return Err(Exn::halt(0));
        }
        let mut items = items;
        let old = Self::list(super::value::copy_items(&items[part.clone()]));
        match f(old).next().transpose()? {
            None => drop(items.splice(part, [])),
            Some(Self::Arr(new)) => drop(items.splice(part, List::into_items(new))),
            Some(other) => return Err(not_a_slice(&other).into()),
        }
        budget::work(size_of_val(items.as_slice()));
        Ok(Self::list(items))
    }

    fn as_bool(&self) -> bool {
        self.is_true()
    }

    fn into_string(self) -> Self {
        match self {
            Self::Str(_) => self,
            other => json::to_text(&other).map(Self::text).unwrap_or_default(),
        }
    }
}

fn map_member<'a, I: Iterator<Item = ValX<'a>>>(
    table: Rc<Table>,
    name: &Key,
    f: impl Fn(Val) -> I,
) -> ValX<'a> {
    let mut table = Table::own(table);
    let old = table.take(name.as_str());
    match f(old).next().transpose()? {
        Some(new) => table.insert(name.clone(), new),
        None => table.remove(name.as_str()),
    }
    Ok(Val::Obj(Rc::new(table)))
}

fn map_item<'a, I: Iterator<Item = ValX<'a>>>(
    list: Rc<List>,
    n: Num,
    opt: Opt,
    f: impl Fn(Val) -> I,
) -> ValX<'a> {
    let length = list.items().len();
    if n.is_nan() {
        return opt.fail(Val::Arr(list), |_| Exn::from(Error::str("an array has no element at nan")));
    }
    let Some(index) = position(n, length) else {
        return opt.fail(Val::Arr(list), |_| Exn::from(Error::str("index is before the start of the array")));
    };
    let mut list = List::own(list);
    let old = if index < length { list.take(index) } else { Val::Null };
    match f(old).next().transpose()? {
        Some(new) => {
            list.pad(index.saturating_add(1));
            list.replace(index, new);
        }
        None => list.remove(index),
    }
    Ok(Val::Arr(Rc::new(list)))
}

/// A step, as an exception that nothing catches when there is none left.
fn step<'a>() -> Result<(), Exn<'a, Val>> {
    if budget::tick(1) { Ok(()) } else { Err(Exn::halt(0)) }
}

/// The place that an index means in an array of `length`; None before its start.
pub(super) fn position(index: Num, length: usize) -> Option<usize> {
    if index.is_nan() {
        return None;
    }
    let index = index.floor();
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

fn slice_bounds(slice: &Table) -> Bounds<&Val> {
    slice.entries().get("start")..slice.entries().get("end")
}

/// The places that a slice, as it stands in a path, means among `length`.
pub(super) fn slice_of(bounds: &Table, length: usize) -> Result<Range<usize>, Error> {
    slice(slice_bounds(bounds), length)
}

/// The places that a slice means among `length`.
fn slice(range: Bounds<&Val>, length: usize) -> Result<Range<usize>, Error> {
    let bound = |bound: Option<&Val>, default: usize, up: bool| match bound {
        None | Some(Val::Null) => Ok(default),
        Some(Val::Num(n)) => {
            let place = match n {
                Num::Float(float) if up => float.ceil() as i64,
                n => n.floor(),
            };
            let place = usize::try_from(place).unwrap_or_else(|_| {
                length.saturating_sub(usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX))
            });
            Ok(place.min(length))
        }
        Some(_) => Err(Error::str("start and end of a slice must be numbers")),
    };
    let start = bound(range.start, 0, false)?;
    let end = bound(range.end, length, true)?;
    Ok(start..end.max(start))
}

/// The bytes that a slice by characters means.
fn text_slice(range: Bounds<&Val>, text: &str) -> Result<Range<usize>, Error> {
    let characters = if text.is_ascii() { text.len() } else { text.chars().count() };
    let part = slice(range, characters)?;
    if characters == text.len() {
        return Ok(part);
    }
    let mut places = text.char_indices().map(|(place, _)| place).chain([text.len()]);
    let start = places.nth(part.start).unwrap_or(text.len());
    let end = if part.is_empty() { start } else { places.nth(part.len() - 1).unwrap_or(text.len()) };
    Ok(start..end)
}

fn not_iterable(val: &Val) -> Error {
    Error::str(format_args!("cannot iterate over {} ({val})", val.type_name()))
}

fn not_indexable(val: &Val, index: &Val) -> Error {
    match index {
        Val::Str(name) => Error::str(format_args!("cannot index {} with {:?}", val.type_name(), &***name)),
        Val::Num(_) => Error::str(format_args!("cannot index {} with number", val.type_name())),
        other => Error::str(format_args!("cannot index {} with {}", val.type_name(), other.type_name())),
    }
}

fn not_a_slice(val: &Val) -> Error {
    Error::str(format_args!("a slice can only be replaced by an array, not by {}", val.type_name()))
}

pub(super) fn bad_name(val: &Val) -> Error {
    Error::str(format_args!("object names must be strings, not {} ({val})", val.type_name()))
}

/// The children of a value one after the other, a step each. Ends early when the evaluation is over.
struct Each<O, T> {
    owner: Rc<O>,
    next: usize,
    end: usize,
    get: fn(&O, usize) -> Option<T>,
}

trait Length {
    fn length(&self) -> usize;
}

impl Length for List {
    fn length(&self) -> usize {
        self.items().len()
    }
}

impl Length for Table {
    fn length(&self) -> usize {
        self.entries().len()
    }
}

impl<O: Length, T> Each<O, T> {
    fn new(owner: Rc<O>, get: fn(&O, usize) -> Option<T>) -> Self {
        let end = owner.length();
        Self { owner, next: 0, end, get }
    }
}

impl<O, T> Iterator for Each<O, T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end || !budget::tick(1) {
            self.end = self.next;
            return None;
        }
        self.next += 1;
        (self.get)(&self.owner, self.next - 1).map(Ok)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end - self.next;
        (left, Some(left))
    }
}

impl fmt::Display for Val {
    /// The beginning of the value as JSON: for messages, not for results.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&json::excerpt(self))
    }
}

impl From<bool> for Val {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<isize> for Val {
    fn from(n: isize) -> Self {
        Self::Num(Num::Int(n as i64))
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// A slice as it stands in a path.
impl From<Bounds<Self>> for Val {
    fn from(range: Bounds<Self>) -> Self {
        let entries = [("start", range.start), ("end", range.end)];
        Self::table(
            entries.into_iter().map(|(name, bound)| (Key::new(name), bound.unwrap_or_default())).collect(),
        )
    }
}
