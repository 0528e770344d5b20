//! How the terminal looks: tables, colour when a person watches, plain text when piped.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};

/// Colours and words that carry the same meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Warning,
    Quiet,
    Strong,
}

/// Writes `text` in a tone, when standard error or output (whichever is asked for) is a terminal that takes colour.
pub fn paint(text: &str, tone: Tone, stream: &impl IsTerminal) -> String {
    if !stream.is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Warning => "33",
        Tone::Quiet => "2",
        Tone::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// A table without lines, wrapped to the terminal.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Says a table, or some words when there is nothing in it.
pub fn say_table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, nothing: &str) {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        say(nothing);
    } else {
        say(table(header, rows));
    }
}

/// Writes a line of results to standard output.
///
/// Who pipes into `head` closes the pipe early; that is no failure of ours, and there is nobody left to write to.
pub fn say(line: impl std::fmt::Display) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}
