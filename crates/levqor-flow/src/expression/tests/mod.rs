//! What expressions compute, what they refuse, and what they cannot do to us.

mod functions;
mod hostile;
mod messages;
mod properties;

use serde_json::Value;

use super::{Bounds, Expression, ExpressionError};

fn run(text: &str, input: &Value) -> Result<Value, ExpressionError> {
    Expression::compile(text, &[])?.evaluate(input, &|_| Value::Null, &Bounds::default())
}
