//! Five-field cron expressions, and when they fire across changes of the clock.
//!
//! A job at fixed times (no `*` in minute and hour) fires once for each of its times: one that the clock skips fires
//! at the end of the gap, one that the clock repeats fires the first time. A job with a `*` there (`*/15 * * * *`) goes
//! by elapsed time instead: it fires in both of the repeated hours, and not in the skipped one. This is what Vixie's
//! cron does, and `croner`'s rule is narrower: it takes `0 2,14 * * *` for the second sort.

use std::str::FromStr;

use croner::parser::{CronParser, Seconds, Year};
use jiff::{Zoned, civil, tz::AmbiguousOffset, tz::TimeZone};
use levqor_model::Timestamp;

/// A five-field cron expression.
#[derive(Debug, Clone)]
pub struct Cron {
    pub text: String,
    pattern: croner::Cron,
    /// Fires at fixed times of the day.
    fixed: bool,
}

const FIELDS: [&str; 5] = ["minute", "hour", "day of the month", "month", "day of the week"];
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The parser's own words, without its label and full stop, so that they stand inside a sentence.
fn reason(error: &croner::errors::CronError) -> String {
    let words = error.to_string();
    let words = words.rsplit_once("error: ").map_or(words.as_str(), |(_, words)| words);
    words.trim_end_matches('.').to_lowercase()
}

impl Cron {
    /// # Errors
    /// What is wrong with the expression, and for one that never fires, that it never does.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "write five fields such as '0 9 * * 1-5' (minute hour day month weekday)";
        const BYTES_MAX: usize = 256;
        if text.len() > BYTES_MAX {
            return Err(format!("a cron expression has at most {BYTES_MAX} characters; {EXAMPLE}"));
        }
        if let Some(nickname) = text.trim().strip_prefix('@') {
            let fields = match nickname.to_ascii_lowercase().as_str() {
                "yearly" | "annually" => "0 0 1 1 *",
                "monthly" => "0 0 1 * *",
                "weekly" => "0 0 * * 0",
                "daily" | "midnight" => "0 0 * * *",
                "hourly" => "0 * * * *",
                _ => return Err(format!("nicknames such as {:?} are not allowed; {EXAMPLE}", text.trim())),
            };
            return Err(format!("nicknames such as {:?} are not allowed; write '{fields}'", text.trim()));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        match fields.len() {
            5 => {}
            6 | 7 => {
                return Err(format!(
                    "{text:?} has {} fields; seconds and years are not allowed, so {EXAMPLE}",
                    fields.len()
                ));
            }
            count => return Err(format!("{text:?} has {count} fields; {EXAMPLE}")),
        }
        for (position, field) in fields.iter().enumerate() {
            if !well_formed(position, field) {
                return Err(format!("{field:?} is not a {}; {EXAMPLE}", FIELDS[position]));
            }
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let pattern = parser
            .parse(text)
            .map_err(|error| format!("{text:?} is not a cron expression: {}; {EXAMPLE}", reason(&error)))?;
        // Weekdays and leap years repeat every 28 years, except around 2100.
        let start = civil::date(2024, 1, 1).at(0, 0, 0, 0);
        match pattern.find_next_occurrence(&start, true) {
            Ok(first) if first.year() <= 2064 => {}
            _ => {
                return Err(format!(
                    "{text:?} never fires; there is no such day, so mend the day or the month"
                ));
            }
        }
        let fixed = !fields[0].contains('*') && !fields[1].contains('*');
        Ok(Self { text: fields.join(" "), pattern, fixed })
    }

    /// The first due time strictly after `after`.
    pub(super) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let after = after.to_jiff();
        let start = after.to_zoned(zone.clone());
        if self.fixed { self.next_fixed(after, &start) } else { self.next_elapsed(after, start) }
    }

    /// On the calendar: the wall times in order, each turned into one moment. Their moments are in order too, so the
    /// first that lies ahead is the one.
    fn next_fixed(&self, after: jiff::Timestamp, start: &Zoned) -> Option<Timestamp> {
        let mut wall = start.datetime();
        // Only wall times of one repeated stretch, at most a day of minutes, can lie behind.
        for _ in 0..=24 * 60 {
            wall = self.pattern.find_next_occurrence(&wall, false).ok()?;
            let at = moment(wall, start.time_zone())?;
            if at > after {
                return Some(Timestamp::from_jiff(at));
            }
        }
        None
    }

    /// On the clock as it runs.
    fn next_elapsed(&self, after: jiff::Timestamp, start: Zoned) -> Option<Timestamp> {
        let mut from = start;
        // Within the second of a due time, the search may give that time once more.
        for _ in 0..2 {
            let found = self.pattern.find_next_occurrence(&from, false).ok()?;
            if found.timestamp() > after {
                return Some(Timestamp::from_jiff(found.timestamp()));
            }
            from = from.checked_add(jiff::SignedDuration::from_secs(1)).ok()?;
        }
        None
    }

    /// The fields' values, for words; None for a field with `L`, `W` or `#`.
    pub(super) fn values(&self) -> [Option<Vec<u16>>; 5] {
        let pattern = &self.pattern.pattern;
        [&pattern.minutes, &pattern.hours, &pattern.days, &pattern.months, &pattern.days_of_week]
            .map(|field| (!field.has_modifiers()).then(|| field.values()))
    }
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

/// The moment of a wall time: of two the first, and for one that is skipped, the end of the gap.
fn moment(wall: civil::DateTime, zone: &TimeZone) -> Option<jiff::Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?;
            zone.following(before).next().map(|change| change.timestamp())
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
    }
}

/// Whether a field is a list of values, ranges and steps. `croner` replaces names wherever they stand, and skips empty
/// items; this does not.
fn well_formed(position: usize, field: &str) -> bool {
    let is_number =
        |text: &str| !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |text: &str| {
        let names: &[&str] = match position {
            3 => &MONTHS,
            4 => &WEEKDAYS,
            _ => &[],
        };
        names.iter().any(|name| name.eq_ignore_ascii_case(text))
    };
    let is_value = |text: &str| is_number(text) || is_name(text);
    let is_special = |text: &str| {
        let upper = text.to_ascii_uppercase();
        match position {
            2 => {
                upper == "L"
                    || upper == "LW"
                    || upper.strip_suffix('W').or_else(|| upper.strip_prefix('W')).is_some_and(is_number)
            }
            4 => {
                upper.strip_suffix('L').is_some_and(is_value)
                    || upper.split_once('#').is_some_and(|(day, week)| is_value(day) && is_number(week))
            }
            _ => false,
        }
    };
    field.split(',').all(|item| {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let in_range = range == "*"
            || (range == "?" && matches!(position, 2 | 4) && step.is_none())
            || range.split_once('-').is_some_and(|(first, last)| is_value(first) && is_value(last));
        step.is_none_or(is_number) && (in_range || (step.is_none() && (is_value(range) || is_special(range))))
    })
}
