//! What programs of readers follow: incidents and maintenance as an Atom feed (RFC 4287), maintenance as a calendar (RFC 5545).

use std::fmt::Write as _;

use axum::{extract::State, response::Response};
use http::HeaderMap;
use levqor_model::Timestamp;
use levqor_store::maintenance::{Phase, Window};
use maud::html;

use super::{
    rendered::View,
    snapshot::{self, Snapshot},
};
use crate::{App, pages::components::time::utc};

/// Bytes of a line of a calendar, without its end.
const LINE_BYTES: usize = 75;

pub(super) async fn atom(State(app): State<App>, headers: HeaderMap) -> Response {
    let snapshot = snapshot::current(&app).await;
    let make = || feed(&snapshot, &app.settings.public_url).into_bytes();
    snapshot.rendered.answer(View::Atom, &headers, make)
}

pub(super) async fn calendar(State(app): State<App>, headers: HeaderMap) -> Response {
    let snapshot = snapshot::current(&app).await;
    let make = || calendar_of(&snapshot.windows, snapshot.report.at, &app.settings.public_url).into_bytes();
    snapshot.rendered.answer(View::Calendar, &headers, make)
}

/// An entry of the feed.
struct Entry {
    id: String,
    link: String,
    title: String,
    published: Timestamp,
    updated: Timestamp,
    text: String,
}

fn entries(snapshot: &Snapshot, site: &str) -> Vec<Entry> {
    let now = snapshot.report.at;
    let mut all: Vec<Entry> = Vec::new();
    for one in &snapshot.disturbances {
        let mut text = format!("{} incident, {}.", one.level.title(), one.state.as_str());
        for update in one.updates.iter().rev() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n\n{}, {}: {}", utc(update.at), update.state.as_str(), update.text);
        }
        all.push(Entry {
            id: format!("{site}/status/incidents/{}", one.id),
            link: format!("{site}/status#incident-{}", one.id),
            title: one.title.clone(),
            published: one.opened_at,
            updated: one.updated_at(),
            text,
        });
    }
    for window in &snapshot.windows {
        let phase = window.phase(now);
        let (word, updated) = match phase {
            Phase::Completed => ("completed", window.ends_at),
            Phase::InProgress => ("in progress", window.starts_at.max(window.updated_at)),
            Phase::Scheduled | Phase::Cancelled => ("scheduled", window.updated_at),
        };
        all.push(Entry {
            id: format!("{site}/status/maintenance/{}", window.id),
            link: format!("{site}/status#maintenance-{}", window.id),
            title: format!("Maintenance: {}", window.title),
            published: window.created_at,
            updated,
            text: format!(
                "{word}, {} to {}.\n\n{}",
                utc(window.starts_at),
                utc(window.ends_at),
                window.words
            ),
        });
    }
    all.sort_by_key(|entry| std::cmp::Reverse(entry.updated));
    all
}

fn feed(snapshot: &Snapshot, site: &str) -> String {
    let entries = entries(snapshot, site);
    // Without any, the feed is as old as what it could be about.
    let updated = entries
        .first()
        .map_or_else(|| snapshot.report.newest.unwrap_or(snapshot.report.at), |newest| newest.updated);
    let body = html! {
        feed xmlns="http://www.w3.org/2005/Atom" {
            id { (site) "/status" }
            title { "Levqor: incidents and maintenance" }
            updated { (updated) }
            author { name { "Levqor" } }
            link rel="alternate" type="text/html" href={ (site) "/status" } {}
            link rel="self" type="application/atom+xml" href={ (site) "/status/history.atom" } {}
            @for entry in &entries {
                entry {
                    id { (entry.id) }
                    title { (plain(&entry.title)) }
                    link rel="alternate" type="text/html" href=(entry.link) {}
                    published { (entry.published) }
                    updated { (entry.updated) }
                    content type="text" { (plain(&entry.text)) }
                }
            }
        }
    };
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{}\n", body.into_string())
}

/// Without characters that XML does not have.
fn plain(text: &str) -> String {
    let is_there = |char: &char| match char {
        '\n' | '\t' => true,
        // One of these makes the whole feed unreadable (XML 1.0, section 2.2).
        '\u{fffe}' | '\u{ffff}' => false,
        char => !char.is_control(),
    };
    text.chars().filter(is_there).collect()
}

