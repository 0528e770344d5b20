//! When a workflow starts by itself: `schedule` of the DSL, in a time zone.

use std::time::Duration;

use levqor_model::Timestamp;

/// A checked schedule. The DSL's cron is UTC; a zone comes from `document.metadata.levqor.zone`.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub every: Option<Duration>,
    pub cron: Option<Cron>,
    pub after: Option<Duration>,
    pub zone: jiff::tz::TimeZone,
}

/// A five-field cron expression.
#[derive(Debug, Clone)]
pub struct Cron {
    pub text: String,
    pattern: croner::Cron,
}

impl Cron {
    /// # Errors
    /// What is wrong with the expression, and for one that never fires, that it never does.
    pub fn parse(_text: &str) -> Result<Self, String> {
        unimplemented!("Cron::parse")
    }
}

impl Schedule {
    /// The first due time strictly after `after`. `anchor` is when the schedule was put in force (`every` counts from there).
    /// None when the schedule has no due times of its own (only `after`).
    pub fn next(&self, _anchor: Timestamp, _after: Timestamp) -> Option<Timestamp> {
        let _ = &self.cron.as_ref().map(|cron| &cron.pattern);
        unimplemented!("Schedule::next")
    }

    /// In words: "every weekday at 09:00 Europe/London"; falls back to the cron text.
    pub fn describe(&self) -> String {
        unimplemented!("Schedule::describe")
    }
}
