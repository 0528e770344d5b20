//! `+ - * / %` and negation on values of all types, as jq defines them.

use std::rc::Rc;

use jaq_core::ops::Math;

use super::budget;
use super::compare;
use super::number::Num;
use super::value::{Error, Key, List, Table, Text, Val, ValR, copy_items};

impl std::ops::Add for Val {
    type Output = ValR;
    fn add(self, other: Self) -> ValR {
        Ok(match (self, other) {
            (Self::Null, value) | (value, Self::Null) => value,
            (Self::Num(a), Self::Num(b)) => Self::Num(a.add(b)),
            (Self::Str(a), Self::Str(b)) => Self::Str(Text::append(a, &b)),
            (Self::Arr(a), Self::Arr(b)) => Self::Arr(List::append(a, b.items())),
            (Self::Obj(a), Self::Obj(b)) => Self::Obj(merge(a, &b)),
            (a, b) => return Err(refuse(&a, Math::Add, &b)),
        })
    }
}

impl std::ops::Sub for Val {
    type Output = ValR;
    fn sub(self, other: Self) -> ValR {
        match (self, other) {
            (Self::Num(a), Self::Num(b)) => Ok(Self::Num(a.subtract(b))),
            (Self::Arr(a), Self::Arr(b)) => {
                let mut gone = copy_items(b.items());
                compare::sort(&mut gone, b.weight(), |item| item);
                let kept = a
                    .items()
                    .iter()
                    .take_while(|_| budget::tick(1))
                    .filter(|item| gone.binary_search_by(|gone| compare::order(gone, item)).is_err());
                Ok(kept.cloned().collect())
            }
            (a, b) => Err(refuse(&a, Math::Sub, &b)),
        }
    }
}

impl std::ops::Mul for Val {
    type Output = ValR;
    fn mul(self, other: Self) -> ValR {
        match (self, other) {
            (Self::Num(a), Self::Num(b)) => Ok(Self::Num(a.multiply(b))),
            (Self::Str(text), Self::Num(times)) | (Self::Num(times), Self::Str(text)) => {
                Ok(repeat(&text, times))
            }
            (Self::Obj(a), Self::Obj(b)) => Ok(Self::Obj(merge_deep(a, &b))),
            (a, b) => Err(refuse(&a, Math::Mul, &b)),
        }
    }
}

impl std::ops::Div for Val {
    type Output = ValR;
    fn div(self, other: Self) -> ValR {
        match (self, other) {
            (Self::Num(a), Self::Num(b)) => {
                a.divide(b).map(Self::Num).ok_or_else(|| by_zero(a, b, "divided"))
            }
            (Self::Str(text), Self::Str(separator)) => Ok(split(&text, &separator)),
            (a, b) => Err(refuse(&a, Math::Div, &b)),
        }
    }
}

impl std::ops::Rem for Val {
    type Output = ValR;
    fn rem(self, other: Self) -> ValR {
        match (self, other) {
            (Self::Num(a), Self::Num(b)) => {
                a.remainder(b).map(Self::Num).ok_or_else(|| by_zero(a, b, "divided (remainder)"))
            }
            (a, b) => Err(refuse(&a, Math::Rem, &b)),
        }
    }
}

impl std::ops::Neg for Val {
    type Output = ValR;
    fn neg(self) -> ValR {
        match self {
            Self::Num(n) => Ok(Self::Num(n.negate())),
            other => Err(Error::str(format_args!("{} ({other}) cannot be negated", other.type_name()))),
        }
    }
}

fn refuse(a: &Val, operator: Math, b: &Val) -> Error {
    let done = match operator {
        Math::Add => "added",
        Math::Sub => "subtracted",
        Math::Mul => "multiplied",
        Math::Div | Math::Rem => "divided",
    };
    Error::str(format_args!("{} ({a}) and {} ({b}) cannot be {done}", a.type_name(), b.type_name()))
}

fn by_zero(a: Num, b: Num, done: &str) -> Error {
    let (a, b) = (Val::Num(a), Val::Num(b));
    Error::str(format_args!("number ({a}) and number ({b}) cannot be {done} because the divisor is zero"))
}

fn merge(a: Rc<Table>, b: &Table) -> Rc<Table> {
    let mut merged = Table::own(a);
    for (key, value) in b.entries() {
        if budget::stopped().is_some() {
            break;
        }
        merged.insert(key.clone(), value.clone());
    }
    budget::work(b.entries().len() * 64);
    Rc::new(merged)
}

fn merge_deep(a: Rc<Table>, b: &Table) -> Rc<Table> {
    let mut merged = Table::own(a);
    for (key, value) in b.entries() {
        if !budget::tick(1) {
            break;
        }
        merge_member(&mut merged, key, value);
    }
    Rc::new(merged)
}

fn merge_member(into: &mut Table, key: &Key, value: &Val) {
    let merged = match (into.take(key.as_str()), value) {
        (Val::Obj(old), Val::Obj(new)) => Val::Obj(merge_deep(old, new)),
        (_, new) => new.clone(),
    };
    into.insert(key.clone(), merged);
}

/// A text several times; null for none, as jq has it.
fn repeat(text: &str, times: Num) -> Val {
    if !times.is_positive() {
        return Val::Null;
    }
    let times = usize::try_from(times.truncate().max(1)).unwrap_or(usize::MAX);
    let length = text.len().saturating_mul(times);
    if budget::fits(length) && budget::work(length) { Val::text(text.repeat(times)) } else { Val::Null }
}

/// The parts between separators; the characters when the separator is empty.
pub(super) fn split(text: &str, separator: &str) -> Val {
    if !budget::work(text.len()) {
        return Val::Null;
    }
    if text.is_empty() {
        Val::list(Vec::new())
    } else if separator.is_empty() {
        text.chars().map(Val::text).collect()
    } else {
        text.split(separator).map(Val::text).collect()
    }
}
