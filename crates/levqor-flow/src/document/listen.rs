//! What is listened to: `listen`, its `foreach`, and `schedule.on`.

use levqor_model::limits::LISTEN_FILTERS_MAX;
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::{
    checker::{Checker, kind},
    data::{Moment, Scope, enclosed},
    issue::{Place, clip},
    kinds::holds_expression,
};
use crate::definition::{
    Correlation, Filter, ForEach, Listen, ListenSpec, Matcher, Mode, Read, Strategy, TaskKind, Template,
    Until,
};

const READS: [(&str, Read); 3] = [("data", Read::Data), ("envelope", Read::Envelope), ("raw", Read::Raw)];

/// Keys that one filter correlates by.
const KEYS_MAX: usize = 16;
/// A pattern's text, and what it may take when compiled.
const PATTERN_BYTES_MAX: usize = 1_024;
const COMPILED_BYTES_MAX: usize = 256 * 1024;

const STRATEGY: &str = "{ one: { with: { type: com.example.order.paid } } }";

/// Where a strategy stands.
#[derive(Clone, Copy)]
struct Around<'a> {
    scope: Scope<'a>,
    /// Before there is a run, so that there is nothing to compute values from.
    trigger: bool,
}

impl<'d> Checker<'d> {
    pub(super) fn listen(
        &mut self,
        value: &'d Value,
        task: &'d Map<String, Value>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) -> Option<TaskKind> {
        let at = place.key("listen");
        let listen = self.object(value, &at, "{ to: { one: { with: { type: com.example.order.paid } } } }");
        let spec = listen.and_then(|listen| {
            self.closed(listen, &at, &["to", "read"]);
            let read = listen.get("read").and_then(|value| self.word(value, &at.key("read"), &READS));
            let to = self.required(listen, &at, "to")?;
            let to = self.top_strategy(to, &at.key("to"), Around { scope, trigger: false })?;
            Some(ListenSpec { to, read: read.unwrap_or(Read::Data) })
        });
        let each = task.get("foreach").map(|value| self.for_each(value, &place.key("foreach"), scope));
        let each = match each {
            None => None,
            Some(each) => Some(each?),
        };
        Some(TaskKind::Listen(Box::new(Listen { spec: spec?, each })))
    }

    /// `schedule.on`. `place` is that of the schedule.
    pub(super) fn trigger(
        &mut self,
        value: &'d Value,
        schedule: &'d Map<String, Value>,
        place: &Place<'_>,
    ) -> Option<ListenSpec> {
        let read = schedule.get("read").and_then(|value| self.word(value, &place.key("read"), &READS));
        let around = Around { scope: Scope::new(Moment::Trigger), trigger: true };
        let to = self.top_strategy(value, &place.key("on"), around)?;
        Some(ListenSpec { to, read: read.unwrap_or(Read::Envelope) })
    }

    fn for_each(&mut self, value: &'d Value, place: &Place<'_>, scope: Scope<'_>) -> Option<ForEach> {
        let each = self.object(value, place, "{ item: event, do: [ … ] }")?;
        self.closed(each, place, &["item", "at", "do", "output", "export"]);
        let item = self.variable(each, place, "item").unwrap_or("item");
        let at = self.variable(each, place, "at").unwrap_or("index");
        if item == at {
            let member = if each.contains_key("at") { "at" } else { "item" };
            let message = format!("`item` and `at` are both `{}`; name them differently", clip(item));
            self.error(&place.key(member), message);
        }
        let event = scope.local(item);
        let inside = scope.within(&event);
        let position = inside.local(at);
        let inside = inside.within(&position);
        let tasks = each.get("do").map(|value| self.task_list(value, &place.key("do"), inside));
        let output = self.output(each, place, inside);
        let export = self.export(each, place, inside.at(Moment::Export));
        Some(ForEach { item: item.to_owned(), at: at.to_owned(), tasks, output, export })
    }

    fn top_strategy(&mut self, value: &'d Value, place: &Place<'_>, around: Around<'_>) -> Option<Strategy> {
        let strategy = self.strategy(value, place, around, true)?;
        let filters = strategy.all_filters().count();
        if filters > LISTEN_FILTERS_MAX {
            let message = format!(
                "{} has {filters} filters and {LISTEN_FILTERS_MAX} are allowed; use a pattern such as \
                 'com\\.example\\..*', or several tasks",
                place.name()
            );
            self.error(place, message);
        }
        Some(strategy)
    }

