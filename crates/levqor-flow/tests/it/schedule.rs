//! Due times, and their words.

use std::time::Duration;

use jiff::{Unit, tz::TimeZone};
use levqor_flow::schedule::{Cron, Schedule, Zone};
use levqor_model::Timestamp;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(text: &str, zone: &str) -> Schedule {
    Schedule {
        every: None,
        cron: Some(Cron::parse(text).unwrap()),
        after: None,
        on: None,
        zone: Zone::named(zone).unwrap().into_inner(),
    }
}

/// The next due times as their zone's clocks show them.
fn due(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let mut last = at(after);
    let mut times = Vec::new();
    for _ in 0..count {
        last = schedule.next(Timestamp::default(), last).unwrap();
        let shown = last.to_jiff().to_zoned(schedule.zone.clone());
        times.push(shown.round(Unit::Second).unwrap().strftime("%F %H:%M%:z").to_string());
    }
    times
}

#[test]
fn cron_follows_the_clocks_of_its_zone() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        // Berlin skips 02:00 to 03:00 on 29 March 2026 and repeats it on 25 October.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29 03:00+02:00", "2026-03-30 02:30+02:00"],
        ),
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &["2026-10-25 02:30+02:00", "2026-10-26 02:30+01:00"],
        ),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", &["2026-10-26 02:30+01:00"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", &["2026-10-26 02:30+01:00"]),
        (
            "0,30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29 03:00+02:00", "2026-03-30 02:00+02:00"],
        ),
        (
            "0 2,14 * * *",
            "Europe/Berlin",
            "2026-03-28T20:00:00Z",
            &["2026-03-29 03:00+02:00", "2026-03-29 14:00+02:00"],
        ),
        (
            "0 2,14 * * *",
            "Europe/Berlin",
            "2026-10-24T20:00:00Z",
            &["2026-10-25 02:00+02:00", "2026-10-25 14:00+01:00"],
        ),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:45:00Z",
            &[
                "2026-10-25 02:00+02:00",
                "2026-10-25 02:30+02:00",
                "2026-10-25 02:00+01:00",
                "2026-10-25 02:30+01:00",
                "2026-10-25 03:00+01:00",
            ],
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-03-28T23:30:00Z",
            &["2026-03-29 01:00+01:00", "2026-03-29 03:00+02:00", "2026-03-29 04:00+02:00"],
        ),
        (
            "*/15 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-30 02:00+02:00", "2026-03-30 02:15+02:00"],
        ),
        // London skips 01:00 to 02:00, and repeats it.
        (
            "30 1 * * *",
            "Europe/London",
            "2026-03-28T12:00:00Z",
            &["2026-03-29 02:00+01:00", "2026-03-30 01:30+01:00"],
        ),
        (
            "30 1 * * *",
            "Europe/London",
            "2026-10-24T12:00:00Z",
            &["2026-10-25 01:30+01:00", "2026-10-26 01:30+00:00"],
        ),
        (
            "0 9 * * 1-5",
            "Europe/London",
            "2026-03-27T09:00:00Z",
            &["2026-03-30 09:00+01:00", "2026-03-31 09:00+01:00"],
        ),
        (
            "0 9 * * *",
            "Europe/London",
            "2026-10-24T12:00:00Z",
            &["2026-10-25 09:00+00:00", "2026-10-26 09:00+00:00"],
        ),
        // Half an hour is skipped on Lord Howe Island, and a whole day was in Samoa.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00:00Z",
            &["2026-10-04 02:30+11:00", "2026-10-05 02:15+11:00"],
        ),
        (
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-29T23:00:00Z",
            &["2011-12-31 00:00+14:00", "2011-12-31 12:00+14:00"],
        ),
        // Midnight is skipped in Cairo.
        (
            "0 0 * * *",
            "Africa/Cairo",
            "2026-04-23T12:00:00Z",
            &["2026-04-24 01:00+03:00", "2026-04-25 00:00+03:00"],
        ),
        // Strictly after, to the microsecond.
        ("0 9 * * *", "UTC", "2026-01-01T09:00:00Z", &["2026-01-02 09:00+00:00"]),
        ("0 9 * * *", "UTC", "2026-01-01T08:59:59.999999Z", &["2026-01-01 09:00+00:00"]),
        ("* * * * *", "UTC", "2026-01-01T09:00:00.000001Z", &["2026-01-01 09:01+00:00"]),
        (
            "* * * * *",
            "UTC",
            "2026-01-01T09:00:59.999999Z",
            &["2026-01-01 09:01+00:00", "2026-01-01 09:02+00:00"],
        ),
        // The calendar.
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29 00:00+00:00", "2032-02-29 00:00+00:00"]),
        ("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", &["2026-01-04 00:00+00:00"]),
        ("0 0 * * SUN", "UTC", "2026-01-01T00:00:00Z", &["2026-01-04 00:00+00:00"]),
        ("0 0 L * *", "UTC", "2026-02-01T00:00:00Z", &["2026-02-28 00:00+00:00", "2026-03-31 00:00+00:00"]),
        (
            "0 0 13 * 5",
            "UTC",
            "2026-01-01T00:00:00Z",
            &["2026-01-02 00:00+00:00", "2026-01-09 00:00+00:00", "2026-01-13 00:00+00:00"],
        ),
        (
            "0 8 * JAN,jul mon#1",
            "UTC",
            "2026-01-01T00:00:00Z",
            &["2026-01-05 08:00+00:00", "2026-07-06 08:00+00:00"],
        ),
    ];
    for (text, zone, after, expected) in table {
        assert_eq!(due(&cron(text, zone), after, expected.len()), *expected, "{text} {zone}");
    }
}

