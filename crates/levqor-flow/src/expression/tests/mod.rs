mod functions;
mod hostile;

use serde_json::Value;

use super::{Bounds, Expression, ExpressionError};

fn run(text: &str, input: &Value) -> Result<Value, ExpressionError> {
    Expression::compile(text, &[])?.evaluate(input, &|_| Value::Null, &Bounds::default())
}
