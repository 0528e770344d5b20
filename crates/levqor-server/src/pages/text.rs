//! Numbers and spans as people read them.

use std::time::Duration;

/// `12,345`.
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 run`, `2,000 runs`.
pub fn plural(number: i64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// The share of `part` in `whole` in percent with three digits, rounded down: 100 % means all of it.
pub fn percent_down(part: i64, whole: i64) -> Option<String> {
    if whole <= 0 || part < 0 || part > whole {
        return None;
    }
    let thousandths = i128::from(part) * 100_000 / i128::from(whole);
    let (percent, rest) = (thousandths / 1_000, thousandths % 1_000);
    if rest == 0 { Some(format!("{percent} %")) } else { Some(format!("{percent}.{rest:03} %")) }
}

/// How long something took: `840 µs`, `12.3 ms`, `4.21 s`, `3 min 5 s`, `2 h 4 min`, `3 d 4 h`.
pub fn duration_words(span: Duration) -> String {
    let micros = span.as_micros();
    let seconds = span.as_secs();
    match micros {
        0 => "0 s".to_owned(),
        1..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{}.{:02} s", seconds, micros % 1_000_000 / 10_000),
        _ if seconds < 3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        _ if seconds < 86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(plural(1, "run", "runs"), "1 run");
        assert_eq!(plural(0, "run", "runs"), "0 runs");
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        let rows = [
            (1, 1, Some("100 %")),
            (99_999_999, 100_000_000, Some("99.999 %")),
            (999, 1_000, Some("99.900 %")),
            (0, 10, Some("0 %")),
            (0, 0, None),
            (2, 1, None),
            (-1, 1, None),
            (i64::MAX, i64::MAX, Some("100 %")),
        ];
        for (part, whole, text) in rows {
            assert_eq!(percent_down(part, whole).as_deref(), text, "{part}/{whole}");
        }
    }

    #[test]
    fn spans_are_short() {
        let rows = [
            (0, "0 s"),
            (840, "840 µs"),
            (1_250, "1.2 ms"),
            (12_345, "12 ms"),
            (4_219_999, "4.21 s"),
            (60_000_000, "1 min"),
            (185_000_000, "3 min 5 s"),
            (7_440_000_000, "2 h 4 min"),
            (273_600_000_000, "3 d 4 h"),
        ];
        for (micros, text) in rows {
            assert_eq!(duration_words(Duration::from_micros(micros)), text);
        }
    }
}
