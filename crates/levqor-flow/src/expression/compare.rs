//! Equality, order and containment of values, as jq defines them.
//!
//! The order: null, false, true, numbers, strings (by code point), arrays (item by item), objects (first their
//! sorted names as an array, then the members in that order). "Not a number" sorts below all numbers, equals
//! nothing, and is less than every number, itself included.

use std::cmp::Ordering;
use std::rc::Rc;

use super::budget;
use super::number::Num;
use super::value::{Entries, Val};

/// The total order for sorting and grouping.
pub(super) fn order(a: &Val, b: &Val) -> Ordering {
    if !budget::work(a.weight().min(b.weight())) {
        return Ordering::Equal;
    }
    order_inner(a, b)
}

/// Sorts, stable. The steps are paid before: a bound met while sorting would disturb the order under way.
pub(super) fn sort<T>(items: &mut [T], weight: usize, key: impl Fn(&T) -> &Val) {
    let rounds = items.len().max(2).ilog2() as usize;
    if budget::work(weight.saturating_mul(rounds)) {
        items.sort_by(|a, b| order_inner(key(a), key(b)));
    }
}

fn order_inner(a: &Val, b: &Val) -> Ordering {
    match (a, b) {
        (Val::Num(a), Val::Num(b)) => a.order(*b),
        (Val::Str(a), Val::Str(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Val::Arr(a), Val::Arr(b)) => order_all(a.items().iter(), b.items().iter()),
        (Val::Obj(a), Val::Obj(b)) => order_tables(a.entries(), b.entries()),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn order_all<'a>(a: impl Iterator<Item = &'a Val>, mut b: impl Iterator<Item = &'a Val>) -> Ordering {
    for x in a {
        let Some(y) = b.next() else { return Ordering::Greater };
        match order_inner(x, y) {
            Ordering::Equal => {}
            different => return different,
        }
    }
    if b.next().is_some() { Ordering::Less } else { Ordering::Equal }
}

fn order_tables(a: &Entries, b: &Entries) -> Ordering {
    let (a, b) = (sorted(a), sorted(b));
    let names = a.iter().map(|(name, _)| *name).cmp(b.iter().map(|(name, _)| *name));
    names.then_with(|| order_all(a.iter().map(|(_, v)| *v), b.iter().map(|(_, v)| *v)))
}

fn sorted(entries: &Entries) -> Vec<(&str, &Val)> {
    let mut sorted: Vec<_> = entries.iter().map(|(key, value)| (key.as_str(), value)).collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    sorted
}

fn rank(val: &Val) -> u8 {
    match val {
        Val::Null => 0,
        Val::Bool(false) => 1,
        Val::Bool(true) => 2,
        Val::Num(_) => 3,
        Val::Str(_) => 4,
        Val::Arr(_) => 5,
        Val::Obj(_) => 6,
    }
}

fn equal(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::Num(a), Val::Num(b)) => !a.is_nan() && a.order(*b) == Ordering::Equal,
        (Val::Str(a), Val::Str(b)) => Rc::ptr_eq(a, b) || ***a == ***b,
        (Val::Arr(a), Val::Arr(b)) => {
            let (a, b) = (a.items(), b.items());
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Val::Obj(a), Val::Obj(b)) => {
            let (a, b) = (a.entries(), b.entries());
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => rank(a) == rank(b),
    }
}

/// Whether `a` contains `b`: substrings, items in some item, members by name; else equality.
pub(super) fn contains(a: &Val, b: &Val) -> bool {
    if let (Val::Str(_), Val::Str(_)) = (a, b) {
        return budget::work(a.weight()) && contains_inner(a, b);
    }
    // Arrays compare all pairs: the product of what is in them.
    let pairs = (a.weight() / 16).saturating_mul(b.weight() / 16);
    budget::tick(pairs as u64 / 32) && contains_inner(a, b)
}

fn contains_inner(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::Str(a), Val::Str(b)) => a.contains(&***b),
        (Val::Arr(a), Val::Arr(b)) => {
            b.items().iter().all(|b| a.items().iter().any(|a| rank(a) == rank(b) && contains_inner(a, b)))
        }
        (Val::Obj(a), Val::Obj(b)) => {
            let a = a.entries();
            b.entries().iter().all(|(key, b)| a.get(key).is_some_and(|a| contains_inner(a, b)))
        }
        (a, b) => equal(a, b),
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        budget::work(self.weight().min(other.weight())) && equal(self, other)
    }
}

impl PartialOrd for Val {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Num(a), Self::Num(_)) if a.is_nan() => Some(Ordering::Less),
            _ => Some(order(self, other)),
        }
    }
}

impl Num {
    /// For functions that compare numbers with zero.
    pub(super) fn is_positive(self) -> bool {
        self.order(Self::Int(0)) == Ordering::Greater
    }
}
