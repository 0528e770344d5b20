//! The grammar of moments and rhythms: one piece of a schedule at a time, put together in `schedule`.

use super::{
    cursor::Cursor,
    lexer::{Clock, Kind},
    schedule::{MonthDay, WEEKDAYS, WEEKEND},
    words::{self, Unit},
    zones::{self, Place},
};

/// One thing said about time.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Interval(u64, Unit),
    Days(u8),
    /// Every second of these days.
    EveryOther(u8),
    Except(u8),
    MonthDays(Vec<MonthDay>, Vec<u8>),
    Months(Vec<u8>),
    Times(Vec<Clock>),
    PartOfDay(&'static str, Clock),
    Minute(u8),
    Window(Clock, Clock),
    After(u64),
    TimesADay(u64),
    Zone(String),
    OpenZone(&'static [&'static str]),
    Once,
}

impl Piece {
    pub(super) fn read(c: &mut Cursor<'_>) -> Option<Self> {
        c.attempt(after_end)
            .or_else(|| c.attempt(every))
            .or_else(|| c.attempt(adverb))
            .or_else(|| c.attempt(times_a_day))
            .or_else(|| c.attempt(minute))
            .or_else(|| c.attempt(at_times))
            .or_else(|| c.attempt(window))
            .or_else(|| c.attempt(on_month_days))
            .or_else(|| c.attempt(on_days))
            .or_else(|| c.attempt(part_of_day))
            .or_else(|| c.attempt(in_months))
            .or_else(|| c.attempt(once))
    }
}

/// "10 minutes after each run ends".
fn after_end(c: &mut Cursor<'_>) -> Option<Piece> {
    let ms = c.span_ms()?;
    c.eat(&["after"])?;
    c.eat_any_phrase(&[
        "the last run",
        "the previous run",
        "each run",
        "every run",
        "the run",
        "the workflow",
        "it",
        "the last one",
    ])?;
    c.eat(&["has", "is"]);
    c.eat(&["ends", "ended", "finishes", "finished", "completes", "completed", "end", "done", "over"])?;
    Some(Piece::After(ms))
}

fn every(c: &mut Cursor<'_>) -> Option<Piece> {
    c.eat(&["every", "each"])?;
    c.eat(&["single"]);
    if c.eat_phrase("half hour") || c.eat_phrase("half an hour") {
        return Some(Piece::Interval(30, Unit::Minute));
    }
    if c.eat_phrase("quarter hour") || c.eat_phrase("quarter of an hour") {
        return Some(Piece::Interval(15, Unit::Minute));
    }
    if c.eat_phrase("few minutes") {
        return None;
    }
    if let Some(part) = part_name(c) {
        return Some(part);
    }
    if let Some(days) = days(c) {
        return Some(Piece::Days(days));
    }
    if let Some(date) = c.attempt(date) {
        return Some(date);
    }
    if let Some(months) = c.attempt(months) {
        return Some(Piece::Months(months));
    }
    // "every other Tuesday" and "every second Tuesday" are fortnightly, "every second Tuesday of the month" is monthly.
    let other = c.attempt(|c| {
        if c.eat(&["other", "alternate"]).is_none() {
            c.eat(&["second"]).or_else(|| c.eat_kind(&Kind::Ordinal(2)).then_some("2nd"))?;
        }
        let word = c.word()?;
        let piece = match words::weekday(word) {
            Some(day) if c.word_at(1) != Some("of") => Piece::EveryOther(1 << day),
            Some(_) => return None,
            None => Piece::Interval(2, words::unit(word)?),
        };
        c.take();
        Some(piece)
    });
    if other.is_some() {
        return other;
    }
    if let Some(piece) = c.attempt(month_days) {
        return Some(piece);
    }
    if let Some(Kind::Span(ms)) = c.kind() {
        c.take();
        return interval_of_ms(*ms);
    }
    let (count, said) = match c.attempt(Cursor::count) {
        Some(count) => (count, true),
        None => (1, false),
    };
    if let Some(unit) = c.word().and_then(words::unit).filter(|_| count > 0) {
        let plural = c.word().is_some_and(|word| word.ends_with('s') && word.len() > 3);
        if !said && plural {
            return None;
        }
        c.take();
        let more = c.attempt(|c| {
            c.eat(&["and"])?;
            c.span_ms()
        });
        return match (more, unit.ms()) {
            (None, _) => Some(Piece::Interval(count, unit)),
            (Some(more), Some(ms)) => interval_of_ms(count.checked_mul(ms)?.checked_add(more)?),
            _ => None,
        };
    }
    None
}

