//! A place in a list that is sorted by something and an id, for cursors.

use std::{fmt, str::FromStr};

/// What the list is sorted by, whose text has no space, and the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<T, I>(pub(crate) T, pub(crate) I);

impl<T, I> Place<T, I> {
    /// As the store takes it.
    pub(crate) fn parts(self) -> (T, I) {
        (self.0, self.1)
    }
}

impl<T: fmt::Display, I: fmt::Display> fmt::Display for Place<T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

impl<T: FromStr, I: FromStr> FromStr for Place<T, I> {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (by, id) = text.split_once(' ').ok_or(())?;
        Ok(Self(by.parse().map_err(|_| ())?, id.parse().map_err(|_| ())?))
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::{ActionItemId, Date, MaintenanceId, SeededRandom, Timestamp};

    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let (at, random) = (Timestamp::from_micros(1_795_500_000_123_456), SeededRandom::new(1));
        let place = Place(at, MaintenanceId::new(at, &random));
        assert_eq!(place.to_string().parse(), Ok(place));
        let place = Place(at.date(), ActionItemId::new(at, &random));
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "2026-12-24", "soon act_01ARZ3NDEKTSV4RRFFQ69G5FAV", "2026-12-24 x"] {
            assert_eq!(text.parse::<Place<Date, ActionItemId>>(), Err(()), "{text}");
        }
    }
}
