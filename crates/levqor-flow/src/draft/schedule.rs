//! The grammar of time: when and how often. What it read is turned into the DSL's terms by `cron`.
//!
//! A schedule may be said in pieces all over the request ("every weekday … at 9 … London time"); each piece fills a slot of
//! [`Schedule`]. A piece that contradicts one said before is quoted in a warning and the first stays.

use super::{
    cursor::Cursor,
    form::Places,
    lexer::{Clock, Kind},
    moments::{self, Piece},
    notes::Notes,
    words::Unit,
};

/// All days of the week, bit 0 for Sunday.
pub const EVERY_DAY: u8 = 0b111_1111;
pub const WEEKDAYS: u8 = 0b011_1110;
pub const WEEKEND: u8 = 0b100_0001;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schedule {
    pub interval: Option<(u64, Unit)>,
    /// Bits of weekdays.
    pub days: Option<u8>,
    pub month_days: Vec<MonthDay>,
    /// 1 to 12; empty for all.
    pub months: Vec<u8>,
    pub times: Vec<Clock>,
    /// Minute of the hour, for hourly schedules.
    pub minute: Option<u8>,
    pub window: Option<(Clock, Clock)>,
    /// After the end of the run before.
    pub after_ms: Option<u64>,
    pub zone: Option<String>,
    /// "twice a day" without times.
    pub times_a_day: Option<u64>,
    /// "nightly", "every morning": a part of the day instead of an hour.
    pub part: Option<(&'static str, Clock)>,
    /// "tomorrow at 9": not a rhythm.
    pub once: Option<Places>,
    pub rhythm_places: Option<Places>,
    pub time_places: Option<Places>,
    pub zone_places: Option<Places>,
    zone_is_open: bool,
    /// Whether a piece contradicted one that was said before.
    pub is_contradicted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthDay {
    Day(u8),
    Last,
    /// The second Tuesday: (2, 2).
    Nth(u8, u8),
    LastOf(u8),
    LastWorkday,
}

impl Schedule {
    /// Whether anything was said about when to start.
    pub fn is_said(&self) -> bool {
        self.has_rhythm() || !self.times.is_empty() || self.once.is_some() || self.part.is_some()
    }

    pub fn has_rhythm(&self) -> bool {
        self.interval.is_some()
            || self.days.is_some()
            || !self.month_days.is_empty()
            || !self.months.is_empty()
            || self.after_ms.is_some()
            || self.times_a_day.is_some()
    }

    /// The same, with nothing said against it yet.
    pub fn without_contradiction(&self) -> Self {
        Self { is_contradicted: false, ..self.clone() }
    }

    /// Whether both start at the same times, wherever that was said.
    pub fn is_same(&self, other: &Self) -> bool {
        let plain = |schedule: &Self| Self {
            zone: None,
            once: None,
            rhythm_places: None,
            time_places: None,
            zone_places: None,
            zone_is_open: false,
            ..schedule.clone()
        };
        plain(self) == plain(other)
    }

    /// Whether someone must still say the zone.
    pub fn zone_is_open(&self) -> bool {
        self.zone_is_open
    }

    /// Reads as many pieces of a schedule as stand here. False when there is none.
    pub fn read(&mut self, c: &mut Cursor<'_>, notes: &mut Notes) -> bool {
        let mut any = false;
        loop {
            let found = c.attempt(|c| {
                if any {
                    skip_joints(c);
                }
                self.piece(c, notes)
            });
            match found {
                Some(()) => any = true,
                None => return any,
            }
        }
    }

    fn piece(&mut self, c: &mut Cursor<'_>, notes: &mut Notes) -> Option<()> {
        let start = c.at();
        let read = c.attempt(Piece::read).or_else(|| {
            let loose = self.is_said();
            c.attempt(|c| moments::zone(c, loose)).or_else(|| c.attempt(|c| moments::bare_part(c, loose)))
        })?;
        let places = start..c.at();
        let open = if let Piece::OpenZone(zones) = &read { Some(*zones) } else { None };
        let words = c.quote(places.clone());
        if !self.fill(read, places) {
            self.is_contradicted = true;
            notes.warn(format!(
                "\"{words}\" does not fit the schedule said before, which stays; make a second workflow for it"
            ));
        } else if let Some(zones) = open {
            let zones = if zones.is_empty() { String::new() } else { format!(": {}", zones.join(", ")) };
            notes.ask(format!("Which time zone is \"{words}\"{zones}? Until you say, it is UTC."));
        }
        Some(())
    }

    /// Fills the slot of the piece; false when it is taken by something else.
    fn fill(&mut self, piece: Piece, places: Places) -> bool {
        let rhythm = self.has_rhythm();
        match piece {
            Piece::Interval(count, unit) => {
                let whole = unit == Unit::Day && count == 1;
                let fits = if whole {
                    self.interval.is_none_or(|(_, unit)| unit.ms() < Unit::Day.ms())
                        && self.month_days.is_empty()
                } else {
                    let sub_day = unit.ms().is_some_and(|ms| ms < 86_400_000);
                    self.interval.is_none_or(|old| old == (count, unit))
                        && (sub_day || self.days.is_none() || unit == Unit::Week || unit == Unit::Month)
                        && (!sub_day || (self.times.is_empty() && self.month_days.is_empty()))
                        && self.after_ms.is_none()
                        && self.times_a_day.is_none()
                };
                if !fits {
                    return false;
                }
                match (whole, unit, count) {
                    (true, ..) if self.days.is_none() && self.interval.is_none() => {
                        self.days = Some(EVERY_DAY)
                    }
                    (true, ..) => {}
                    // "on Mondays every week" and "on the first every month" say no more than they already did.
                    (_, Unit::Week, 1) if self.days.is_some() => {}
                    (_, Unit::Month, 1) if !self.month_days.is_empty() => {}
                    _ => self.interval = Some((count, unit)),
                }
            }
            Piece::Days(days) => {
                let other = self.days.is_some_and(|old| old != days && old != EVERY_DAY);
                if other || !self.month_days.is_empty() || self.after_ms.is_some() {
                    return false;
                }
                if self.days.is_none_or(|old| old == EVERY_DAY) {
                    self.days = Some(days);
                }
                if matches!(self.interval, Some((1, Unit::Week))) {
                    self.interval = None;
                }
            }
            Piece::EveryOther(days) => {
                if rhythm {
                    return false;
                }
                self.interval = Some((2, Unit::Week));
                self.days = Some(days);
            }
            Piece::Except(days) => {
                let left = self.days.unwrap_or(EVERY_DAY) & !days;
                if left == 0 || !self.month_days.is_empty() {
                    return false;
                }
                self.days = Some(left);
            }
            Piece::MonthDays(days, months) => {
                let monthly = matches!(self.interval, Some((_, Unit::Month | Unit::Quarter | Unit::Year)));
                if !self.month_days.is_empty()
                    || self.days.is_some()
                    || (self.interval.is_some() && !monthly)
                    || (!months.is_empty() && !self.months.is_empty() && self.months != months)
                {
                    return false;
                }
                self.month_days = days;
                if !months.is_empty() {
                    self.months = months;
                }
                if matches!(self.interval, Some((1, Unit::Month))) {
                    self.interval = None;
                }
            }
            Piece::Months(months) => {
                if !self.months.is_empty() && self.months != months {
                    return false;
                }
                self.months = months;
            }
            Piece::Times(times) => {
                let sub_day = self.interval.and_then(|(_, unit)| unit.ms()).is_some_and(|ms| ms < 86_400_000);
                let counted = self.times_a_day.is_some_and(|count| count != times.len() as u64);
                if !self.times.is_empty() && self.times != times || sub_day || counted {
                    return false;
                }
                self.times = times;
                self.time_places = Some(places);
                return true;
            }
            Piece::PartOfDay(name, clock) => {
                let later = clock.hour >= 12;
                if !self.times.is_empty() {
                    for time in &mut self.times {
                        if later && !time.exact && time.hour < 12 {
                            time.hour += 12;
                        }
                    }
                } else {
                    self.part = Some((name, clock));
                    self.time_places = Some(places.clone());
                }
                if self.days.is_none() && self.month_days.is_empty() && self.interval.is_none() {
                    self.days = Some(EVERY_DAY);
                }
            }
            Piece::Minute(minute) => {
                if self.minute.is_some_and(|old| old != minute) || !self.times.is_empty() {
                    return false;
                }
                self.minute = Some(minute);
                return true;
            }
            Piece::Window(from, to) => {
                if self.window.is_some_and(|old| old != (from, to)) {
                    return false;
                }
                self.window = Some((from, to));
                self.time_places = Some(places);
                return true;
            }
            Piece::After(ms) => {
                if rhythm {
                    return false;
                }
                self.after_ms = Some(ms);
            }
            Piece::TimesADay(count) => {
                let counted = !self.times.is_empty() && self.times.len() as u64 != count;
                if self.times_a_day.is_some() || self.interval.is_some() || counted {
                    return false;
                }
                self.times_a_day = Some(count);
                if self.days.is_none() {
                    self.days = Some(EVERY_DAY);
                }
            }
            Piece::Zone(zone) => {
                if self.zone.as_ref().is_some_and(|old| *old != zone) {
                    return false;
                }
                self.zone = Some(zone);
                self.zone_places = Some(places);
                return true;
            }
            Piece::OpenZone(_) => {
                if self.zone.is_some() {
                    return false;
                }
                self.zone_is_open = true;
                self.zone_places = Some(places);
                return true;
            }
            Piece::Once => {
                self.once = Some(places);
                return true;
            }
        }
        if !rhythm {
            self.rhythm_places = Some(places);
        }
        true
    }
}

fn skip_joints(c: &mut Cursor<'_>) {
    while c.kind() == Some(&Kind::Comma) || matches!(c.word(), Some("and" | "but" | "at")) {
        // "at" stays when a time follows, because it belongs to it.
        if c.word() == Some("at") {
            return;
        }
        c.skip();
    }
}