/// In the largest unit that divides it.
fn interval_of_ms(ms: u64) -> Option<Piece> {
    [Unit::Day, Unit::Hour, Unit::Minute, Unit::Second].into_iter().find_map(|unit| {
        unit.ms().filter(|one| ms > 0 && ms.is_multiple_of(*one)).map(|one| Piece::Interval(ms / one, unit))
    })
}

fn adverb(c: &mut Cursor<'_>) -> Option<Piece> {
    let word = c.word()?;
    let piece = match word {
        "daily" => Piece::Interval(1, Unit::Day),
        "hourly" => Piece::Interval(1, Unit::Hour),
        "half-hourly" => Piece::Interval(30, Unit::Minute),
        "weekly" => Piece::Interval(1, Unit::Week),
        "fortnightly" | "biweekly" | "bi-weekly" => Piece::Interval(2, Unit::Week),
        "monthly" => Piece::Interval(1, Unit::Month),
        "quarterly" => Piece::Interval(1, Unit::Quarter),
        "yearly" | "annually" => Piece::Interval(1, Unit::Year),
        "nightly" => Piece::PartOfDay("nightly", clock(0)),
        _ => return None,
    };
    c.take();
    Some(piece)
}

/// "twice a day", "3 times per day", "once an hour".
fn times_a_day(c: &mut Cursor<'_>) -> Option<Piece> {
    let count = match c.eat(&["once", "twice"]) {
        Some("once") => 1,
        Some(_) => 2,
        None => {
            let count = c.count()?;
            c.eat(&["times"])?;
            count
        }
    };
    if c.eat(&["daily"]).is_none() {
        c.eat(&["a", "an", "per", "each", "every"])?;
        let unit = words::unit(c.word()?)?;
        c.take();
        if unit != Unit::Day {
            if count == 1 {
                return Some(Piece::Interval(1, unit));
            }
            let part = unit.ms().filter(|ms| *ms <= 3_600_000 && count > 0 && ms % count == 0)?;
            return interval_of_ms(part / count);
        }
    }
    match count {
        1 => Some(Piece::Interval(1, Unit::Day)),
        2..=24 => Some(Piece::TimesADay(count)),
        _ => None,
    }
}

/// "at minute 15", "at 15 past", "on the half hour", "on the hour".
fn minute(c: &mut Cursor<'_>) -> Option<Piece> {
    if c.eat_phrase("on the hour") {
        return Some(Piece::Minute(0));
    }
    if c.eat_phrase("on the half hour") {
        return Some(Piece::Minute(30));
    }
    c.eat(&["at"])?;
    let minute = if c.eat(&["minute"]).is_some() {
        c.count()?
    } else {
        let minute = match c.eat(&["half", "quarter"]) {
            Some("half") => 30,
            Some(_) => 15,
            None => c.count()?,
        };
        c.eat(&["minutes", "minute"]);
        c.eat(&["past", "after"])?;
        // "half past nine" is a time.
        if clock_token(c, true).is_some() {
            return None;
        }
        let _ = c.eat_any_phrase(&["the hour", "every hour", "each hour"]);
        minute
    };
    u8::try_from(minute).ok().filter(|minute| *minute < 60).map(Piece::Minute)
}

fn at_times(c: &mut Cursor<'_>) -> Option<Piece> {
    let at = c.eat(&["at", "by", "around"]).is_some();
    let mut times = vec![clock_token(c, at)?];
    loop {
        let more = c.attempt(|c| {
            let joined = c.eat_kind(&Kind::Comma);
            let joined = c.eat(&["and", "&"]).is_some() || joined;
            c.eat(&["at"]);
            if !joined {
                return None;
            }
            clock_token(c, true).filter(|_| !c.word().is_some_and(is_counted))
        });
        match more {
            Some(time) if times.len() < 24 => times.push(time),
            _ => break,
        }
    }
    times.sort_unstable();
    times.dedup();
    Some(Piece::Times(times))
}

