//! What a listener may be woken by, in a form that is stored beside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CloudEvent, Progress, Targets, lifecycle::is_lifecycle, same};
use crate::definition::{Filter, Matcher, Strategy};

/// A part of what a listener asks of an event: that which can be told without its run.
///
/// Invariant: never a false "no". What is not known here (conditions, patterns, what earlier events said) is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interest {
    /// The event's `type`; None for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// JSON Pointers into the event, and the value that must be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equal: Vec<(String, Value)>,
}

impl Interest {
    pub fn may_match(&self, event: &CloudEvent) -> bool {
        self.kind.as_deref().map_or_else(|| !is_lifecycle(event.kind()), |kind| kind == event.kind())
            && self
                .equal
                .iter()
                .all(|(pointer, expected)| event.pointer(pointer).is_some_and(|found| same(found, expected)))
    }
}

/// The interests of a strategy: one for each filter.
pub(crate) fn interests_of(strategy: &Strategy, targets: &Targets, progress: &Progress) -> Vec<Interest> {
    let all = strategy.filters.is_empty() || strategy.stop().is_some_and(|stop| stop.filters.is_empty());
    if all {
        return vec![Interest::default()];
    }
    let filters = strategy.all_filters().enumerate();
    filters.map(|(number, filter)| interest_of(filter, number, targets, progress)).collect()
}

fn interest_of(filter: &Filter, number: usize, targets: &Targets, progress: &Progress) -> Interest {
    let mut interest = Interest::default();
    for (place, (name, matcher)) in filter.with.iter().enumerate() {
        let Matcher::Value(template) = matcher else { continue };
        let value = targets.with(number, place, template);
        match value {
            Value::String(kind) if name == "type" => interest.kind = Some(kind.clone()),
            // Binary data is not where the pointer leads.
            value if is_small(value) && name != "data" => {
                interest.equal.push((format!("/{name}"), value.clone()));
            }
            _ => {}
        }
    }
    for (place, correlation) in filter.correlate.iter().enumerate() {
        let value = match &correlation.expect {
            Some(template) => Some(targets.expect(number, place, template)),
            None => progress.bound.get(&correlation.key),
        };
        if let (Some(value), Some(pointer)) = (value, pointer(correlation.from.text()))
            && is_small(value)
        {
            interest.equal.push((pointer, value.clone()));
        }
    }
    interest
}

/// Worth to be stored beside the listener. What is null may as well be absent.
fn is_small(value: &Value) -> bool {
    const TEXT_BYTES_MAX: usize = 256;
    match value {
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text.len() <= TEXT_BYTES_MAX,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The JSON Pointer that an expression of the form `.a.b` is; None for any other.
fn pointer(expression: &str) -> Option<String> {
    let path = expression.trim().strip_prefix('.')?;
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    path.split('.').all(is_name).then(|| format!("/{}", path.replace('.', "/")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_interest_is_in_events_of_its_type_that_have_its_values() {
        let event = CloudEvent::parse(json!({
            "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid", "region": "eu",
            "data": { "order": { "id": 7, "a/b": "x" }, "lines": ["a"] },
        }))
        .unwrap();
        let rows = [
            (None, vec![], true),
            (Some("order.paid"), vec![], true),
            (Some("order"), vec![], false),
            (None, vec![("/region", json!("eu")), ("/source", json!("/shop"))], true),
            (None, vec![("/region", json!("eu")), ("/source", json!("/warehouse"))], false),
            (None, vec![("/data/order/id", json!(7))], true),
            (None, vec![("/data/order/id", json!(7.0))], true),
            (None, vec![("/data/order/id", json!("7"))], false),
            (None, vec![("/data/order/a~1b", json!("x"))], true),
            (None, vec![("/data/lines/0", json!("a"))], true),
            (None, vec![("/data/nothing", json!(null))], false),
            (Some("order.paid"), vec![("/data/order/id", json!(8))], false),
        ];
        for (kind, equal, expected) in rows {
            let equal = equal.into_iter().map(|(pointer, value)| (pointer.to_owned(), value)).collect();
            let interest = Interest { kind: kind.map(str::to_owned), equal };
            assert_eq!(interest.may_match(&event), expected, "{interest:?}");
            let stored = serde_json::to_string(&interest).unwrap();
            assert_eq!(serde_json::from_str::<Interest>(&stored).unwrap(), interest);
        }
        assert_eq!(serde_json::from_str::<Interest>("{}").unwrap(), Interest::default());
    }

    #[test]
    fn only_plain_paths_are_pointers() {
        let rows = [
            (".roomid", Some("/roomid")),
            (" .data.order_id ", Some("/data/order_id")),
            (".", None),
            ("..", None),
            (".a[0]", None),
            (".a | .b", None),
            (".\"a\"", None),
            (".1", None),
            ("data.a", None),
        ];
        for (expression, expected) in rows {
            assert_eq!(pointer(expression).as_deref(), expected, "{expression}");
        }
    }
}
