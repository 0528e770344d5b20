//! What a listener may be woken by, in a form that is stored beside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CloudEvent, same};

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
        self.kind.as_deref().is_none_or(|kind| kind == event.kind())
            && self
                .equal
                .iter()
                .all(|(pointer, expected)| event.pointer(pointer).is_some_and(|found| same(found, expected)))
    }
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
}
