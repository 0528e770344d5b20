//! What a `try` does with an error: which it catches, and whether and when it tries again.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    FlowError, Machine,
    arena::FrameId,
    frame::TryBody,
    scope::{Scope, Trouble},
};
use crate::{
    definition::{Backoff, Catch, DurationSpec, Retry, Try},
    event::same,
};

/// What to do with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Propagate,
    /// Go on with the task's input.
    Swallow,
    Handle,
    RetryIn(Duration),
}

/// The names that the standard error types have had; what follows is the type.
const TYPES: [&str; 4] = [
    "https://serverlessworkflow.io/spec/1.0.0/errors/",
    "https://serverlessworkflow.io/dsl/errors/types/",
    "https://open-workflow-specification.org/spec/1.0.0/errors/",
    "https://open-workflow-specification.org/dsl/errors/types/",
];

impl FlowError {
    /// The error as expressions see it.
    pub(super) fn value(&self) -> Value {
        let mut value = json!({ "type": self.kind, "status": self.status });
        if let Some(members) = value.as_object_mut() {
            for (name, text) in [("title", &self.title), ("detail", &self.detail)] {
                if let Some(text) = text {
                    members.insert(name.to_owned(), Value::from(text.as_str()));
                }
            }
            members.insert("instance".to_owned(), Value::from(self.instance.as_str()));
        }
        value
    }
}

impl Machine {
    /// What the `try` of frame `id` does with an error from inside it.
    pub(super) fn verdict(
        &self,
        id: FrameId,
        definition: &Try,
        body: &TryBody,
        error: &Value,
        input: &Value,
    ) -> Result<Verdict, Trouble> {
        let catch = &definition.catch;
        let locals = [(catch.variable.as_str(), error)];
        let scope = Scope { input: Some(input), locals: &locals, ..Scope::new(self, Some(id)) };
        if !catches(&scope, catch, error, input)? {
            return Ok(Verdict::Propagate);
        }
        let is_handled = catch.tasks.is_some() || catch.then.is_some();
        match &catch.retry {
            Some(retry) => Ok(match self.retry_in(&scope, retry, body, error)? {
                Some(delay) => Verdict::RetryIn(delay),
                None if is_handled => Verdict::Handle,
                None => Verdict::Propagate,
            }),
            None if is_handled => Ok(Verdict::Handle),
            None => Ok(Verdict::Swallow),
        }
    }

    /// The delay before the next attempt; None when there is to be none.
    fn retry_in(
        &self,
        scope: &Scope<'_>,
        retry: &Retry,
        body: &TryBody,
        error: &Value,
    ) -> Result<Option<Duration>, Trouble> {
        let retries = body.retries.saturating_add(1);
        if retry.attempts_max.is_some_and(|attempts_max| retries > attempts_max)
            || !allows(scope, retry.when.as_ref(), retry.except_when.as_ref(), error)?
        {
            return Ok(None);
        }
        let span = |spec: &Option<DurationSpec>| {
            spec.as_ref().map_or(Ok(Duration::ZERO), |spec| scope.duration(spec, error))
        };
        let mut delay = grown(span(&retry.delay)?, retry.backoff, retries);
        if let Some((from, to)) = &retry.jitter {
            let (from, to) = (scope.duration(from, error)?, scope.duration(to, error)?);
            delay = delay.saturating_add(between(from, to, mixed(self.seed, self.next_effect())));
        }
        if let Some(spec) = &retry.duration {
            let bound = scope.duration(spec, error)?;
            if (self.now + delay).since(body.since) > bound {
                return Ok(None);
            }
        }
        Ok(Some(delay))
    }
}

fn catches(scope: &Scope<'_>, catch: &Catch, error: &Value, input: &Value) -> Result<bool, Trouble> {
    for (member, expected) in &catch.filter {
        let expected = scope.build(expected, input)?;
        let member = if member == "details" { "detail" } else { member };
        let actual = error.get(member).unwrap_or(&Value::Null);
        let same = if member == "type" { same_type(actual, &expected) } else { same(actual, &expected) };
        if !same {
            return Ok(false);
        }
    }
    allows(scope, catch.when.as_ref(), catch.except_when.as_ref(), error)
}

