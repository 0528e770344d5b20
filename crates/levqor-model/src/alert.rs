//! Where an alert is in its life.
//!
//! ```text
//! (fails) ─► pending ─► firing ─► resolved
//!               └─► nothing: it was over before anybody was told
//! ```

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::run_status::{UnknownWord, words};

words!(
    /// Where an alert is in its life.
    AlertState, "pending, firing, resolved" {
        /// Something does not hold, but not for long enough to tell anybody.
        Pending = "pending",
        /// It has not held for long enough: people are told.
        Firing = "firing",
        /// It holds again.
        Resolved = "resolved",
    }
);

impl AlertState {
    pub const fn is_open(self) -> bool {
        matches!(self, AlertState::Pending | AlertState::Firing)
    }
}
