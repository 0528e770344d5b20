//! Which due times fire, when some have passed while nobody was there.

use std::{collections::VecDeque, time::Duration};

use levqor_flow::{policy::SchedulePolicy, schedule::Schedule};
use levqor_model::{Misfire, Timestamp};

/// A due time that is noticed within this time was not missed.
const LATE: Duration = Duration::from_secs(60);
/// Missed due times that fire after one pause; of more, the latest.
const FIRED_MAX: usize = 100;
/// Missed due times are counted up to here.
pub(crate) const COUNT_MAX: usize = 1_000;

/// What to do with a due time that has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The due time that starts a run.
    pub(crate) fires_at: Option<Timestamp>,
    /// The due time to look at after that; it may have passed, too.
    pub(crate) next_at: Option<Timestamp>,
    /// Due times that start nothing, at most [`COUNT_MAX`].
    pub(crate) missed: usize,
}

pub(crate) fn plan(
    schedule: &Schedule,
    policy: &SchedulePolicy,
    anchor: Timestamp,
    due_at: Timestamp,
    now: Timestamp,
) -> Plan {
    let window = match policy.misfire {
        Misfire::Skip => LATE,
        Misfire::FireOnce | Misfire::FireAll => policy.catch_up.max(LATE),
    };
    let fires_at = match policy.misfire {
        Misfire::FireAll => first_of_all(schedule, anchor, due_at, now, window),
        Misfire::FireOnce | Misfire::Skip => {
            Some(latest_due(schedule, anchor, due_at, now)).filter(|latest| now.since(*latest) <= window)
        }
    };
    let next_at = match (policy.misfire, fires_at) {
        (Misfire::FireAll, Some(fires_at)) => schedule.next(anchor, fires_at),
        _ => schedule.next(anchor, now),
    };
    let missed = count(schedule, anchor, due_at, fires_at.unwrap_or(now), fires_at.is_none());
    Plan { fires_at, next_at, missed }
}

/// The earliest due time from `due_at` on that is in the window, and of which less than [`FIRED_MAX`] others follow.
fn first_of_all(
    schedule: &Schedule,
    anchor: Timestamp,
    due_at: Timestamp,
    now: Timestamp,
    window: Duration,
) -> Option<Timestamp> {
    let mut window = window.min(now.since(due_at));
    let mut before = None;
    loop {
        let begin = now - window;
        let first = if begin <= due_at {
            Some(due_at)
        } else {
            schedule.next(anchor, begin - Duration::from_micros(1)).filter(|first| *first <= now)
        };
        let Some(first) = first else {
            // All of them stand before the middle. Only cron has such gaps, and it has at most one due time a minute.
            return before.map(|before| latest_of(schedule, anchor, before, now));
        };
        if count(schedule, anchor, first, now, false) < COUNT_MAX {
            return Some(latest_of(schedule, anchor, first, now));
        }
        // A schedule of seconds that was missed for days is not walked through.
        before = Some(first);
        window /= 2;
    }
}

/// `first`, or the first of the latest [`FIRED_MAX`] due times from there until `now`.
fn latest_of(schedule: &Schedule, anchor: Timestamp, first: Timestamp, now: Timestamp) -> Timestamp {
    let mut latest = VecDeque::from([first]);
    let mut at = first;
    while let Some(later) = schedule.next(anchor, at).filter(|later| *later <= now && *later > at) {
        at = later;
        latest.push_back(at);
        if latest.len() > FIRED_MAX {
            latest.pop_front();
        }
    }
    latest.front().copied().unwrap_or(first)
}

/// Due times from `from` to `until`, at most [`COUNT_MAX`]. `from` is one; `until` counts only if `inclusive`.
fn count(
    schedule: &Schedule,
    anchor: Timestamp,
    from: Timestamp,
    until: Timestamp,
    inclusive: bool,
) -> usize {
    let mut found = 0;
    let mut at = from;
    while (at < until || (inclusive && at == until)) && found < COUNT_MAX {
        found += 1;
        match schedule.next(anchor, at) {
            Some(later) if later > at => at = later,
            _ => break,
        }
    }
    found
}