/// `when` holds and `exceptWhen` does not, where they are given; `.` is the error.
fn allows(
    scope: &Scope<'_>,
    when: Option<&crate::expression::Expression>,
    except_when: Option<&crate::expression::Expression>,
    error: &Value,
) -> Result<bool, Trouble> {
    if let Some(when) = when
        && !scope.holds(when, error)?
    {
        return Ok(false);
    }
    Ok(match except_when {
        Some(except_when) => !scope.holds(except_when, error)?,
        None => true,
    })
}

fn same_type(actual: &Value, expected: &Value) -> bool {
    let standard = |value: &Value| {
        let text = value.as_str()?;
        TYPES.iter().find_map(|prefix| text.strip_prefix(prefix)).map(str::to_owned)
    };
    same(actual, expected) || standard(actual).is_some_and(|name| Some(name) == standard(expected))
}

/// The delay before retry number `retry`, from 1: d, n·d or 2^(n-1)·d.
fn grown(delay: Duration, backoff: Backoff, retry: u64) -> Duration {
    let factor = match backoff {
        Backoff::Constant => 1,
        Backoff::Linear => u32::try_from(retry).unwrap_or(u32::MAX),
        Backoff::Exponential => {
            u32::try_from(retry - 1).ok().and_then(|power| 1_u32.checked_shl(power)).unwrap_or(u32::MAX)
        }
    };
    delay.saturating_mul(factor)
}

/// A span from `from` to `to`, both included, chosen by `random`.
fn between(from: Duration, to: Duration, random: u64) -> Duration {
    let (from, to) = (from.min(to), from.max(to));
    let width = u64::try_from((to - from).as_micros()).unwrap_or(u64::MAX);
    from + Duration::from_micros(width.checked_add(1).map_or(random, |width| random % width))
}

/// A number that looks random, the same for the same run and effect.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (the mixing of SplitMix64).
fn mixed(seed: u64, effect: u64) -> u64 {
    let mut mixed = seed.wrapping_add(effect.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_as_their_backoff_says() {
        let second = Duration::from_secs(1);
        let rows = [
            (Backoff::Constant, [1, 1, 1, 1]),
            (Backoff::Linear, [1, 2, 3, 4]),
            (Backoff::Exponential, [1, 2, 4, 8]),
        ];
        for (backoff, expected) in rows {
            for (retry, seconds) in (1..).zip(expected) {
                assert_eq!(grown(second, backoff, retry), second * seconds, "{backoff:?} {retry}");
            }
        }
        assert_eq!(grown(second, Backoff::Exponential, u64::MAX), second * u32::MAX);
        assert_eq!(grown(Duration::MAX, Backoff::Linear, 3), Duration::MAX);
    }

    #[test]
    fn jitter_stays_in_its_bounds() {
        let (from, to) = (Duration::from_millis(10), Duration::from_millis(20));
        for effect in 0..1000 {
            let span = between(from, to, mixed(42, effect));
            assert!((from..=to).contains(&span), "{span:?}");
            assert_eq!(span, between(to, from, mixed(42, effect)));
        }
        assert_eq!(between(from, from, 7), from);
        let _ = between(Duration::ZERO, Duration::MAX, u64::MAX);
    }

    #[test]
    fn standard_types_are_known_by_all_their_names() {
        let same = |left: &str, right: &str| same_type(&json!(left), &json!(right));
        for left in TYPES {
            for right in TYPES {
                assert!(same(&format!("{left}timeout"), &format!("{right}timeout")));
                assert!(!same(&format!("{left}timeout"), &format!("{right}runtime")));
            }
        }
        assert!(same("urn:a", "urn:a") && !same("urn:a", "urn:b"));
        assert!(!same("timeout", &format!("{}timeout", TYPES[0])));
    }
}
