//! How patient each kind of alert is, and which one keeps quiet while a worse one speaks.

use std::time::Duration;

use levqor_model::Severity;
use levqor_slo::alert::Patience;

const fn patience_of(fire_seconds: u64, clear_seconds: u64) -> Patience {
    Patience {
        fire_after: Duration::from_secs(fire_seconds),
        clear_after: Duration::from_secs(clear_seconds),
    }
}

/// Rules that are not like the others, by their beginning; the first that fits.
const RULES: [(&str, Patience); 6] = [
    // A look at a component comes every five seconds: the second bad one in a row calls somebody.
    ("health.component", patience_of(6, 30)),
    // A process that ended is found by its lease, which is patience enough.
    ("nodes.lost", patience_of(0, 60)),
    ("tamper", patience_of(0, 10)),
    ("drift", patience_of(0, 60)),
    ("notifications", patience_of(10, 60)),
    ("disk", patience_of(30, 300)),
];

/// Rules of what cannot be looked at: what is looked at every hour may be late by more than what is looked at every few seconds.
const UNKNOWN: [(&str, Patience); 4] = [
    // A job asks for them every quarter of an hour.
    ("probes.asked", patience_of(1_200, 60)),
    ("health.component", patience_of(15, 30)),
    ("drift", patience_of(900, 60)),
    ("tamper", patience_of(120, 60)),
];

pub(super) fn patience(rule: &str) -> Patience {
    find(&RULES, rule).unwrap_or(Patience::USUAL)
}

pub(super) fn patience_of_unknown(rule: &str) -> Patience {
    find(&UNKNOWN, rule).unwrap_or(Patience::UNKNOWN)
}

fn find(rules: &[(&str, Patience)], rule: &str) -> Option<Patience> {
    let fits =
        |start: &str| rule.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    rules.iter().find(|(start, _)| fits(start)).map(|(_, patience)| *patience)
}

/// The rule whose alert of the same subject says all that one of this rule would.
pub(super) fn covered_by(rule: &str) -> Option<&'static str> {
    match rule {
        "slo.slow_burn" => Some("slo.burn"),
        _ => None,
    }
}

/// How many reminders are due so long after an alert fired. Their pauses double: none of them is the last, and a year has a dozen.
pub(super) fn reminders(severity: Severity, firing_for: Duration) -> u32 {
    const HOUR: u64 = 60 * 60;
    let first = match severity {
        Severity::Critical => 4 * HOUR,
        Severity::Major => 24 * HOUR,
        Severity::Minor => 7 * 24 * HOUR,
    };
    (firing_for.as_secs() / first + 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_found_by_whole_words() {
        assert_eq!(patience("tamper.files"), patience_of(0, 10));
        assert_eq!(patience("tamper"), patience_of(0, 10));
        assert_eq!(patience("tampering"), Patience::USUAL);
        assert_eq!(patience_of_unknown("drift.promises"), patience_of(900, 60));
    }

    #[test]
    fn reminders_come_ever_more_seldom() {
        let hours = |hours: u64| reminders(Severity::Critical, Duration::from_secs(hours * 3_600));
        assert_eq!([0, 3, 4, 11, 12, 27, 28].map(hours), [0, 0, 1, 1, 2, 2, 3]);
        assert!(hours(365 * 24) <= 12);
        assert_eq!(reminders(Severity::Minor, Duration::from_secs(6 * 24 * 3_600)), 0);
    }
}
