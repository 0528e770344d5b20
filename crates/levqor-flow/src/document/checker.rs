//! The walker's state, and the questions that every part of it asks of a value.
//!
//! A check goes on after an error, so that one call finds all of them: what could not be built is left out or
//! replaced by something harmless, and no workflow is given when there was any error.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    Checked, Host,
    access::Access,
    catalogs::{Catalogs, Fetched},
    data::Work,
    fault::Faults,
    functions::Functions,
    issue::{Issues, Place, clip},
    near::did_you_mean,
    support::Construct,
};
use crate::definition::{DurationSpec, ExternalSchema};

pub(super) struct Checker<'d> {
    pub(super) document: &'d Value,
    pub(super) host: &'d Host,
    /// The document again, for the workflow to keep.
    pub(super) source: Arc<Value>,
    pub(super) errors: Issues,
    pub(super) warnings: Issues,
    /// `use.errors` and `use.retries`.
    pub(super) faults: Faults<'d>,
    /// `use.timeouts`; None for one that is wrong, which was said where it stands.
    pub(super) timeouts: BTreeMap<&'d str, Option<DurationSpec>>,
    /// `use.functions`.
    pub(super) functions: Functions<'d>,
    /// `use.catalogs`.
    pub(super) catalogs: Catalogs<'d>,
    /// `evaluate.mode` is loose.
    pub(super) loose: bool,
    /// `use.secrets` and `use.authentications`.
    pub(super) access: Access<'d>,
    /// Schemas from elsewhere, each once.
    pub(super) schemas: Vec<ExternalSchema>,
    /// Bounds what compiling takes.
    pub(super) work: Work,
    /// Bytes of all tasks' references, which repeat the names of the enclosing tasks.
    pub(super) reference_bytes: usize,
    /// Names of everything that may be a task anywhere; made when a `then` finds nothing in its list.
    pub(super) names: Option<HashSet<&'d str>>,
}

impl<'d> Checker<'d> {
    pub(super) fn new(document: &'d Value, host: &'d Host, fetched: &'d Fetched) -> Self {
        Self {
            document,
            host,
            source: Arc::new(document.clone()),
            errors: Issues::default(),
            warnings: Issues::default(),
            faults: Faults::default(),
            timeouts: BTreeMap::new(),
            functions: Functions::default(),
            catalogs: Catalogs::new(fetched),
            loose: false,
            access: Access::default(),
            schemas: Vec::new(),
            work: Work::default(),
            reference_bytes: 0,
            names: None,
        }
    }

    pub(super) fn check(mut self) -> Checked {
        let workflow = self.workflow();
        let wanted = std::mem::take(&mut self.catalogs.wanted);
        let whole = self.errors.is_empty() && wanted.is_empty();
        let workflow = if whole { workflow.map(Arc::new) } else { None };
        debug_assert!(workflow.is_some() || !whole, "a refusal has a reason");
        Checked { workflow, errors: self.errors.finish(), warnings: self.warnings.finish(), wanted }
    }

    pub(super) fn error(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.errors.push(place, "", message.into());
    }

    pub(super) fn warn(&mut self, place: &Place<'_>, message: impl Into<String>) {
        self.warnings.push(place, "", message.into());
    }

    /// Valid in the DSL, and not built yet.
    pub(super) fn unsupported(&mut self, place: &Place<'_>, construct: &str) {
        self.error(place, format!("not supported yet: {construct}"));
    }

    /// Valid in the DSL, and refused here for the reason that the list of constructs gives.
    pub(super) fn refuse(&mut self, place: &Place<'_>, construct: &Construct) {
        self.error(place, construct.refusal());
    }

    pub(super) fn object(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        example: &str,
    ) -> Option<&'d Map<String, Value>> {
        let object = value.as_object();
        if object.is_none() {
            let message = format!(
                "{} must be an object, and is {}; write for example {example}",
                place.name(),
                kind(value)
            );
            self.error(place, message);
        }
        object
    }

    pub(super) fn list(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        example: &str,
    ) -> Option<&'d Vec<Value>> {
        let list = value.as_array();
        if list.is_none() {
            let message = format!(
                "{} must be a list, and is {}; write for example {example}",
                place.name(),
                kind(value)
            );
            self.error(place, message);
        }
        list
    }

    pub(super) fn text(&mut self, value: &'d Value, place: &Place<'_>) -> Option<&'d str> {
        let text = value.as_str();
        if text.is_none() {
            let remedy = match value {
                Value::Null => "write a value, or remove it",
                Value::Bool(_) | Value::Number(_) => "put it in quotes",
                _ => "write it on one line, in quotes",
            };
            let message = format!("{} must be text, and is {}; {remedy}", place.name(), kind(value));
            self.error(place, message);
        }
        text
    }

    pub(super) fn boolean(&mut self, value: &'d Value, place: &Place<'_>) -> Option<bool> {
        let boolean = value.as_bool();
        if boolean.is_none() {
            let message =
                format!("{} must be true or false, without quotes, and is {}", place.name(), kind(value));
            self.error(place, message);
        }
        boolean
    }

    /// A member that must be there.
    pub(super) fn required(
        &mut self,
        object: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
    ) -> Option<&'d Value> {
        let value = object.get(member);
        if value.is_none() {
            self.error(place, format!("`{member}` is missing in {}; add it", place.name()));
        }
        value
    }

    pub(super) fn required_text(
        &mut self,
        object: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
    ) -> Option<&'d str> {
        let value = self.required(object, place, member)?;
        self.text(value, &place.key(member))
    }

    pub(super) fn optional_text(
        &mut self,
        object: &'d Map<String, Value>,
        place: &Place<'_>,
        member: &str,
    ) -> Option<&'d str> {
        object.get(member).and_then(|value| self.text(value, &place.key(member)))
    }

    /// Refuses members that are not among `known`.
    pub(super) fn closed(&mut self, object: &Map<String, Value>, place: &Place<'_>, known: &[&str]) {
        for member in object.keys() {
            if !known.contains(&member.as_str()) && !self.errors.is_full() {
                let listed = known.join(", ");
                let hint = did_you_mean(member, known.iter().copied());
                let message = format!(
                    "`{}` is not a member of {}{}",
                    clip(member),
                    place.name(),
                    if hint.is_empty() { format!("; remove it, or use one of {listed}") } else { hint }
                );
                self.error(&place.key(member), message);
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = self.text(value, place)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let names = words.iter().map(|(word, _)| *word);
            let message = format!(
                "{} must be one of {}, and is {:?}{}",
                place.name(),
                names.clone().collect::<Vec<_>>().join(", "),
                clip(text),
                did_you_mean(text, names)
            );
            self.error(place, message);
        }
        found.map(|(_, value)| *value)
    }

    /// The one member of an item of a list of named things.
    pub(super) fn named_item(
        &mut self,
        item: &'d Value,
        place: &Place<'_>,
        thing: &str,
    ) -> Option<(&'d str, &'d Value)> {
        let object = self.object(item, place, "`- name: { … }`")?;
        let mut members = object.iter();
        match (members.next(), members.next()) {
            (Some((name, value)), None) => Some((name, value)),
            (None, _) => {
                self.error(place, format!("{} is empty; give the {thing} a name", place.name()));
                None
            }
            (Some((first, _)), Some((second, _))) => {
                let message = format!(
                    "there are two names in one item, `{}` and `{}`; start a new item (`- `) for each {thing}, and \
                     indent what belongs to it",
                    clip(first),
                    clip(second)
                );
                self.error(place, message);
                None
            }
        }
    }
}

/// What a value is, as a reader would call it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty (null)",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
