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
    /// Texts from outside are cut: nobody reads more, and a server must not decide how large a report is. What controls a terminal is
    /// shown as a sign for it, so that no page draws its own verdict.
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
    let cut = match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    let harmless = |letter: char| match letter {
        letter if letter.is_whitespace() => ' ',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    if cut.contains(char::is_control) { cut.chars().map(harmless).collect() } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_are_short_and_harmless() {
        let long = "x".repeat(CHARS_MAX);
        for (text, expected) in [
            ("as it is".to_owned(), "as it is".to_owned()),
            ("\u{1b}[2K\rDRIFT STATUS: PASS".to_owned(), "\u{fffd}[2K DRIFT STATUS: PASS".to_owned()),
            (long.clone(), long.clone()),
            (format!("{long}y"), format!("{long}…")),
        ] {
            assert_eq!(cut(text), expected);
        }
    }
}
