//! A policy's template: a head of three lines, and Markdown with placeholders.
//!
//! ```text
//! ---
//! title: Refunds
//! description: When you get your money back, and how.
//! updated: 2026-11-29
//! ---
//! Tell us within {{ money_back_days }} days.
//! ```
//!
//! A placeholder is a name in double braces and nothing more: no conditions, loops or filters, so that a lawyer can read the
//! text and a program can say where it is wrong. While Markdown and the cleaner work, a private character stands for
//! each value; the value comes in afterwards. So no value is read as Markdown, and a text cannot forge what stands for one.

use std::{collections::BTreeMap, fmt, ops::Range};

use levqor_model::Date;
use maud::{Markup, PreEscaped};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::pages::markdown;

/// Around the number of a placeholder while its value is not there; neither may stand in a template.
const BEGIN: char = '\u{E000}';
const END: char = '\u{E001}';

/// What can stand for a name.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Stands within a sentence.
    Words(Markup),
    /// Stands in a paragraph of its own.
    Block(Markup),
}

pub(super) type Names = BTreeMap<String, Value>;

/// A template, filled.
#[derive(Debug, Clone)]
pub(super) struct Filled {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) updated: Date,
    /// Safe to be put into a page as it is.
    pub(super) html: Markup,
    /// The second-level headings: anchor and text.
    pub(super) headings: Vec<(String, String)>,
}

/// What is wrong in a line of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1.
    pub(super) line: usize,
    pub(super) problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.problem)
    }
}

impl Fault {
    fn new(line: usize, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into() }
    }
}

/// Reads a template and puts the values in.
///
/// # Errors
/// All faults, in the order of their lines.
pub(super) fn fill(text: &str, names: &Names) -> Result<Filled, Vec<Fault>> {
    let mut faults = Vec::new();
    let head = read_head(text, &mut faults);
    let Some(Head { title, description, updated, body, line }) = head else { return Err(faults) };
    let (marked, placeholders) = mark(body, line, names, &mut faults);
    check_markdown(&marked, line, &mut faults);
    if faults.is_empty() {
        let rendered = markdown::render(&marked, "/");
        match put_in(&rendered.html, &placeholders, names) {
            Ok(html) => {
                let html = PreEscaped(html);
                return Ok(Filled { title, description, updated, html, headings: rendered.headings });
            }
            Err(found) => faults.extend(found),
        }
    }
    faults.sort_by_key(|fault| fault.line);
    faults.dedup();
    Err(faults)
}

struct Head<'a> {
    title: String,
    description: String,
    updated: Date,
    body: &'a str,
    /// On which the body begins.
    line: usize,
}

/// The lines between the first two `---`. Complains and gives None when they are not as they must be.
fn read_head<'a>(text: &'a str, faults: &mut Vec<Fault>) -> Option<Head<'a>> {
    const KEYS: [&str; 3] = ["title", "description", "updated"];
    let mut lines = text.split_inclusive('\n').zip(1..);
    let mut place = 0;
    match lines.next() {
        Some((first, _)) if first.trim_end() == "---" => place += first.len(),
        _ => {
            faults.push(Fault::new(
                1,
                "the file must begin with --- and lines title:, description: and updated:",
            ));
            return None;
        }
    }
    let mut found: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    for (line, number) in lines {
        place += line.len();
        if line.trim_end() == "---" {
            return head_of(&found, &text[place..], number + 1, faults);
        }
        let (key, value) = line.split_once(':').map_or((line.trim(), ""), |(k, v)| (k.trim(), v.trim()));
        let Some(key) = KEYS.iter().find(|known| **known == key) else {
            faults.push(Fault::new(
                number,
                format!("{key:?} is no line of a head; use title:, description:, updated:"),
            ));
            continue;
        };
        if value.is_empty() || value.contains(['{', '}', BEGIN, END]) {
            faults.push(Fault::new(number, format!("{key} must have a text without placeholders")));
        } else if found.insert(key, (value.to_owned(), number)).is_some() {
            faults.push(Fault::new(number, format!("{key} is there twice")));
        }
    }
    faults.push(Fault::new(1, "the head has no end; close it with a line ---"));
    None
}

fn head_of<'a>(
    found: &BTreeMap<&str, (String, usize)>,
    body: &'a str,
    line: usize,
    faults: &mut Vec<Fault>,
) -> Option<Head<'a>> {
    let known = faults.len();
    let mut take = |key: &str| match found.get(key) {
        Some((value, number)) => (value.clone(), *number),
        None => {
            faults.push(Fault::new(1, format!("the head has no {key}")));
            (String::new(), 1)
        }
    };
    let (title, description, updated) = (take("title").0, take("description").0, take("updated"));
    let date = date(&updated.0);
    if date.is_none() && found.contains_key("updated") {
        let problem = format!("updated: {:?} is no day; write it like 2026-11-29", updated.0);
        faults.push(Fault::new(updated.1, problem));
    }
    (faults.len() == known).then_some(Head { title, description, updated: date?, body, line })
}