/// The last due time at or before `now`, from `due_at` on. Looks back in doubling steps: a schedule of seconds that was missed for a
/// year is not walked through.
fn latest_due(schedule: &Schedule, anchor: Timestamp, due_at: Timestamp, now: Timestamp) -> Timestamp {
    let mut back = Duration::from_millis(100);
    let mut at = due_at;
    while now - back > due_at {
        if let Some(found) = schedule.next(anchor, now - back).filter(|found| *found <= now) {
            at = at.max(found);
            break;
        }
        back *= 2;
    }
    while let Some(later) = schedule.next(anchor, at).filter(|later| *later <= now && *later > at) {
        at = later;
    }
    at
}

#[cfg(test)]
mod tests {
    use levqor_flow::schedule::{Cron, Zone};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cron(text: &str, zone: &str) -> Schedule {
        Schedule {
            every: None,
            cron: Some(Cron::parse(text).unwrap()),
            on: None,
            after: None,
            zone: Zone::named(zone).unwrap().into_inner(),
        }
    }

    fn policy(misfire: Misfire, catch_up_hours: u64) -> SchedulePolicy {
        SchedulePolicy {
            misfire,
            catch_up: Duration::from_secs(catch_up_hours * 3600),
            ..SchedulePolicy::default()
        }
    }

    /// All that fires when nobody was there from before `due` until `now`, and what is due next.
    fn made_up(
        schedule: &Schedule,
        policy: &SchedulePolicy,
        due: &str,
        now: &str,
    ) -> (Vec<String>, String, usize) {
        let (mut due, now) = (at(due), at(now));
        let (mut fired, mut missed) = (Vec::new(), 0);
        loop {
            let plan = plan(schedule, policy, at("2026-01-01T00:00:00Z"), due, now);
            missed += plan.missed;
            fired.extend(plan.fires_at.map(|at| at.to_string().replace(":00.000000Z", "Z")));
            let next = plan.next_at.unwrap();
            if next > now {
                return (fired, next.to_string().replace(":00.000000Z", "Z"), missed);
            }
            assert!(next > due, "it goes on");
            due = next;
        }
    }

    #[test]
    fn missed_due_times_fire_as_the_policy_says() {
        let hourly = cron("0 * * * *", "UTC");
        let rows: [(Misfire, u64, &str, &[&str], usize); 7] = [
            (Misfire::FireOnce, 1, "2026-11-24T05:30:00Z", &["2026-11-24T05:00Z"], 4),
            (Misfire::FireOnce, 1, "2026-11-24T05:00:00Z", &["2026-11-24T05:00Z"], 4),
            (Misfire::Skip, 1, "2026-11-24T05:30:00Z", &[], 5),
            (Misfire::Skip, 1, "2026-11-24T05:00:59Z", &["2026-11-24T05:00Z"], 4),
            (Misfire::FireAll, 1, "2026-11-24T05:30:00Z", &["2026-11-24T05:00Z"], 4),
            (
                Misfire::FireAll,
                3,
                "2026-11-24T05:30:00Z",
                &["2026-11-24T03:00Z", "2026-11-24T04:00Z", "2026-11-24T05:00Z"],
                2,
            ),
            (Misfire::FireOnce, 0, "2026-11-24T05:30:00Z", &[], 5),
        ];
        for (misfire, hours, now, fires, missed) in rows {
            let found = made_up(&hourly, &policy(misfire, hours), "2026-11-24T01:00:00Z", now);
            assert_eq!(
                found,
                (fires.iter().map(|at| (*at).to_owned()).collect(), "2026-11-24T06:00Z".into(), missed),
                "{misfire} {now}"
            );
        }
    }

