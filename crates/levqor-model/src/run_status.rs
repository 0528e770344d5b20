//! States of runs and tasks, and what started a run.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A word that is not one of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not one of {known}")]
pub struct UnknownWord {
    pub word: String,
    pub known: &'static str,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $known:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(UnknownWord { word: word.chars().take(64).collect(), known: $known }),
                }
            }
        }
    };
}
pub(crate) use words;

words!(
    /// Where a run is in its life (DSL "status phase").
    RunStatus, "pending, running, waiting, suspended, completed, faulted, cancelled" {
        /// Accepted, not begun.
        Pending = "pending",
        Running = "running",
        /// Waits for a timer, an event or a person.
        Waiting = "waiting",
        Suspended = "suspended",
        Completed = "completed",
        Faulted = "faulted",
        Cancelled = "cancelled",
    }
);

impl RunStatus {
    pub const fn is_ended(self) -> bool {
        matches!(self, RunStatus::Completed | RunStatus::Faulted | RunStatus::Cancelled)
    }
}

words!(
    /// Where a task is in its life.
    TaskStatus, "pending, running, waiting, suspended, completed, faulted, cancelled, skipped" {
        Pending = "pending",
        Running = "running",
        Waiting = "waiting",
        Suspended = "suspended",
        Completed = "completed",
        Faulted = "faulted",
        Cancelled = "cancelled",
        /// Its `if` was false.
        Skipped = "skipped",
    }
);

words!(
    /// What started a run.
    TriggerKind, "manual, schedule, webhook, event, workflow, retry" {
        Manual = "manual",
        Schedule = "schedule",
        Webhook = "webhook",
        Event = "event",
        /// Another run, by a `run: workflow` task.
        Workflow = "workflow",
        /// A person who ran an ended run again from its start.
        Retry = "retry",
    }
);
