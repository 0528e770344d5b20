//! Keeps the values of secrets out of what is shown. The journal keeps the truth; readers see `***`.
//!
//! A secret travels: as it is, in an address, in a header. So its texts are looked for as they are and as they look
//! percent-encoded and in Base64, where the neighbours decide at which of three places a text begins.
//!
//! Deliberately not looked for: texts shorter than [`CHARS_MIN`] (they would blot out everything), numbers and booleans.

use std::{collections::BTreeSet, sync::Arc};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use levqor_flow::{machine::FlowError, secrets::SecretBook};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{RunDetail, RunUpdate, TaskRecord};

/// The shortest text that is hidden.
const CHARS_MIN: usize = 4;
/// Texts of secrets that are looked for; more would make each look too slow.
const TEXTS_MAX: usize = 2_000;
const HIDDEN: &str = "***";

/// What to hide; by default nothing. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mask(Option<Arc<AhoCorasick>>);

impl Mask {
    pub(crate) fn of(book: &SecretBook) -> Self {
        let mut texts = BTreeSet::new();
        for value in book.values() {
            collect(value, &mut texts);
        }
        if texts.is_empty() {
            return Self::default();
        }
        let mut patterns = BTreeSet::new();
        for text in texts.into_iter().take(TEXTS_MAX) {
            spellings(text, &mut patterns);
        }
        let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns);
        // It fails for patterns of gigabytes, and secrets are small.
        Self(built.ok().map(Arc::new))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn text(&self, text: String) -> String {
        let Some(finder) = &self.0 else { return text };
        if finder.is_match(&text) { finder.replace_all_with_hidden(&text) } else { text }
    }

    pub(crate) fn value(&self, value: Value) -> Value {
        if self.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.value(item)).collect()),
            Value::Object(members) => Value::Object(
                members.into_iter().map(|(name, member)| (self.text(name), self.value(member))).collect(),
            ),
            other => other,
        }
    }

    pub(crate) fn error(&self, error: FlowError) -> FlowError {
        let FlowError { kind, status, title, detail, instance } = error;
        FlowError {
            kind: self.text(kind),
            status,
            title: title.map(|title| self.text(title)),
            detail: detail.map(|detail| self.text(detail)),
            instance,
        }
    }

    pub(crate) fn run(&self, detail: RunDetail) -> RunDetail {
        let RunDetail { mut run, input, output, error } = detail;
        run.waiting_for = run.waiting_for.map(|words| self.text(words));
        RunDetail {
            run,
            input: self.value(input),
            output: output.map(|output| self.value(output)),
            error: error.map(|error| self.error(error)),
        }
    }

    pub(crate) fn task(&self, record: TaskRecord) -> TaskRecord {
        TaskRecord {
            input: self.value(record.input),
            output: record.output.map(|output| self.value(output)),
            error: record.error.map(|error| self.error(error)),
            ..record
        }
    }

    pub(crate) fn update(&self, update: RunUpdate) -> RunUpdate {
        match update {
            RunUpdate::Task(record) if !self.is_empty() => {
                RunUpdate::Task(Arc::new(self.task(Arc::unwrap_or_clone(record))))
            }
            update => update,
        }
    }
}

trait Hide {
    fn replace_all_with_hidden(&self, text: &str) -> String;
}

impl Hide for AhoCorasick {
    fn replace_all_with_hidden(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        self.replace_all_with(text, &mut shown, |_, _, shown| {
            shown.push_str(HIDDEN);
            true
        });
        shown
    }
}

/// The texts of a value. Recursion is bounded by the nesting of secrets.
fn collect<'v>(value: &'v Value, texts: &mut BTreeSet<&'v str>) {
    match value {
        Value::String(text) if text.chars().count() >= CHARS_MIN => {
            texts.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, texts)),
        _ => {}
    }
}

/// How a text may look where it occurs.
fn spellings(text: &str, patterns: &mut BTreeSet<String>) {
    patterns.insert(text.to_owned());
    patterns.insert(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    patterns.insert(url::form_urlencoded::byte_serialize(text.as_bytes()).collect());
    patterns.insert(utf8_percent_encode(text, PATH).to_string());
    // As part of JSON in a text.
    let quoted = Value::from(text).to_string();
    patterns.insert(quoted.trim_matches('"').to_owned());
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(text.as_bytes());
        let whole = bytes.len() / 3 * 3;
        // What shares its bits with a neighbour is left out.
        let start = [0, 2, 3][before];
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            let end = whole / 3 * 4 + [0, 1, 2][bytes.len() - whole];
            if let Some(part) = encoded.get(start..end)
                && part.len() > CHARS_MIN
            {
                patterns.insert(part.to_owned());
            }
        }
    }
}

/// What addresses leave as it is, besides letters and digits.
const PATH: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn mask(values: &[Value]) -> Mask {
        let mut book = SecretBook::default();
        for (version, value) in values.iter().enumerate() {
            book.insert("key", version as u64, value.clone());
        }
        Mask::of(&book)
    }

    #[test]
    fn texts_are_hidden_wherever_they_stand() {
        let mask = mask(&[json!("s3cr/et"), json!({ "user": "ada", "pass": "ü hush" })]);
        let shown = mask.value(json!({
            "plain": "s3cr/et", "inside": "a s3cr/et b s3cr/et", "s3cr/et": [1, "ü hush"], "short": "ada",
            "url": "https://h/?q=s3cr%2Fet&p=%C3%BC+hush", "json": "{\"p\":\"ü hush\"}", "none": null,
        }));
        assert_eq!(
            shown,
            json!({
                "plain": "***", "inside": "a *** b ***", "***": [1, "***"], "short": "ada",
                "url": "https://h/?q=***&p=***", "json": "{\"p\":\"***\"}", "none": null,
            })
        );
    }

    #[test]
    fn the_longest_of_two_is_hidden_whole() {
        let mask = mask(&[json!("abcd"), json!("abcdefgh")]);
        assert_eq!(mask.text("abcdefgh abcd".to_owned()), "*** ***");
    }

    #[test]
    fn nothing_to_hide_changes_nothing() {
        assert!(mask(&[]).is_empty());
        assert!(mask(&[json!("abc"), json!(12345), json!(null)]).is_empty());
        assert_eq!(Mask::default().value(json!({ "a": "b" })), json!({ "a": "b" }));
    }

    proptest! {
        /// Whatever stands around a secret in Base64, no byte of it can be read back.
        #[test]
        fn base64_hides_it_too(before in "[ -~]{0,5}", after in "[ -~]{0,5}") {
            let mask = mask(&[json!("correct horse battery")]);
            let text = format!("{before}correct horse battery{after}");
            for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                let shown = mask.text(encoded.clone());
                prop_assert!(shown.contains(HIDDEN), "{} {}", encoded, shown);
                // 21 bytes are 28 letters, of which the first and the last may be shared with a neighbour.
                prop_assert!(shown.len() + 26 <= encoded.len() + HIDDEN.len(), "{} {}", encoded, shown);
            }
        }
    }
}
