//! The types of events that tell the life of runs and tasks, as the language names them.

use serde_json::Value;

use super::CloudEvent;
use crate::definition::{Filter, Matcher};

/// What all of them begin with.
pub const PREFIX: &str = "io.serverlessworkflow.";

/// A status of a run or a task that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Created,
    Started,
    Suspended,
    Resumed,
    Retried,
    CorrelationStarted,
    CorrelationCompleted,
    Cancelled,
    Faulted,
    Completed,
}

impl Told {
    const fn word(self) -> &'static str {
        match self {
            Told::Created => "created",
            Told::Started => "started",
            Told::Suspended => "suspended",
            Told::Resumed => "resumed",
            Told::Retried => "retried",
            Told::CorrelationStarted => "correlation-started",
            Told::CorrelationCompleted => "correlation-completed",
            Told::Cancelled => "cancelled",
            Told::Faulted => "faulted",
            Told::Completed => "completed",
        }
    }

    /// The member of the data that says when.
    pub const fn moment(self) -> &'static str {
        match self {
            Told::Created => "createdAt",
            Told::Started | Told::CorrelationStarted => "startedAt",
            Told::Suspended => "suspendedAt",
            Told::Resumed => "resumedAt",
            Told::Retried => "retriedAt",
            Told::Cancelled => "cancelledAt",
            Told::Faulted => "faultedAt",
            Told::Completed | Told::CorrelationCompleted => "completedAt",
        }
    }

    /// Of a run.
    pub fn of_workflow(self) -> String {
        format!("{PREFIX}workflow.{}.v1", self.word())
    }

    /// Of a task.
    pub fn of_task(self) -> String {
        format!("{PREFIX}task.{}.v1", self.word())
    }
}

/// Whether events of this type tell the life of runs and tasks.
pub fn is_lifecycle(kind: &str) -> bool {
    kind.starts_with(PREFIX)
}

/// Whether a document speaks of such events anywhere. It tells nothing of itself then: else two workflows that listen to
/// each other, or one to itself, would never come to rest.
pub fn names_lifecycle(document: &Value) -> bool {
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if text.contains(PREFIX) => return true,
            Value::Array(items) => open.extend(items),
            Value::Object(members) => open.extend(members.values()),
            _ => {}
        }
    }
    false
}

/// Whether a filter may be offered the event: one of a life is only for those that name its type.
pub(super) fn is_offered(filter: &Filter, event: &CloudEvent) -> bool {
    !is_lifecycle(event.kind())
        || filter.with.iter().any(|(name, matcher)| {
            // That it is this very type is seen when the filter is compared.
            name == "type" && matches!(matcher, Matcher::Value(_))
        })
}
