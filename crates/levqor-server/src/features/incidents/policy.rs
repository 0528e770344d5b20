//! What the operator agreed to: how long may pass at each level, who is told next, and which alerts are incidents.

use std::{path::PathBuf, str::FromStr, time::Duration};

use levqor_model::{IncidentLevel, Severity};
use levqor_store::incidents::Wait;

const MINUTE: u64 = 60;
/// Longest time between two messages, unless the level's own time is longer.
const PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * MINUTE);
/// Doublings that are counted; the pause is longest long before.
const DOUBLINGS_MAX: u32 = 16;
/// Longest time without an alert until an incident is over by itself, in minutes.
const SETTLES_MINUTES_MAX: u64 = 7 * 24 * 60;

/// The configuration, already checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentSettings {
    /// Of L1, L2, L3 and L4.
    pub levels: [LevelTimes; 4],
    /// Routes of messages that are told one after the other.
    pub routes: Vec<String>,
    /// Which alerts are incidents; what no rule is about is as it is shipped.
    pub rules: Vec<AlertRule>,
    /// Where postmortems are written to; None: `postmortems` in the data directory, when there is one.
    pub postmortems_dir: Option<PathBuf>,
}

/// How long may pass before others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelTimes {
    pub acknowledge: Duration,
    pub update: Duration,
}

/// What alerts of a rule make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// The rule, or the beginning of it before a point.
    pub rule: String,
    /// None: no incident.
    pub level: Option<IncidentLevel>,
    /// How long all alerts must be over until the incident is over by itself; None: people say so.
    pub settles_after: Option<Duration>,
}

/// What an alert makes when no open incident is about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    pub level: IncidentLevel,
    pub settles_after: Option<Duration>,
}

const fn times(acknowledge_minutes: u64, update_minutes: u64) -> LevelTimes {
    LevelTimes {
        acknowledge: Duration::from_secs(acknowledge_minutes * MINUTE),
        update: Duration::from_secs(update_minutes * MINUTE),
    }
}

impl Default for IncidentSettings {
    fn default() -> Self {
        Self {
            levels: [times(240, 1_440), times(30, 120), times(10, 30), times(5, 15)],
            routes: Vec::new(),
            rules: Vec::new(),
            postmortems_dir: None,
        }
    }
}

impl IncidentSettings {
    fn times(&self, level: IncidentLevel) -> LevelTimes {
        match level {
            IncidentLevel::L1 => self.levels[0],
            IncidentLevel::L2 => self.levels[1],
            IncidentLevel::L3 => self.levels[2],
            IncidentLevel::L4 => self.levels[3],
        }
    }

    /// How long after the step before (or after the beginning, for the first one) a step is. When all were told, pauses get longer.
    pub(super) fn pause(&self, level: IncidentLevel, wait: Wait, steps_done: u32) -> Duration {
        let times = self.times(level);
        let base = match wait {
            Wait::Acknowledgement => times.acknowledge,
            Wait::Update => times.update,
        };
        let in_turn = u32::try_from(self.routes.len()).unwrap_or(u32::MAX);
        let doublings = steps_done.saturating_sub(in_turn).min(DOUBLINGS_MAX);
        base.saturating_mul(1 << doublings).min(PAUSE_MAX.max(base))
    }

    /// The routes that are told by a step, the first of which is 1: each route in turn, and then everybody again.
    pub(super) fn told_by(&self, level: IncidentLevel, step: u32) -> Vec<String> {
        let place = usize::try_from(step).unwrap_or(usize::MAX).saturating_sub(1);
        match self.routes.get(place) {
            Some(route) => vec![route.clone()],
            None => {
                std::iter::once(level.severity().as_str().to_owned()).chain(self.routes.clone()).collect()
            }
        }
    }

    /// What an alert makes by itself; None: nothing. The rule that says it most exactly counts.
    pub(super) fn of_alert(&self, rule: &str, severity: Severity) -> Option<Opening> {
        let fits = |one: &&AlertRule| is_below(rule, &one.rule);
        if let Some(own) = self.rules.iter().filter(fits).max_by_key(|one| one.rule.len()) {
            return own.level.map(|level| Opening { level, settles_after: own.settles_after });
        }
        let level = match severity {
            // Files of the server that nobody agreed to: somebody may be in.
            Severity::Critical if is_below(rule, "tamper") => IncidentLevel::L4,
            Severity::Critical => IncidentLevel::L3,
            Severity::Major | Severity::Minor => return None,
        };
        Some(Opening { level, settles_after: None })
    }
}

