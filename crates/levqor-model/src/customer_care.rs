//! States of what people outside ask for: support requests and consultations.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::run_status::{UnknownWord, words};

words!(
    /// Where a support request is in its life.
    TicketState, "open, answered, closed" {
        /// Waits for a person.
        Open = "open",
        Answered = "answered",
        Closed = "closed",
    }
);

words!(
    /// Where a consultation is in its life.
    ConsultationState, "booked, held, cancelled" {
        Booked = "booked",
        Held = "held",
        Cancelled = "cancelled",
    }
);