    /// `one`, `any` or `all`. `until` is allowed in the outer of two only.
    fn strategy(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        around: Around<'_>,
        outer: bool,
    ) -> Option<Strategy> {
        const MODES: [(&str, Mode); 3] = [("one", Mode::One), ("any", Mode::Any), ("all", Mode::All)];
        let strategy = self.object(value, place, STRATEGY)?;
        self.closed(strategy, place, &["one", "any", "all", "until"]);
        let mut present = MODES.iter().filter(|(word, _)| strategy.contains_key(*word));
        let (word, mode) = match (present.next(), present.next()) {
            (Some((word, mode)), None) => (*word, *mode),
            (Some((first, _)), Some((second, _))) => {
                self.error(place, format!("`{first}` and `{second}` exclude each other; keep one of them"));
                return None;
            }
            (None, _) => {
                self.error(
                    place,
                    format!("{} does not say which events; give it one, any or all", place.name()),
                );
                return None;
            }
        };
        let until = strategy.get("until").and_then(|value| {
            let at = place.key("until");
            if mode != Mode::Any {
                self.error(
                    &at,
                    format!("`until` goes with `any`; with `{word}` the events are counted, so remove it"),
                );
                return None;
            }
            if !outer {
                self.error(&at, "the events of an `until` have no `until` of their own; remove it");
                return None;
            }
            self.until(value, &at, around)
        });
        let at = place.key(word);
        let value = strategy.get(word)?;
        let filters = if mode == Mode::One {
            self.filter_of_events(value, &at, around).into_iter().collect()
        } else {
            let items = self.list(value, &at, "`- with: { type: com.example.order.paid }`")?;
            if items.is_empty() && mode == Mode::All {
                self.error(&at, "`all` is empty, so there is nothing to wait for; give it filters");
            }
            let filters = items.iter().enumerate();
            filters
                .filter_map(|(index, item)| self.filter_of_events(item, &at.index(index), around))
                .collect()
        };
        Some(Strategy { mode, filters, until: until.map(Box::new) })
    }

    fn until(&mut self, value: &'d Value, place: &Place<'_>, around: Around<'_>) -> Option<Until> {
        match value {
            Value::String(_) => self.expression(value, place, around.scope).map(Until::Holds),
            Value::Object(_) => self.strategy(value, place, around, false).map(Until::Consumed),
            other => {
                let message = format!(
                    "`until` must be an expression on the events consumed so far, such as '(. | length) > 3', or say which \
                     events end it, such as {STRATEGY}, and is {}",
                    kind(other)
                );
                self.error(place, message);
                None
            }
        }
    }

    fn filter_of_events(
        &mut self,
        value: &'d Value,
        place: &Place<'_>,
        around: Around<'_>,
    ) -> Option<Filter> {
        let filter = self.object(value, place, "{ with: { type: com.example.order.paid } }")?;
        self.closed(filter, place, &["with", "correlate"]);
        let correlate = match filter.get("correlate") {
            Some(value) => self.correlate(value, &place.key("correlate"), around),
            None => Vec::new(),
        };
        let with = self.required(filter, place, "with")?;
        let place = place.key("with");
        let with = self.object(with, &place, "{ type: com.example.order.paid }")?;
        if with.is_empty() {
            self.error(&place, "`with` is empty; give it attributes, or write `any: []` for every event");
        }
        let mut matchers = Vec::with_capacity(with.len());
        for (name, value) in with {
            let at = place.key(name);
            if name == "data_base64" {
                self.error(&at, "binary data is compared as `data`, by its base64 text; write `data`");
            } else if self.is_attribute(name, &at) {
                matchers
                    .extend(self.matcher(name, value, &at, around).map(|matcher| (name.clone(), matcher)));
            }
        }
        Some(Filter { with: matchers, correlate })
    }

