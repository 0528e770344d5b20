//! Words of the policies that workflows have: how urgent a run is, and what happens to due times that do not fit.

use std::fmt;

/// How urgent a run is among its account's runs: 9 is started first, 1 last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    pub const LEAST: u8 = 1;
    pub const MOST: u8 = 9;

    /// None unless it is from 1 to 9.
    pub fn new(number: u64) -> Option<Self> {
        let number = u8::try_from(number).ok()?;
        (Self::LEAST..=Self::MOST).contains(&number).then_some(Self(number))
    }

    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

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
    };
}

words! {
    /// What happens to a due time while a run that the schedule started before has not ended.
    Overlap {
        /// It is passed over.
        Skip "skip",
        /// One waits for that run's end; others are passed over.
        BufferOne "buffer-one",
        /// All wait, in order, up to a bound.
        BufferAll "buffer-all",
        /// The run is cancelled, and the due time starts its own as soon as that one has ended.
        CancelOther "cancel-other",
        /// It starts a run all the same.
        #[default]
        AllowAll "allow-all",
    }
}

words! {
    /// What happens to due times that passed while nobody was there to fire them.
    Misfire {
        /// The latest of them fires.
        #[default]
        FireOnce "fire-once",
        /// None of them fires.
        Skip "skip",
        /// All of them fire, in order, up to a bound.
        FireAll "fire-all",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_go_from_one_to_nine() {
        assert_eq!(Priority::default().get(), 5);
        let valid: Vec<u64> = (0..300).filter(|number| Priority::new(*number).is_some()).collect();
        assert_eq!(valid, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(Priority::new(9) > Priority::new(8));
    }
}