/// Whether a number before this word counts things rather than hours.
fn is_counted(word: &str) -> bool {
    words::unit(word).is_some()
        || words::is_plural(word) && words::weekday(word).is_none() && word != "always"
}

fn clock(hour: u8) -> Clock {
    Clock { hour, minute: 0, exact: true }
}

/// A time; a bare number only where `bare` allows.
fn clock_token(c: &mut Cursor<'_>, bare: bool) -> Option<Clock> {
    if let Some(Kind::Time(time)) = c.kind() {
        c.take();
        c.eat(&["o'clock", "hours", "sharp"]);
        return Some(*time);
    }
    if c.eat(&["noon", "midday", "lunchtime"]).is_some() {
        return Some(clock(12));
    }
    if c.eat(&["midnight"]).is_some() {
        return Some(clock(0));
    }
    c.attempt(|c| {
        let part = c.eat(&["half", "quarter"])?;
        let past = c.eat(&["past", "to"])?;
        let hour = clock_token(c, true).filter(|time| time.minute == 0)?;
        let minutes: u16 = if part == "half" { 30 } else { 15 };
        let total = u16::from(hour.hour) * 60;
        let total = if past == "past" { total + minutes } else { (total + 24 * 60 - minutes) % (24 * 60) };
        let (hour_of, minute) = (u8::try_from(total / 60).ok()?, u8::try_from(total % 60).ok()?);
        Some(Clock { hour: hour_of, minute, exact: hour.exact })
    })
    .or_else(|| {
        c.attempt(|c| {
            let token = c.peek().filter(|_| bare)?;
            let (hour, minute) = match &token.kind {
                Kind::Number(_) => dotted(&token.text)?,
                Kind::Word => (words::number(&token.text).filter(|n| (1..=12).contains(n))?, 0),
                _ => return None,
            };
            c.take();
            let hour = u8::try_from(hour).ok().filter(|hour| *hour < 24)?;
            if c.eat(&["percent", "items", "times"]).is_some()
                || c.word().is_some_and(|word| words::unit(word).is_some())
            {
                return None;
            }
            let marked = c.eat(&["o'clock", "am", "pm"]);
            let hour = match marked {
                Some("pm") if hour < 12 => hour + 12,
                Some("am") if hour == 12 => 0,
                _ => hour,
            };
            Some(Clock { hour, minute, exact: matches!(marked, Some("am" | "pm")) || hour > 12 })
        })
    })
}

/// "9", "9.30".
fn dotted(text: &str) -> Option<(u64, u8)> {
    match text.split_once('.') {
        None => Some((text.parse().ok()?, 0)),
        Some((hour, minute)) if minute.len() == 2 => {
            Some((hour.parse().ok()?, minute.parse().ok().filter(|minute| *minute < 60)?))
        }
        Some(_) => None,
    }
}

/// "between 9 and 17", "from 9am to 5pm", "during business hours".
fn window(c: &mut Cursor<'_>) -> Option<Piece> {
    if c.eat_any_phrase(&[
        "during business hours",
        "during working hours",
        "during office hours",
        "in business hours",
    ])
    .is_some()
    {
        return Some(Piece::Window(clock(9), clock(17)));
    }
    let opening = c.eat(&["between", "from"])?;
    let from = clock_token(c, true)?;
    if opening == "between" {
        c.eat(&["and"]).or_else(|| c.eat_kind(&Kind::Dash).then_some("-"))?;
    } else if !c.eat_kind(&Kind::Dash) {
        c.eat(&["to", "until", "till", "through"])?;
    }
    let mut to = clock_token(c, true)?;
    if to <= from && !to.exact && to.hour < 12 {
        to.hour += 12;
    }
    Some(Piece::Window(from, to))
}

