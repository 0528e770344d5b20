//! jq expressions, compiled once, with bounds on steps, time, stack and memory.

use std::time::Duration;

use serde_json::Value;

/// A compiled jq expression; cheap to clone, free to share between threads.
#[derive(Clone)]
pub struct Expression {
    text: std::sync::Arc<str>,
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
    #[error("the expression makes more than {0} bytes of data")]
    TooMuchData(usize),
    #[error("the expression recurses too deeply")]
    TooDeep,
    /// Not deterministic: the engine must record it rather than count on seeing it again.
    #[error("the expression ran longer than {0:?}")]
    TooSlow(Duration),
}

impl Expression {
    /// Compiles `text` (without `${ }`), in which the variables named in `variables` (without `$`) exist.
    ///
    /// # Errors
    /// [`ExpressionError::Compile`] with what is wrong and where; an unknown variable or function is named.
    pub fn compile(_text: &str, _variables: &[&str]) -> Result<Self, ExpressionError> {
        unimplemented!("Expression::compile")
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The outside variables (without `$`) that the expression really mentions, so that only those are computed.
    pub fn variables(&self) -> &[String] {
        unimplemented!("Expression::variables")
    }

    /// Evaluates on `input`; `variable` gives the value of each of [`Expression::variables`].
    /// One result is that value, none is null, several are an array (the DSL reading of this project).
    ///
    /// # Errors
    /// All but `Compile`. A non-finite number in the result is an `Evaluate` error.
    pub fn evaluate(
        &self,
        _input: &Value,
        _variable: &dyn Fn(&str) -> Value,
        _bounds: &Bounds,
    ) -> Result<Value, ExpressionError> {
        unimplemented!("Expression::evaluate")
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
