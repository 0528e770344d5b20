//! From a schedule as people say it to the DSL's `schedule`: a cron expression when that is exact, a fixed interval when
//! that is, and otherwise a warning and no schedule, because a wrong one would run unasked.

use serde_json::{Value, json};

use super::{
    form::Places,
    lexer::Clock,
    notes::Notes,
    schedule::{EVERY_DAY, MonthDay, Schedule, WEEKDAYS, WEEKEND},
    words::{DAY_NAMES, MONTH_NAMES, Unit},
};

/// How the workflow starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The document's `schedule`; None: by hand.
    pub schedule: Option<Value>,
    /// IANA name; None: UTC.
    pub zone: Option<String>,
    pub words: String,
}

impl Start {
    pub fn by_hand() -> Self {
        Self { schedule: None, zone: None, words: "Starts by hand".into() }
    }
}

/// Turns a schedule into the DSL's terms. `quote` gives the user's words at a place; `zone` is the account's, if known.
pub fn start(
    schedule: &Schedule,
    zone: Option<&str>,
    quote: &dyn Fn(&Places) -> String,
    notes: &mut Notes,
) -> Start {
    Compiler { schedule, quote, notes, given_zone: zone }.start().unwrap_or_else(Start::by_hand)
}

struct Compiler<'a> {
    schedule: &'a Schedule,
    quote: &'a dyn Fn(&Places) -> String,
    notes: &'a mut Notes,
    given_zone: Option<&'a str>,
}

/// The five fields.
struct Fields {
    minute: String,
    hour: String,
    day: String,
    month: String,
    weekday: String,
}

