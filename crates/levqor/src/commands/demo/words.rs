//! Numbers for people.

use std::time::Duration;

/// Milliseconds below a second, else seconds with a tenth.
pub fn seconds(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        format!("{} ms", span.as_millis())
    } else {
        format!("{:.1} s", span.as_secs_f64())
    }
}
