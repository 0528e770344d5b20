//! Names that people give to things and others read: of accounts, keys, webhooks, and of themselves.
//!
//! What is not seen is not taken: two names that look alike must be the same, and no name may turn around how what stands beside it is
//! read. (Unicode Technical Report 36, section 2; Unicode 16, `Default_Ignorable_Code_Point` and the blanks that are letters.)

/// Characters of such a name.
pub const NAME_CHARS_MAX: usize = 100;

/// Why a name is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("must have 1 to {max} characters, and has {0}", max = NAME_CHARS_MAX)]
    Length(usize),
    #[error("has a character that nobody sees (U+{code:04X}), in place {place}; write it without")]
    Unseen { place: usize, code: u32 },
}

/// The name without blanks around it.
///
/// # Errors
/// [`NameError`].
pub fn shown_name(text: &str) -> Result<&str, NameError> {
    let name = text.trim();
    let chars = name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&chars) {
        return Err(NameError::Length(chars));
    }
    match unseen(name) {
        Some((place, letter)) => Err(NameError::Unseen { place, code: letter.into() }),
        None => Ok(name),
    }
}

/// The first character that shows nothing, or changes how what is around it is shown, with its place from 1.
pub fn unseen(text: &str) -> Option<(usize, char)> {
    let mut before = None;
    let mut letters = text.chars().enumerate().peekable();
    while let Some((place, letter)) = letters.next() {
        let after = letters.peek().map(|(_, letter)| *letter);
        if is_unseen(letter) && !is_needed(before, letter, after) {
            return Some((place + 1, letter));
        }
        before = Some(letter);
    }
    None
}

fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Some scripts are not written rightly without joiners, and some pictures not without selectors. Elsewhere these only hide.
fn is_needed(before: Option<char>, letter: char, after: Option<char>) -> bool {
    match letter {
        '\u{200c}' | '\u{200d}' => before.is_some_and(joins) && after.is_some_and(joins),
        '\u{fe0e}' | '\u{fe0f}' => {
            before.is_some_and(|before| !before.is_ascii() && !before.is_alphanumeric() && !is_unseen(before))
        }
        _ => false,
    }
}

/// Of the scripts around the Arabic one, or of India.
fn joins(letter: char) -> bool {
    matches!(letter, '\u{600}'..='\u{dff}') && !is_unseen(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_taken() {
        for name in [
            "Ada Lovelace",
            "Müller & Söhne GmbH",
            "O’Neill",
            "株式会社レヴコー",
            "שלום בע״מ",
            "شركة النور",
            // With joiners, as Persian and Hindi are written.
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "Rockets 🚀",
            "Team ❤\u{fe0f}",
        ] {
            assert_eq!(shown_name(&format!("  {name}\t")), Ok(name));
        }
    }

    #[test]
    fn what_nobody_sees_is_refused_with_its_place() {
        for letter in [
            '\0',
            '\u{7}',
            '\n',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202d}',
            '\u{202e}',
            '\u{2060}',
            '\u{2064}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0100}',
        ] {
            let text = format!("Acme{letter}Corp");
            let refused = shown_name(&text);
            assert_eq!(refused, Err(NameError::Unseen { place: 5, code: letter.into() }), "{letter:?}");
            let told = refused.unwrap_err().to_string();
            assert!(
                told.contains(&format!("U+{:04X}", u32::from(letter))) && told.contains("place 5"),
                "{told}"
            );
        }
        // A joiner joins two letters, and a selector selects one picture.
        for text in ["م\u{200c}", "\u{200d}م", "م\u{200c}\u{200c}م", "ab\u{200d}م", "❤\u{fe0f}\u{fe0f}"]
        {
            assert!(unseen(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_there_and_not_too_long() {
        for (text, found) in [("", 0), (" \u{3000}\n ", 0), (&*"ü".repeat(101), 101)] {
            assert_eq!(shown_name(text), Err(NameError::Length(found)));
        }
        assert!(shown_name(&"ü".repeat(NAME_CHARS_MAX)).is_ok());
    }
}