impl Compiler<'_> {
    fn said(&self, places: &Option<Places>) -> String {
        places.as_ref().map(|places| (self.quote)(places)).unwrap_or_default()
    }

    fn rhythm(&self) -> String {
        self.said(&self.schedule.rhythm_places)
    }

    fn start(mut self) -> Option<Start> {
        let schedule = self.schedule;
        if let Some(ms) = schedule.after_ms {
            let words = format!("{} after each run ends", span_words(ms));
            let words = format!("Starts by hand the first time, then {words}");
            return Some(Start { schedule: Some(json!({ "after": duration(ms) })), zone: None, words });
        }
        if let Some(once) = &schedule.once {
            let words = (self.quote)(once);
            if !schedule.has_rhythm() {
                let time = self.said(&schedule.time_places);
                let words = if time.is_empty() { words } else { format!("{words}\" and \"{time}") };
                self.notes.warn(format!(
                    "starting a single time (\"{words}\") is not available yet; the workflow starts by hand"
                ));
                return None;
            }
            self.notes.warn(format!(
                "a first day (\"{words}\") is not available yet; the schedule counts from now on"
            ));
        }
        let start = match schedule.interval {
            Some((count, unit)) if unit.ms().is_some_and(|ms| ms < 86_400_000) => {
                self.within_day(count, unit)
            }
            Some((count, Unit::Day)) => self.fixed(count, 1),
            Some((count, Unit::Week)) if count > 1 => self.fixed(count, 7),
            _ => self.by_day(),
        }?;
        self.check_extras(&start);
        Some(start)
    }

    /// Seconds, minutes and hours: cron where the hour or the day is a whole number of them.
    fn within_day(&mut self, count: u64, unit: Unit) -> Option<Start> {
        let schedule = self.schedule;
        let ms = unit.ms()?.checked_mul(count).filter(|ms| *ms <= 366 * 86_400_000 && *ms > 0);
        let Some(ms) = ms else {
            self.inexact(&self.rhythm());
            return None;
        };
        let minutes = ms / 60_000;
        let (minute, hour) = if ms % 60_000 != 0 {
            (None, None)
        } else if minutes < 60 && 60 % minutes == 0 {
            (Some(if minutes == 1 { "*".into() } else { format!("*/{minutes}") }), Some(1))
        } else if minutes % 60 == 0 && 24 % (minutes / 60) == 0 && minutes <= 24 * 60 {
            (Some(schedule.minute.unwrap_or(0).to_string()), Some(minutes / 60))
        } else {
            (None, None)
        };
        let (Some(minute), Some(step)) = (minute, hour) else {
            if schedule.days.is_some_and(|days| days != EVERY_DAY)
                || schedule.window.is_some()
                || !schedule.months.is_empty()
            {
                self.notes.warn(format!(
                    "\"{}\" can't be kept to certain hours or days exactly, so no schedule is set; the workflow starts by hand",
                    self.rhythm()
                ));
                return None;
            }
            let words = format!("Every {}", span_words(ms));
            return Some(Start { schedule: Some(json!({ "every": duration(ms) })), zone: None, words });
        };
        let whole_hours = minutes % 60 == 0;
        let window = self.hours_window(whole_hours);
        let hour = match (window, step) {
            (Some((from, to)), 1) => format!("{from}-{to}"),
            (Some((from, to)), step) => format!("{from}-{to}/{step}"),
            (None, 1) => "*".into(),
            (None, step) => format!("*/{step}"),
        };
        let mut words = match (minutes, unit) {
            (1, _) => "Every minute".into(),
            (60, _) => "Every hour".into(),
            _ => format!("Every {}", span_words(ms)),
        };
        if let Some(minute) = schedule.minute.filter(|minute| whole_hours && *minute > 0) {
            words.push_str(&format!(" at {minute} minutes past the hour"));
        }
        if let Some((from, to)) = window {
            let last = if whole_hours { 0 } else { 60 - minutes };
            words.push_str(&format!(" from {from:02}:00 to {to:02}:{last:02}"));
        }
        let weekday = schedule.days.map_or("*".into(), days_field);
        if let Some(days) = schedule.days.filter(|days| *days != EVERY_DAY) {
            words.push_str(&format!(" {}", days_words(days)));
        }
        let month = self.months_field(&mut words);
        let local = window.is_some() || schedule.days.is_some_and(|days| days != EVERY_DAY);
        let fields = Fields { minute, hour, day: "*".into(), month, weekday };
        self.cron(&fields, words, local)
    }

    /// The hours of the window. Minutes stop before its end ("between 9 and 17": 16:45); hours include it.
    fn hours_window(&mut self, whole_hours: bool) -> Option<(u8, u8)> {
        let (from, to) = self.schedule.window?;
        let said = self.said(&self.schedule.time_places);
        if from.minute != 0 || to.minute != 0 || to.hour <= from.hour {
            self.notes.warn(format!(
                "the hours of \"{said}\" can't be kept exactly by one schedule (whole hours of one day can); they are left out"
            ));
            return None;
        }
        Some((from.hour, if whole_hours { to.hour } else { to.hour - 1 }))
    }

    /// Days and weeks that the calendar does not count: a fixed interval from the moment of saving.
    fn fixed(&mut self, count: u64, days: u64) -> Option<Start> {
        let schedule = self.schedule;
        let said = self.rhythm();
        let filtered = schedule.days.is_some_and(|days| days != EVERY_DAY) || !schedule.months.is_empty();
        if filtered || schedule.window.is_some() {
            self.inexact(&said);
            return None;
        }
        let Some(ms) = count.checked_mul(days * 86_400_000).filter(|ms| *ms > 0 && *ms <= 366 * 86_400_000)
        else {
            self.inexact(&said);
            return None;
        };
        if !schedule.times.is_empty() || schedule.part.is_some() {
            let time = self.said(&schedule.time_places);
            self.notes.warn(format!(
                "\"{said}\" counts from the moment the workflow is saved, so \"{time}\" can't be kept; save it at that time"
            ));
        }
        let words = format!("Every {}", span_words(ms));
        Some(Start { schedule: Some(json!({ "every": duration(ms) })), zone: None, words })
    }

    /// Weekdays, days of the month, months and years, at times of the day.
    fn by_day(&mut self) -> Option<Start> {
        let schedule = self.schedule;
        let mut words = String::new();
        let mut fields = Fields {
            minute: "0".into(),
            hour: "0".into(),
            day: "*".into(),
            month: "*".into(),
            weekday: "*".into(),
        };
        let mut months = schedule.months.clone();
        let mut month_days = schedule.month_days.clone();
        let said = self.rhythm();
        match schedule.interval {
            Some((1, Unit::Week)) if schedule.days.is_none() => {
                self.notes.warn(format!("\"{said}\" does not say on which day; it is taken as Monday"));
                fields.weekday = "1".into();
                words.push_str("Every Monday");
            }
            Some((count, unit @ (Unit::Month | Unit::Quarter | Unit::Year))) => {
                let step = match unit {
                    Unit::Month => count,
                    Unit::Quarter => count.saturating_mul(3),
                    _ => count.saturating_mul(12),
                };
                if step == 0
                    || step > 12
                    || 12 % step != 0
                    || schedule.days.is_some()
                    || (!months.is_empty() && step < 12)
                {
                    self.inexact(&said);
                    return None;
                }
                if months.is_empty() && step > 1 {
                    months = (1..=12).filter(|month| (u64::from(*month) - 1) % step == 0).collect();
                }
                if month_days.is_empty() {
                    let which = if step == 12 && schedule.months.is_empty() {
                        "1 January"
                    } else {
                        "the first of the month"
                    };
                    self.notes.warn(format!("\"{said}\" does not say on which day; it is taken as {which}"));
                    month_days = vec![MonthDay::Day(1)];
                }
            }
            _ if schedule.days.is_none() && month_days.is_empty() && !months.is_empty() => {
                self.notes.warn(format!(
                    "\"{said}\" does not say on which day; it is taken as the first of the month"
                ));
                month_days = vec![MonthDay::Day(1)];
            }
            _ if schedule.days.is_none() && month_days.is_empty() => {
                let time = self.said(&schedule.time_places);
                if !time.is_empty() {
                    self.notes
                        .warn(format!("\"{time}\" does not say on which days; it is taken as every day"));
                }
                words.push_str("Every day");
            }
            _ => {}
        }
        if let Some(days) = schedule.days {
            fields.weekday = days_field(days);
            words.push_str(&match days {
                EVERY_DAY => "Every day".to_owned(),
                WEEKDAYS => "Every weekday".to_owned(),
                WEEKEND => "Every Saturday and Sunday".to_owned(),
                days => format!("Every {}", names(days)),
            });
        }
        if !month_days.is_empty() {
            self.month_days(&month_days, &mut fields, &mut words)?;
        }
        fields.month = list(&months);
        if !months.is_empty() {
            let names: Vec<&str> =
                months.iter().filter_map(|m| MONTH_NAMES.get(usize::from(*m) - 1).copied()).collect();
            let joint = if month_days.is_empty() { "in" } else { "of" };
            words.push_str(&format!(" {joint} {}", and(&names)));
        } else if !month_days.is_empty() {
            words.push_str(" of every month");
        }
        self.times(&mut fields, &mut words);
        if schedule.window.is_some() {
            let window = self.said(&schedule.time_places);
            self.notes.warn(format!("\"{window}\" needs an interval such as \"every hour\"; it is left out"));
        }
        self.cron(&fields, words, true)
    }

    /// Whether a month in which it runs has no such day: "on 31 December" always finds one.
    fn is_short_month(&self, day: u8) -> bool {
        let last = |month: u8| match month {
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let months = &self.schedule.months;
        if months.is_empty() { day > 28 } else { months.iter().any(|month| day > last(*month)) }
    }

    fn month_days(&mut self, days: &[MonthDay], fields: &mut Fields, words: &mut String) -> Option<()> {
        let said = self.rhythm();
        let mut plain = Vec::new();
        let mut names = Vec::new();
        for day in days {
            match day {
                MonthDay::Day(day) => {
                    plain.push(day.to_string());
                    names.push(ordinal(*day));
                    if self.is_short_month(*day) {
                        self.notes.warn(format!("\"{said}\": months without a day {day} are passed over"));
                    }
                }
                MonthDay::Last => {
                    plain.push("L".into());
                    names.push("last day".into());
                }
                MonthDay::LastWorkday | MonthDay::Nth(..) | MonthDay::LastOf(_) if days.len() > 1 => {
                    self.inexact(&said);
                    return None;
                }
                MonthDay::LastWorkday => {
                    plain.push("LW".into());
                    names.push("last weekday".into());
                }
                MonthDay::Nth(nth, day) => {
                    fields.weekday = format!("{day}#{nth}");
                    names.push(format!("{} {}", ordinal(*nth), DAY_NAMES[usize::from(*day) % 7]));
                }
                MonthDay::LastOf(day) => {
                    fields.weekday = format!("{day}L");
                    names.push(format!("last {}", DAY_NAMES[usize::from(*day) % 7]));
                }
            }
        }
        if !plain.is_empty() {
            fields.day = plain.join(",");
        }
        let text = format!("0 0 {} * {}", fields.day, fields.weekday);
        if text.contains(['#', 'L', 'W']) && crate::schedule::Cron::parse(&text).is_err() {
            self.inexact(&said);
            return None;
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        words.push_str(&format!("On the {}", and(&names)));
        Some(())
    }

    fn times(&mut self, fields: &mut Fields, words: &mut String) {
        let schedule = self.schedule;
        let mut times: Vec<Clock> = schedule.times.clone();
        if let (true, Some(count)) = (times.is_empty(), schedule.times_a_day) {
            let said = self.rhythm();
            let count_u8 = u8::try_from(count).unwrap_or(1).clamp(1, 24);
            if 24 % count_u8 == 0 {
                times = (0..count_u8)
                    .map(|n| Clock { hour: n * (24 / count_u8), minute: 0, exact: true })
                    .collect();
            } else {
                times = vec![Clock { hour: 0, minute: 0, exact: true }];
            }
            let taken: Vec<String> = times.iter().map(clock_words).collect();
            let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
            self.notes
                .warn(format!("\"{said}\" does not say at which hours; it is taken as {}", and(&taken)));
        }
        if let (true, Some((name, clock))) = (times.is_empty(), schedule.part) {
            let said = self.said(&schedule.time_places);
            let said = if said.is_empty() { name.to_owned() } else { said };
            let hour = clock_words(&clock);
            self.notes.warn(format!("\"{said}\" does not say at which hour; it is taken as {hour}"));
            self.notes.ask(format!("At what hour should \"{said}\" run? Until you say, it is {hour}."));
            times = vec![clock];
        }
        if times.is_empty() {
            let said = self.rhythm();
            self.notes.warn(format!("\"{said}\" does not say at which hour; it is taken as 00:00"));
            times = vec![Clock { hour: 0, minute: 0, exact: true }];
        }
        let minute = times[0].minute;
        let (kept, lost): (Vec<Clock>, Vec<Clock>) = times.iter().partition(|time| time.minute == minute);
        if !lost.is_empty() {
            let said = self.said(&schedule.time_places);
            let lost: Vec<String> = lost.iter().map(clock_words).collect();
            let lost: Vec<&str> = lost.iter().map(String::as_str).collect();
            self.notes.warn(format!(
                "\"{said}\": one schedule can't hold times with different minutes; make a second workflow for {}",
                and(&lost)
            ));
        }
        fields.minute = minute.to_string();
        fields.hour = list(&kept.iter().map(|time| time.hour).collect::<Vec<u8>>());
        let kept: Vec<String> = kept.iter().map(clock_words).collect();
        let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
        words.push_str(&format!(" at {}", and(&kept)));
    }

    fn months_field(&mut self, words: &mut String) -> String {
        let months = &self.schedule.months;
        if !months.is_empty() {
            let names: Vec<&str> =
                months.iter().filter_map(|m| MONTH_NAMES.get(usize::from(*m) - 1).copied()).collect();
            words.push_str(&format!(" in {}", and(&names)));
        }
        list(months)
    }

    /// `local`: whether the hours or days depend on the zone.
    fn cron(&mut self, fields: &Fields, words: String, local: bool) -> Option<Start> {
        let Fields { minute, hour, day, month, weekday } = fields;
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        if crate::schedule::Cron::parse(&text).is_err() {
            // There is no 30 February.
            self.inexact(&self.rhythm());
            return None;
        }
        let zone = self.schedule.zone.clone().or_else(|| {
            let given = self.given_zone.filter(|_| !self.schedule.zone_is_open());
            given.map(str::to_owned)
        });
        if zone.is_none() && local && !self.schedule.zone_is_open() {
            let said = self.said(&self.schedule.time_places);
            let said = if said.is_empty() { self.rhythm() } else { said };
            self.notes.warn(format!("no time zone was given for \"{said}\"; it is taken as UTC"));
        }
        let words = match (&zone, local) {
            (Some(zone), _) => format!("{words} {zone}"),
            (None, true) => format!("{words} UTC"),
            (None, false) => words,
        };
        Some(Start {
            schedule: Some(json!({ "cron": text })),
            zone: zone.filter(|zone| zone != "UTC"),
            words,
        })
    }

    /// Slots that the chosen form of schedule has no use for.
    fn check_extras(&mut self, start: &Start) {
        let fixed = start.schedule.as_ref().is_some_and(|schedule| schedule.get("cron").is_none());
        let said = self.said(&self.schedule.zone_places);
        if fixed && !said.is_empty() {
            self.notes.warn(format!(
                "\"{said}\" changes nothing: an interval counts from the moment the workflow is saved"
            ));
        }
        let hourly = self.schedule.interval.is_some_and(|(_, unit)| unit == Unit::Hour);
        if let (Some(minute), false) = (self.schedule.minute.filter(|_| !fixed), hourly) {
            self.notes
                .warn(format!("\"{minute}\" minutes past the hour needs \"every hour\"; it is left out"));
        }
    }

    fn inexact(&mut self, said: &str) {
        self.notes.warn(format!(
            "\"{said}\" can't be said exactly by one schedule, so none is set; the workflow starts by hand"
        ));
    }
}

/// A duration of the DSL.
pub fn duration(ms: u64) -> Value {
    let mut parts = serde_json::Map::new();
    let mut left = ms;
    for (name, unit) in [
        ("days", 86_400_000),
        ("hours", 3_600_000),
        ("minutes", 60_000),
        ("seconds", 1_000),
        ("milliseconds", 1),
    ] {
        // "every 90 minutes" stays 90 minutes: a unit is used when it divides what is left, or is the largest but one.
        if left >= unit && (left.is_multiple_of(unit) || unit == 1) {
            parts.insert(name.into(), (left / unit).into());
            left %= unit;
        }
    }
    Value::Object(parts)
}

/// "90 minutes", "1 hour", "2 days".
pub fn span_words(ms: u64) -> String {
    let units =
        [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"), (1, "millisecond")];
    let (unit, name) = units
        .into_iter()
        .find(|(unit, _)| ms.is_multiple_of(*unit) && ms >= *unit)
        .unwrap_or((1, "millisecond"));
    let count = ms / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

fn list(numbers: &[u8]) -> String {
    if numbers.is_empty() {
        return "*".into();
    }
    numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}

fn days_field(days: u8) -> String {
    match days {
        EVERY_DAY => "*".into(),
        WEEKDAYS => "1-5".into(),
        days => list(&(0..7).filter(|day| days & (1 << day) != 0).collect::<Vec<u8>>()),
    }
}

/// Monday first, as people list them.
fn names(days: u8) -> String {
    let order = [1, 2, 3, 4, 5, 6, 0_usize];
    let names: Vec<&str> =
        order.iter().filter(|day| days & (1 << **day) != 0).map(|day| DAY_NAMES[*day]).collect();
    and(&names)
}

fn days_words(days: u8) -> String {
    match days {
        WEEKDAYS => "on weekdays".into(),
        WEEKEND => "on Saturday and Sunday".into(),
        days => format!("on {}", names(days)),
    }
}

fn clock_words(time: &Clock) -> String {
    format!("{:02}:{:02}", time.hour, time.minute)
}

fn ordinal(number: u8) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// "a", "a and b", "a, b and c".
pub fn and(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
