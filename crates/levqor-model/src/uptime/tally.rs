//! Counting a day while its observations go by, in the order of their times: as much is remembered as speaks at the moment, however many
//! there are.

use std::{collections::BTreeMap, fmt};

use ring::digest::{Context, SHA256};

use super::{ComponentDay, FORMAT, Observation, SPEAKS_FOR, UptimeRecord, hex, speaks_for_us};
use crate::{Date, Timestamp};

/// An observation that comes after a later one of the same component: what is counted of it would depend on the order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an observation of {part} of {at} comes after one of {after}; give them in the order of their times")]
pub struct OutOfOrder {
    /// Region and component.
    pub part: String,
    pub at: Timestamp,
    pub after: Timestamp,
}

/// A day that is being counted.
#[derive(Debug)]
pub struct Tally {
    day: Date,
    /// By region, then by component.
    parts: BTreeMap<String, BTreeMap<String, Part>>,
    counted: u64,
}

/// What is counted of one component in one region.
struct Part {
    /// The newest observation: its time, its observer and its word.
    last: (Timestamp, String, bool),
    /// Until when time is counted.
    at: Timestamp,
    good: i64,
    total: i64,
    good_us: i64,
    bad_us: i64,
    /// A line for each observation: time, observer, word.
    evidence: Context,
    /// What each observer's newest observation says, and until when; only of those that have not grown silent.
    speaking: BTreeMap<String, (bool, Timestamp)>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { last, at, good, total, good_us, bad_us, evidence: _, speaking } = self;
        f.debug_struct("Part")
            .field("last", last)
            .field("at", at)
            .field("good", good)
            .field("total", total)
            .field("good_us", good_us)
            .field("bad_us", bad_us)
            .field("speaking", speaking)
            .finish_non_exhaustive()
    }
}

impl Tally {
    pub const fn new(day: Date) -> Self {
        Self { day, parts: BTreeMap::new(), counted: 0 }
    }

    /// Counts one more. Those of one component come in the order of time and observer; one that is there twice counts once, and those of
    /// other days do not count.
    ///
    /// # Errors
    /// [`OutOfOrder`]; nothing of it is counted then.
    pub fn add(&mut self, seen: &Observation) -> Result<(), OutOfOrder> {
        let until = self.day.plus_days(1).start();
        if seen.at < self.day.start() || seen.at >= until {
            return Ok(());
        }
        let known = self.parts.get_mut(&seen.region).and_then(|region| region.get_mut(&seen.component));
        if let Some(part) = known {
            let place = (seen.at, seen.node.as_str(), seen.good);
            let last = (part.last.0, part.last.1.as_str(), part.last.2);
            if place == last {
                return Ok(());
            }
            if place < last {
                return Err(OutOfOrder {
                    part: format!("{}/{}", seen.region, seen.component),
                    at: seen.at,
                    after: part.last.0,
                });
            }
            part.add(seen, until);
        } else {
            let mut part = Part::beginning(seen);
            part.add(seen, until);
            let region = self.parts.entry(seen.region.clone()).or_default();
            region.insert(seen.component.clone(), part);
        }
        self.counted += 1;
        Ok(())
    }

    /// How many observations are counted.
    pub const fn counted(&self) -> u64 {
        self.counted
    }

    /// The record of the day. `previous`: the hash of the one before.
    pub fn record(self, previous: String) -> UptimeRecord {
        let until = self.day.plus_days(1).start();
        let mut components = Vec::new();
        for (region, parts) in self.parts {
            for (component, part) in parts {
                components.push(part.day(region.clone(), component, until));
            }
        }
        UptimeRecord { components, day: self.day, format: FORMAT, previous, speaks_for_us: speaks_for_us() }
    }
}

impl Part {
    /// Nothing is counted of it yet.
    fn beginning(first: &Observation) -> Self {
        Self {
            last: (first.at, String::new(), false),
            at: first.at,
            good: 0,
            total: 0,
            good_us: 0,
            bad_us: 0,
            evidence: Context::new(&SHA256),
            speaking: BTreeMap::new(),
        }
    }

