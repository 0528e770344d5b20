//! jq expressions, compiled once, with bounds on steps, time, stack and memory.
//!
//! ```text
//! text ─► guard ─► jaq's parser ─► rewrite (gates) ─► jaq's compiler ─► Expression
//!                                                                          │ evaluate
//! JSON ─► value ─► jaq's interpreter ◄──► budget ──────────────────────────┤
//!                       │  ▲                                               ▼
//!                       ▼  │                                    JSON, or the bound that was met
//!                  natives, prelude.jq
//! ```
//!
//! The interpreter is the library's; the values, the functions and the gates are ours, because the library's
//! own bound nothing. Each module says what it keeps: [`budget`] counts, [`value`] owns, [`rewrite`] makes
//! programs pay, [`needs`] says what of the data they look at, [`guard`] keeps the parser's stack, [`stack`]
//! gives evaluations a larger one, [`allowance`] bounds what several use together.
//!
//! Different from jq: no `?//`, no `$__loc__`, no escapes of surrogate pairs, no look-around in regular
//! expressions; and nothing that reads a clock, a zone, the environment or an input, or ends the process.
//!
//! Invariant: a result depends on the text, the data and the bounds alone. There is no clock, no environment,
//! no input and no output in the language; [`ExpressionError::TooSlow`] and [`ExpressionError::TooDeep`] are
//! the only errors that depend on the machine, and [`ExpressionError::Unfinished`] the only one that depends on the caller.

mod access;
pub(crate) mod allowance;
mod arithmetic;
mod budget;
mod compare;
mod compile;
mod guard;
mod json;
mod natives;
mod needs;
mod number;
mod prelude;
mod rewrite;
mod stack;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;
use std::time::Duration;

use jaq_core::{Ctx, Vars};
use levqor_model::limits;
use serde_json::Value;

use self::budget::{Session, Stop};
use self::json::NotJson;
use self::natives::Jq;
use self::needs::Need;
use self::value::Val;

/// A compiled jq expression; cheap to clone, free to share between threads.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    program: Arc<compile::Program>,
}

/// What one evaluation may use.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Deterministic: the same expression on the same data uses the same steps.
    pub steps: u64,
    /// Deterministic: bytes of all values alive or made, as this evaluator counts them.
    pub bytes: usize,
    /// A safety net for what the steps do not see; its error is [`ExpressionError::TooSlow`].
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { steps: 1_000_000, bytes: 64 * 1024 * 1024, time: Duration::from_secs(5) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    #[error("{0}")]
    Compile(String),
    #[error("{0}")]
    Evaluate(String),
    #[error("the expression needs more than {0} steps")]
    TooManySteps(u64),
    /// More than the expressions of one step of a run may use together.
    #[error("the expressions of one task need more than {0} steps together")]
    TooManyStepsTogether(u64),
    #[error("the expression makes more than {0} bytes of data")]
    TooMuchData(usize),
    /// How deep is too deep depends on the build, as it is the stack that ends: recorded like [`Self::TooSlow`].
    #[error("the expression recurses too deeply")]
    TooDeep,
    /// Not deterministic: the engine must record it rather than count on seeing it again.
    #[error("the expression ran longer than {0:?}")]
    TooSlow(Duration),
    /// Nothing that a run sees: the slice is used up, and the evaluation is made again in another.
    #[error("the expression needs more steps than the slice has")]
    Unfinished,
}

impl Expression {
    /// Compiles `text` (without `${ }`), in which the variables named in `variables` (without `$`) exist.
    ///
    /// # Errors
    /// [`ExpressionError::Compile`] with what is wrong and where; an unknown variable or function is named.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Self, ExpressionError> {
        let program = compile::compile(text, variables)?;
        Ok(Self { text: text.into(), program: Arc::new(program) })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The outside variables (without `$`) that the expression really mentions, so that only those are computed.
    pub fn variables(&self) -> &[String] {
        &self.program.variables
    }

    /// Which members of an outside variable the expression looks at: the outer None when it does not mention it, the
    /// inner one when it may look at any.
    pub fn members_of(&self, variable: &str) -> Option<Option<Vec<&str>>> {
        let place = self.program.variables.iter().position(|name| name == variable)?;
        Some(match self.program.needs.variables.get(place)? {
            Need::Whole => None,
            Need::Members(members) => Some(members.keys().map(String::as_str).collect()),
        })
    }

    /// Evaluates on `input`; `variable` gives the value of each of [`Expression::variables`].
    /// One result is that value, none is null, several are an array (the DSL reading of this project).
    ///
    /// # Errors
    /// All but `Compile`. A non-finite number in the result is an `Evaluate` error.
    pub fn evaluate(
        &self,
        input: &Value,
        variable: &dyn Fn(&str) -> Value,
        bounds: &Bounds,
    ) -> Result<Value, ExpressionError> {
        let variables: Vec<Value> = self.program.variables.iter().map(|name| variable(name)).collect();
        let (steps, limit) = allowance::granted(bounds.steps);
        let bounds = Bounds { steps, ..*bounds };
        let (outcome, used) = self.run_somewhere(input, &variables, &bounds);
        match outcome {
            Err(ExpressionError::TooManySteps(granted)) => {
                allowance::spend(granted);
                Err(limit.error(granted))
            }
            outcome => {
                allowance::spend(used);
                outcome
            }
        }
    }

