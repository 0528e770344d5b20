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

words!(
    /// Where a message to people or to other systems is.
    NotificationState, "waiting, delivered, split, undeliverable, dead, dismissed" {
        /// It is tried, or tried again.
        Waiting = "waiting",
        /// Whoever it goes to has taken it.
        Delivered = "delivered",
        /// It goes to several destinations, each of which has a copy.
        Split = "split",
        /// Nobody is named to whom it could go.
        Undeliverable = "undeliverable",
        /// It was tried often enough.
        Dead = "dead",
        /// It was not delivered, and an operator has seen that.
        Dismissed = "dismissed",
    }
);
