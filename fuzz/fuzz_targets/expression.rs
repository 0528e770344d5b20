//! Any program on any data gives a result or an error within its bounds, and the same one twice.
#![no_main]

use std::time::Duration;

use levqor_flow::expression::{Bounds, Expression};
use serde_json::{Value, json};

libfuzzer_sys::fuzz_target!(|text: &str| {
    // The first line is the program, the rest its input.
    let (program, input) = text.split_once('\n').unwrap_or((text, "null"));
    let Ok(expression) = Expression::compile(program, &["input", "context"]) else { return };
    let input: Value = serde_json::from_str(input).unwrap_or(Value::Null);
    // Steps and bytes are what is tried; time is the fuzzer's own affair (`-timeout`), which knows how busy the machine is.
    let bounds = Bounds { steps: 10_000, bytes: 1024 * 1024, time: Duration::from_secs(3_600) };
    let variable = |name: &str| json!({ "name": name });
    let first = expression.evaluate(&input, &variable, &bounds);
    assert_eq!(first, expression.evaluate(&input, &variable, &bounds));
});