fn date(text: &str) -> Option<Date> {
    // The shape first: a reader of dates may take more than days.
    let shape = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    shape.then(|| text.parse().ok()).flatten()
}

/// A placeholder: its name, and on which line it stands.
type Placeholder<'a> = (&'a str, usize);

/// The text with each placeholder replaced by its number between private characters.
fn mark<'a>(
    body: &'a str,
    first_line: usize,
    names: &Names,
    faults: &mut Vec<Fault>,
) -> (String, Vec<Placeholder<'a>>) {
    let mut marked = String::with_capacity(body.len());
    let mut placeholders = Vec::new();
    for (line, number) in body.split_inclusive('\n').zip(first_line..) {
        if line.contains([BEGIN, END]) {
            faults.push(Fault::new(number, "holds a character of the private area (U+E000 or U+E001)"));
        }
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            marked.push_str(before);
            let Some((inside, after)) = after.split_once("}}") else {
                faults.push(Fault::new(number, "{{ is not closed by }} on its line"));
                rest = after;
                continue;
            };
            let name = inside.trim();
            if names.contains_key(name) {
                marked.push_str(&format!("{BEGIN}{}{END}", placeholders.len()));
                placeholders.push((name, number));
            } else {
                let shown: String = name.chars().take(64).collect();
                faults.push(Fault::new(number, format!("there is no placeholder {shown:?}")));
            }
            rest = after;
        }
        if rest.contains("}}") {
            faults.push(Fault::new(number, "}} has no {{ before it on its line"));
        }
        marked.push_str(rest);
    }
    (marked, placeholders)
}

/// What Markdown can say and a policy must not.
fn check_markdown(marked: &str, first_line: usize, faults: &mut Vec<Fault>) {
    let line_of = |range: &Range<usize>| first_line + marked[..range.start].matches('\n').count();
    let mut heading = None;
    for (event, range) in Parser::new_ext(marked, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                heading = Some(line_of(&range));
                if level == HeadingLevel::H1 {
                    let problem = "the title is the page's first heading; begin headings of the text with ##";
                    faults.push(Fault::new(line_of(&range), problem));
                }
            }
            Event::End(TagEnd::Heading(_)) => heading = None,
            Event::Text(text) | Event::Code(text) if text.contains(BEGIN) => {
                if let Some(line) = heading {
                    let problem =
                        "a heading must have no placeholder: its address would change with the value";
                    faults.push(Fault::new(line, problem));
                }
            }
            Event::Start(Tag::Image { .. }) => {
                faults.push(Fault::new(line_of(&range), "a policy has no pictures"));
            }
            _ => {}
        }
    }
}

/// Puts the values into clean HTML.
fn put_in(html: &str, placeholders: &[Placeholder<'_>], names: &Names) -> Result<String, Vec<Fault>> {
    let mut out = String::with_capacity(html.len() * 2);
    let mut missing: BTreeMap<usize, Placeholder<'_>> = placeholders.iter().copied().enumerate().collect();
    let mut faults = Vec::new();
    let mut rest = html;
    let mut tag = TagState::Outside;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        tag = tag.after(before);
        out.push_str(before);
        let number = after.split_once(END).and_then(|(number, after)| Some((number.parse().ok()?, after)));
        let Some((number, after)) = number else {
            rest = after;
            continue;
        };
        rest = after;
        let Some((name, line)) = missing.remove(&number) else {
            // By a character's number in HTML, since the character itself was refused: the value would stand elsewhere.
            if let Some((name, line)) = placeholders.get(number) {
                faults.push(Fault::new(
                    *line,
                    format!("something in the text stands in the place of {name:?}"),
                ));
            }
            continue;
        };
        match names.get(name) {
            Some(_) if tag != TagState::Outside => {
                missing.insert(number, (name, line));
            }
            Some(Value::Words(words)) => out.push_str(&words.0),
            Some(Value::Block(block)) => match (out.strip_suffix("<p>"), rest.strip_prefix("</p>")) {
                (Some(before), Some(after)) => {
                    out.truncate(before.len());
                    out.push_str(&block.0);
                    rest = after;
                }
                _ => {
                    let problem = format!("{name:?} must stand in a paragraph of its own");
                    faults.push(Fault::new(line, problem));
                }
            },
            None => unreachable!("only known names were marked"),
        }
    }
    out.push_str(rest);
    let lost = missing.into_values().map(|(name, line)| {
        Fault::new(line, format!("{name:?} stands where only plain text may: in an address or in HTML"))
    });
    faults.extend(lost);
    if faults.is_empty() { Ok(out) } else { Err(faults) }
}

/// Where in a tag a piece of clean HTML ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TagState {
    Outside,
    Inside,
    /// In an attribute's value.
    Quoted,
}