    fn add(&mut self, seen: &Observation, until: Timestamp) {
        self.count_until(seen.at);
        let word = if seen.good { "good" } else { "bad" };
        self.evidence.update(format!("{} {} {word}\n", seen.at, seen.node).as_bytes());
        self.good += i64::from(seen.good);
        self.total += 1;
        let says = (seen.good, (seen.at + SPEAKS_FOR).min(until));
        if let Some(said) = self.speaking.get_mut(&seen.node) {
            *said = says;
        } else {
            self.speaking.insert(seen.node.clone(), says);
        }
        self.last.0 = seen.at;
        self.last.1.clone_from(&seen.node);
        self.last.2 = seen.good;
    }

    /// For how long all were good, and for how long somebody was not.
    ///
    /// Each observer's newest observation stands until its next one, at most for [`SPEAKS_FOR`], and not beyond the end of the day. While
    /// several observers speak, all must be good.
    fn count_until(&mut self, end: Timestamp) {
        let mut at = self.at;
        // The voices grow silent one after the other.
        while at < end {
            self.speaking.retain(|_, (_, ends)| *ends > at);
            let Some(next) = self.speaking.values().map(|(_, ends)| *ends).min() else { break };
            let next = next.min(end);
            let span = next.as_micros() - at.as_micros();
            if self.speaking.values().all(|(good, _)| *good) {
                self.good_us += span;
            } else {
                self.bad_us += span;
            }
            at = next;
        }
        self.at = end;
    }

    fn day(mut self, region: String, component: String, until: Timestamp) -> ComponentDay {
        self.count_until(until);
        ComponentDay {
            bad_us: self.bad_us,
            component,
            evidence: hex(self.evidence.finish().as_ref()),
            good: self.good,
            good_us: self.good_us,
            region,
            total: self.total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> Date {
        "2026-11-24".parse().unwrap()
    }

    fn seen(component: &str, node: &str, second: i64, good: bool) -> Observation {
        Observation {
            region: "eu-west".to_owned(),
            component: component.to_owned(),
            at: Timestamp::from_seconds(day().start().as_seconds() + second),
            node: node.to_owned(),
            good,
        }
    }

    /// However long a day is looked at, and by however many processes one after the other: only who speaks is remembered.
    #[test]
    fn a_long_day_takes_no_more_memory_than_a_short_one() {
        let mut tally = Tally::new(day());
        let mut most = 0;
        for second in 0..86_400 {
            // A new process every minute.
            let node = format!("node-{}", second / 60);
            tally.add(&seen("api", &node, second, second % 100 != 0)).unwrap();
            most = most.max(tally.parts["eu-west"]["api"].speaking.len());
        }
        assert_eq!(tally.counted(), 86_400);
        assert!(most <= 2, "{most} observers are remembered, and two speak at once at most");
        let record = tally.record(String::new());
        let part = &record.components[0];
        assert_eq!((part.good, part.total), (85_536, 86_400));
        assert_eq!(part.good_us + part.bad_us, 86_400_000_000);
    }

    #[test]
    fn what_comes_out_of_order_is_refused_and_not_counted() {
        let mut tally = Tally::new(day());
        for one in [seen("api", "a", 10, true), seen("api", "b", 10, true), seen("runs", "a", 5, true)] {
            tally.add(&one).unwrap();
        }
        // The same once more.
        tally.add(&seen("api", "b", 10, true)).unwrap();
        // Of another day.
        tally.add(&seen("api", "b", 86_400, true)).unwrap();
        for (late, at) in [(seen("api", "a", 10, true), 10), (seen("api", "c", 9, false), 9)] {
            let refused = tally.add(&late).unwrap_err();
            assert_eq!(refused.at, Timestamp::from_seconds(day().start().as_seconds() + at));
            assert!(refused.to_string().contains("eu-west/api"), "{refused}");
        }
        assert_eq!(tally.counted(), 3);
        let totals: Vec<_> = tally
            .record(String::new())
            .components
            .into_iter()
            .map(|part| (part.component, part.total))
            .collect();
        assert_eq!(totals, [("api".to_owned(), 2), ("runs".to_owned(), 1)]);
    }
}
