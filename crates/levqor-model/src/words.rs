//! What one person writes and others read: a line, or several. Whoever takes such a text takes it through here.
//!
//! Nothing in it is hidden: a reason or a title that is not what it looks like would be evidence of something that nobody has read. A
//! longer text may have characters that only some scripts and pictures need, but none that turn or hide what stands beside them.

use std::{borrow::Cow, fmt};

use crate::unseen;

/// Why a text is not taken. Shown with its remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextError {
    Empty,
    Long {
        max: usize,
    },
    Lines,
    /// A character that nobody sees, or that changes how what is around it is shown.
    Unseen {
        /// From 1.
        place: usize,
        code: u32,
    },
}

impl TextError {
    /// What is wrong, as the end of a sentence about the text.
    pub fn problem(&self) -> Cow<'static, str> {
        match self {
            TextError::Empty => "is empty".into(),
            TextError::Long { max } => format!("is longer than {max} characters").into(),
            TextError::Lines => "has more than one line".into(),
            TextError::Unseen { place, code } => {
                format!("has a character that nobody sees (U+{code:04X}), in place {place}").into()
            }
        }
    }

    pub const fn remedy(&self) -> &'static str {
        match self {
            TextError::Empty => "say it in a few words",
            TextError::Long { .. } => "shorten it",
            TextError::Lines => "write it on one",
            TextError::Unseen { .. } => "write it without",
        }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem(), self.remedy())
    }
}

impl std::error::Error for TextError {}

/// Some words on one line, without blanks around them.
///
/// # Errors
/// [`TextError`]; a text of nothing but blanks is empty.
pub fn one_line(text: &str, chars_max: usize) -> Result<&str, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    bounded(text, chars_max)?;
    if text.contains(is_line_end) {
        return Err(TextError::Lines);
    }
    match unseen(text) {
        Some((place, letter)) => Err(TextError::Unseen { place, code: letter.into() }),
        None => Ok(text),
    }
}

/// A text of several lines, without blanks around it and with the line ends of Unix. Tabs may be in it.
///
/// # Errors
/// [`TextError`]; a text of nothing but blanks is empty.
pub fn several_lines(text: &str, chars_max: usize) -> Result<String, TextError> {
    let text = text.trim().replace("\r\n", "\n");
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    bounded(&text, chars_max)?;
    match text.chars().enumerate().find(|(_, letter)| misleads(*letter) && !matches!(letter, '\n' | '\t')) {
        Some((place, letter)) => Err(TextError::Unseen { place: place + 1, code: letter.into() }),
        None => Ok(text),
    }
}

fn bounded(text: &str, chars_max: usize) -> Result<(), TextError> {
    if text.chars().count() > chars_max { Err(TextError::Long { max: chars_max }) } else { Ok(()) }
}

fn is_line_end(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Turns the text around it, or carries a text of its own that is not shown.
fn misleads(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            // What embeds, overrides and isolates directions; separators of lines that some show and others do not.
            '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                // Tags, which can spell a whole hidden sentence.
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_it_looks_like() {
        let rows = [
            ("  the disk is full ", Ok("the disk is full")),
            ("می\u{200c}خواهم", Ok("می\u{200c}خواهم")),
            (" \t\n", Err(TextError::Empty)),
            ("twelve chars", Ok("twelve chars")),
            ("0123456789 0123456789", Err(TextError::Long { max: 20 })),
            ("one\ntwo", Err(TextError::Lines)),
            ("one\rtwo", Err(TextError::Lines)),
            ("one\u{2028}two", Err(TextError::Lines)),
            ("a\tb", Err(TextError::Unseen { place: 2, code: 9 })),
            ("a\0b", Err(TextError::Unseen { place: 2, code: 0 })),
            ("eu\u{202e}tsew", Err(TextError::Unseen { place: 3, code: 0x202e })),
            ("zero\u{200b}width", Err(TextError::Unseen { place: 5, code: 0x200b })),
        ];
        for (given, expected) in rows {
            assert_eq!(one_line(given, 20), expected, "{given:?}");
        }
        let told = one_line("a\u{202e}b", 20).unwrap_err().to_string();
        assert_eq!(told, "has a character that nobody sees (U+202E), in place 2; write it without");
        assert_eq!(TextError::Lines.to_string(), "has more than one line; write it on one");
        assert_eq!(TextError::Long { max: 5 }.to_string(), "is longer than 5 characters; shorten it");
    }

    #[test]
    fn several_lines_may_have_what_scripts_and_pictures_need() {
        let rows = [
            (" one\r\ntwo\n\n\tthree ", Ok("one\ntwo\n\n\tthree")),
            // Marks of direction and joiners, as people type them.
            ("שלום\u{200f}, 👩\u{200d}💻", Ok("שלום\u{200f}, 👩\u{200d}💻")),
            ("", Err(TextError::Empty)),
            ("a\u{7}b", Err(TextError::Unseen { place: 2, code: 7 })),
            ("one\rtwo", Err(TextError::Unseen { place: 4, code: 13 })),
            ("ab\n\u{2066}c", Err(TextError::Unseen { place: 4, code: 0x2066 })),
            ("a\u{e0041}", Err(TextError::Unseen { place: 2, code: 0xe0041 })),
            ("0123456789 0123456789", Err(TextError::Long { max: 20 })),
        ];
        for (given, expected) in rows {
            let found = several_lines(given, 20);
            assert_eq!(found.as_deref().map_err(|error| *error), expected, "{given:?}");
        }
    }
}
