//! Which alerts a silence is about.
//!
//! Every matcher of a silence must match. A pattern is a text in which `*` stands for any letters; nothing else is special, so that what
//! an operator reads in the list is what is meant.

use std::fmt;

use levqor_model::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// Matchers of one silence.
const MATCHERS_MAX: usize = 8;
/// Longest pattern.
const PATTERN_CHARS_MAX: usize = 200;

/// What of an alert is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatcherField {
    Rule,
    Subject,
    Severity,
}

/// One condition of a silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher {
    pub field: MatcherField,
    pub pattern: String,
}

/// What is wrong with a silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceError {
    /// JSON Pointer into the list of matchers; empty for the list.
    pub pointer: String,
    pub problem: String,
}

impl fmt::Display for SilenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for SilenceError {}

/// The matchers of a silence and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silencing {
    pub matchers: Vec<Matcher>,
    pub begins_at: Timestamp,
    pub ends_at: Timestamp,
}

impl Silencing {
    /// Checks the matchers.
    ///
    /// # Errors
    /// None, too many, and patterns that are empty, too long or match no severity.
    pub fn check(matchers: &[Matcher]) -> Result<(), SilenceError> {
        let error = |pointer: String, problem: String| Err(SilenceError { pointer, problem });
        if matchers.is_empty() || matchers.len() > MATCHERS_MAX {
            let problem = format!("{} matchers are given; give 1 to {MATCHERS_MAX}", matchers.len());
            return error(String::new(), problem);
        }
        for (number, matcher) in matchers.iter().enumerate() {
            let pattern = &matcher.pattern;
            let pointer = format!("/{number}/pattern");
            if pattern.is_empty() || pattern.chars().count() > PATTERN_CHARS_MAX {
                let problem = format!("takes 1 to {PATTERN_CHARS_MAX} characters; `*` stands for any");
                return error(pointer, problem);
            }
            if pattern.chars().any(char::is_control) {
                return error(pointer, "has control characters; leave them out".to_owned());
            }
            let matches_one = || Severity::ALL.iter().any(|severity| matches(pattern, severity.as_str()));
            if matcher.field == MatcherField::Severity && !matches_one() {
                return error(pointer, format!("{pattern:?} is no severity; write critical, major or minor"));
            }
        }
        Ok(())
    }

    /// Whether it is on.
    pub fn is_on(&self, now: Timestamp) -> bool {
        self.begins_at <= now && now < self.ends_at
    }

    /// Whether it is about an alert.
    pub fn is_about(&self, rule: &str, subject: &str, severity: Severity) -> bool {
        !self.matchers.is_empty()
            && self.matchers.iter().all(|matcher| {
                let text = match matcher.field {
                    MatcherField::Rule => rule,
                    MatcherField::Subject => subject,
                    MatcherField::Severity => severity.as_str(),
                };
                matches(&matcher.pattern, text)
            })
    }
}

/// Whether the whole text is as the pattern says. In time of their product at worst, without going deeper.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut on) = (0, 0);
    // Where to go on when what follows the last `*` does not fit.
    let mut again: Option<(usize, usize)> = None;
    while on < text.len() {
        if at < pattern.len() && pattern[at] == b'*' {
            again = Some((at, on));
            at += 1;
        } else if at < pattern.len() && pattern[at] == text[on] {
            at += 1;
            on += 1;
        } else if let Some((star, begun)) = again {
            again = Some((star, begun + 1));
            (at, on) = (star + 1, begun + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, text, expected) in [
            ("slo.burn", "slo.burn", true),
            ("slo.burn", "slo.burn.unknown", false),
            ("slo.*", "slo.burn", true),
            ("*", "", true),
            ("", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*/api", "eu-west/api", true),
            ("**x", "x", true),
            ("ä*", "äö", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        // Not exponential.
        assert!(!matches(&"*a".repeat(90), &"b".repeat(1_000)));
    }

    #[test]
    fn all_matchers_must_match() {
        let matcher = |field, pattern: &str| Matcher { field, pattern: pattern.to_owned() };
        let at = Timestamp::from_seconds;
        let silencing = Silencing {
            matchers: vec![matcher(MatcherField::Rule, "slo.*"), matcher(MatcherField::Severity, "minor")],
            begins_at: at(10),
            ends_at: at(20),
        };
        assert!(silencing.is_about("slo.burn", "api", Severity::Minor));
        assert!(!silencing.is_about("slo.burn", "api", Severity::Major));
        assert!(!silencing.is_about("nodes.lost", "x", Severity::Minor));
        assert_eq!([9, 10, 19, 20].map(|now| silencing.is_on(at(now))), [false, true, true, false]);
        assert!(Silencing::check(&silencing.matchers).is_ok());
        for (matchers, problem) in [
            (vec![], "0 matchers"),
            (vec![matcher(MatcherField::Rule, "")], "1 to 200"),
            (vec![matcher(MatcherField::Rule, "a\nb")], "control"),
            (vec![matcher(MatcherField::Severity, "bad")], "is no severity"),
        ] {
            let error = Silencing::check(&matchers).unwrap_err();
            assert!(error.problem.contains(problem), "{error}");
        }
    }

    proptest! {
        /// The same as trying all splits.
        #[test]
        fn matching_is_what_it_says(pattern in "[ab*]{0,8}", text in "[ab]{0,8}") {
            fn plainly(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|skip| plainly(rest, &text[skip..])),
                    Some((byte, rest)) => text.first() == Some(byte) && plainly(rest, &text[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &text), plainly(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
