//! Evaluation in its place: which variables an expression sees, and what happens when it fails.

use std::{sync::Arc, time::Duration};

use levqor_model::Timestamp;
use serde_json::{Map, Value};

use super::{
    ErrorKind, FlowError, Machine,
    arena::FrameId,
    around::EXTENSIONS,
    frame::{Body, Frame, TryPhase},
    payload,
};
use crate::{
    definition::{DurationSpec, Schema, SchemaSource, TaskKind, Template},
    document,
    expression::{Expression, ExpressionError, is_true},
};

/// Why a step cannot go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// An error of the DSL, for a `try` to catch.
    Error(FlowError),
    /// The expression ran over its time, or out of stack: both depend on the machine and the build, so replay need not
    /// find them again and the engine must record them.
    Slow(FlowError),
    /// The slice is used up; the step is tried again in another.
    Later(FlowError),
}

impl From<FlowError> for Trouble {
    fn from(error: FlowError) -> Self {
        Trouble::Error(error)
    }
}

/// The place of an evaluation. What is None is not available there, and reads as null.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub machine: &'a Machine,
    /// The task: gives `$task`, and where the look-up of variables begins.
    pub frame: Option<FrameId>,
    /// `$input`.
    pub input: Option<&'a Value>,
    /// `$task.output`.
    pub raw_output: Option<&'a Value>,
    /// `$output`.
    pub output: Option<&'a Value>,
    /// `$authorization`.
    pub authorization: Option<&'a Value>,
    /// Variables of the task itself, which are not those of its surroundings.
    pub locals: &'a [(&'a str, &'a Value)],
}

impl<'a> Scope<'a> {
    pub(super) fn new(machine: &'a Machine, frame: Option<FrameId>) -> Self {
        Self { machine, frame, input: None, raw_output: None, output: None, authorization: None, locals: &[] }
    }

    pub(super) fn evaluate(&self, expression: &Expression, on: &Value) -> Result<Value, Trouble> {
        self.machine.check_secrets(expression)?;
        let bounds = self.machine.bounds();
        expression.evaluate(on, &|name| self.variable(name), &bounds).map_err(|error| {
            let told = ErrorKind::Expression.error(
                "the expression could not be evaluated",
                format!("`{}`: {error}", clip(expression.text())),
            );
            match error {
                ExpressionError::TooSlow(_) | ExpressionError::TooDeep => Trouble::Slow(told),
                ExpressionError::Unfinished => Trouble::Later(told),
                _ => Trouble::Error(told),
            }
        })
    }

    pub(super) fn holds(&self, expression: &Expression, on: &Value) -> Result<bool, Trouble> {
        self.evaluate(expression, on).map(|value| is_true(&value))
    }

    /// Evaluates a template. Data that passes unchanged is shared, not copied.
    pub(super) fn fill(&self, template: &Template, on: &Arc<Value>) -> Result<Arc<Value>, Trouble> {
        match template {
            Template::Expression(expression) if expression.text().trim() == "." => Ok(Arc::clone(on)),
            template => self.build(template, on).map(Arc::new),
        }
    }

    /// Evaluates a template; recursion is bounded by the nesting of the document.
    pub(super) fn build(&self, template: &Template, on: &Value) -> Result<Value, Trouble> {
        match template {
            Template::Literal(value) => Ok(value.clone()),
            Template::Expression(expression) => self.evaluate(expression, on),
            Template::Attempt(expression, text) => match self.evaluate(expression, on) {
                Err(Trouble::Error(_)) => Ok(Value::String(text.clone())),
                result => result,
            },
            Template::Array(_) | Template::Object(_) => self.part(template, on, &mut 0),
        }
    }