    fn matcher(
        &mut self,
        name: &str,
        value: &'d Value,
        place: &Place<'_>,
        around: Around<'_>,
    ) -> Option<Matcher> {
        if let Some(condition) = value.as_str().and_then(enclosed).filter(|_| name == "data") {
            return self.compile(condition, place, around.scope).map(Matcher::Condition);
        }
        if around.trigger && holds_expression(value) {
            self.error(place, NOTHING_TO_COMPUTE);
            return None;
        }
        if name != "data" && !matches!(value, Value::String(_) | Value::Bool(_) | Value::Number(_)) {
            let message =
                format!("{} must be text, a number or a boolean, and is {}", place.name(), kind(value));
            self.error(place, message);
            return None;
        }
        match value.as_str() {
            Some(text) if enclosed(text).is_none() && is_pattern(text) => {
                let regex = self.pattern(text, place)?;
                Some(Matcher::Pattern { text: text.to_owned(), regex })
            }
            _ if around.trigger => Some(Matcher::Value(Template::Literal(value.clone()))),
            _ => Some(Matcher::Value(self.data(value, place, around.scope))),
        }
    }

    /// A regular expression for a whole text. The engine takes linear time, whatever the pattern.
    fn pattern(&mut self, text: &str, place: &Place<'_>) -> Option<Regex> {
        if text.len() > PATTERN_BYTES_MAX {
            let message = format!(
                "the pattern has {} bytes, and {PATTERN_BYTES_MAX} are allowed; shorten it, or compare in `data`",
                text.len()
            );
            self.error(place, message);
            return None;
        }
        if !self.work.pattern() {
            self.error(place, "the document has too many patterns to compile; split it");
            return None;
        }
        let compile = |pattern: &str, bytes_max: usize| {
            RegexBuilder::new(pattern)
                .size_limit(bytes_max)
                .dfa_size_limit(COMPILED_BYTES_MAX)
                .nest_limit(32)
                .build()
        };
        // By itself first, since what is wrong alone must not become right inside the anchors. What is right is too large
        // for no bytes at all, which is found soon.
        let alone = match compile(text, 0) {
            Err(regex::Error::CompiledTooBig(_)) | Ok(_) => Ok(()),
            Err(reason) => Err(reason),
        };
        match alone.and_then(|()| compile(&format!("\\A(?:{text})\\z"), COMPILED_BYTES_MAX)) {
            Ok(regex) => Some(regex),
            Err(reason) => {
                let reason = match reason {
                    regex::Error::CompiledTooBig(_) => "it becomes too large".to_owned(),
                    // The last line says what, after a drawing of where.
                    reason => {
                        let text = reason.to_string();
                        let last = text.lines().last().unwrap_or_default();
                        last.strip_prefix("error: ").unwrap_or(last).to_owned()
                    }
                };
                let message = format!(
                    "{:?} is not a regular expression: {reason}; write `\\` before a character that stands for itself",
                    clip(text)
                );
                self.error(place, message);
                None
            }
        }
    }

    fn correlate(&mut self, value: &'d Value, place: &Place<'_>, around: Around<'_>) -> Vec<Correlation> {
        let example = "{ order: { from: .data.orderId } }";
        let Some(keys) = self.object(value, place, example) else { return Vec::new() };
        if keys.len() > KEYS_MAX {
            let message = format!("there are {} keys, and {KEYS_MAX} are allowed; compare fewer", keys.len());
            self.error(place, message);
            return Vec::new();
        }
        let mut correlations = Vec::with_capacity(keys.len());
        for (key, value) in keys {
            let at = place.key(key);
            let Some(definition) = self.object(value, &at, "{ from: .data.orderId }") else { continue };
            self.closed(definition, &at, &["from", "expect"]);
            let from = self.required(definition, &at, "from");
            let from = from.and_then(|value| self.expression(value, &at.key("from"), around.scope));
            let expect =
                definition.get("expect").and_then(|value| self.expect(value, &at.key("expect"), around));
            correlations.extend(from.map(|from| Correlation { key: key.clone(), from, expect }));
        }
        correlations
    }

    fn expect(&mut self, value: &'d Value, place: &Place<'_>, around: Around<'_>) -> Option<Template> {
        if value.is_null() {
            self.error(
                place,
                "`expect` is empty, and nothing correlates with that; write a value, or remove it",
            );
            return None;
        }
        if around.trigger && holds_expression(value) {
            self.error(place, NOTHING_TO_COMPUTE);
            return None;
        }
        if around.trigger {
            return Some(Template::Literal(value.clone()));
        }
        Some(self.data(value, place, around.scope))
    }
}

const NOTHING_TO_COMPUTE: &str =
    "there is no run yet from which this could be computed; write the value, or a condition on `data`";

/// Text that is more than itself. Dots alone do not count: most types have them, and mean them.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '^', '$', '\\'])
}
