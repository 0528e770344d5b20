//! A place in a list that is sorted by a time and an id, for cursors.

use std::{fmt, str::FromStr};

use levqor_model::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<I>(pub(super) Timestamp, pub(super) I);

impl<I> Place<I> {
    /// As the store takes it.
    pub(super) fn parts(self) -> (Timestamp, I) {
        (self.0, self.1)
    }
}

impl<I: fmt::Display> fmt::Display for Place<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.as_micros(), self.1)
    }
}

impl<I: FromStr> FromStr for Place<I> {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once(' ').ok_or(())?;
        let at = at.parse().map(Timestamp::from_micros).map_err(|_| ())?;
        Ok(Self(at, id.parse().map_err(|_| ())?))
    }
}
