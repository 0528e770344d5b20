//! Any program on any data gives a result or an error within its bounds, and the same one twice.
#![no_main]

use std::time::Duration;

use levqor_flow::expression::{Bounds, Expression, ExpressionError};
use serde_json::{Value, json};

libfuzzer_sys::fuzz_target!(|text: &str| {
    // The first line is the program, the rest its input.
    let (program, input) = text.split_once('\n').unwrap_or((text, "null"));
    let Ok(expression) = Expression::compile(program, &["input", "context"]) else { return };
    let input: Value = serde_json::from_str(input).unwrap_or(Value::Null);
    let bounds = Bounds { steps: 10_000, bytes: 1024 * 1024, time: Duration::from_secs(10) };
    let variable = |name: &str| json!({ "name": name });
    let first = expression.evaluate(&input, &variable, &bounds);
    assert!(!matches!(first, Err(ExpressionError::TooSlow(_))), "10,000 steps took 10 seconds");
    assert_eq!(first, expression.evaluate(&input, &variable, &bounds));
});
