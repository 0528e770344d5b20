//! Runs that events start: `schedule.on`.
//!
//! There is no run yet, so nothing but the event can be looked at: filters compare with what the document says, and
//! expressions have no variables.

use levqor_model::limits::{LISTEN_EVENTS_MAX, PAYLOAD_BYTES_MAX};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CloudEvent, Interest, Progress, Reached, Targets, filter_bounds, interests_of};
use crate::{
    definition::ListenSpec,
    expression::{Bounds, Expression, ExpressionError, is_true},
    machine::{ErrorKind, FlowError, payload},
};

/// How far a trigger has come to its next run. The serialised form is stored: only add members, with defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TriggerState {
    #[serde(default)]
    progress: Progress,
    /// Events for the run, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<CloudEvent>,
    /// Of the input that the events make.
    #[serde(default)]
    bytes: usize,
}

/// What an event was to a trigger.
#[derive(Debug, Clone, PartialEq)]
pub enum Offer {
    Ignored,
    /// The state has changed.
    Kept,
    /// Start a run with [`input`] of these. The state begins anew.
    Satisfied(Vec<CloudEvent>),
}

/// Offers an event to a trigger.
///
/// # Errors
/// When the events gathered are more than a run's input may be, or the condition of `until` fails on them. They are let go: the state
/// begins anew, so that the trigger does not stand still.
pub fn offer(spec: &ListenSpec, state: &mut TriggerState, event: &CloudEvent) -> Result<Offer, FlowError> {
    let outcome = taken(spec, state, event);
    if !matches!(outcome, Ok(Offer::Ignored | Offer::Kept)) {
        let events = std::mem::take(state).events;
        return outcome.map(|_| Offer::Satisfied(events));
    }
    outcome
}

/// `Satisfied` stands for the events in the state.
fn taken(spec: &ListenSpec, state: &mut TriggerState, event: &CloudEvent) -> Result<Offer, FlowError> {
    let targets = Targets::default();
    let bounds = filter_bounds(&spec.to, Bounds::default());
    let evaluate = |expression: &Expression, on: &Value| evaluate(expression, on, &bounds);
    let Some(matched) = state.progress.matching(&spec.to, &targets, event, &evaluate) else {
        return Ok(Offer::Ignored);
    };
    let stops = matched.stops();
    let reached = state.progress.take(&spec.to, matched);
    if !stops {
        let read = spec.read.of(event);
        state.bytes += payload::bytes(&read, usize::MAX).unwrap_or(PAYLOAD_BYTES_MAX) + 1;
        state.events.push(event.clone());
        if state.bytes > PAYLOAD_BYTES_MAX || state.events.len() > LISTEN_EVENTS_MAX {
            return Err(ErrorKind::Runtime.error(
                "too many events",
                format!(
                    "the trigger has gathered {} events of {} bytes, and {LISTEN_EVENTS_MAX} events of {PAYLOAD_BYTES_MAX} bytes are \
                     allowed; they were let go: make `until` hold earlier",
                    state.events.len(),
                    state.bytes
                ),
            ));
        }
        if let Some(end) = spec.to.end()
            && holds(end, &input(spec, &state.events))?
        {
            return Ok(Offer::Satisfied(Vec::new()));
        }
    }
    Ok(match reached {
        Reached::More => Offer::Kept,
        Reached::Satisfied => Offer::Satisfied(Vec::new()),
    })
}

/// What may wake a trigger.
pub fn interests(spec: &ListenSpec) -> Vec<Interest> {
    interests_of(&spec.to, &Targets::default(), &Progress::default())
}

/// The input of the run that these events start: an array of them, as they are read.
pub fn input(spec: &ListenSpec, events: &[CloudEvent]) -> Value {
    Value::Array(events.iter().map(|event| spec.read.of(event)).collect())
}

fn evaluate(expression: &Expression, on: &Value, bounds: &Bounds) -> Result<Value, ExpressionError> {
    expression.evaluate(on, &|_| Value::Null, bounds)
}

fn holds(condition: &Expression, on: &Value) -> Result<bool, FlowError> {
    evaluate(condition, on, &Bounds::default()).map(|value| is_true(&value)).map_err(|error| {
        ErrorKind::Expression.error(
            "the expression could not be evaluated",
            format!("`{}`: {error}", crate::document::clip(condition.text())),
        )
    })
}
