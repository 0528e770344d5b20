//! Spans of time as the DSL writes them.

use std::time::Duration;

use serde_json::{Map, Value};

use super::near::did_you_mean;

/// No span is longer than a hundred years, so that adding one to a moment stays a moment.
const SECONDS_MAX: u64 = 36_525 * 86_400;

/// The members of a duration object, with their milliseconds.
const MEMBERS: [(&str, u64); 5] = [
    ("days", 86_400_000),
    ("hours", 3_600_000),
    ("minutes", 60_000),
    ("seconds", 1_000),
    ("milliseconds", 1),
];

/// Reads a duration: an object (`{hours: 1, minutes: 30}`, which add up) or ISO 8601 text (`PT1H30M`, fractions allowed).
/// It is what a computed duration must evaluate to, too.
///
/// # Errors
/// What is wrong and what to write instead. Years and months are refused, since their length varies.
pub fn duration(value: &Value) -> Result<Duration, String> {
    let span = match value {
        Value::String(text) => from_iso(text)?,
        Value::Object(members) => from_members(members)?,
        other => {
            return Err(format!(
                "a duration is an object such as {{ minutes: 5 }} or ISO 8601 text such as PT5M, and this is {}",
                super::checker::kind(other)
            ));
        }
    };
    if span > Duration::from_secs(SECONDS_MAX) {
        return Err("a duration of more than a hundred years; use a shorter one".to_owned());
    }
    Ok(span)
}

fn from_members(members: &Map<String, Value>) -> Result<Duration, String> {
    if members.is_empty() {
        return Err(
            "the duration is empty; give it one of days, hours, minutes, seconds, milliseconds".to_owned()
        );
    }
    let mut milliseconds: u64 = 0;
    for (name, value) in members {
        let Some((_, unit)) = MEMBERS.iter().find(|(member, _)| member == name) else {
            return Err(format!(
                "a duration has no member `{}`; it has days, hours, minutes, seconds, milliseconds{}",
                super::clip(name),
                did_you_mean(name, MEMBERS.iter().map(|(member, _)| *member))
            ));
        };
        let count = value.as_u64().ok_or_else(|| {
            format!("`{name}` must be a whole number, not negative; use smaller units for fractions")
        })?;
        milliseconds = count
            .checked_mul(*unit)
            .and_then(|part| milliseconds.checked_add(part))
            .ok_or_else(|| "a duration of more than a hundred years; use a shorter one".to_owned())?;
    }
    Ok(Duration::from_millis(milliseconds))
}

/// ISO 8601: `P[nW][nD][T[nH][nM][nS]]`, each number with an optional fraction.
fn from_iso(text: &str) -> Result<Duration, String> {
    let malformed = || {
        format!(
            "{:?} is not an ISO 8601 duration; write for example PT30S, PT1H30M or P2D, or {{ seconds: 30 }}",
            super::clip(text)
        )
    };
    let rest = text.strip_prefix('P').ok_or_else(malformed)?;
    let (days, times) = match rest.split_once('T') {
        Some((_, "")) => return Err(malformed()),
        Some((days, times)) => (days, times),
        None => (rest, ""),
    };
    if days.is_empty() && times.is_empty() {
        return Err(malformed());
    }
    const DAYS: [(char, u64); 4] = [('Y', 0), ('M', 0), ('W', 604_800), ('D', 86_400)];
    const TIMES: [(char, u64); 3] = [('H', 3_600), ('M', 60), ('S', 1)];
    let mut total = Duration::ZERO;
    for (part, units) in [(days, &DAYS[..]), (times, &TIMES[..])] {
        let mut part = part;
        let mut units = units.iter();
        while !part.is_empty() {
            let end = part.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(malformed)?;
            let (number, unit) = part.split_at(end);
            let mut letters = unit.chars();
            let letter = letters.next().ok_or_else(malformed)?;
            part = letters.as_str();
            // `find` moves on, so units out of order or twice are malformed.
            let (_, seconds) = units.find(|(unit, _)| *unit == letter).ok_or_else(malformed)?;
            if *seconds == 0 {
                return Err(format!(
                    "{:?} counts years or months, whose length varies; write days, such as P30D",
                    super::clip(text)
                ));
            }
            let span = span(number, *seconds).ok_or_else(malformed)?;
            total = total.checked_add(span).ok_or_else(malformed)?;
        }
    }
    Ok(total)
}

/// `number` (digits with an optional fraction) times `seconds`, exact to the nanosecond and rounded down below.
fn span(number: &str, seconds: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(seconds)?;
    let digits = fraction.get(..fraction.len().min(15))?;
    let scale = 10_u128.pow(u32::try_from(digits.len()).ok()?);
    let nanos = digits.parse::<u128>().ok()? * u128::from(seconds) * 1_000_000_000 / scale;
    Duration::from_secs(whole).checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_add_up() {
        let table = [
            (json!("PT30S"), 30_000),
            (json!("PT1H30M"), 5_400_000),
            (json!("P1D"), 86_400_000),
            (json!("P1W2DT3H4M5S"), 604_800_000 + 2 * 86_400_000 + 3 * 3_600_000 + 4 * 60_000 + 5_000),
            (json!("PT0.5S"), 500),
            (json!("PT1.5H"), 5_400_000),
            (json!("P0.5D"), 43_200_000),
            (json!("PT0S"), 0),
            (json!("PT90M"), 5_400_000),
            (json!({ "days": 1, "hours": 2, "minutes": 3, "seconds": 4, "milliseconds": 5 }), 93_784_005),
            (json!({ "seconds": 0 }), 0),
        ];
        for (value, milliseconds) in table {
            assert_eq!(duration(&value), Ok(Duration::from_millis(milliseconds)), "{value}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_reason() {
        let table = [
            (json!("30s"), "not an ISO 8601 duration"),
            (json!("P"), "not an ISO 8601 duration"),
            (json!("PT"), "not an ISO 8601 duration"),
            (json!("P1DT"), "not an ISO 8601 duration"),
            (json!("PT5"), "not an ISO 8601 duration"),
            (json!("PT5M5H"), "not an ISO 8601 duration"),
            (json!("PT1S2S"), "not an ISO 8601 duration"),
            (json!("PT1..5S"), "not an ISO 8601 duration"),
            (json!("PT.5S"), "not an ISO 8601 duration"),
            (json!("PT-5S"), "not an ISO 8601 duration"),
            (json!("PTéS"), "not an ISO 8601 duration"),
            (json!("P1Y"), "years or months"),
            (json!("P1M"), "years or months"),
            (json!("P99999999999999999999D"), "not an ISO 8601 duration"),
            (json!("P40000D"), "hundred years"),
            (json!(30), "and this is a number"),
            (json!({}), "is empty"),
            (json!({ "second": 3 }), "did you mean `seconds`?"),
            (json!({ "seconds": 1.5 }), "whole number"),
            (json!({ "seconds": -1 }), "whole number"),
            (json!({ "days": u64::MAX }), "hundred years"),
        ];
        for (value, reason) in table {
            let refused = duration(&value).unwrap_err();
            assert!(refused.contains(reason), "{value}: {refused}");
        }
    }
}
