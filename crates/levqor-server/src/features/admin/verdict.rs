//! From matters to parts, and from parts to one verdict: the worst of what is known, and unknown is never good.

use std::cmp::Reverse;

use levqor_model::Timestamp;

use super::facts::{Matter, Part, Standing, Verdict};

/// Matters of one part that are told.
const MATTERS_MAX: usize = 20;

impl Matter {
    pub(super) fn new(standing: Standing, sentence: impl Into<String>, link: impl Into<String>) -> Self {
        Self { standing, sentence: sentence.into(), since: None, link: link.into() }
    }

    pub(super) fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }
}

impl Part {
    /// `good` is how it is when nothing matters.
    pub(super) fn of(
        name: &'static str,
        link: &str,
        good: impl Into<String>,
        mut matters: Vec<Matter>,
    ) -> Self {
        // Of two that are as bad, the first one stays first.
        matters.sort_by_key(|matter| Reverse(matter.standing));
        let matters_total = matters.len();
        matters.truncate(MATTERS_MAX);
        let (standing, sentence, since, link) = match matters.first() {
            None => (Standing::AllRight, good.into(), None, link.to_owned()),
            Some(Matter { standing, sentence, since, link }) => {
                let sentence = match matters_total - 1 {
                    0 => sentence.clone(),
                    more => format!("{sentence} (and {more} more)"),
                };
                (*standing, sentence, *since, link.clone())
            }
        };
        Self { name, standing, sentence, since, link, matters, matters_total }
    }

    /// It could not be asked.
    pub(super) fn unknown(name: &'static str, link: &str, reason: &str) -> Self {
        let sentence = format!("Nothing is known of {name}: {reason}");
        Self::of(name, link, "", vec![Matter::new(Standing::Unknown, sentence, link)])
    }

    /// There is none of it here.
    pub(super) fn not_set_up(name: &'static str, link: &str, sentence: &str) -> Self {
        Self { standing: Standing::NotSetUp, ..Self::of(name, link, sentence, Vec::new()) }
    }
}

impl Standing {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Standing::NotSetUp => "not set up",
            Standing::AllRight => "all right",
            Standing::Unknown => "unknown",
            Standing::Attention => "attention",
            Standing::Trouble => "trouble",
        }
    }

    /// What a whole that is so is called.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Standing::AllRight => "Everything is all right",
            Standing::NotSetUp | Standing::Unknown => "It is not known whether everything is all right",
            Standing::Attention => "Something needs attention",
            Standing::Trouble => "Something is wrong",
        }
    }
}

/// The worst of the parts; of two that are as bad, the first one is told.
pub(super) fn verdict(parts: &[Part]) -> Verdict {
    let not_set_up: Vec<_> =
        parts.iter().filter(|part| part.standing == Standing::NotSetUp).map(|part| part.name).collect();
    let looked_at = || parts.iter().filter(|part| part.standing != Standing::NotSetUp);
    let wrong = || looked_at().filter(|part| part.standing != Standing::AllRight);
    // The last one of those that are the worst, from the end: the first one.
    let worst = wrong().rev().max_by_key(|part| part.standing);
    let (standing, sentence) = match worst {
        Some(worst) => (worst.standing, worst.sentence.clone()),
        None => match looked_at().count() {
            0 => (Standing::Unknown, "Nothing was looked at".to_owned()),
            parts => (Standing::AllRight, format!("All {parts} parts that are looked at are well")),
        },
    };
    Verdict {
        standing,
        sentence,
        since: worst.and_then(|worst| worst.since),
        part: worst.map(|worst| worst.name),
        link: worst.map(|worst| worst.link.clone()),
        parts_not_right: wrong().count(),
        not_set_up,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &'static str, standing: Standing) -> Part {
        match standing {
            Standing::NotSetUp => Part::not_set_up(name, "/x", "none"),
            Standing::AllRight => Part::of(name, "/x", "well", Vec::new()),
            worse => Part::of(name, "/x", "well", vec![Matter::new(worse, format!("{name} is so"), "/y")]),
        }
    }

    #[test]
    fn a_whole_is_as_its_worst_part_and_unknown_is_never_good() {
        use Standing::{AllRight, Attention, NotSetUp, Trouble, Unknown};
        let rows: &[(&[Standing], Standing, Option<&str>, usize)] = &[
            (&[], Unknown, None, 0),
            (&[NotSetUp, NotSetUp], Unknown, None, 0),
            (&[AllRight], AllRight, None, 0),
            (&[AllRight, NotSetUp, AllRight], AllRight, None, 0),
            (&[AllRight, Unknown, AllRight], Unknown, Some("b"), 1),
            (&[Unknown, Attention, AllRight], Attention, Some("b"), 2),
            (&[Attention, Unknown, Trouble], Trouble, Some("c"), 3),
            (&[Trouble, AllRight, Trouble], Trouble, Some("a"), 2),
            (&[Unknown, Unknown, NotSetUp], Unknown, Some("a"), 2),
        ];
        for (standings, standing, of, wrong) in rows {
            let parts: Vec<_> =
                ["a", "b", "c"].into_iter().zip(*standings).map(|(name, one)| part(name, *one)).collect();
            let found = verdict(&parts);
            assert_eq!(
                (found.standing, found.part, found.parts_not_right),
                (*standing, *of, *wrong),
                "{standings:?}"
            );
            assert_eq!(found.link.is_some(), of.is_some(), "a cause is shown somewhere");
            assert_eq!(found.not_set_up.len(), standings.iter().filter(|one| **one == NotSetUp).count());
        }
    }

    #[test]
    fn a_part_says_its_worst_matter_and_how_many_more() {
        let since = Timestamp::from_seconds(1_795_502_901);
        let matters = vec![
            Matter::new(Standing::Unknown, "Who knows", "/a"),
            Matter::new(Standing::Trouble, "It burns", "/b").since(Some(since)),
            Matter::new(Standing::Trouble, "It floods", "/c"),
        ];
        let found = Part::of("house", "/house", "It stands", matters);
        assert_eq!(found.sentence, "It burns (and 2 more)");
        assert_eq!(
            (found.standing, found.since, found.link.as_str()),
            (Standing::Trouble, Some(since), "/b")
        );
        let many = (0..50).map(|n| Matter::new(Standing::Attention, n.to_string(), "/n")).collect();
        let found = Part::of("house", "/house", "It stands", many);
        assert_eq!((found.matters.len(), found.matters_total), (MATTERS_MAX, 50));
    }
}
