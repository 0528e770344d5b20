//! Bounds of the data that runs take in.

use serde_json::Value;

/// Whether arrays and objects are nested deeper than `levels`; stops looking at that depth.
pub(crate) fn depth_exceeds(value: &Value, levels: usize) -> bool {
    let nested = |inner: &Value| match levels.checked_sub(1) {
        None => true,
        Some(rest) => depth_exceeds(inner, rest),
    };
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(nested),
        Value::Object(members) => levels == 0 || members.values().any(nested),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_arrays_and_objects() {
        let nest = |levels: usize| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        for levels in [0, 1, 2, 63, 64] {
            assert!(!depth_exceeds(&nest(levels), levels), "{levels}");
            assert!(depth_exceeds(&nest(levels + 1), levels), "{levels}");
        }
    }
}
