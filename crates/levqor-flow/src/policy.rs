//! What a workflow asks of the runtime: `document.metadata.levqor`.
//!
//! The DSL leaves `metadata` free, so a document with these members is valid elsewhere too, where they mean nothing. None of
//! them changes what a run computes; they say when it may run, where, and how long it is kept.

use std::time::Duration;

use levqor_model::{Misfire, Overlap, Priority, Residency};
use serde_json::Value;

use crate::{
    definition::Template,
    expression::{Bounds, Expression, ExpressionError},
};

/// The longest concurrency key, in characters.
pub const KEY_CHARS_MAX: usize = 200;
/// The most runs that may share a concurrency key.
pub const KEY_LIMIT_MAX: u32 = 1_000;
/// How far back missed due times may be made up for.
pub const CATCH_UP_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The most calls, and the most AI credits, that a budget may allow at once.
pub const BUDGET_MAX: u64 = 1_000_000;
/// Runs may be kept for this many days at most.
pub const RETENTION_DAYS_MAX: u32 = 36_500;

/// Everything that `document.metadata.levqor` says, except for the time zone, which the schedule has.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub priority: Priority,
    pub concurrency: Option<Concurrency>,
    pub schedule: SchedulePolicy,
    /// None: what the start says, or anywhere.
    pub residency: Option<Residency>,
    /// Days that ended runs are kept; None: as long as the server keeps them.
    pub retention_days: Option<u32>,
    /// Asked before the run's first task.
    pub approval: Option<Question>,
    pub budget: Option<Budget>,
}

/// What a person is asked before a run, or a task, may begin. Evaluated, these are texts.
#[derive(Debug, Clone)]
pub struct Question {
    pub title: Template,
    pub message: Option<Template>,
}

/// How much a run may use before it is suspended; each resumption allows as much again of what was used up. None: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Calls of services.
    pub calls: Option<u64>,
    /// AI credits.
    pub credits: Option<u64>,
}

/// At most `limit` runs of the workflow with the same key at once.
#[derive(Debug, Clone)]
pub struct Concurrency {
    pub key: Key,
    pub limit: u32,
}

#[derive(Debug, Clone)]
pub enum Key {
    Literal(String),
    /// Evaluated on the run's input.
    Computed(Expression),
}

/// What happens to due times that come too early or too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedulePolicy {
    pub overlap: Overlap,
    pub misfire: Misfire,
    /// Missed due times older than this are not made up for.
    pub catch_up: Duration,
}

impl Default for SchedulePolicy {
    fn default() -> Self {
        Self {
            overlap: Overlap::default(),
            misfire: Misfire::default(),
            catch_up: Duration::from_secs(60 * 60),
        }
    }
}

impl Concurrency {
    /// The key of a run with this input.
    ///
    /// # Errors
    /// Why the input gives no key.
    pub fn key_of(&self, input: &Value, bounds: &Bounds) -> Result<String, String> {
        let expression = match &self.key {
            Key::Literal(text) => return Ok(text.clone()),
            Key::Computed(expression) => expression,
        };
        let place = || format!("the concurrency key ${{ {} }}", expression.text());
        let value = expression.evaluate(input, &|_| Value::Null, bounds).map_err(|reason| {
            let remedy = match reason {
                ExpressionError::Compile(_) | ExpressionError::Evaluate(_) => "",
                // It has met a bound, and the same input would meet it again.
                _ => "; make `document.metadata.levqor.concurrency.key` simpler, such as ${ .customer }",
            };
            format!("{} could not be computed on the input: {reason}{remedy}", place())
        })?;
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null => return Err(format!("{} is null; send the value that it reads", place())),
            Value::Array(_) | Value::Object(_) => {
                return Err(format!("{} must give text, a number or a boolean", place()));
            }
        };
        match text.chars().count() {
            0 => Err(format!("{} is empty; send the value that it reads", place())),
            1..=KEY_CHARS_MAX => Ok(text),
            count => Err(format!("{} has {count} characters; at most {KEY_CHARS_MAX} are allowed", place())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_a_short_text() {
        let of = |text: &str, input: Value| {
            let key = Key::Computed(Expression::compile(text, &[]).unwrap());
            Concurrency { key, limit: 1 }.key_of(&input, &Bounds::default())
        };
        assert_eq!(of(".id", json!({ "id": "a" })).as_deref(), Ok("a"));
        assert_eq!(of(".id", json!({ "id": 7 })).as_deref(), Ok("7"));
        assert_eq!(of(".id", json!({ "id": true })).as_deref(), Ok("true"));
        for (input, reason) in [
            (json!({}), "the concurrency key ${ .id } is null"),
            (json!({ "id": "" }), "is empty"),
            (json!({ "id": [] }), "must give text"),
            (json!({ "id": "x".repeat(201) }), "has 201 characters"),
            (json!([]), "could not be computed on the input"),
        ] {
            let said = of(".id", input).unwrap_err();
            assert!(said.contains(reason), "{said}");
        }
        let dear = Key::Computed(Expression::compile("[range(100000)] | length", &[]).unwrap());
        let bounds = Bounds { steps: 20_000, ..Bounds::default() };
        let said = Concurrency { key: dear, limit: 1 }.key_of(&Value::Null, &bounds).unwrap_err();
        assert!(
            said.contains("needs more than 20000 steps; make `document.metadata.levqor.concurrency.key`"),
            "{said}"
        );
        let literal = Concurrency { key: Key::Literal("one".into()), limit: 1 };
        assert_eq!(literal.key_of(&Value::Null, &Bounds::default()).as_deref(), Ok("one"));
    }
}
