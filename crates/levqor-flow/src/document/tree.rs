//! Plain data out of any serde format, with this project's bounds enforced while it is built.
//!
//! Formats differ in what they let through: `serde_json::Value`'s own reader keeps the last of two equal keys, and
//! a YAML alias repeats a subtree that was written once. One visitor for both formats gives one set of rules.

use std::{cell::Cell, fmt};

use levqor_model::limits::{DOCUMENT_BYTES_MAX, NESTING_MAX};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What is left of the document's size. Aliases spend it again on each use, which is what bounds a YAML bomb.
#[derive(Debug)]
pub(super) struct Allowance(Cell<usize>);

impl Allowance {
    pub(super) fn new() -> Self {
        Self(Cell::new(DOCUMENT_BYTES_MAX))
    }

    /// Takes `bytes` of text and one for the node; false when there is not enough left.
    fn spend(&self, bytes: usize) -> bool {
        match self.0.get().checked_sub(bytes.saturating_add(1)) {
            Some(left) => {
                self.0.set(left);
                true
            }
            None => false,
        }
    }
}

/// Reads one value at some depth; containers at depth [`NESTING_MAX`] may hold scalars only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    depth: usize,
    allowance: &'a Allowance,
}

impl<'a> Node<'a> {
    pub(super) fn root(allowance: &'a Allowance) -> Self {
        Self { depth: 0, allowance }
    }

    fn scalar<E: Error>(self, bytes: usize, value: Value) -> Result<Value, E> {
        if self.allowance.spend(bytes) { Ok(value) } else { Err(E::custom(TOO_LARGE)) }
    }

    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.depth == NESTING_MAX {
            return Err(E::custom(TOO_DEEP.as_str()));
        }
        if !self.allowance.spend(0) {
            return Err(E::custom(TOO_LARGE));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

/// Said by the reader of text; [`super::bounded`] has its own words for data that was never text.
const TOO_LARGE: &str = "the document expands to more than 1 MiB; use fewer or smaller aliases";

pub(super) static TOO_DEEP: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    format!(
        "the document is nested deeper than {NESTING_MAX} levels; split it into several workflows (`run: workflow`)"
    )
});

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a boolean, a number, text, a list or an object")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(0, Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(0, value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(0, value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| {
            E::custom("NaN and infinity are not JSON; write a finite number, or text in quotes")
        })?;
        self.scalar(0, Value::Number(number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.scalar(value.len(), Value::Null)?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.scalar(value.len(), Value::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.scalar(0, Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inside)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut members = Map::new();
        while let Some(key) = object.next_key_seed(Key { allowance: self.allowance })? {
            if members.contains_key(&key) {
                return Err(A::Error::custom(doubled(&key)));
            }
            let value = object.next_value_seed(inside)?;
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

/// Says that a key stands twice in one object.
pub(super) fn doubled(key: &str) -> String {
    format!("the key {:?} is there twice; remove or rename one", super::clip(key))
}

struct Key<'a> {
    allowance: &'a Allowance,
}

impl Key<'_> {
    fn refuse<T, E: Error>(shown: impl fmt::Display) -> Result<T, E> {
        Err(E::custom(format_args!("the key {shown} is not text; put it in quotes")))
    }
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        self.visit_string(key.to_owned())
    }

    fn visit_string<E: Error>(self, key: String) -> Result<String, E> {
        if self.allowance.spend(key.len()) { Ok(key) } else { Err(E::custom(TOO_LARGE)) }
    }

    fn visit_bool<E: Error>(self, key: bool) -> Result<String, E> {
        Self::refuse(key)
    }

    fn visit_i64<E: Error>(self, key: i64) -> Result<String, E> {
        Self::refuse(key)
    }

    fn visit_u64<E: Error>(self, key: u64) -> Result<String, E> {
        Self::refuse(key)
    }

    fn visit_f64<E: Error>(self, key: f64) -> Result<String, E> {
        Self::refuse(key)
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Self::refuse("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _list: A) -> Result<String, A::Error> {
        Self::refuse("[…]")
    }

    fn visit_map<A: MapAccess<'de>>(self, _object: A) -> Result<String, A::Error> {
        Self::refuse("{…}")
    }
}
