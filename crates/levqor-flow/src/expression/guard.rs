//! A look at the text of an expression before it is parsed: the parser recurses, so what nests without end
//! must not reach it.

use super::ExpressionError;

/// An expression as text.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Brackets within brackets, interpolations in texts included.
const BRACKETS_MAX: usize = 200;
/// Operators and keywords in all; a chain of them nests as deep as it is long.
const LINKS_MAX: usize = 3000;
/// Up to here the stack that any thread has is enough.
const MODEST: usize = 40;

/// How the text has to be compiled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Modest,
    /// Nested so deeply that it takes a stack of its own.
    Deep,
}

/// Words that nest the term after them, or the one before.
const KEYWORDS: [&str; 11] =
    ["and", "as", "catch", "def", "elif", "foreach", "if", "label", "or", "reduce", "try"];

/// Refuses what is too long or nests too deeply.
pub(super) fn inspect(text: &str) -> Result<Shape, ExpressionError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ExpressionError::Compile(format!(
            "the expression has {} bytes; at most {TEXT_BYTES_MAX} are allowed",
            text.len()
        )));
    }
    let mut scan = Scan { text, place: 0, open: Vec::new(), deepest: 0, links: 0, commas: 0 };
    while scan.step()? {}
    Ok(if scan.deepest + scan.links + scan.commas > MODEST { Shape::Deep } else { Shape::Modest })
}

struct Scan<'a> {
    text: &'a str,
    place: usize,
    /// True where the bracket opened inside a text, which goes on when it closes.
    open: Vec<bool>,
    deepest: usize,
    links: usize,
    /// A list nests while it is parsed, however long; afterwards it does not.
    commas: usize,
}

impl Scan<'_> {
    /// One token, roughly; false at the end.
    fn step(&mut self) -> Result<bool, ExpressionError> {
        let Some(&byte) = self.text.as_bytes().get(self.place) else { return Ok(false) };
        match byte {
            b'"' => {
                self.place += 1;
                self.string()?;
            }
            b'#' => self.skip_while(|b| b != b'\n'),
            b'(' | b'[' | b'{' => self.bracket(false)?,
            b')' | b']' | b'}' => {
                self.place += 1;
                if self.open.pop() == Some(true) {
                    self.string()?;
                }
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let start = self.place;
                self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
                if KEYWORDS.contains(&&self.text[start..self.place]) {
                    self.link(1)?;
                }
            }
            byte if is_operator(byte) => {
                let start = self.place;
                self.skip_while(is_operator);
                // Signs stand in a row: `1 - - - 1`, `1---1`.
                let signs = self.text[start..self.place].bytes().filter(|b| *b == b'-').count();
                self.link(signs.max(1))?;
            }
            b',' => {
                self.place += 1;
                self.commas += 1;
            }
            // `.` and `$` begin names, which are no keywords.
            b'.' | b'$' | b'@' => {
                self.place += 1;
                self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
            }
            _ => self.place += 1,
        }
        Ok(true)
    }

    /// The rest of a text, up to its end or the next interpolation.
    fn string(&mut self) -> Result<(), ExpressionError> {
        loop {
            self.skip_while(|b| b != b'"' && b != b'\\');
            match (self.text.as_bytes().get(self.place), self.text.as_bytes().get(self.place + 1)) {
                (Some(b'\\'), Some(b'(')) => {
                    self.place += 1;
                    return self.bracket(true);
                }
                (Some(b'\\'), _) => self.place += 2,
                _ => {
                    self.place += 1;
                    return Ok(());
                }
            }
        }
    }

    fn bracket(&mut self, in_string: bool) -> Result<(), ExpressionError> {
        self.place += 1;
        self.open.push(in_string);
        self.deepest = self.deepest.max(self.open.len());
        if self.open.len() > BRACKETS_MAX {
            return Err(too_deep(self.text, self.place - 1));
        }
        Ok(())
    }

    fn link(&mut self, count: usize) -> Result<(), ExpressionError> {
        self.links += count;
        if self.links > LINKS_MAX {
            return Err(ExpressionError::Compile(format!(
                "the expression has more than {LINKS_MAX} operators and keywords"
            )));
        }
        Ok(())
    }

    fn skip_while(&mut self, skip: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.place..).unwrap_or_default();
        self.place += rest.iter().position(|b| !skip(*b)).unwrap_or(rest.len());
    }
}

fn is_operator(byte: u8) -> bool {
    b"|=!<>+-*/%".contains(&byte)
}

fn too_deep(text: &str, place: usize) -> ExpressionError {
    let character = text.get(..place).map_or(0, |before| before.chars().count()) + 1;
    ExpressionError::Compile(format!("the expression nests too deeply at character {character}"))
}
