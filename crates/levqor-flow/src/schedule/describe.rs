//! Schedules in words, for pages and summaries. Only patterns whose words are exact; others keep their cron text.

use std::time::Duration;

use super::{Cron, Schedule};

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Schedule {
    /// In words: "every weekday at 09:00 Europe/London"; falls back to the cron text.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        if let Some(every) = self.every {
            parts.push(format!("every {}", one_or(&span(every))));
        }
        if let Some(cron) = &self.cron {
            let zone = self.zone.iana_name().unwrap_or("UTC");
            parts.push(match words(cron) {
                Some(words) if words.contains(':') => format!("{words} {zone}"),
                Some(words) => words,
                None => format!("cron {} {zone}", cron.text),
            });
        }
        if let Some(after) = self.after {
            parts.push(format!("{} after each run ends", span(after)));
        }
        if let Some(on) = &self.on {
            parts.push(format!("on {}", on.to.describe()));
        }
        match parts.len() {
            0 => "never".to_owned(),
            _ => parts.join(", and "),
        }
    }
}

/// "5 minutes", "1 hour 30 minutes".
pub(crate) fn span(span: Duration) -> String {
    let total = span.as_millis();
    let units =
        [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("millisecond", 1)];
    let mut left = total;
    let mut parts = Vec::new();
    for (name, size) in units {
        let count = left / size;
        left %= size;
        match count {
            0 => {}
            1 => parts.push(format!("1 {name}")),
            _ => parts.push(format!("{count} {name}s")),
        }
    }
    if parts.is_empty() { "0 seconds".to_owned() } else { parts.join(" ") }
}

/// "every hour" rather than "every 1 hour".
fn one_or(span: &str) -> String {
    match span.strip_prefix("1 ") {
        Some(unit) if !unit.contains(' ') => unit.to_owned(),
        _ => span.to_owned(),
    }
}

fn words(cron: &Cron) -> Option<String> {
    let [minutes, hours, days, months, weekdays] = cron.values();
    let (minutes, hours, days, months, weekdays) = (minutes?, hours?, days?, months?, weekdays?);
    let every_day = days.len() == 31;
    let every_weekday = weekdays.len() == 7;
    let every_month = months.len() == 12;
    // A day of the month and a weekday together mean "or" in cron, which reads badly.
    if !every_day && !every_weekday {
        return None;
    }
    let month = match months.as_slice() {
        _ if every_month => String::new(),
        [month] => format!(" in {}", MONTHS.get(usize::from(*month).checked_sub(1)?)?),
        _ => return None,
    };
    let days = if !every_day {
        match days.as_slice() {
            [day] if every_month => format!("on day {day} of every month"),
            [day] => format!("every year on {day}{}", month.replace(" in", "")),
            _ => return None,
        }
    } else {
        match weekdays.as_slice() {
            _ if every_weekday => "every day".to_owned(),
            [1, 2, 3, 4, 5] => "every weekday".to_owned(),
            [0, 6] => "every Saturday and Sunday".to_owned(),
            some => {
                let names: Option<Vec<&str>> =
                    some.iter().map(|day| WEEKDAYS.get(usize::from(*day)).copied()).collect();
                format!("every {}", listed(&names?))
            }
        }
    };
    let month = if every_day { month } else { String::new() };
    match (minutes.as_slice(), hours.as_slice()) {
        ([minute], hours) if hours.len() <= 4 => {
            let times: Vec<String> = hours.iter().map(|hour| format!("{hour:02}:{minute:02}")).collect();
            let times: Vec<&str> = times.iter().map(String::as_str).collect();
            Some(format!("{days} at {}{month}", listed(&times)))
        }
        // Times of every hour need no zone, unless the days are chosen.
        (minutes, hours) if hours.len() == 24 && days == "every day" && month.is_empty() => match minutes {
            [0] => Some("every hour".to_owned()),
            [1] => Some("every hour, 1 minute past".to_owned()),
            [minute] => Some(format!("every hour, {minute} minutes past")),
            _ => {
                let step = step(minutes, 60)?;
                Some(if step == 1 { "every minute".to_owned() } else { format!("every {step} minutes") })
            }
        },
        ([0], hours) if days == "every day" && month.is_empty() => {
            step(hours, 24).map(|step| format!("every {step} hours from 00:00"))
        }
        _ => None,
    }
}

/// The step of values that divide `whole` evenly from zero.
fn step(values: &[u16], whole: u16) -> Option<u16> {
    let count = u16::try_from(values.len()).ok()?;
    let step = whole.checked_div(count)?;
    let even = step * count == whole && values.iter().zip(0..).all(|(value, index)| *value == index * step);
    even.then_some(step)
}

/// "a", "a and b", "a, b and c".
fn listed(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
