//! Whether an event is one that a filter takes.
//!
//! Invariant: what comes from outside breaks nothing. An expression that fails on an event is a "no", not an error of
//! the run: else anybody who may publish could end the runs that listen.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{CloudEvent, lifecycle::is_offered, same};
use crate::{
    definition::{Filter, Matcher, Strategy, Template},
    expression::{Bounds, Expression, ExpressionError, is_true},
};

/// Evaluates an expression on an event or its data.
pub(crate) type Evaluate<'a> = &'a dyn Fn(&Expression, &Value) -> Result<Value, ExpressionError>;

/// The values that the filters of a strategy compare with, those of `until` last. None where the document has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Targets(Vec<Target>);

#[derive(Debug, Clone, Default, PartialEq)]
struct Target {
    with: Vec<Option<Value>>,
    expect: Vec<Option<Value>>,
}

impl Targets {
    /// Computes them; `build` evaluates a template.
    pub(crate) fn compute<E>(
        strategy: &Strategy,
        mut build: impl FnMut(&Template) -> Result<Value, E>,
    ) -> Result<Self, E> {
        let mut computed = |template: Option<&Template>| match template {
            None | Some(Template::Literal(_)) => Ok(None),
            Some(template) => build(template).map(Some),
        };
        let targets = strategy.all_filters().map(|filter| {
            let with = filter.with.iter().map(|(_, matcher)| {
                computed(if let Matcher::Value(template) = matcher { Some(template) } else { None })
            });
            let with = with.collect::<Result<_, E>>()?;
            let expect = filter.correlate.iter().map(|correlation| computed(correlation.expect.as_ref()));
            Ok(Target { with, expect: expect.collect::<Result<_, E>>()? })
        });
        targets.collect::<Result<_, E>>().map(Self)
    }

    /// What was computed, for its size.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().flat_map(|target| target.with.iter().chain(&target.expect)).flatten()
    }

    /// What the attribute at `place` of the filter's `with` must be.
    pub(super) fn with<'a>(&'a self, number: usize, place: usize, template: &'a Template) -> &'a Value {
        found(self.0.get(number).and_then(|target| target.with.get(place)), template)
    }

    /// What the correlation at `place` must be.
    pub(super) fn expect<'a>(&'a self, number: usize, place: usize, template: &'a Template) -> &'a Value {
        found(self.0.get(number).and_then(|target| target.expect.get(place)), template)
    }
}

fn found<'a>(computed: Option<&'a Option<Value>>, template: &'a Template) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    match (computed, template) {
        (Some(Some(value)), _) | (_, Template::Literal(value)) => value,
        _ => NOTHING,
    }
}

/// Longer texts match no pattern: matching takes the product of the lengths, at worst.
const PATTERN_TEXT_BYTES_MAX: usize = 8 * 1024;

/// Values by their correlation key.
pub(super) type Bound = BTreeMap<String, Value>;

/// Whether the filter numbered `number` takes the event, and which keys that binds.
pub(super) fn takes(
    (filter, number): (&Filter, usize),
    targets: &Targets,
    bound: &Bound,
    event: &CloudEvent,
    evaluate: Evaluate<'_>,
) -> Option<Bound> {
    if !is_offered(filter, event) {
        return None;
    }
    for (place, (name, matcher)) in filter.with.iter().enumerate() {
        let actual = if name == "data" { event.data() } else { event.attribute(name) };
        let matches = match matcher {
            Matcher::Value(template) => {
                let expected = targets.with(number, place, template);
                same(actual.unwrap_or(&Value::Null), expected)
            }
            Matcher::Pattern { text, regex } => match actual {
                Some(Value::String(actual)) => {
                    actual == text || (actual.len() <= PATTERN_TEXT_BYTES_MAX && regex.is_match(actual))
                }
                Some(actual @ (Value::Bool(_) | Value::Number(_))) => regex.is_match(&actual.to_string()),
                _ => false,
            },
            Matcher::Condition(condition) => {
                evaluate(condition, actual.unwrap_or(&Value::Null)).is_ok_and(|value| is_true(&value))
            }
        };
        if !matches {
            return None;
        }
    }
    let mut binds = Bound::new();
    for (place, correlation) in filter.correlate.iter().enumerate() {
        // What is not there correlates with nothing.
        let value = evaluate(&correlation.from, event.whole()).ok().filter(|value| !value.is_null())?;
        let expected = match &correlation.expect {
            Some(template) => Some(targets.expect(number, place, template)),
            None => bound.get(&correlation.key).or_else(|| binds.get(&correlation.key)),
        };
        match expected {
            Some(expected) if same(&value, expected) => {}
            Some(_) => return None,
            None => drop(binds.insert(correlation.key.clone(), value)),
        }
    }
    Some(binds)
}

/// What one expression of a filter may use: the more there are, the less, since an event may have to pass them all.
pub(crate) fn filter_bounds(strategy: &Strategy, bounds: Bounds) -> Bounds {
    const STEPS_MIN: u64 = 10_000;
    let count: usize = strategy
        .all_filters()
        .map(|filter| {
            let conditions =
                filter.with.iter().filter(|(_, matcher)| matches!(matcher, Matcher::Condition(_)));
            conditions.count() + filter.correlate.len()
        })
        .sum();
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    Bounds {
        steps: (bounds.steps / u64::from(count)).max(STEPS_MIN.min(bounds.steps)),
        bytes: bounds.bytes,
        time: bounds.time / count,
    }
}