/// A set of weekdays: "weekday", "Monday, Wednesday and Friday", "Monday to Friday".
fn days(c: &mut Cursor<'_>) -> Option<u8> {
    if c.eat(&["weekday", "weekdays", "workday", "workdays"]).is_some()
        || c.eat_any_phrase(&[
            "working day",
            "working days",
            "business day",
            "business days",
            "week day",
            "week days",
            "work day",
            "work days",
        ])
        .is_some()
    {
        return Some(WEEKDAYS);
    }
    if c.eat(&["weekend", "weekends"]).is_some() || c.eat_phrase("weekend day") {
        return Some(WEEKEND);
    }
    let mut set = day_or_range(c)?;
    loop {
        let more = c.attempt(|c| {
            let joined = c.eat_kind(&Kind::Comma);
            let joined = c.eat(&["and", "or", "&"]).is_some() || joined;
            c.eat(&["on", "every"]);
            if joined { day_or_range(c) } else { None }
        });
        match more {
            Some(days) => set |= days,
            None => return Some(set),
        }
    }
}

fn day_or_range(c: &mut Cursor<'_>) -> Option<u8> {
    let word = c.word()?;
    if let Some((first, last)) = word.split_once('-') {
        let range = day_range(words::weekday(first)?, words::weekday(last)?);
        c.take();
        return Some(range);
    }
    let first = words::weekday(word)?;
    // "may" and "sun" style doubles: a short form needs no more here, because days stand only where days can.
    c.take();
    let last = c.attempt(|c| {
        if !c.eat_kind(&Kind::Dash) {
            c.eat(&["to", "through", "until", "till"])?;
        }
        let last = words::weekday(c.word()?)?;
        c.take();
        Some(last)
    });
    Some(last.map_or(1 << first, |last| day_range(first, last)))
}

fn day_range(first: u8, last: u8) -> u8 {
    let mut set = 0;
    let mut day = first % 7;
    loop {
        set |= 1 << day;
        if day == last % 7 {
            return set;
        }
        day = (day + 1) % 7;
    }
}

/// "on Mondays", "Mondays", "except Sundays", "from Monday to Friday".
fn on_days(c: &mut Cursor<'_>) -> Option<Piece> {
    if c.eat_any_phrase(&[
        "except on",
        "except for",
        "except",
        "excluding",
        "but not on",
        "but not",
        "not on",
        "apart from",
    ])
    .is_some()
    {
        c.eat(&["the"]);
        return days(c).map(Piece::Except);
    }
    if c.eat(&["on", "from", "over", "during"]).is_some() {
        c.eat(&["each", "every", "the"]);
        return days(c).map(Piece::Days);
    }
    // Without a preposition only what cannot be a name: a plural, a list or a range, or a day before a time.
    let start = c.word()?;
    let plural = start.ends_with('s') && start.len() > 4 && words::weekday(start).is_some()
        || start.starts_with("week");
    let set = days(c)?;
    let clear = plural || set.count_ones() > 1 || c.word() == Some("at");
    clear.then_some(Piece::Days(set))
}

/// "on the first of every month", "on the 1st and 15th", "on 25 December", "on the last Friday of the month".
fn on_month_days(c: &mut Cursor<'_>) -> Option<Piece> {
    const ENDS: [(&str, MonthDay); 3] = [
        ("at the end of", MonthDay::Last),
        ("at the start of", MonthDay::Day(1)),
        ("at the beginning of", MonthDay::Day(1)),
    ];
    for (phrase, day) in ENDS {
        if c.eat_phrase(phrase) {
            c.eat_any_phrase(&["every month", "each month", "the month"])?;
            return Some(Piece::MonthDays(vec![day], Vec::new()));
        }
    }
    c.eat(&["on"])?;
    month_days(c)
}

fn month_days(c: &mut Cursor<'_>) -> Option<Piece> {
    if let Some(piece) = c.attempt(date) {
        return Some(piece);
    }
    c.eat(&["the", "every", "each"]);
    let mut days = vec![month_day(c)?];
    loop {
        let more = c.attempt(|c| {
            let joined = c.eat_kind(&Kind::Comma);
            let joined = c.eat(&["and", "&"]).is_some() || joined;
            c.eat(&["the", "on"]);
            if joined { month_day(c) } else { None }
        });
        match more {
            Some(day) => days.push(day),
            None => break,
        }
    }
    let of = c.attempt(|c| {
        c.eat(&["of", "in"])?;
        c.eat(&["every", "each", "the"]);
        if let Some(months) = months(c) {
            return Some(months);
        }
        if c.eat(&["quarter"]).is_some() {
            return Some(vec![1, 4, 7, 10]);
        }
        c.eat(&["month", "months"])?;
        Some(Vec::new())
    });
    let of = of
        .or_else(|| c.attempt(months))
        .or_else(|| c.eat_any_phrase(&["every month", "each month", "monthly"]).map(|_| Vec::new()));
    // "the first" alone is a place in a list; a number with its ending is a day.
    let numeric = days.iter().all(|day| matches!(day, MonthDay::Day(_)))
        && matches!(
            c.peek_at(0).map(|token| &token.kind),
            None | Some(Kind::Comma | Kind::Stop | Kind::Word | Kind::Colon)
        );
    match of {
        Some(months) => Some(Piece::MonthDays(days, months)),
        None if numeric && was_ordinal_number(c) => Some(Piece::MonthDays(days, Vec::new())),
        None => None,
    }
}