#[test]
fn a_daily_job_runs_once_a_day_whatever_the_clocks_do() {
    for zone in
        ["UTC", "Europe/London", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]
    {
        for hour in 0..24 {
            let schedule = cron(&format!("30 {hour} * * *"), zone);
            let (mut last, mut runs) = (at("2026-01-02T00:00:00Z"), 0);
            while let Some(next) =
                schedule.next(Timestamp::default(), last).filter(|next| *next < at("2027-01-02T00:00:00Z"))
            {
                assert!(next > last, "{zone} {hour}");
                (last, runs) = (next, runs + 1);
            }
            assert_eq!(runs, 365, "{zone} {hour}");
        }
    }
}

#[test]
fn intervals_count_from_their_anchor() {
    let every = |seconds| Schedule {
        every: Some(Duration::from_secs(seconds)),
        cron: None,
        after: None,
        on: None,
        zone: TimeZone::UTC,
    };
    let anchor = at("2026-01-01T00:00:07Z");
    let table = [
        (300, "2026-01-01T00:00:07Z", "2026-01-01T00:05:07.000000Z"),
        (300, "2025-06-01T00:00:00Z", "2026-01-01T00:05:07.000000Z"),
        (300, "2026-01-01T00:05:06.999999Z", "2026-01-01T00:05:07.000000Z"),
        (300, "2026-01-01T00:05:07Z", "2026-01-01T00:10:07.000000Z"),
        (7, "2026-01-01T00:00:20Z", "2026-01-01T00:00:21.000000Z"),
        (86_400, "2026-03-29T12:00:00Z", "2026-03-30T00:00:07.000000Z"),
    ];
    for (seconds, after, expected) in table {
        assert_eq!(
            every(seconds).next(anchor, at(after)).unwrap().to_string(),
            expected,
            "{seconds} {after}"
        );
    }
    // Several triggers: the first of them.
    let both = Schedule { cron: Some(Cron::parse("3 * * * *").unwrap()), ..every(300) };
    assert_eq!(both.next(anchor, anchor), Some(at("2026-01-01T00:03:00Z")));
    // `after` alone has no times of its own.
    let none = Schedule {
        every: None,
        after: Some(Duration::from_secs(5)),
        cron: None,
        on: None,
        zone: TimeZone::UTC,
    };
    assert_eq!(none.next(anchor, anchor), None);
}

