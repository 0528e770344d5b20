//! A condition, and how it is dealt with.

use levqor_model::{Condition, Severity, Timestamp, Verdict};
use levqor_slo::alert::Patience;

use super::rules;

/// What is said of one thing, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) condition: Condition,
    /// Since when it fails; None: nobody knows more than that it does now.
    pub(crate) since: Option<Timestamp>,
    pub(crate) patience: Patience,
    /// Routes of the configuration; empty: those of the severity.
    pub(crate) routes: Vec<String>,
    /// That nothing is known of it is an alert of its own.
    pub(crate) tells_unknown: bool,
    /// People are told when it is over.
    pub(crate) tells_over: bool,
}

/// Longest summary, in characters: it quotes what others answered.
const SUMMARY_CHARS_MAX: usize = 500;

impl Said {
    /// As its rule has it.
    pub(crate) fn of(condition: Condition) -> Self {
        let patience = rules::patience(&condition.rule);
        let condition = Condition { summary: line_of(&condition.summary), ..condition };
        Self { condition, since: None, patience, routes: Vec::new(), tells_unknown: true, tells_over: true }
    }

    pub(crate) fn since(self, since: Timestamp) -> Self {
        Self { since: Some(since), ..self }
    }

    pub(crate) fn patient(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    pub(crate) fn routed(self, routes: Vec<String>) -> Self {
        Self { routes, ..self }
    }

    pub(crate) fn quiet_when_unknown(self) -> Self {
        Self { tells_unknown: false, ..self }
    }

    pub(crate) fn silent_when_over(self) -> Self {
        Self { tells_over: false, ..self }
    }

    /// What is said of whether it is known.
    pub(super) fn of_knowledge(&self) -> Option<Self> {
        if !self.tells_unknown {
            return None;
        }
        let unknown = self.condition.verdict == Verdict::Unknown;
        let condition = Condition {
            rule: format!("{}.unknown", self.condition.rule),
            subject: self.condition.subject.clone(),
            verdict: if unknown { Verdict::Fails } else { Verdict::Holds },
            // Whoever cannot see has a problem, though not yet that one.
            severity: match self.condition.severity {
                Severity::Critical => Severity::Major,
                Severity::Major | Severity::Minor => Severity::Minor,
            },
            summary: if unknown {
                format!("it cannot be told whether all is well: {}", self.condition.summary)
            } else {
                self.condition.summary.clone()
            },
            details: self.condition.details.clone(),
        };
        Some(Self {
            condition,
            since: None,
            patience: rules::patience_of_unknown(&self.condition.rule),
            routes: self.routes.clone(),
            tells_unknown: false,
            tells_over: self.tells_over,
        })
    }
}

/// One line of a bounded length: a message has a line for each alert, and no database takes every letter.
fn line_of(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(SUMMARY_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use levqor_model::Severity;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_summary_is_one_line_of_a_bounded_length() {
        let condition = |summary: String| Condition {
            rule: "probe.failed".to_owned(),
            subject: "website".to_owned(),
            verdict: Verdict::Fails,
            severity: Severity::Major,
            summary,
            details: json!({}),
        };
        let of = |summary: &str| Said::of(condition(summary.to_owned())).condition.summary;
        assert_eq!(of("answered\0 500\nalr_1 is over"), "answered  500 alr_1 is over");
        assert_eq!(of(&"ü".repeat(9_000)).chars().count(), SUMMARY_CHARS_MAX);
    }
}