/// Whether the token just taken was "1st" and the like.
fn was_ordinal_number(c: &Cursor<'_>) -> bool {
    let text = c.quote(c.at().saturating_sub(1)..c.at());
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn month_day(c: &mut Cursor<'_>) -> Option<MonthDay> {
    if c.eat(&["last"]).is_some() {
        if c.eat(&["day"]).is_some() {
            return Some(MonthDay::Last);
        }
        if c.eat(&["weekday", "workday"]).is_some()
            || c.eat_any_phrase(&["working day", "business day"]).is_some()
        {
            return Some(MonthDay::LastWorkday);
        }
        let day = words::weekday(c.word()?)?;
        c.take();
        return Some(MonthDay::LastOf(day));
    }
    let number = match c.kind()? {
        Kind::Ordinal(number) => *number,
        Kind::Word => words::ordinal(c.word()?)?,
        _ => return None,
    };
    c.take();
    if let Some(day) = c.word().and_then(words::weekday) {
        c.take();
        return u8::try_from(number).ok().filter(|n| (1..=5).contains(n)).map(|n| MonthDay::Nth(n, day));
    }
    c.eat(&["day"]);
    u8::try_from(number).ok().filter(|day| (1..=31).contains(day)).map(MonthDay::Day)
}

/// "25 December", "December 25th", "1st of January".
fn date(c: &mut Cursor<'_>) -> Option<Piece> {
    c.eat(&["the", "every"]);
    let day = |c: &mut Cursor<'_>| {
        let day = match c.kind()? {
            Kind::Ordinal(day) => u8::try_from(*day).ok(),
            Kind::Number(day) => day.as_u64().and_then(|day| u8::try_from(day).ok()),
            _ => None,
        };
        c.take();
        day.filter(|day| (1..=31).contains(day))
    };
    let (month, day) = match c.word().and_then(words::month) {
        Some(month) => {
            c.take();
            c.eat(&["the"]);
            (month, day(c)?)
        }
        None => {
            let day = day(c)?;
            c.eat(&["of"]);
            let month = words::month(c.word()?)?;
            c.take();
            (month, day)
        }
    };
    // A year makes it a single day, which is no rhythm.
    if let Some(Kind::Number(year)) = c.kind()
        && year.as_u64().is_some_and(|year| (1970..2200).contains(&year))
    {
        c.take();
        return Some(Piece::Once);
    }
    Some(Piece::MonthDays(vec![MonthDay::Day(day)], vec![month]))
}

fn months(c: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let mut months = vec![words::month(c.word()?)?];
    c.take();
    loop {
        let more = c.attempt(|c| {
            let joined = c.eat_kind(&Kind::Comma);
            let joined = c.eat(&["and", "&"]).is_some() || joined;
            let month = words::month(c.word().filter(|_| joined)?)?;
            c.take();
            Some(month)
        });
        match more {
            Some(month) => months.push(month),
            None => break,
        }
    }
    months.sort_unstable();
    months.dedup();
    Some(months)
}

fn in_months(c: &mut Cursor<'_>) -> Option<Piece> {
    c.eat(&["in", "during"])?;
    c.eat(&["every", "each"]);
    months(c).map(Piece::Months)
}

