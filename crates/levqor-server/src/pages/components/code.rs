//! Code and data as text: escaped, coloured by a small scanner, bounded.

use maud::{Markup, PreEscaped, html};
use serde_json::Value;

/// How much of one value a page shows; the rest is one link away.
pub const SHOWN_BYTES: usize = 16 * 1024;

/// A value as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    /// Bytes of the whole text, when it was cut.
    pub cut_from: Option<usize>,
}

/// Pretty JSON, at most `max` bytes of it.
pub fn pretty(value: &Value, max: usize) -> Shown {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    if text.len() <= max {
        return Shown { text, cut_from: None };
    }
    let whole = text.len();
    let end = (0..=max).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
    text.truncate(end);
    Shown { text, cut_from: Some(whole) }
}

/// A block of code. `title` stands above it with the copy button.
pub fn code_block(id: &str, title: &str, text: &str, language: Language) -> Markup {
    html! {
        div.code {
            div.bar {
                span { (title) }
                button.button.plain.slim.copy type="button" data-copy=(id) { "Copy" }
            }
            pre tabindex="0" aria-label=(title) { code id=(id) { (paint(text, language)) } }
        }
    }
}

/// A JSON value; when it was cut, `all` leads to the whole.
pub fn json_block(id: &str, title: &str, value: &Value, all: Option<&str>) -> Markup {
    let shown = pretty(value, SHOWN_BYTES);
    html! {
        (code_block(id, title, &shown.text, Language::Json))
        @if let Some(bytes) = shown.cut_from {
            p.small.faint {
                "The first " (SHOWN_BYTES / 1024) " KiB of " (bytes.div_ceil(1024)) " KiB. "
                @if let Some(path) = all { a href=(path) { "Show all" } }
            }
        }
    }
}

/// A sentence in which code stands between backticks, as messages of the API have it.
pub fn with_code(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// What the scanner knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Json,
    Yaml,
    Plain,
}

/// Colours a text. Every character of it is kept, escaped.
pub fn paint(text: &str, language: Language) -> Markup {
    let mut out = String::with_capacity(text.len() * 2);
    match language {
        Language::Plain => escape(text, &mut out),
        Language::Json => json(text, &mut out),
        Language::Yaml => yaml(text, &mut out),
    }
    PreEscaped(out)
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

fn span(class: &str, text: &str, out: &mut String) {
    if text.is_empty() {
        return;
    }
    out.push_str("<span class=\"");
    out.push_str(class);
    out.push_str("\">");
    escape(text, out);
    out.push_str("</span>");
}

/// The end of the quoted text that begins at the start of `text`.
fn quoted(text: &str) -> usize {
    let Some(quote) = text.chars().next() else { return 0 };
    let mut escaped = false;
    for (place, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return place + c.len_utf8();
        }
    }
    text.len()
}

fn json(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let end = match c {
            '"' => quoted(rest),
            c if c.is_ascii_alphanumeric() || c == '-' => {
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        match c {
            '"' if after.starts_with(':') => span("k", token, out),
            '"' => span("s", token, out),
            't' | 'f' | 'n' => span("b", token, out),
            '-' | '0'..='9' => span("n", token, out),
            _ => escape(token, out),
        }
        rest = after;
    }
}

fn yaml(text: &str, out: &mut String) {
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let (indent, mut rest) = line.split_at(line.len() - trimmed.len());
        out.push_str(indent);
        if rest.starts_with('#') {
            span("c", rest, out);
            continue;
        }
        while let Some(after) = rest.strip_prefix("- ") {
            span("p", "- ", out);
            rest = after;
        }
        match yaml_key(rest) {
            Some(end) => {
                let (key, value) = rest.split_at(end);
                span("k", key, out);
                yaml_value(value, out);
            }
            None => yaml_value(rest, out),
        }
    }
}

/// Where the key of `key: value` ends.
fn yaml_key(text: &str) -> Option<usize> {
    let end = if text.starts_with(['"', '\'']) {
        quoted(text)
    } else {
        text.find(": ").or_else(|| text.find(":\n"))?
    };
    let after = text.get(end..)?;
    (after.starts_with(": ") || after.starts_with(":\n") || after == ":").then_some(end)
}

fn yaml_value(text: &str, out: &mut String) {
    let word = text.trim_start_matches([':', ' ']).trim_end();
    let simple = matches!(word, "true" | "false" | "null" | "{}" | "[]") || word.parse::<f64>().is_ok();
    match text.find(word).filter(|_| simple && !word.is_empty()) {
        Some(place) => {
            escape(&text[..place], out);
            span("n", word, out);
            escape(&text[place + word.len()..], out);
        }
        None => escape(text, out),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What a browser would show.
    fn visible(markup: &Markup) -> String {
        let mut text = String::new();
        let mut tag = false;
        for c in markup.0.chars() {
            match c {
                '<' => tag = true,
                '>' if tag => tag = false,
                c if !tag => text.push(c),
                _ => {}
            }
        }
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    }

    #[test]
    fn json_is_coloured_and_escaped() {
        let shown = pretty(&json!({"a<b>": [1, true, "</script>"]}), 1_000);
        insta::assert_snapshot!(paint(&shown.text, Language::Json).0, @r#"
        {
          <span class="k">&quot;a&lt;b&gt;&quot;</span>: [
            <span class="n">1</span>,
            <span class="b">true</span>,
            <span class="s">&quot;&lt;/script&gt;&quot;</span>
          ]
        }
        "#);
    }

    #[test]
    fn code_between_backticks_is_code() {
        assert_eq!(with_code("a `b<c` d").0, "a <code>b&lt;c</code> d");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let value = Value::String("ü".repeat(100));
        for max in 0..20 {
            let shown = pretty(&value, max);
            assert!(shown.text.len() <= max, "{max}");
            assert_eq!(shown.cut_from, Some(202));
        }
    }

    proptest! {
        #[test]
        fn colours_never_change_the_text(text in "[ -~\n\"'ü]{0,200}") {
            for language in [Language::Json, Language::Yaml, Language::Plain] {
                prop_assert_eq!(visible(&paint(&text, language)), text.as_str());
            }
        }
    }
}
