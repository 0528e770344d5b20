//! What is not as it was agreed: the one form in which tamper detection and the drift monitor tell it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::run_status::{UnknownWord, words};

words!(
    /// How bad a deviation is. The worst comes first in order.
    #[derive(PartialOrd, Ord)]
    Severity, "critical, major, minor" {
        /// Customers are told something untrue about money or rights, or the platform may be in strange hands.
        Critical = "critical",
        /// A promise is not kept where it is served.
        Major = "major",
        /// Untidy, or an addition nobody agreed to.
        Minor = "minor",
    }
);

/// One thing that is not as agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    pub severity: Severity,
    /// What it is about and where it was seen: a path of a file, or a promise and the page.
    pub place: String,
    /// What was agreed; None: nothing should be there.
    pub expected: Option<String>,
    /// What was found; None: nothing is there.
    pub found: Option<String>,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, place, expected, found } = self;
        let shown =
            |value: &Option<String>| value.as_ref().map_or("nothing".to_owned(), |text| format!("{text:?}"));
        write!(f, "{severity}: {place}: expected {}, found {}", shown(expected), shown(found))
    }
}
