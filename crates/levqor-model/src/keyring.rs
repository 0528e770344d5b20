//! What the server's own keys are for, and how far each of them has come.
//!
//! ```text
//! published ─► active ─► retiring ─► retired        from everywhere but the end ─► revoked
//! ```
//!
//! A key is published before it is used, so that every node knows it when the first token or sealed value turns up that was made
//! with it. One that is replaced is retiring: it makes nothing new, and what was made with it holds on, until there is none of it
//! any more or its time is over. A retired or revoked key is destroyed; only its row stays.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::run_status::{UnknownWord, words};

words!(
    /// What a key of the server is for.
    KeyPurpose, "signing, sealing, webhooks" {
        /// Tokens that the server gives out and takes back.
        Signing = "signing",
        /// Secrets that the server keeps.
        Sealing = "sealing",
        /// What the secrets of webhooks are derived from.
        Webhooks = "webhooks",
    }
);

words!(
    /// How far a key has come.
    KeyState, "published, active, retiring, retired, revoked" {
        /// Nodes learn it; nothing is made with it yet.
        Published = "published",
        /// The one of its purpose that new things are made with.
        Active = "active",
        /// Replaced; what was made with it still holds.
        Retiring = "retiring",
        /// Nothing needs it any more, and it is destroyed.
        Retired = "retired",
        /// Taken away before its time and destroyed: nothing that was made with it holds.
        Revoked = "revoked",
    }
);

impl KeyState {
    /// Whether what was made with the key holds.
    pub const fn holds(self) -> bool {
        matches!(self, KeyState::Published | KeyState::Active | KeyState::Retiring)
    }
}
