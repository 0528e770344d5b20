//! Data as YAML, the way a person would write a workflow: block style, quotes only where they are needed.
//!
//! Invariant: `levqor_flow::document::read` gives the same data back; a property test says so.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Keys longer than this are legal YAML only in a form that nobody reads; such data is written as JSON.
const KEY_CHARS_MAX: usize = 500;

/// Writes `value` as a YAML document.
pub fn to_yaml(value: &Value) -> String {
    if has_long_key(value) {
        return serde_json::to_string_pretty(value).unwrap_or_default();
    }
    let mut out = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => object(members, 0, false, &mut out),
        Value::Array(items) if !items.is_empty() => array(items, 0, false, &mut out),
        other => {
            scalar(other, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

fn has_long_key(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(key, member)| key.chars().count() > KEY_CHARS_MAX || has_long_key(member))
        }
        Value::Array(items) => items.iter().any(has_long_key),
        _ => false,
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// `inline`: the first line continues one that is already indented (after `- `).
fn object(members: &Map<String, Value>, indent: usize, mut inline: bool, out: &mut String) {
    for (key, value) in members {
        if !std::mem::take(&mut inline) {
            pad(indent, out);
        }
        out.push_str(&text(key));
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                object(inner, indent + 2, false, out);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                array(items, indent + 2, false, out);
            }
            other => {
                out.push(' ');
                scalar(other, indent + 2, out);
                out.push('\n');
            }
        }
    }
}

fn array(items: &[Value], indent: usize, mut inline: bool, out: &mut String) {
    for item in items {
        if !std::mem::take(&mut inline) {
            pad(indent, out);
        }
        out.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => object(inner, indent + 2, true, out),
            Value::Array(inner) if !inner.is_empty() => array(inner, indent + 2, true, out),
            other => {
                scalar(other, indent + 2, out);
                out.push('\n');
            }
        }
    }
}

fn scalar(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(string) if is_block(string) => block(string, indent, out),
        Value::String(string) => out.push_str(&text(string)),
        Value::Null => out.push_str("null"),
        // An empty array or object, a number or a boolean is the same in JSON.
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Whether a text of several lines can stand as a literal block and come back unchanged.
fn is_block(string: &str) -> bool {
    string.trim_end_matches('\n').contains('\n')
        && !string.starts_with([' ', '\n', '\t'])
        && !string.ends_with("\n\n")
        && string.lines().all(|line| !line.ends_with([' ', '\t']) && line.chars().all(is_printable))
        && !string.contains('\r')
}

fn block(string: &str, indent: usize, out: &mut String) {
    out.push_str(if string.ends_with('\n') { "|" } else { "|-" });
    for line in string.lines() {
        out.push('\n');
        if !line.is_empty() {
            pad(indent, out);
            out.push_str(line);
        }
    }
}

/// A text on one line: plain, in single quotes, or in double quotes with escapes.
fn text(string: &str) -> String {
    if is_plain(string) {
        return string.to_owned();
    }
    if string.chars().all(is_printable) {
        return format!("'{}'", string.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in string.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xFFFF => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

/// Printable on one line, whatever an editor does with it.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{e000}'..='\u{f8ff}'
        )
}

fn is_plain(string: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let Some(first) = string.chars().next() else { return false };
    // Anything that begins like a number is quoted, so that no reader takes a version or a time for one;
    // a text with a space in it (a cron expression) cannot be a number.
    let number_like = (first.is_ascii_digit() || matches!(first, '.' | '+')) && !string.contains(' ');
    let starts_well = first.is_alphanumeric() || matches!(first, '/' | '$' | '(' | '.' | '_' | '+' | '^');
    starts_well
        && !number_like
        && !WORDS.contains(&string.to_ascii_lowercase().as_str())
        && string.chars().all(is_printable)
        && !string.contains(": ")
        && !string.contains(" #")
        && !string.ends_with([':', ' '])
        && !string.contains('\t')
        && string.is_ascii()
}

#[cfg(test)]
mod tests {
    use levqor_flow::document;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workflow_reads_as_a_person_would_write_it() {
        let workflow = json!({
            "document": {"dsl": "1.0.1", "namespace": "default", "name": "report", "version": "0.1.0"},
            "schedule": {"cron": "0 9 * * 1-5"},
            "do": [
                {"fetch": {"call": "http", "with": {"method": "get", "endpoint": "https://example.org/a?b=c"}}},
                {"keep": {"set": {"text": "one\ntwo\n", "total": "${ .items | length }", "odd": "a: b", "none": {}, "list": [[1, 2], []]}}}
            ]
        });
        insta::assert_snapshot!(to_yaml(&workflow), @r"
        document:
          dsl: '1.0.1'
          namespace: default
          name: report
          version: '0.1.0'
        schedule:
          cron: 0 9 * * 1-5
        do:
          - fetch:
              call: http
              with:
                method: get
                endpoint: https://example.org/a?b=c
          - keep:
              set:
                text: |
                  one
                  two
                total: ${ .items | length }
                odd: 'a: b'
                none: {}
                list:
                  - - 1
                    - 2
                  - []
        ");
    }

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,12}",
            "\\PC{0,8}",
            any::<String>(),
            "[a-z\n #:'\"-]{0,20}",
            prop::sample::select(vec![
                "null", "~", "1e3", "0x1F", "-", "?", "|", "a\n", "\n", "---", "...", "+.inf", "1_000", "=",
                "<<"
            ])
            .prop_map(str::to_owned),
        ]
    }

    fn data() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            texts().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((texts(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in data()) {
            prop_assume!(!value.is_null());
            let text = to_yaml(&value);
            prop_assert_eq!(document::read(&text), Ok(value), "{}", text);
        }
    }
}
