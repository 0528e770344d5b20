//! From text to plain data that knows its lines.
//!
//! A file holds several documents, divided by lines of `---`. Sizes, nesting and aliases are bounded, so that no file costs more than
//! its length.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    Error as YamlError, Spanned,
    options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy},
};

/// Deepest nesting of a document.
pub(super) const DEPTH_MAX: usize = 32;
/// Most values of a file, aliases counted as what they stand for.
const NODES_MAX: usize = 20_000;
/// Documents of one file.
pub(super) const DOCUMENTS_MAX: usize = 200;

/// A value and the line on which it stands, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) line: u32,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Tree>),
    /// In the order of the document, each key with its line.
    Object(Vec<(String, u32, Tree)>),
}

impl Tree {
    /// What it is, for people.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "empty",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Object(_) => "an object",
        }
    }

    fn move_down(&mut self, lines: u32) {
        self.line += lines;
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| item.move_down(lines)),
            Kind::Object(members) => {
                for (_, line, value) in members {
                    *line += lines;
                    value.move_down(lines);
                }
            }
            _ => {}
        }
    }

    /// Values in it, itself counted.
    fn nodes(&self) -> usize {
        1 + match &self.kind {
            Kind::List(items) => items.iter().map(Tree::nodes).sum(),
            Kind::Object(members) => members.iter().map(|(_, _, value)| value.nodes()).sum(),
            _ => 0,
        }
    }
}

/// What is wrong with a text, and on which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) document: usize,
    pub(super) line: u32,
    pub(super) message: String,
}

/// The documents of a text, with their places in it; empty ones are passed over.
pub(super) fn trees(text: &str) -> (Vec<(usize, Tree)>, Vec<Unreadable>) {
    let (mut trees, mut problems, mut nodes) = (Vec::new(), Vec::new(), 0);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (place, (lines_before, part)) in parts(text).into_iter().enumerate() {
        let unreadable = |line: u32, message: String| Unreadable { document: place, line, message };
        if place >= DOCUMENTS_MAX {
            let message = format!("the file has more than {DOCUMENTS_MAX} documents; split it");
            problems.push(unreadable(lines_before + 1, message));
            break;
        }
        match tree(part) {
            Ok(Tree { kind: Kind::Null, .. }) => {}
            Ok(mut tree) => {
                nodes += tree.nodes();
                if nodes > NODES_MAX {
                    let message = format!("the file has more than {NODES_MAX} values; split it");
                    problems.push(unreadable(lines_before + 1, message));
                    break;
                }
                tree.move_down(lines_before);
                trees.push((place, tree));
            }
            Err((line, message)) => problems.push(unreadable(lines_before + line, message)),
        }
    }
    (trees, problems)
}

/// What stands between lines of `---`, with the number of lines before it.
fn parts(text: &str) -> Vec<(u32, &str)> {
    let (mut parts, mut begin, mut begin_line) = (Vec::new(), 0, 0_u32);
    let (mut at, mut line) = (0, 0_u32);
    for whole in lines(text) {
        line += 1;
        let is_mark = whole
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        let behind = at + whole.len();
        if is_mark {
            parts.push((begin_line, &text[begin..at]));
            // What follows the mark on its line is a part of the next document only when it is no comment.
            let rest = whole["---".len()..].trim();
            let holds = !rest.is_empty() && !rest.starts_with('#');
            (begin, begin_line) = if holds { (at + "---".len(), line - 1) } else { (behind, line) };
        }
        at = behind;
    }
    parts.push((begin_line, &text[begin..]));
    parts.retain(|(_, part)| !part.trim().is_empty());
    parts
}

/// The lines of a text with their ends, as YAML counts them (YAML 1.2.2, section 5.4): a carriage return
/// alone ends a line, too.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = match rest.find(['\n', '\r']) {
            Some(at) if rest[at..].starts_with("\r\n") => at + 2,
            Some(at) => at + 1,
            None => rest.len(),
        };
        let (line, behind) = rest.split_at(end);
        rest = behind;
        (!line.is_empty()).then_some(line)
    })
}

fn tree(text: &str) -> Result<Tree, (u32, String)> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 4 * NODES_MAX,
            max_nodes: 2 * NODES_MAX,
            max_total_scalar_bytes: 2 * super::FILE_BYTES_MAX,
            max_documents: 2,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_anchors: 100,
            max_aliases: 1_000,
            max_recorded_anchor_events: NODES_MAX,
            max_recorded_anchor_bytes: 2 * super::FILE_BYTES_MAX,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: DEPTH_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    };
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
        Tree::deserialize(reader)
    });
    match read {
        Ok(tree) => Ok(tree),
        // Only comments.
        Err(YamlError::Eof { .. }) => Ok(Tree { line: 1, kind: Kind::Null }),
        Err(error) => Err(explain(&error)),
    }
}

fn explain(error: &YamlError) -> (u32, String) {
    let message = match error {
        YamlError::Message { msg, .. } => msg.clone(),
        YamlError::DuplicateMappingKey { key: Some(key), .. } => {
            format!("`{}` is there twice in one object; remove or rename one", super::clip(key))
        }
        YamlError::DuplicateMappingKey { key: None, .. } => {
            "a key is there twice in one object; remove or rename one".to_owned()
        }
        YamlError::MergeKeyNotAllowed { .. } => {
            "`<<` is not part of YAML 1.2; write the members out".to_owned()
        }
        YamlError::Budget { .. }
        | YamlError::AliasReplayCounterOverflow { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => too_large(),
        YamlError::AliasError { error, .. } => return explain(error),
        YamlError::WithSnippet { error, .. } => return explain(error),
        other => {
            let text = other.to_string();
            if text.contains("recursion limit") {
                // The scanner sees deep flow collections before the visitor does.
                return (line_of(error), too_large());
            }
            let line = text.lines().next().unwrap_or_default();
            let line = line.split(" at line ").next().unwrap_or(line);
            format!("this is not YAML: {}", super::clip(line))
        }
    };
    (line_of(error), message)
}

fn too_large() -> String {
    format!("the document is nested deeper than {DEPTH_MAX}, or too large; split it, or write aliases out")
}

fn line_of(error: &YamlError) -> u32 {
    error.location().map_or(1, |place| u32::try_from(place.line()).unwrap_or(1)).max(1)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        let line = u32::try_from(spanned.referenced.line()).unwrap_or_default();
        Ok(Self { line: line.max(1), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("null, a boolean, a number, text, a list or an object")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kind, E> {
        if value.is_finite() { Ok(Kind::Number(value)) } else { Err(E::custom("the number is not finite")) }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::Text(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kind, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = members.next_key::<Spanned<String>>()? {
            let line = u32::try_from(key.referenced.line()).unwrap_or_default().max(1);
            object.push((key.value, line, members.next_value()?));
        }
        Ok(Kind::Object(object))
    }
}
