//! Events: what they are, and what waits for them.
//!
//! ```text
//! published ─► CloudEvent ─► Interest (may anybody want it? no run is loaded) ─► the run's Machine, or a Trigger
//! ```

mod cloud_event;
mod interest;

pub use cloud_event::{CloudEvent, EventError};
pub use interest::Interest;

use serde_json::Value;

/// Equality of JSON values: 500 and 500.0 are the same number.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    left == right || matches!((left.as_f64(), right.as_f64()), (Some(left), Some(right)) if left == right)
}
