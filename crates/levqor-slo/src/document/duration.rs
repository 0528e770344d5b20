//! Spans of time as the standard writes them: a whole number and one letter.

use std::time::Duration;

use super::{
    clip,
    fields::{Issues, Node},
};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Reads a span between two bounds.
pub(super) fn duration(node: &Node<'_>, least: u64, most: u64, issues: &mut Issues) -> Option<Duration> {
    let text = node.text(issues)?;
    match parse(text) {
        Ok(seconds) if (least..=most).contains(&seconds) => Some(Duration::from_secs(seconds)),
        Ok(_) => {
            let (least, most) = (words(least), words(most));
            issues.add(&node.place, format!("{text} is not from {least} to {most}"));
            None
        }
        Err(problem) => {
            issues.add(&node.place, problem);
            None
        }
    }
}

/// Seconds.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("{:?} is no span of time; write it like 30m, 6h, 28d or 4w", clip(text));
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = &text[..text.len() - unit.len_utf8()];
    if number.is_empty() || number.len() > 6 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        'w' => 7 * DAY,
        'M' | 'Q' | 'Y' => {
            return Err(format!(
                "{text}: months, quarters and years have no fixed length, and a window that rolls needs one; \
                 write days, such as 30d, 90d or 365d"
            ));
        }
        _ => return Err(wrong()),
    };
    Ok(number * unit)
}

/// Seconds as the standard writes them.
pub(super) fn words(seconds: u64) -> String {
    match seconds {
        0 => "0m".to_owned(),
        seconds if seconds % DAY == 0 => format!("{}d", seconds / DAY),
        seconds if seconds % HOUR == 0 => format!("{}h", seconds / HOUR),
        seconds => format!("{}m", seconds / MINUTE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_number_and_a_letter() {
        for (text, expected) in [
            ("5m", Ok(300)),
            ("0m", Ok(0)),
            ("6h", Ok(21_600)),
            ("4w", Ok(2_419_200)),
            ("365d", Ok(31_536_000)),
            ("1M", Err("no fixed length")),
            ("1Q", Err("no fixed length")),
            ("-1h", Err("no span of time")),
            ("1 h", Err("no span of time")),
            ("h", Err("no span of time")),
            ("", Err("no span of time")),
            ("9999999d", Err("no span of time")),
            ("5µ", Err("no span of time")),
        ] {
            match (parse(text), expected) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{text}"),
                (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{text}: {found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