    #[test]
    fn no_more_than_a_hundred_missed_due_times_fire_and_they_are_the_latest() {
        let schedule = Schedule {
            every: Some(Duration::from_secs(1)),
            cron: None,
            on: None,
            after: None,
            zone: Zone::default().into_inner(),
        };
        let (fired, next, missed) =
            made_up(&schedule, &policy(Misfire::FireAll, 24), "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z");
        assert_eq!(fired.len(), FIRED_MAX);
        assert_eq!(fired.last().map(String::as_str), Some("2026-11-25T00:00Z"));
        assert_eq!(next, "2026-11-25T00:00:01.000000Z");
        assert_eq!(missed, COUNT_MAX);

        // 1440 due times on one day of the week, and nothing after them.
        let sundays = cron("* * * * 0", "UTC");
        let (fired, next, missed) =
            made_up(&sundays, &policy(Misfire::FireAll, 168), "2026-11-22T00:00:00Z", "2026-11-24T12:00:00Z");
        assert_eq!((fired.len(), missed), (FIRED_MAX, COUNT_MAX));
        assert_eq!(fired.last().map(String::as_str), Some("2026-11-22T23:59Z"));
        assert_eq!(next, "2026-11-29T00:00Z");
    }

    /// Cron, zone, the first due time, now, what fires, and what is due next.
    type Change =
        (&'static str, &'static str, &'static str, &'static str, &'static [&'static str], &'static str);

    /// Europe/London: 2026-03-29 01:00 becomes 02:00, 2026-10-25 02:00 becomes 01:00.
    /// America/New_York: 2026-03-08 02:00 becomes 03:00, 2026-11-01 02:00 becomes 01:00.
    #[test]
    fn a_change_of_the_clock_neither_loses_nor_doubles_what_was_missed() {
        let daily: [Change; 6] = [
            // A time in the gap fires at its end.
            (
                "30 1 * * *",
                "Europe/London",
                "2026-03-28T01:30:00Z",
                "2026-03-30T12:00:00Z",
                &["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"],
                "2026-03-31T00:30Z",
            ),
            // One that comes twice fires the first time.
            (
                "30 1 * * *",
                "Europe/London",
                "2026-10-24T00:30:00Z",
                "2026-10-26T12:00:00Z",
                &["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"],
                "2026-10-27T01:30Z",
            ),
            (
                "30 2 * * *",
                "America/New_York",
                "2026-03-07T07:30:00Z",
                "2026-03-09T12:00:00Z",
                &["2026-03-07T07:30Z", "2026-03-08T07:00Z", "2026-03-09T06:30Z"],
                "2026-03-10T06:30Z",
            ),
            (
                "30 1 * * *",
                "America/New_York",
                "2026-10-31T05:30:00Z",
                "2026-11-02T12:00:00Z",
                &["2026-10-31T05:30Z", "2026-11-01T05:30Z", "2026-11-02T06:30Z"],
                "2026-11-03T06:30Z",
            ),
            // By elapsed time: both of the doubled hours, and none in the gap.
            (
                "30 * * * *",
                "Europe/London",
                "2026-10-24T23:30:00Z",
                "2026-10-25T02:45:00Z",
                &["2026-10-24T23:30Z", "2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-25T02:30Z"],
                "2026-10-25T03:30Z",
            ),
            (
                "30 * * * *",
                "America/New_York",
                "2026-03-08T05:30:00Z",
                "2026-03-08T08:45:00Z",
                &["2026-03-08T05:30Z", "2026-03-08T06:30Z", "2026-03-08T07:30Z", "2026-03-08T08:30Z"],
                "2026-03-08T09:30Z",
            ),
        ];
        for (text, zone, due, now, fires, next) in daily {
            let schedule = cron(text, zone);
            let all: Vec<String> = fires.iter().map(|at| (*at).to_owned()).collect();
            let found = made_up(&schedule, &policy(Misfire::FireAll, 72), due, now);
            assert_eq!(found, (all.clone(), next.to_owned(), 0), "fire-all {text} {zone}");
            let found = made_up(&schedule, &policy(Misfire::FireOnce, 72), due, now);
            let latest = vec![all[all.len() - 1].clone()];
            assert_eq!(found, (latest, next.to_owned(), all.len() - 1), "fire-once {text} {zone}");
            let found = made_up(&schedule, &policy(Misfire::Skip, 72), due, now);
            assert_eq!(found, (Vec::new(), next.to_owned(), all.len()), "skip {text} {zone}");
        }
    }
}