fn calendar_of(windows: &[Window], now: Timestamp, site: &str) -> String {
    let mut out = String::new();
    let host = site.split_once("://").map_or(site, |(_, host)| host);
    let mut line = |text: &str| fold(&mut out, text);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line("PRODID:-//Levqor//Status//EN");
    line("CALSCALE:GREGORIAN");
    line("METHOD:PUBLISH");
    line("X-WR-CALNAME:Levqor maintenance");
    for window in windows.iter().filter(|window| window.cancelled_at.is_none()) {
        line("BEGIN:VEVENT");
        line(&format!("UID:{}@{}", window.id, text_of(host)));
        line(&format!("DTSTAMP:{}", stamp(window.updated_at)));
        line(&format!("LAST-MODIFIED:{}", stamp(window.updated_at)));
        line(&format!("DTSTART:{}", stamp(window.starts_at)));
        line(&format!("DTEND:{}", stamp(window.ends_at)));
        line(&format!("SUMMARY:{}", text_of(&format!("Levqor maintenance: {}", window.title))));
        let words = format!("{}\n\n{}", window.words, window.parts.join(", "));
        line(&format!("DESCRIPTION:{}", text_of(words.trim())));
        line(&format!("URL:{site}/status#maintenance-{}", window.id));
        line(&format!(
            "STATUS:{}",
            if window.phase(now) == Phase::Cancelled { "CANCELLED" } else { "CONFIRMED" }
        ));
        line("TRANSP:TRANSPARENT");
        line("END:VEVENT");
    }
    line("END:VCALENDAR");
    out
}

/// `20261124T070141Z`.
fn stamp(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A text as a calendar has it.
fn text_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(char);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push(' '),
            char if char.is_control() => {}
            char => out.push(char),
        }
    }
    out
}

/// A line, broken where it gets too long and never within a character.
fn fold(out: &mut String, text: &str) {
    let mut left = LINE_BYTES;
    for char in text.chars() {
        if char.len_utf8() > left {
            out.push_str("\r\n ");
            left = LINE_BYTES - 1;
        }
        out.push(char);
        left -= char.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use levqor_model::{MaintenanceId, SeededRandom};

    use super::*;

    #[test]
    fn a_feed_has_only_characters_that_xml_has() {
        assert_eq!(plain("a\u{0}\u{1b}\u{ffff}\u{fffe}b\r\n\tc\u{fffd}𝄞"), "ab\n\tc\u{fffd}𝄞");
        assert_eq!(text_of("a\tb\u{7}"), "a b");
    }

    #[test]
    fn a_calendar_has_short_lines_and_no_value_becomes_one() {
        let now: Timestamp = "2026-11-24T07:01:41Z".parse().unwrap();
        let window = Window {
            id: MaintenanceId::new(now, &SeededRandom::new(1)),
            title: format!("A disk; and, more\r\nEND:VEVENT {}", "ü".repeat(80)),
            words: "line\nline".to_owned(),
            parts: vec!["eu-west/*".to_owned()],
            starts_at: now,
            ends_at: "2026-11-24T08:00:00Z".parse().unwrap(),
            actor: String::new(),
            created_at: now,
            updated_at: now,
            cancelled_at: None,
            told: Phase::Scheduled,
        };
        let cancelled = Window { cancelled_at: Some(now), ..window.clone() };
        let text = calendar_of(&[window, cancelled], now, "https://levqor.example");
        assert_eq!(text.matches("BEGIN:VEVENT").count(), 1, "{text}");
        assert_eq!(text.lines().filter(|line| *line == "END:VEVENT").count(), 1, "{text}");
        assert!(text.split("\r\n").all(|line| line.len() <= LINE_BYTES && !line.contains('\n')), "{text}");
        let whole = text.replace("\r\n ", "");
        for part in [
            "SUMMARY:Levqor maintenance: A disk\\; and\\, more\\nEND:VEVENT ü",
            "DTSTART:20261124T070141Z",
            "DTEND:20261124T080000Z",
            "DESCRIPTION:line\\nline\\n\\neu-west/*",
        ] {
            assert!(whole.contains(part), "{part}: {whole}");
        }
    }
}