    /// A part of a template. `bytes` counts what the expressions before it have given: each is bounded by itself, and there
    /// may be ten thousands of them.
    fn part(&self, template: &Template, on: &Value, bytes: &mut usize) -> Result<Value, Trouble> {
        match template {
            Template::Array(items) => items
                .iter()
                .map(|item| self.part(item, on, bytes))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Template::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (name, member) in members {
                    object.insert(name.clone(), self.part(member, on, bytes)?);
                }
                Ok(Value::Object(object))
            }
            Template::Literal(value) => Ok(value.clone()),
            Template::Expression(_) | Template::Attempt(..) => {
                let value = self.build(template, on)?;
                payload::add(bytes, &value, self.machine.surroundings.payload_bytes_max)?;
                Ok(value)
            }
        }
    }

    pub(super) fn duration(&self, spec: &DurationSpec, on: &Value) -> Result<Duration, Trouble> {
        match spec {
            DurationSpec::Fixed(span) => Ok(*span),
            DurationSpec::Computed(expression) => {
                let value = self.evaluate(expression, on)?;
                document::duration(&value).map_err(|reason| {
                    let detail = format!("`{}`: {reason}", clip(expression.text()));
                    Trouble::Error(ErrorKind::Expression.error("the duration could not be used", detail))
                })
            }
        }
    }

    pub(super) fn variable(&self, name: &str) -> Value {
        match name {
            "context" => (*self.machine.context).clone(),
            "input" => self.input.cloned().unwrap_or_default(),
            "output" => self.output.cloned().unwrap_or_default(),
            "task" => self.task(),
            "workflow" => object([
                ("id", Value::from(self.machine.run.to_string())),
                ("definition", (*self.machine.workflow.source).clone()),
                ("input", (*self.machine.raw_input).clone()),
                ("startedAt", moment(self.machine.started_at)),
            ]),
            "runtime" => object([
                ("name", Value::from("levqor")),
                ("version", Value::from(self.machine.surroundings.runtime_version.as_str())),
                ("metadata", Value::Object(Map::new())),
            ]),
            "secrets" => self.machine.surroundings.secrets.object(&self.machine.secrets),
            "authorization" => self.authorization.cloned().unwrap_or_default(),
            name => self.local(name),
        }
    }

    fn task(&self) -> Value {
        let Some((frame, raw_output)) = self.described() else { return Value::Null };
        let task = frame.task();
        let mut descriptor = object([
            ("name", Value::from(&*task.name)),
            ("reference", Value::from(&*task.reference)),
            ("definition", (*task.source).clone()),
            ("input", (*frame.raw).clone()),
            ("startedAt", moment(frame.began_at)),
        ]);
        if let Some(members) = descriptor.as_object_mut() {
            // What extensions ask for most often, and what published ones expect here.
            if let Some(with) = task.source.get("with") {
                members.insert("with".to_owned(), with.clone());
            }
            if let Some(output) = raw_output {
                members.insert("output".to_owned(), output.clone());
            }
        }
        descriptor
    }

    /// The task that `$task` is about, and its raw output: of an extension's tasks it is the extended one.
    fn described(&self) -> Option<(&'a Frame, Option<&'a Value>)> {
        let frame = self.machine.frames.get(self.frame?)?;
        if !frame.task().reference.starts_with(EXTENSIONS) {
            return Some((frame, self.raw_output));
        }
        let extended = self.machine.extended(frame)?;
        Some((extended, extended.around.as_ref().and_then(|around| around.raw_output())))
    }

    /// Variables are lexical: the task's own, then those of the loops and handlers around it, innermost first.
    fn local(&self, name: &str) -> Value {
        if let Some((_, value)) = self.locals.iter().find(|(local, _)| *local == name) {
            return (*value).clone();
        }
        let frames = &self.machine.frames;
        let mut next = self.frame.and_then(|id| frames.get(id)).and_then(|frame| frame.parent);
        while let Some(frame) = next.and_then(|id| frames.get(id)) {
            match (&frame.task().kind, &frame.body) {
                (TaskKind::For(definition), Body::Loop(body)) => {
                    if name == definition.each {
                        return body.items.get(body.position).cloned().unwrap_or_default();
                    }
                    if name == definition.at {
                        return Value::from(body.position);
                    }
                }
                (TaskKind::Listen(definition), Body::Listen(body)) => {
                    if let (Some(each), Some(item)) = (&definition.each, &body.item) {
                        if name == each.item {
                            return item.clone();
                        }
                        if name == each.at {
                            return Value::from(body.position);
                        }
                    }
                }
                (TaskKind::Try(definition), Body::Try(body)) => {
                    if let TryPhase::Handling(error) = &body.phase
                        && name == definition.catch.variable
                    {
                        return (**error).clone();
                    }
                }
                _ => {}
            }
            next = frame.parent;
        }
        Value::Null
    }
}

/// Checks `value` against a schema. `what` names it in the error.
pub(super) fn check_schema(
    machine: &Machine,
    schema: Option<&SchemaSource>,
    what: &str,
    value: &Value,
) -> Result<(), FlowError> {
    let Some(Schema(validator)) = schema.and_then(|schema| machine.schema(schema)) else { return Ok(()) };
    match validator.validate(value) {
        Ok(()) => Ok(()),
        Err(error) => {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
            let reason = document::misfit(&error);
            Err(ErrorKind::Validation.error("the schema is not met", format!("{what}{place}: {reason}")))
        }
    }
}

/// A moment as the DSL's descriptors have it.
fn moment(at: Timestamp) -> Value {
    let epoch =
        object([("seconds", Value::from(at.as_seconds())), ("milliseconds", Value::from(at.as_millis()))]);
    object([("iso8601", Value::from(at.to_string())), ("epoch", epoch)])
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The beginning of a text, for messages.
pub(super) fn clip(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
