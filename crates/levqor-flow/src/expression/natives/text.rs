//! Functions of texts: trimming, case, code points, conversions from and to text.

use std::borrow::Cow;

use super::super::arithmetic::split;
use super::super::budget;
use super::super::json;
use super::super::needs::Need;
use super::super::number::Num;
use super::super::value::{Error, Val, ValR};
use super::lists::list_of;
use super::{Native, of_input, of_one};

pub(super) fn natives() -> Vec<Native> {
    vec![
        of_input!("tojson", |val: Val| Ok(json::to_text(&val).map(Val::text).unwrap_or_default())),
        of_input!("fromjson", |val: Val| from_json(&val)),
        of_input!("tonumber", to_number),
        of_input!("toboolean", |val: Val| match &val {
            Val::Bool(_) => Ok(val),
            Val::Str(text) if &***text == "true" => Ok(Val::Bool(true)),
            Val::Str(text) if &***text == "false" => Ok(Val::Bool(false)),
            _ => Err(Error::str(format_args!("{} ({val}) cannot be read as a boolean", val.type_name()))),
        }),
        of_input!("utf8bytelength", |val: Val| Ok(Val::int(str_of(&val)?.len()))),
        of_input!("explode", |val: Val| {
            Ok(metered(&val)?.chars().map(|c| Val::Num(Num::Int(u32::from(c).into()))).collect())
        }),
        of_input!("implode", |val: Val| implode(val)),
        of_input!("ascii_downcase", |val: Val| changed(&val, |text| text.to_ascii_lowercase().into())),
        of_input!("ascii_upcase", |val: Val| changed(&val, |text| text.to_ascii_uppercase().into())),
        of_input!("ltrim", |val: Val| changed(&val, |text| text.trim_start().into())),
        of_input!("rtrim", |val: Val| changed(&val, |text| text.trim_end().into())),
        of_input!("trim", |val: Val| changed(&val, |text| text.trim().into())),
        of_one!("startswith", |val: Val, part: Val| Ok(Val::Bool(str_of(&val)?.starts_with(str_of(&part)?)))),
        of_one!("endswith", |val: Val, part: Val| Ok(Val::Bool(str_of(&val)?.ends_with(str_of(&part)?)))),
        of_one!("ltrimstr", |val: Val, part: Val| trim_part(val, &part, |text, part| text
            .strip_prefix(part))),
        of_one!("rtrimstr", |val: Val, part: Val| trim_part(val, &part, |text, part| text
            .strip_suffix(part))),
        of_one!("split", |val: Val, separator: Val| match (&val, &separator) {
            (Val::Str(text), Val::Str(separator)) => Ok(split(text, separator)),
            _ => Err(Error::str("split input and separator must be strings")),
        }),
    ]
}

pub(super) fn str_of(val: &Val) -> Result<&str, Error> {
    val.as_str().ok_or_else(|| Error::str(format_args!("{} ({val}) is not a string", val.type_name())))
}

/// The text, whose reading has been paid for; empty when it could not be.
pub(super) fn metered(val: &Val) -> Result<&str, Error> {
    let text = str_of(val)?;
    Ok(if budget::work(text.len()) { text } else { "" })
}

fn changed(val: &Val, change: impl Fn(&str) -> Cow<'_, str>) -> ValR {
    let text = metered(val)?;
    Ok(if budget::fits(text.len()) { Val::text(change(text)) } else { Val::Null })
}

/// What is not a text stays as it is, as in jq.
fn trim_part(val: Val, part: &Val, strip: for<'t> fn(&'t str, &str) -> Option<&'t str>) -> ValR {
    let (Some(text), Some(part)) = (val.as_str(), part.as_str()) else { return Ok(val) };
    match strip(text, part) {
        Some(rest) if budget::fits(rest.len()) && budget::work(rest.len()) => Ok(Val::text(rest)),
        _ => Ok(val),
    }
}

fn implode(val: Val) -> ValR {
    let list = list_of(val)?;
    let mut out = String::new();
    if !budget::fits(list.items().len() * 4) || !budget::work(list.items().len() * 16) {
        return Ok(Val::Null);
    }
    for item in list.items() {
        let character = match item {
            Val::Num(n) => u32::try_from(n.truncate()).ok().and_then(char::from_u32),
            _ => None,
        };
        out.push(character.ok_or_else(|| Error::str(format_args!("{item} is not a code point")))?);
    }
    Ok(Val::text(out))
}

fn to_number(val: Val) -> ValR {
    let refuse = || Error::str(format_args!("{} ({val}) cannot be parsed as a number", val.type_name()));
    match &val {
        Val::Num(_) => Ok(val),
        Val::Str(text) => {
            let plain =
                text.len() <= 400 && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
            let number = plain.then(|| Num::parse(text)).flatten();
            number.map(Val::Num).ok_or_else(refuse)
        }
        _ => Err(refuse()),
    }
}

fn from_json(val: &Val) -> ValR {
    let text = metered(val)?;
    // A parsed value takes more than its text; most when it is all small items.
    if !budget::fits(text.len().saturating_mul(16)) {
        return Ok(Val::Null);
    }
    let parsed = serde_json::from_str(text)
        .map_err(|e| Error::str(format_args!("{val} cannot be parsed as JSON: {e}")))?;
    json::from_json(&parsed, &Need::Whole).ok_or_else(|| Error::str("the JSON text nests too deeply"))
}

/// Where `part` starts in `text`, in characters; overlapping finds count.
pub(super) fn indices(text: &str, part: &str) -> Val {
    if part.is_empty() {
        return Val::Null;
    }
    if !budget::work(text.len()) {
        return Val::Null;
    }
    let mut found = Vec::new();
    let (mut from, mut characters) = (0, 0);
    while let Some(offset) = text[from..].find(part) {
        if !budget::tick(1) || !budget::fits(size_of::<Val>() * found.len()) {
            break;
        }
        characters += text[from..from + offset].chars().count();
        found.push(Val::int(characters));
        from += offset;
        // On to the next character.
        from += text[from..].chars().next().map_or(1, char::len_utf8);
        characters += 1;
    }
    Val::list(found)
}
