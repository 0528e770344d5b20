//! Events: what they are, and what waits for them.
//!
//! ```text
//! published ─► CloudEvent ─► Interest (may anybody want it? no run is loaded) ─► a run's Machine, or a Trigger
//!                                                                                   └── filter, progress ──┘
//! ```

mod cloud_event;
mod filter;
mod interest;
mod lifecycle;
mod progress;
mod read;
mod trigger;
mod words;

pub use cloud_event::{CloudEvent, EventError};
pub(crate) use cloud_event::{attribute, is_name};
pub(crate) use filter::{Targets, filter_bounds};
pub use interest::Interest;
pub(crate) use interest::interests_of;
pub use lifecycle::{Told, is_lifecycle, names_lifecycle};
pub(crate) use progress::{Match, Progress, Reached};
pub use trigger::{Offer, TriggerState, input, interests, offer};
pub(crate) use words::written;

use serde_json::Value;

/// Equality of JSON values: 500 and 500.0 are the same number. The bounds on nesting bound the recursion.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || matches!((one.as_f64(), other.as_f64()), (Some(one), Some(other)) if one == other)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
        }
        (left, right) => left == right,
    }
}
