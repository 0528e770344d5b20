//! What a workflow listens to, checked.

use regex::Regex;

use super::{Export, Output, TaskList, Template};
use crate::expression::Expression;

/// `listen`, with what is done for each event.
#[derive(Debug)]
pub struct Listen {
    pub spec: ListenSpec,
    pub each: Option<ForEach>,
}

/// `foreach` of `listen`: what is done for one event after the other.
#[derive(Debug)]
pub struct ForEach {
    pub item: String,
    pub at: String,
    /// None: the event, as it is read, is its own output.
    pub tasks: Option<TaskList>,
    pub output: Output,
    pub export: Export,
}

/// Which events, and as what they are read.
#[derive(Debug, Clone)]
pub struct ListenSpec {
    pub to: Strategy,
    pub read: Read,
}

/// When enough events have come.
#[derive(Debug, Clone)]
pub struct Strategy {
    pub mode: Mode,
    /// None at all with `Any` only, where they stand for every event.
    pub filters: Vec<Filter>,
    /// With `Any` only.
    pub until: Option<Box<Until>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The first event that the filter takes.
    One,
    /// The first event that one of the filters takes; with `until`, all that come before its end.
    Any,
    /// One event for each filter, in any order.
    All,
}

#[derive(Debug, Clone)]
pub enum Until {
    /// Holds on the array of the events consumed so far, as they are read.
    Holds(Expression),
    /// These events have come; they are not among what is consumed. Has no `until` of its own.
    Consumed(Strategy),
}

/// What an event must be like: all of it.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Attributes, and `data`.
    pub with: Vec<(String, Matcher)>,
    pub correlate: Vec<Correlation>,
}

#[derive(Debug, Clone)]
pub enum Matcher {
    /// Equal to this, which is computed when listening begins.
    Value(Template),
    /// The whole text is this (`text`), or matches it.
    Pattern { text: String, regex: Regex },
    /// Holds on the data.
    Condition(Expression),
}

/// A value of the event that must be the expected one; without `expect`, that of the first event with this key.
#[derive(Debug, Clone)]
pub struct Correlation {
    pub key: String,
    /// On the whole event.
    pub from: Expression,
    /// Computed when listening begins.
    pub expect: Option<Template>,
}

/// As what an event is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Its data.
    Data,
    /// The whole event, as structured JSON.
    Envelope,
    /// Its data as text: as it came, or base64.
    Raw,
}

impl Strategy {
    /// The filters, and after them those of `until`.
    pub(crate) fn all_filters(&self) -> impl Iterator<Item = &Filter> {
        self.filters.iter().chain(self.stop().map_or(&[][..], |stop| &stop.filters))
    }

    /// The events that end it.
    pub(crate) fn stop(&self) -> Option<&Strategy> {
        match self.until.as_deref() {
            Some(Until::Consumed(stop)) => Some(stop),
            _ => None,
        }
    }

    /// The condition that ends it.
    pub(crate) fn end(&self) -> Option<&Expression> {
        match self.until.as_deref() {
            Some(Until::Holds(condition)) => Some(condition),
            _ => None,
        }
    }
}