#[test]
fn what_is_no_cron_expression_is_refused_with_a_reason() {
    let table = [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("0 * * * * *", "has 6 fields; seconds and years are not allowed"),
        ("0 0 9 * * * 2026", "has 7 fields"),
        ("@daily", "write '0 0 * * *'"),
        ("@reboot", "nicknames"),
        ("60 * * * *", "is not a cron expression: number out of bounds; write five fields"),
        ("* 24 * * *", "is not a cron expression"),
        ("* * 0 * *", "is not a cron expression"),
        ("* * * 13 *", "is not a cron expression"),
        ("* * * * 8", "is not a cron expression"),
        ("5-1 * * * *", "is not a cron expression"),
        ("*/0 * * * *", "is not a cron expression"),
        ("5/10 * * * *", "is not a minute"),
        ("MON * * * *", "is not a minute"),
        ("* * * * FRIDAY", "is not a day of the week"),
        ("* * * JANFEB *", "is not a month"),
        ("1,,2 * * * *", "is not a minute"),
        (", * * * *", "is not a minute"),
        ("-5 * * * *", "is not a minute"),
        ("a b c d e", "is not a minute"),
        ("0 0 31 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("é * * * *", "is not a minute"),
    ];
    for (text, reason) in table {
        let refused = Cron::parse(text).unwrap_err();
        assert!(refused.contains(reason), "{text:?}: {refused}");
    }
    assert!(Cron::parse(&"*".repeat(10_000)).unwrap_err().contains("at most"));
}

#[test]
fn zones_are_known_by_their_names() {
    for name in ["UTC", "Europe/London", "europe/berlin", "America/Argentina/Buenos_Aires", "Etc/GMT-1"] {
        assert!(Zone::named(name).is_ok(), "{name}");
    }
    let table = [
        ("London", "did you mean Europe/London?"),
        ("Europe/Londn", "did you mean Europe/London?"),
        ("new york", "did you mean America/New_York?"),
        ("Berln", "did you mean Europe/Berlin?"),
        ("GMT+5:30", "use an IANA name"),
        ("../../etc/passwd", "there is no time zone"),
        ("", "use an IANA name"),
    ];
    for (name, hint) in table {
        let refused = Zone::named(name).unwrap_err();
        assert!(refused.contains(hint), "{name:?}: {refused}");
    }
}

#[test]
fn schedules_have_words() {
    let table = [
        ("0 9 * * 1-5", "every weekday at 09:00 Europe/London"),
        ("0 9 * * MON-FRI", "every weekday at 09:00 Europe/London"),
        ("30 17 * * *", "every day at 17:30 Europe/London"),
        ("0 9 * * 1", "every Monday at 09:00 Europe/London"),
        ("0 9 * * 1,3,5", "every Monday, Wednesday and Friday at 09:00 Europe/London"),
        ("0 10 * * 0,6", "every Saturday and Sunday at 10:00 Europe/London"),
        ("0 9,17 * * *", "every day at 09:00 and 17:00 Europe/London"),
        ("0 6 1 * *", "on day 1 of every month at 06:00 Europe/London"),
        ("0 0 25 12 *", "every year on 25 December at 00:00 Europe/London"),
        ("0 9 * 7 1-5", "every weekday at 09:00 in July Europe/London"),
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0 * * * *", "every hour"),
        ("5 * * * *", "every hour, 5 minutes past"),
        ("0 */6 * * *", "every day at 00:00, 06:00, 12:00 and 18:00 Europe/London"),
        ("0 */2 * * *", "every 2 hours from 00:00 Europe/London"),
        ("*/7 * * * *", "cron */7 * * * * Europe/London"),
        ("0 9 13 * 5", "cron 0 9 13 * 5 Europe/London"),
        ("0 9 L * *", "cron 0 9 L * * Europe/London"),
        ("*/15 9-17 * * 1-5", "cron */15 9-17 * * 1-5 Europe/London"),
    ];
    for (text, words) in table {
        assert_eq!(cron(text, "Europe/London").describe(), words, "{text}");
    }
    let schedule = |every: Option<u64>, after: Option<u64>| Schedule {
        every: every.map(Duration::from_secs),
        cron: None,
        after: after.map(Duration::from_secs),
        on: None,
        zone: TimeZone::UTC,
    };
    assert_eq!(schedule(Some(300), None).describe(), "every 5 minutes");
    assert_eq!(schedule(Some(3_600), None).describe(), "every hour");
    assert_eq!(schedule(Some(5_400), None).describe(), "every 1 hour 30 minutes");
    assert_eq!(schedule(None, Some(60)).describe(), "1 minute after each run ends");
    assert_eq!(schedule(Some(86_400), Some(1)).describe(), "every day, and 1 second after each run ends");
    assert_eq!(cron("0 9 * * *", "UTC").describe(), "every day at 09:00 UTC");
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,40}|([0-9*/,LW#?-]{1,6} ){4}[0-9A-Z*/,L#?-]{1,6}") {
        if let Ok(cron) = Cron::parse(&text) {
            let schedule = Schedule { every: None, cron: Some(cron), after: None, on: None, zone: Zone::named("Europe/Berlin").unwrap().into_inner() };
            let mut last = at("2026-10-24T23:00:00Z");
            for _ in 0..3 {
                let next = schedule.next(Timestamp::default(), last).unwrap();
                prop_assert!(next > last);
                last = next;
            }
            prop_assert!(!schedule.describe().is_empty());
        }
    }

    #[test]
    fn any_moment_is_taken(anchor in any::<i64>(), after in any::<i64>(), seconds in 0_u64..=u64::MAX) {
        let schedule = Schedule { every: Some(Duration::from_secs(seconds)), cron: Some(Cron::parse("0 0 * * *").unwrap()), after: None, on: None, zone: TimeZone::UTC };
        let after = Timestamp::from_micros(after);
        if let Some(next) = schedule.next(Timestamp::from_micros(anchor), after) {
            prop_assert!(next > after);
        }
    }
}