/// The parts of a day stand for an hour that someone may correct.
fn part_name(c: &mut Cursor<'_>) -> Option<Piece> {
    Some(match c.eat(&["morning", "afternoon", "evening", "night", "noon", "midnight"])? {
        "morning" => Piece::PartOfDay("every morning", clock(9)),
        "afternoon" => Piece::PartOfDay("every afternoon", clock(14)),
        "evening" => Piece::PartOfDay("every evening", clock(18)),
        "night" => Piece::PartOfDay("every night", clock(0)),
        "noon" => Piece::Times(vec![clock(12)]),
        _ => Piece::Times(vec![clock(0)]),
    })
}

/// "every Monday morning": only behind the days.
pub(super) fn bare_part(c: &mut Cursor<'_>, behind: bool) -> Option<Piece> {
    let piece = part_name(c).filter(|_| behind)?;
    // "every Monday evening report" is something else's name.
    let ends = c.word().is_none_or(|word| words::is_function_word(word) || words::opens_clause(word));
    ends.then_some(piece)
}

fn part_of_day(c: &mut Cursor<'_>) -> Option<Piece> {
    if c.eat_phrase("at night") || c.eat_phrase("overnight") {
        return Some(Piece::PartOfDay("at night", clock(0)));
    }
    if !c.eat_phrase("in the") {
        return None;
    }
    match c.word()? {
        "mornings" | "morning" | "afternoon" | "afternoons" | "evening" | "evenings" => {
            let word = c.take()?.text.as_str();
            Some(match word.trim_end_matches('s') {
                "morning" => Piece::PartOfDay("in the morning", clock(9)),
                "afternoon" => Piece::PartOfDay("in the afternoon", clock(14)),
                _ => Piece::PartOfDay("in the evening", clock(18)),
            })
        }
        _ => None,
    }
}

/// "tomorrow", "next Monday", "on 2026-01-31".
fn once(c: &mut Cursor<'_>) -> Option<Piece> {
    c.eat(&["on", "starting", "this"]);
    if c.eat(&["tomorrow", "tonight"]).is_some() {
        return Some(Piece::Once);
    }
    c.eat(&["next"])?;
    let word = c.word()?;
    if words::weekday(word).is_some() || matches!(word, "week" | "month" | "year") {
        c.take();
        return Some(Piece::Once);
    }
    None
}

/// "London time", "in Berlin", "UTC", "(Europe/Paris)". A place needs "in" or "time" beside it, or a schedule before it.
pub(super) fn zone(c: &mut Cursor<'_>, loose: bool) -> Option<Piece> {
    c.eat_kind(&Kind::Open);
    let labelled =
        c.eat_any_phrase(&["time zone", "timezone", "in the time zone", "in the timezone"]).is_some();
    c.eat_kind(&Kind::Colon);
    let inside = c.eat(&["in", "for"]).is_some();
    c.eat(&["the"]);
    if let Some(name) = c.word().and_then(zones::iana) {
        c.take();
        c.eat(&["time", "timezone"]);
        c.eat_kind(&Kind::Close);
        return Some(Piece::Zone(name));
    }
    for length in (1..=3).rev() {
        let Some(words) = (0..length).map(|ahead| c.word_at(ahead)).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let Some(place) = zones::place(&words.join(" ")) else { continue };
        let timed = c.word_at(length).is_some_and(|word| matches!(word, "time" | "timezone" | "timezones"))
            || (c.word_at(length) == Some("standard") && c.word_at(length + 1) == Some("time"));
        let abbreviation = words.len() == 1 && words[0].len() <= 4 && words[0] != "my" && words[0] != "our";
        let believable =
            timed || labelled || (loose && (abbreviation || inside || c.at() > 0 && follows_open(c)));
        let vague =
            matches!(words[0], "my" | "our" | "local" | "central" | "mountain" | "pacific" | "eastern");
        if !believable || (vague && !timed) {
            continue;
        }
        for _ in 0..length {
            c.take();
        }
        c.eat(&["standard"]);
        if timed {
            c.eat(&["time", "timezone", "timezones"]);
        }
        c.eat_kind(&Kind::Close);
        return Some(match place {
            Place::Zone(zone) => Piece::Zone(zone.to_owned()),
            Place::Ambiguous(zones) => Piece::OpenZone(zones),
        });
    }
    None
}

fn follows_open(c: &Cursor<'_>) -> bool {
    c.quote(c.at().saturating_sub(1)..c.at()) == "("
}
