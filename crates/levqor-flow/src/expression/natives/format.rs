//! The formats: `@csv`, `@html`, `@base64` and the like, alone or before a text (`@uri "…\(.q)…"`).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};

use super::super::budget;
use super::super::json;
use super::super::value::{Error, List, Val, ValR};
use super::text::metered;
use super::{Native, of_input};

pub(super) fn natives() -> Vec<Native> {
    vec![
        of_input!("@text", |val: Val| Ok(text_of(val))),
        of_input!("@json", |val: Val| Ok(json::to_text(&val).map(Val::text).unwrap_or_default())),
        of_input!("@html", |val| escape(val, html)),
        of_input!("@uri", |val| escape(val, uri)),
        of_input!("@urid", |val| decode(val, "percent-encoded text", |text| Some(percent_decode(text)))),
        of_input!("@base64", |val| escape(val, |text, out| STANDARD.encode_string(text, out))),
        of_input!("@base64d", |val| decode(val, "base64 data", |text| LENIENT.decode(text).ok())),
        of_input!("@base32", |val| escape(val, base32)),
        of_input!("@base32d", |val| decode(val, "base32 data", base32_decode)),
        of_input!("@csv", |val| row(val, "csv", ",", csv_cell)),
        of_input!("@tsv", |val| row(val, "tsv", "\t", tsv_cell)),
        of_input!("@sh", shell),
    ]
}

/// Encoders lengthen a text at most so many times.
const GROWTH: usize = 6;

fn text_of(val: Val) -> Val {
    match val {
        Val::Str(_) => val,
        other => json::to_text(&other).map(Val::text).unwrap_or_default(),
    }
}

fn escape(val: Val, encode: fn(&str, &mut String)) -> ValR {
    let val = text_of(val);
    let Some(text) = val.as_str() else { return Ok(Val::Null) };
    if !budget::fits(text.len().saturating_mul(GROWTH)) || !budget::work(text.len() * GROWTH) {
        return Ok(Val::Null);
    }
    let mut out = String::new();
    encode(text, &mut out);
    Ok(Val::text(out))
}

fn decode(val: Val, what: &str, decode: fn(&str) -> Option<Vec<u8>>) -> ValR {
    let val = text_of(val);
    let text = metered(&val)?;
    if !budget::fits(text.len()) {
        return Ok(Val::Null);
    }
    let bytes = decode(text).ok_or_else(|| Error::str(format_args!("string ({val}) is not valid {what}")))?;
    Ok(Val::text(String::from_utf8_lossy(&bytes)))
}

fn html(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}

/// Everything but the characters that RFC 3986 calls unreserved.
const RESERVED: percent_encoding::AsciiSet =
    percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn uri(text: &str, out: &mut String) {
    out.extend(percent_encoding::utf8_percent_encode(text, &RESERVED));
}

fn percent_decode(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

/// With or without padding, as jq reads it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// RFC 4648 §6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(text: &str, out: &mut String) {
    for chunk in text.as_bytes().chunks(5) {
        let mut bits = [0; 8];
        bits[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(bits);
        let digits = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let digit = (bits >> (35 - 5 * i)) & 31;
            out.push(if i < digits { char::from(BASE32[digit as usize]) } else { '=' });
        }
    }
}

fn base32_decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = BASE32.iter().position(|b| *b == byte.to_ascii_uppercase())?;
        bits = (bits << 5) | u32::try_from(digit).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 255).ok()?);
        }
    }
    Some(out)
}

fn row(val: Val, format: &str, separator: &str, cell: fn(&str, &mut String)) -> ValR {
    let Val::Arr(list) = &val else {
        return Err(Error::str(format_args!("{} ({val}) cannot be {format}-formatted", val.type_name())));
    };
    let weight = val.weight();
    if !budget::fits(weight.saturating_mul(2)) || !budget::work(weight) {
        return Ok(Val::Null);
    }
    let mut out = String::new();
    for (i, item) in list.items().iter().enumerate() {
        if i > 0 {
            out.push_str(separator);
        }
        match item {
            Val::Null => {}
            Val::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Val::Num(n) => n.write(&mut out),
            Val::Str(text) => cell(text, &mut out),
            other => {
                let kind = other.type_name();
                return Err(Error::str(format_args!("{kind} ({other}) is not valid in a {format} row")));
            }
        }
    }
    Ok(Val::text(out))
}

fn csv_cell(text: &str, out: &mut String) {
    out.push('"');
    for part in text.split_inclusive('"') {
        out.push_str(part);
        if part.ends_with('"') {
            out.push('"');
        }
    }
    out.push('"');
}

fn tsv_cell(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
}

fn shell(val: Val) -> ValR {
    let items = match val {
        Val::Arr(list) => List::into_items(list),
        other => vec![other],
    };
    let weight = items.iter().map(|item| item.weight() + 32).fold(0, usize::saturating_add);
    if !budget::fits(weight.saturating_mul(4)) || !budget::work(weight) {
        return Ok(Val::Null);
    }
    let mut out = String::new();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        match item {
            Val::Str(text) => {
                out.push('\'');
                out.push_str(&text.replace('\'', "'\\''"));
                out.push('\'');
            }
            Val::Arr(_) | Val::Obj(_) => {
                let kind = item.type_name();
                return Err(Error::str(format_args!("{kind} ({item}) cannot be escaped for a shell")));
            }
            plain => out.push_str(&json::to_text(plain).unwrap_or_default()),
        }
    }
    Ok(Val::text(out))
}