impl TagState {
    fn after(self, html: &str) -> Self {
        html.chars().fold(self, |state, letter| match (state, letter) {
            (Self::Outside, '<') | (Self::Quoted, '"') => Self::Inside,
            (Self::Inside, '>') => Self::Outside,
            (Self::Inside, '"') => Self::Quoted,
            (state, _) => state,
        })
    }
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    fn names() -> Names {
        [
            ("days", Value::Words(html! { data value="30" { "30" } })),
            ("words", Value::Words(html! { "*not* <emphasis>" })),
            ("list", Value::Block(html! { table { tr { td { "x" } } } })),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn filled(body: &str) -> Result<String, Vec<String>> {
        let text = format!("---\ntitle: T\ndescription: D\nupdated: 2026-11-29\n---\n{body}");
        match fill(&text, &names()) {
            Ok(filled) => Ok(filled.html.0),
            Err(faults) => Err(faults.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn values_come_in_after_markdown_and_cleaning() {
        let rows = [
            (
                "Within {{ days }} days, **{{days}}**.",
                "<p>Within <data value=\"30\">30</data> days, <strong><data value=\"30\">30</data></strong>.</p>\n",
            ),
            ("{{ words }}", "<p>*not* &lt;emphasis&gt;</p>\n"),
            ("a\n\n{{ list }}\n\nb", "<p>a</p>\n<table><tr><td>x</td></tr></table>\n<p>b</p>\n"),
            (
                "| a |\n| --- |\n| {{ days }} |",
                "<div class=\"table-wrap\" tabindex=\"0\"><table><thead><tr><th>a</th></tr></thead><tbody>\n<tr><td><data value=\"30\">30</data></td></tr>\n</tbody></table>\n</div>\n",
            ),
            (
                "[refunds](refunds.md) and [support](/support)",
                "<p><a href=\"/refunds\" rel=\"noopener\">refunds</a> and <a href=\"/support\" rel=\"noopener\">support</a></p>\n",
            ),
            ("<data value=\"1\" data-promise=\"days\">1</data><script>x</script>", "<p><data>1</data></p>\n"),
        ];
        for (body, html) in rows {
            assert_eq!(filled(body).as_deref(), Ok(html), "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let rows: [(&str, &[&str]); 12] = [
            (
                "a\n{{ dayz }}\n{{ weeks }}",
                &["7: there is no placeholder \"dayz\"", "8: there is no placeholder \"weeks\""],
            ),
            ("{{ }}", &["6: there is no placeholder \"\""]),
            ("{{ days | upper }}", &["6: there is no placeholder \"days | upper\""]),
            (
                "a {{ days\n}}",
                &["6: {{ is not closed by }} on its line", "7: }} has no {{ before it on its line"],
            ),
            ("\u{E000}0\u{E001}", &["6: holds a character of the private area (U+E000 or U+E001)"]),
            ("# Title", &["6: the title is the page's first heading; begin headings of the text with ##"]),
            (
                "## In {{ days }} days",
                &["6: a heading must have no placeholder: its address would change with the value"],
            ),
            ("x\n\n![y](/z.png)", &["8: a policy has no pictures"]),
            (
                "[a](/x?{{ days }})",
                &["6: \"days\" stands where only plain text may: in an address or in HTML"],
            ),
            (
                "<b title=\"{{ days }}\">x</b>",
                &["6: \"days\" stands where only plain text may: in an address or in HTML"],
            ),
            ("see {{ list }}", &["6: \"list\" must stand in a paragraph of its own"]),
            (
                "&#xE000;0&#xE001; of {{ days }}",
                &["6: something in the text stands in the place of \"days\""],
            ),
        ];
        for (body, faults) in rows {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(filled(body), Err(faults), "{body}");
        }
    }

    #[test]
    fn a_head_has_three_lines() {
        let rows = [
            ("Text", "1: the file must begin with ---"),
            ("---\ntitle: T\n", "1: the head has no end; close it with a line ---"),
            ("---\ntitle: T\nupdated: 2026-11-29\n---\n", "1: the head has no description"),
            ("---\ntitle: T\ntitle: U\n---\n", "3: title is there twice"),
            ("---\ntitle:\n---\n", "2: title must have a text without placeholders"),
            ("---\ntitle: In {{ days }}\n---\n", "2: title must have a text without placeholders"),
            ("---\nauthor: A\n---\n", "2: \"author\" is no line of a head"),
            (
                "---\ntitle: T\ndescription: D\nupdated: yesterday\n---\n",
                "4: updated: \"yesterday\" is no day",
            ),
            (
                "---\ntitle: T\ndescription: D\nupdated: 2026-02-30\n---\n",
                "4: updated: \"2026-02-30\" is no day",
            ),
        ];
        for (text, fault) in rows {
            let faults: Vec<_> = fill(text, &names()).unwrap_err().iter().map(ToString::to_string).collect();
            assert!(faults.iter().any(|found| found.starts_with(fault)), "{text:?}: {faults:?}");
        }
        let text = "---\r\ntitle: T: a\r\ndescription: D\r\nupdated: 2026-11-29\r\n---\r\nx {{ days }}\r\n";
        let filled = fill(text, &names()).unwrap();
        assert_eq!((filled.title.as_str(), filled.updated.to_string().as_str()), ("T: a", "2026-11-29"));
    }
}