/// Whether it is the rule, or one below it.
fn is_below(rule: &str, above: &str) -> bool {
    rule.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// `RULE=LEVEL` or `RULE=LEVEL:MINUTES`; the level `none` is no incident.
impl FromStr for AlertRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is not like probe=l2, slo.latency=none or probe=l2:15");
        let (rule, rest) = text.split_once('=').ok_or_else(form)?;
        let (level, minutes) =
            rest.split_once(':').map_or((rest, None), |(level, minutes)| (level, Some(minutes)));
        let is_rule = !rule.is_empty()
            && rule.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
            });
        if !is_rule {
            return Err(form());
        }
        let level = match level {
            "none" => None,
            word => Some(word.parse::<IncidentLevel>().map_err(|error| format!("{text:?}: {error}, none"))?),
        };
        let minutes: Option<u64> = minutes
            .map(|minutes| match minutes.parse() {
                Ok(number @ 1..=SETTLES_MINUTES_MAX) => Ok(number),
                _ => Err(format!("{text:?}: {minutes:?} is not from 1 to {SETTLES_MINUTES_MAX} minutes")),
            })
            .transpose()?;
        Ok(Self {
            rule: rule.to_owned(),
            level,
            settles_after: minutes.map(|minutes| Duration::from_secs(minutes * MINUTE)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(routes: &[&str], rules: &[&str]) -> IncidentSettings {
        IncidentSettings {
            routes: routes.iter().map(ToString::to_string).collect(),
            rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            ..IncidentSettings::default()
        }
    }

    #[test]
    fn the_most_exact_rule_counts_and_the_shipped_ones_fill_the_gaps() {
        let own = settings(&[], &["slo=l2", "slo.latency=none", "probe=l1:15", "tamper.files=l3"]);
        let rows = [
            ("slo.latency", Severity::Critical, None),
            ("slo.latency.p95", Severity::Critical, None),
            ("slo.availability", Severity::Minor, Some((IncidentLevel::L2, None))),
            ("slower", Severity::Critical, Some((IncidentLevel::L3, None))),
            ("probe.website", Severity::Major, Some((IncidentLevel::L1, Some(900)))),
            ("tamper.files", Severity::Critical, Some((IncidentLevel::L3, None))),
            ("tamper.database", Severity::Critical, Some((IncidentLevel::L4, None))),
            ("tamper.database", Severity::Major, None),
            ("jobs.active", Severity::Critical, Some((IncidentLevel::L3, None))),
            ("jobs.active", Severity::Major, None),
        ];
        for (rule, severity, expected) in rows {
            let found = own.of_alert(rule, severity);
            let found =
                found.map(|opening| (opening.level, opening.settles_after.map(|time| time.as_secs())));
            assert_eq!(found, expected, "{rule} {severity}");
        }
    }

    #[test]
    fn each_route_in_turn_and_then_everybody_ever_more_seldom() {
        let own = settings(&["duty", "lead"], &[]);
        let told = |step| own.told_by(IncidentLevel::L3, step).join(" ");
        assert_eq!(told(1), "duty");
        assert_eq!(told(2), "lead");
        assert_eq!(told(3), "critical duty lead");
        assert_eq!(told(400), told(3));
        let minutes = |step| own.pause(IncidentLevel::L3, Wait::Acknowledgement, step).as_secs() / MINUTE;
        let pauses: Vec<_> = [0, 1, 2, 3, 4, 9, 12, u32::MAX].into_iter().map(minutes).collect();
        assert_eq!(pauses, [10, 10, 10, 20, 40, 1_280, 1_440, 1_440]);
        // A level whose own time is longer than a day keeps it.
        let slow = IncidentSettings { levels: [times(10_000, 1); 4], ..settings(&[], &[]) };
        assert_eq!(slow.pause(IncidentLevel::L1, Wait::Acknowledgement, 9).as_secs() / MINUTE, 10_000);
    }

    #[test]
    fn rules_that_are_none_say_what_one_is_like() {
        for (text, words) in [
            ("probe", "is not like"),
            ("=l1", "is not like"),
            ("Probe=l1", "is not like"),
            ("probe=l5", "is not one of l1, l2, l3, l4, none"),
            ("probe=l1:0", "is not from 1 to 10080 minutes"),
            ("probe=l1:x", "is not from 1 to 10080 minutes"),
        ] {
            let problem = text.parse::<AlertRule>().unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}
