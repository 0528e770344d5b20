//! How large a piece of data is, counted without writing it.

use levqor_model::limits::NESTING_MAX;
use serde_json::{Number, Value};

use super::{ErrorKind, FlowError};

/// Checks data against the limits on size and nesting. `what` names it in the error.
///
/// # Errors
/// A `runtime` error that names the limit and, for a size, the size.
pub(super) fn check(what: &str, value: &Value, bytes_max: usize) -> Result<(), FlowError> {
    let Some(bytes) = bytes(value, NESTING_MAX) else {
        return Err(ErrorKind::Runtime.error(
            "too deeply nested",
            format!(
                "{what} is nested more than {NESTING_MAX} levels deep, which is the limit; make it flatter"
            ),
        ));
    };
    if bytes > bytes_max {
        return Err(ErrorKind::Runtime.error(
            "too much data",
            format!("{what} has {bytes} bytes as JSON and the limit is {bytes_max}; keep only what later tasks need"),
        ));
    }
    Ok(())
}

/// Counts what one of several expressions has given. A little over the limit is left to [`check`], which says what it is.
///
/// # Errors
/// As [`check`].
pub(super) fn add(total: &mut usize, value: &Value, bytes_max: usize) -> Result<(), FlowError> {
    let Some(bytes) = bytes(value, NESTING_MAX) else { return check("the data", value, bytes_max) };
    *total = total.saturating_add(bytes);
    if *total > bytes_max.saturating_mul(2) {
        let detail = format!(
            "the task's expressions together give more than {total} bytes as JSON and the limit is {bytes_max}; keep only \
             what later tasks need"
        );
        return Err(ErrorKind::Runtime.error("too much data", detail));
    }
    Ok(())
}

/// Bytes of compact JSON; None when nested more than `depth` levels. The bound on depth also bounds the recursion.
pub(crate) fn bytes(value: &Value, depth: usize) -> Option<usize> {
    Some(match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => digits(number),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let depth = depth.checked_sub(1)?;
            let mut total = 2 + items.len().saturating_sub(1);
            for item in items {
                total += bytes(item, depth)?;
            }
            total
        }
        Value::Object(members) => {
            let depth = depth.checked_sub(1)?;
            let mut total = 2 + members.len().saturating_sub(1);
            for (name, member) in members {
                total += quoted(name) + 1 + bytes(member, depth)?;
            }
            total
        }
    })
}

fn quoted(text: &str) -> usize {
    let escapes: usize = text
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | 0x08 | 0x09 | 0x0A | 0x0C | 0x0D => 1,
            0..0x20 => 5,
            _ => 0,
        })
        .sum();
    text.len() + escapes + 2
}

fn digits(number: &Number) -> usize {
    let count = |whole: u64| whole.checked_ilog10().unwrap_or(0) as usize + 1;
    if let Some(whole) = number.as_u64() {
        count(whole)
    } else if let Some(whole) = number.as_i64() {
        1 + count(whole.unsigned_abs())
    } else {
        number.to_string().len()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_are_those_of_compact_json() {
        let rows = [
            json!(null),
            json!([true, false]),
            json!(0),
            json!(-1),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(10),
            json!(1.5e300),
            json!(-0.1),
            json!("a\"b\\c\n\u{1}\u{8}é😀\u{7f}"),
            json!([]),
            json!({}),
            json!({ "a": [1, { "b\n": "" }], "c": {} }),
        ];
        for value in rows {
            assert_eq!(bytes(&value, 64), Some(value.to_string().len()), "{value}");
        }
    }

    #[test]
    fn limits_name_themselves() {
        let mut deep = json!(1);
        for _ in 0..64 {
            deep = json!([deep]);
        }
        assert_eq!(check("it", &deep, 1000), Ok(()));
        let error = check("it", &json!([deep]), 1000).unwrap_err();
        assert!(error.detail.unwrap().contains("64 levels"));
        let error = check("the output", &json!("12345678"), 9).unwrap_err();
        assert_eq!(
            error.detail.unwrap(),
            "the output has 10 bytes as JSON and the limit is 9; keep only what later tasks need"
        );
    }
}
