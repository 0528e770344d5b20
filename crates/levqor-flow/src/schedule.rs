//! When a workflow starts by itself: `schedule` of the DSL, in a time zone.

mod cron;
mod describe;
mod zone;

use std::time::Duration;

use levqor_model::Timestamp;

use crate::definition::ListenSpec;

pub use cron::Cron;
pub(crate) use describe::span;
pub use zone::Zone;

/// A checked schedule. The DSL's cron is UTC; a zone comes from `document.metadata.levqor.zone`.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub every: Option<Duration>,
    pub cron: Option<Cron>,
    pub after: Option<Duration>,
    /// Events that start a run.
    pub on: Option<ListenSpec>,
    pub zone: jiff::tz::TimeZone,
}

impl Schedule {
    /// The types of events that start the workflow, each once; None: any. None at all when no events do.
    pub fn event_kinds(&self) -> Vec<Option<String>> {
        let interests = self.on.as_ref().map_or_else(Vec::new, crate::event::interests);
        let mut kinds: Vec<Option<String>> = interests.into_iter().map(|interest| interest.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// A moment on the clocks of the schedule's zone, such as `2026-11-25 09:00 GMT`.
    pub fn local(&self, at: Timestamp) -> String {
        at.to_jiff().to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
    }

    /// The first due time strictly after `after`. `anchor` is when the schedule was put in force (`every` counts from there).
    /// None when the schedule has no due times of its own (only `after` or `on`).
    pub fn next(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let every = self.every.and_then(|every| next_interval(anchor, every, after));
        let cron = self.cron.as_ref().and_then(|cron| cron.next(after, &self.zone));
        match (every, cron) {
            (Some(every), Some(cron)) => Some(every.min(cron)),
            (every, cron) => every.or(cron),
        }
    }
}

/// The first of `anchor + n·every` (n from 1) after `after`.
fn next_interval(anchor: Timestamp, every: Duration, after: Timestamp) -> Option<Timestamp> {
    let every = i64::try_from(every.as_micros()).ok().filter(|every| *every > 0)?;
    let passed = after.as_micros().checked_sub(anchor.as_micros())?;
    let number = passed.div_euclid(every).checked_add(1)?.max(1);
    anchor.as_micros().checked_add(number.checked_mul(every)?).map(Timestamp::from_micros)
}
