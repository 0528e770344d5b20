//! Dates, in UTC only: `now` and the local zone would make an evaluation depend on where and when it runs.

use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::super::number::Num;
use super::super::value::{Error, Val};
use super::lists::list_of;
use super::text::str_of;
use super::{Native, of_input, of_one};

pub(super) fn natives() -> Vec<Native> {
    vec![
        of_input!("fromdateiso8601", |val: Val| {
            let text = str_of(&val)?;
            let instant: Timestamp = text.parse().map_err(|_| unreadable(&val, "%Y-%m-%dT%H:%M:%SZ"))?;
            Ok(seconds(instant))
        }),
        of_input!("todateiso8601", |val: Val| {
            // jq writes whole seconds.
            let whole = Timestamp::from_second(instant(&val)?.as_microsecond().div_euclid(1_000_000));
            whole.map(|whole| Val::text(whole.to_string())).map_err(Error::str)
        }),
        of_input!("gmtime", |val: Val| Ok(broken_down(utc(instant(&val)?).datetime()))),
        of_input!("mktime", |val: Val| {
            let instant = utc_of(&val)?.timestamp();
            Ok(Val::Num(Num::Int(instant.as_microsecond().div_euclid(1_000_000))))
        }),
        of_one!("strftime", |val: Val, format: Val| {
            let zoned = match &val {
                Val::Num(_) => utc(instant(&val)?),
                _ => utc_of(&val)?,
            };
            let format = limited(&format)?;
            let text = strtime::format(format, &zoned)
                .map_err(|e| Error::str(format_args!("strftime cannot use {format:?}: {e}")))?;
            Ok(Val::text(text))
        }),
        of_one!("strptime", |val: Val, format: Val| {
            let text = str_of(&val)?;
            let format = limited(&format)?;
            let parsed = BrokenDownTime::parse(format, text).map_err(|_| unreadable(&val, format))?;
            if parsed.iana_time_zone().is_some() {
                return Err(Error::str("strptime reads offsets, not names of time zones"));
            }
            datetime(&parsed).map(broken_down).ok_or_else(|| unreadable(&val, format))
        }),
    ]
}

/// A format whose result cannot be long: padding widths multiply its length.
fn limited(format: &Val) -> Result<&str, Error> {
    const FORMAT_BYTES_MAX: usize = 1024;
    let format = str_of(format)?;
    let digits_in_a_row = format.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit));
    if format.len() > FORMAT_BYTES_MAX || digits_in_a_row {
        return Err(Error::str("the time format is too long"));
    }
    Ok(format)
}

fn unreadable(val: &Val, format: &str) -> Error {
    Error::str(format_args!("date {val} does not match format {format:?}"))
}

fn instant(val: &Val) -> Result<Timestamp, Error> {
    let instant = match val {
        Val::Num(Num::Int(seconds)) => Timestamp::from_second(*seconds),
        // Casting saturates, and the ends are refused.
        Val::Num(n) => Timestamp::from_microsecond((n.as_f64() * 1e6) as i64),
        other => return Err(Error::str(format_args!("{} ({other}) is not a time", other.type_name()))),
    };
    instant.map_err(|_| Error::str(format_args!("time {val} is out of range")))
}

fn seconds(instant: Timestamp) -> Val {
    let micros = instant.as_microsecond();
    if micros % 1_000_000 == 0 {
        Val::Num(Num::Int(micros / 1_000_000))
    } else {
        Val::float(micros as f64 / 1e6)
    }
}

fn utc(instant: Timestamp) -> Zoned {
    instant.to_zoned(TimeZone::UTC)
}

/// jq's "broken down time": year, month from 0, day, hours, minutes, seconds, weekday from Sunday 0, day of the
/// year from 0.
fn broken_down(at: DateTime) -> Val {
    let whole = |n: i64| Val::Num(Num::Int(n));
    let seconds = f64::from(at.second()) + f64::from(at.subsec_nanosecond()) / 1e9;
    Val::list(vec![
        whole(at.year().into()),
        whole(i64::from(at.month()) - 1),
        whole(at.day().into()),
        whole(at.hour().into()),
        whole(at.minute().into()),
        Val::float(seconds),
        whole(at.weekday().to_sunday_zero_offset().into()),
        whole(i64::from(at.day_of_year()) - 1),
    ])
}

/// What [`broken_down`] made, as UTC; the last two elements do not matter.
fn utc_of(val: &Val) -> Result<Zoned, Error> {
    let refuse = || Error::str(format_args!("{} ({val}) is not a broken down time", val.type_name()));
    let list = list_of(val.clone())?;
    let part = |i: usize| match list.items().get(i) {
        Some(Val::Num(n)) => Ok(*n),
        _ => Err(refuse()),
    };
    let small = |i: usize| part(i).and_then(|n| i8::try_from(n.truncate()).map_err(|_| refuse()));
    let year = i16::try_from(part(0)?.truncate()).map_err(|_| refuse())?;
    let month = small(1)?.checked_add(1).ok_or_else(refuse)?;
    let seconds = part(5)?.as_f64();
    let nanos = (seconds.fract() * 1e9) as i32;
    DateTime::new(year, month, small(2)?, small(3)?, small(4)?, small(5)?, nanos)
        .and_then(|at| at.to_zoned(TimeZone::UTC))
        .map_err(|_| refuse())
}

/// The moment in UTC, if an offset is given; midnight, if no time is.
fn datetime(parsed: &BrokenDownTime) -> Option<DateTime> {
    if let Ok(instant) = parsed.to_timestamp() {
        return Some(Offset::UTC.to_datetime(instant));
    }
    let date = parsed.to_date().ok()?;
    let time = parsed.to_time().unwrap_or(Time::midnight());
    Some(date.to_datetime(time))
}
