//! What a look has found so far.

use levqor_model::Deviation;

use crate::report::{Outcome, Part, Section};

/// Deviations that are kept; all are counted.
pub const DEVIATIONS_MAX: usize = 1_000;
/// Longest text that a deviation takes over from elsewhere, in characters.
const CHARS_MAX: usize = 300;

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) deviations: Vec<Deviation>,
    pub(crate) total: u64,
    pub(crate) sections: Vec<Section>,
}

impl Found {
    /// Texts from outside are cut: nobody reads more, and a server must not decide how large a report is.
    pub(crate) fn add(&mut self, deviation: Deviation) {
        self.total += 1;
        if self.deviations.len() < DEVIATIONS_MAX {
            let Deviation { severity, place, expected, found } = deviation;
            let (place, expected, found) = (cut(place), expected.map(cut), found.map(cut));
            self.deviations.push(Deviation { severity, place, expected, found });
        }
    }

    pub(crate) fn part(&mut self, part: Part, outcome: Outcome) {
        self.sections.push(Section { part, outcome });
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
