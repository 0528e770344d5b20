//! Between the JSON of the rest of the product and the values of the evaluator, and JSON text in expressions.

use serde_json::{Map, Value};

use super::budget;
use super::needs::Need;
use super::number::Num;
use super::value::{DEPTH_MAX, Entries, Key, Val};

/// Why a value could not become JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotJson {
    /// Not a number, or infinite.
    NotFinite,
    /// Nested deeper than asked for.
    TooDeep,
}

/// Copies what is needed of some JSON into the evaluation; None when that nests deeper than values may.
pub(super) fn from_json(json: &Value, need: &Need) -> Option<Val> {
    read_needed(json, need, DEPTH_MAX)
}

fn read_needed(json: &Value, need: &Need, depth: u32) -> Option<Val> {
    let Need::Members(needed) = need else { return read(json, depth) };
    Some(match json {
        // Only that it is none of the types with members is looked at.
        Value::String(_) => Val::text(""),
        Value::Array(_) => Val::list(Vec::new()),
        Value::Object(members) => {
            let depth = depth.checked_sub(1)?;
            let mut entries = Entries::with_capacity(needed.len());
            for (name, need) in needed {
                if let Some(member) = members.get(name) {
                    entries.insert(Key::new(name.as_str()), read_needed(member, need, depth)?);
                }
            }
            Val::table(entries)
        }
        plain => return read(plain, depth),
    })
}

fn read(json: &Value, depth: u32) -> Option<Val> {
    Some(match json {
        Value::Null => Val::Null,
        Value::Bool(b) => Val::Bool(*b),
        Value::Number(n) => Val::Num(Num::from_json(n)),
        Value::String(s) => text_of(s),
        Value::Array(items) => {
            let depth = depth.checked_sub(1)?;
            if !budget::fits(items.len() * size_of::<Val>()) {
                return Some(Val::Null);
            }
            Val::list(items.iter().map(|item| read(item, depth)).collect::<Option<_>>()?)
        }
        Value::Object(members) => {
            let depth = depth.checked_sub(1)?;
            let mut entries = Entries::with_capacity(members.len());
            for (name, member) in members {
                if budget::stopped().is_some() {
                    break;
                }
                entries.insert(Key::new(name.as_str()), read(member, depth)?);
            }
            Val::table(entries)
        }
    })
}

fn text_of(text: &str) -> Val {
    if budget::fits(text.len()) { Val::text(text) } else { Val::Null }
}

/// Copies a result out of the evaluation. Its size needs no bound of its own: `Val::weight` has one.
pub(super) fn to_json(val: &Val, depth_max: usize) -> Result<Value, NotJson> {
    Ok(match val {
        Val::Null => Value::Null,
        Val::Bool(b) => Value::Bool(*b),
        Val::Num(n) => n.to_json().map(Value::Number).ok_or(NotJson::NotFinite)?,
        Val::Str(text) => Value::String(text.to_string()),
        Val::Arr(list) => {
            let depth = depth_max.checked_sub(1).ok_or(NotJson::TooDeep)?;
            Value::Array(list.items().iter().map(|item| to_json(item, depth)).collect::<Result<_, _>>()?)
        }
        Val::Obj(table) => {
            let depth = depth_max.checked_sub(1).ok_or(NotJson::TooDeep)?;
            let entries = table.entries();
            let mut members = Map::with_capacity(entries.len());
            for (key, value) in entries {
                members.insert(key.as_str().to_owned(), to_json(value, depth)?);
            }
            Value::Object(members)
        }
    })
}

/// The value as JSON text (`tojson`), without spaces; the members in their order.
pub(super) fn to_text(val: &Val) -> Option<String> {
    // Escapes can lengthen texts sixfold; the common case is that they do not.
    if !budget::work(val.weight()) {
        return None;
    }
    let mut out = String::new();
    let complete = write(val, &mut out, usize::MAX, &mut |length| budget::allows(length));
    (complete && budget::fits(out.len())).then_some(out)
}

/// The beginning of the value as JSON text, for messages.
pub(super) fn excerpt(val: &Val) -> String {
    const EXCERPT_BYTES: usize = 80;
    let mut out = String::new();
    if !write(val, &mut out, EXCERPT_BYTES, &mut |_| true) {
        let end = out.floor_char_boundary(EXCERPT_BYTES);
        out.truncate(end);
        out.push('…');
    }
    out
}

/// False when the text was cut off after about `bytes_max`, or `may_grow` refused its length.
fn write(val: &Val, out: &mut String, bytes_max: usize, may_grow: &mut dyn FnMut(usize) -> bool) -> bool {
    if out.len() > bytes_max || !may_grow(out.len()) {
        return false;
    }
    match val {
        Val::Null => out.push_str("null"),
        Val::Bool(true) => out.push_str("true"),
        Val::Bool(false) => out.push_str("false"),
        Val::Num(n) => n.write(out),
        Val::Str(text) => return write_text(text, out, bytes_max),
        Val::Arr(list) => {
            out.push('[');
            for (i, item) in list.items().iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                if !write(item, out, bytes_max, may_grow) {
                    return false;
                }
            }
            out.push(']');
        }
        Val::Obj(table) => {
            out.push('{');
            for (i, (key, value)) in table.entries().iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                if !write_text(key.as_str(), out, bytes_max) {
                    return false;
                }
                out.push(':');
                if !write(value, out, bytes_max, may_grow) {
                    return false;
                }
            }
            out.push('}');
        }
    }
    true
}

fn write_text(text: &str, out: &mut String, bytes_max: usize) -> bool {
    use std::fmt::Write;
    let part = &text[..text.floor_char_boundary(bytes_max.min(text.len()))];
    out.push('"');
    for c in part.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    if part.len() < text.len() {
        return false;
    }
    out.push('"');
    true
}