    /// On the caller's stack, or on one of its own; with the steps that it took. A first try on too small a stack does not
    /// count, since what is too small depends on the build.
    fn run_somewhere(
        &self,
        input: &Value,
        variables: &[Value],
        bounds: &Bounds,
    ) -> (Result<Value, ExpressionError>, u64) {
        if !self.program.needs_stack {
            match self.run(input, variables, bounds, stack::BORROWED) {
                (Err(Failure::NeedsStack), _) => {}
                (Err(Failure::Final(error)), used) => return (Err(error), used),
                (Ok(result), used) => return (Ok(result), used),
            }
        }
        match stack::with_own(|| self.run(input, variables, bounds, stack::OWN)) {
            Some((Ok(result), used)) => (Ok(result), used),
            Some((Err(Failure::Final(error)), used)) => (Err(error), used),
            Some((Err(Failure::NeedsStack), _)) | None => (Err(ExpressionError::TooDeep), 0),
        }
    }

    fn run(
        &self,
        input: &Value,
        variables: &[Value],
        bounds: &Bounds,
        stack: usize,
    ) -> (Result<Value, Failure>, u64) {
        let session = Session::open(bounds, stack);
        let outcome = self.run_metered(input, variables);
        // A bound that was met is the answer, whatever the program made of it.
        let outcome = match budget::stopped() {
            Some(stop) => Err(Failure::of(stop, bounds)),
            None => outcome.map_err(|message| Failure::Final(ExpressionError::Evaluate(message))),
        };
        let used = bounds.steps.saturating_sub(budget::steps_left());
        drop(session);
        (outcome, used)
    }

    fn run_metered(&self, input: &Value, variables: &[Value]) -> Result<Value, String> {
        let read = |json: &Value, need: &Need| {
            json::from_json(json, need)
                .ok_or_else(|| format!("the data is nested more than {} levels deep", value::DEPTH_MAX))
        };
        let needs = &self.program.needs;
        let input = read(input, &needs.input)?;
        let variables = variables.iter().zip(&needs.variables);
        let variables = variables.map(|(json, need)| read(json, need)).collect::<Result<Vec<_>, _>>()?;
        let ctx = Ctx::<Jq>::new(&self.program.filter.lut, Vars::new(variables));
        let mut results = self.program.filter.id.run((ctx, input)).map(|result| {
            result.map_err(|exception| match exception.get_err() {
                Ok(error) => message(error.into_val()),
                // A bound, and recorded as such; or a label that is broken out of elsewhere.
                Err(_) => "the expression ended without a result".to_owned(),
            })
        });
        let Some(first) = results.next().transpose()? else { return Ok(Value::Null) };
        let Some(second) = results.next().transpose()? else { return result(&first) };
        let all: Val = [first, second].into_iter().map(Ok).chain(results).collect::<Result<_, String>>()?;
        result(&all)
    }
}

/// Copies a result out.
fn result(val: &Val) -> Result<Value, String> {
    if budget::stopped().is_some() {
        return Ok(Value::Null);
    }
    json::to_json(val, limits::NESTING_MAX).map_err(|problem| match problem {
        NotJson::NotFinite => "the result contains a number that is infinite or not a number".to_owned(),
        NotJson::TooDeep => format!("the result is nested more than {} levels deep", limits::NESTING_MAX),
    })
}

/// What the program said in its error.
fn message(error: Val) -> String {
    const MESSAGE_CHARS_MAX: usize = 1000;
    match error.as_str() {
        Some(text) => text.chars().take(MESSAGE_CHARS_MAX).collect(),
        None => format!("the expression raised {error}"),
    }
}

enum Failure {
    Final(ExpressionError),
    /// The stack lent by the caller does not do.
    NeedsStack,
}

impl Failure {
    fn of(stop: Stop, bounds: &Bounds) -> Self {
        Self::Final(match stop {
            Stop::Stack => return Self::NeedsStack,
            Stop::Steps => ExpressionError::TooManySteps(bounds.steps),
            Stop::Data => ExpressionError::TooMuchData(bounds.bytes),
            Stop::Deep => ExpressionError::TooDeep,
            Stop::Slow => ExpressionError::TooSlow(bounds.time),
            Stop::Nesting => ExpressionError::Evaluate(format!(
                "the expression makes data that is nested more than {} levels deep",
                value::DEPTH_MAX
            )),
        })
    }
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

/// Whether jq's conditions take the value as true: all but null and false.
pub fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}
