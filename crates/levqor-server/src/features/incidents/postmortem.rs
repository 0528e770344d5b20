//! The postmortem: a Markdown document whose measured facts are filled in, and whose words people write.
//!
//! What is measured stands between marks (`<!-- measured: NAME -->` and `<!-- /measured -->`), so that it can be measured anew without
//! a word of what people wrote getting lost. What nobody wrote yet says so.

use std::{fmt::Write as _, time::Duration};

use levqor_model::{Date, IncidentId, IncidentRole, Timestamp};
use levqor_store::incidents::{ActionItem, Incident, IncidentAlert, SampleSum};

use super::{
    hand::clock,
    impact::Impact,
    timeline::{self, Line, Source},
};
use crate::pages::{duration_words, percent_down};

/// Longest document, in bytes.
pub(super) const BYTES_MAX: usize = 256 * 1024;
/// Lines of the timeline that it has.
const LINES_MAX: usize = 500;
const LINE_CHARS_MAX: usize = 300;
/// Letters of the name that come from the title.
const NAME_CHARS_MAX: usize = 60;
/// What stands where somebody should write something.
const UNWRITTEN: &str = "> **To be written:** ";
const END: &str = "<!-- /measured -->";
/// How long after the end of an incident everything is stored that nodes counted until then: they write every few seconds, in steps of
/// ten; and as much again, and more, for a database that is slow.
pub(super) const COMPLETE_AFTER: Duration = Duration::from_secs(30);
/// How long the evidence of an incident is as whole as it was when it was measured last.
const AS_WHOLE: Duration = Duration::from_secs(60 * 60);

/// Everything that is known of an incident that is over.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub incident: Incident,
    pub alerts: Vec<IncidentAlert>,
    pub timeline: Vec<Line>,
    /// More was done by operators and nodes than was read.
    pub timeline_cut: bool,
    pub impact: Impact,
    pub actions: Vec<(ActionItem, Option<String>)>,
    /// Who had which part in it.
    pub people: Vec<(IncidentRole, String)>,
    /// What was said last of how it ended; empty: nothing.
    pub last_words: String,
    pub measured_at: Timestamp,
}

/// A part that people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Summary,
    RootCause,
    Impact,
    Resolution,
    Lessons,
}

impl Part {
    pub(super) const ALL: [Part; 5] =
        [Part::Summary, Part::RootCause, Part::Impact, Part::Resolution, Part::Lessons];

    /// As the API and the command line call it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Part::Summary => "summary",
            Part::RootCause => "root_cause",
            Part::Impact => "impact",
            Part::Resolution => "resolution",
            Part::Lessons => "lessons",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.word() == word)
    }

    pub(super) const fn heading(self) -> &'static str {
        match self {
            Part::Summary => "Summary",
            Part::RootCause => "Root cause",
            Part::Impact => "Impact",
            Part::Resolution => "Resolution",
            Part::Lessons => "Lessons",
        }
    }

    /// What is asked for.
    const fn question(self) -> &'static str {
        match self {
            Part::Summary => "what happened, in two or three sentences for somebody who was not there.",
            Part::RootCause => "why it happened, and why it was not noticed or prevented before.",
            Part::Impact => "what it meant for customers, in words; what was measured stands below.",
            Part::Resolution => "what ended it.",
            Part::Lessons => "what went well, what did not, and where we were lucky.",
        }
    }
}

/// The name of the file, without its ending: `YYYY-MM-DD-name`. Letters and digits of the title and dashes, so that it leads nowhere
/// else than into its folder.
pub(super) fn name(incident: &Incident) -> String {
    let mut words = String::new();
    for letter in incident.title.chars() {
        if words.len() >= NAME_CHARS_MAX {
            break;
        }
        if letter.is_ascii_alphanumeric() {
            words.push(letter.to_ascii_lowercase());
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
    }
    let words = words.trim_end_matches('-');
    let words = if words.is_empty() { "incident" } else { words };
    format!("{}-{words}", incident.opened_at.date())
}

/// Whether a text is the name of a file of ours, whoever gave it.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The first version.
pub(super) fn draft(facts: &Facts) -> String {
    let unwritten = |part: Part| format!("{UNWRITTEN}{}\n\n", part.question());
    let mut text = format!("# {}\n\n", cell(&facts.incident.title));
    for (name, block) in blocks(facts) {
        match name {
            "facts" => {}
            "timeline" => text.push_str("## Timeline\n\n"),
            "impact" => {
                text.push_str("## Impact\n\n");
                text.push_str(&unwritten(Part::Impact));
            }
            "resolution" => {
                text.push_str("## Resolution\n\n");
                text.push_str(&unwritten(Part::Resolution));
            }
            _ => {
                text.push_str("## Lessons\n\n");
                text.push_str(&unwritten(Part::Lessons));
                text.push_str("## Action items\n\n");
            }
        }
        text.push_str(&marked(name, &block));
        text.push('\n');
        if name == "facts" {
            for part in [Part::Summary, Part::RootCause] {
                let _ = write!(text, "## {}\n\n{}", part.heading(), unwritten(part));
            }
        }
    }
    text
}

/// Puts what was measured anew into the places where it stood; what somebody has taken out stays out.
pub(super) fn measured_anew(text: &str, blocks: &[(&'static str, String)]) -> String {
    let mut text = text.to_owned();
    for (name, block) in blocks {
        let begin = begin(name);
        let Some(start) = text.find(&begin) else { continue };
        let Some(length) = text[start..].find(END) else { continue };
        // The end belongs to the next block: somebody has taken out the one of this.
        if text[start + begin.len()..start + length].contains("<!-- measured:") {
            continue;
        }
        text.replace_range(start..start + length + END.len(), marked(name, block).trim_end());
    }
    text
}

/// What is measured anew when an incident is over again, or when all of its evidence is stored. Its impact only when the evidence of all
/// of that time is still there, or when nothing of it can have gone since the same time was `last_measured`: otherwise, what was measured
/// of it before says more.
pub(super) fn blocks_anew(facts: &Facts, last_measured: Timestamp) -> Vec<(&'static str, String)> {
    let impact = &facts.impact;
    let is_whole = impact.oldest_sample.is_some_and(|oldest| oldest <= impact.from);
    let is_as_whole = last_measured >= impact.until && facts.measured_at <= last_measured + AS_WHOLE;
    blocks(facts).into_iter().filter(|(name, _)| *name != "impact" || is_whole || is_as_whole).collect()
}

/// The action items only.
pub(super) fn actions_anew(
    incident: IncidentId,
    actions: &[(ActionItem, Option<String>)],
    today: Date,
) -> Vec<(&'static str, String)> {
    vec![("actions", of_actions(incident, actions, today))]
}

/// Puts words into a part: where it says that they are to be written, or else behind what is there. None: there is no such heading.
pub(super) fn written(text: &str, part: Part, words: &str) -> Option<String> {
    let heading = format!("## {}", part.heading());
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|line| line.trim_end() == heading)?;
    let length = lines[start + 1..].iter().position(|line| line.starts_with("## ") || line.starts_with("# "));
    let end = length.map_or(lines.len(), |length| start + 1 + length);
    let within = &lines[start + 1..end];
    let (before, after) = match within.iter().position(|line| line.starts_with(UNWRITTEN)) {
        Some(place) => (&within[..place], &within[place + 1..]),
        None => {
            let place =
                within.iter().position(|line| line.starts_with("<!-- measured:")).unwrap_or(within.len());
            within.split_at(place)
        }
    };
    let block = |lines: &[&str]| lines.join("\n").trim().to_owned();
    let section: Vec<String> = [block(before), words.trim().to_owned(), block(after)]
        .into_iter()
        .filter(|block| !block.is_empty())
        .collect();
    let mut out = lines[..=start].join("\n");
    let _ = write!(out, "\n\n{}\n", section.join("\n\n"));
    if end < lines.len() {
        let _ = write!(out, "\n{}\n", lines[end..].join("\n"));
    }
    Some(out)
}

/// Parts of which nothing is written yet.
pub(super) fn unwritten(text: &str) -> Vec<&'static str> {
    let asks = |part: &Part| text.contains(&format!("{UNWRITTEN}{}", part.question()));
    Part::ALL.into_iter().filter(asks).map(Part::heading).collect()
}

/// Everything behind the last heading of that level.
pub(super) fn appended(text: &str, words: &str) -> String {
    format!("{}\n\n{}\n", text.trim_end(), words.trim())
}

fn begin(name: &str) -> String {
    format!("<!-- measured: {name} -->")
}

fn marked(name: &str, block: &str) -> String {
    format!("{}\n\n{}\n\n{END}\n", begin(name), block.trim())
}

fn blocks(facts: &Facts) -> [(&'static str, String); 5] {
    [
        ("facts", of_facts(facts)),
        ("timeline", of_timeline(facts)),
        ("impact", of_impact(facts)),
        ("resolution", of_resolution(facts)),
        ("actions", of_actions(facts.incident.id, &facts.actions, facts.measured_at.date())),
    ]
}

fn of_facts(facts: &Facts) -> String {
    let incident = &facts.incident;
    let unknown = || "not known".to_owned();
    let detected = detected_at(facts);
    let mut rows = vec![
        ("Incident", format!("{}, {}", incident.id, incident.level.title())),
        (
            "About",
            if incident.components.is_empty() {
                "nothing named".to_owned()
            } else {
                list(&incident.components)
            },
        ),
        ("Began", incident.began_at.map_or_else(unknown, clock)),
        ("Detected", clock(detected)),
        ("Acknowledged", incident.acknowledged_at.map_or_else(|| "by nobody".to_owned(), clock)),
        ("Resolved", incident.resolved_at.map_or_else(|| "not yet".to_owned(), clock)),
    ];
    let span = |from: Option<Timestamp>, to: Option<Timestamp>| {
        from.zip(to).map_or_else(unknown, |(from, to)| duration_words(rounded(to.since(from))))
    };
    rows.push(("Time to detect", span(incident.began_at, Some(detected))));
    rows.push(("Time to acknowledge", span(Some(detected), incident.acknowledged_at)));
    rows.push(("Time to resolve", span(Some(detected), incident.resolved_at)));
    rows.push(("Lasted", span(incident.began_at.or(Some(incident.opened_at)), incident.resolved_at)));
    if incident.reopened > 0 {
        rows.push(("Reopened", format!("{} times", incident.reopened)));
    }
    for (role, name) in &facts.people {
        rows.push((title_of(*role), cell(name)));
    }
    let mut text = "| what | measured |\n| --- | --- |\n".to_owned();
    for (what, value) in rows {
        let _ = writeln!(text, "| {what} | {value} |");
    }
    text
}

/// When the platform or a person noticed it first.
fn detected_at(facts: &Facts) -> Timestamp {
    let fired = facts.alerts.iter().map(|alert| alert.firing_at).min();
    fired.map_or(facts.incident.opened_at, |at| at.min(facts.incident.opened_at))
}

const fn title_of(role: IncidentRole) -> &'static str {
    match role {
        IncidentRole::Commander => "Commander",
        IncidentRole::Communications => "Communications",
        IncidentRole::Operations => "Operations",
    }
}

fn of_timeline(facts: &Facts) -> String {
    let mut text = "| at (UTC) | what | by |\n| --- | --- | --- |\n".to_owned();
    let lines = &facts.timeline;
    for line in lines.iter().take(LINES_MAX) {
        let mark = if line.source == Source::Evidence { "evidence: " } else { "" };
        let _ = writeln!(
            text,
            "| {} | {mark}{} | {} |",
            clock(line.at).replace(" UTC", ""),
            cell(&shortened(&line.text)),
            cell(&line.who)
        );
    }
    if lines.len() > LINES_MAX {
        let _ = write!(text, "\n{} lines more are in the incident's timeline.\n", lines.len() - LINES_MAX);
    }
    if facts.timeline_cut {
        text.push_str(
            "\nOperators and nodes did more in that time than was read; the evidence log has all of it.\n",
        );
    }
    let _ = write!(
        text,
        "\nFrom {} before the beginning on: what was said, what alerts did, and what operators and nodes did meanwhile as the evidence \
         log has it.\n",
        duration_words(timeline::LEAD_IN)
    );
    text
}

fn of_impact(facts: &Facts) -> String {
    let impact = &facts.impact;
    let mut text = format!("Measured from {} to {}.\n\n", clock(impact.from), clock(impact.until));
    let complete_at = impact.until + COMPLETE_AFTER;
    if facts.measured_at < complete_at {
        let _ = write!(
            text,
            "Counted by what was stored at {}: nodes write what they counted every few seconds, so that requests and runs of the \
             last seconds may be missing. It is measured again from {} on.\n\n",
            clock(facts.measured_at),
            clock(complete_at)
        );
    }
    of_samples(&mut text, impact);
    of_requests(&mut text, impact);
    if facts.alerts.is_empty() {
        text.push_str("No alert was about it.\n");
    } else {
        text.push_str("| alert | severity | fired | over after |\n| --- | --- | --- | --- |\n");
        for alert in &facts.alerts {
            let name = if alert.subject.is_empty() {
                alert.rule.clone()
            } else {
                format!("{} ({})", alert.rule, alert.subject)
            };
            let over = alert.ended_at.map_or_else(
                || "it goes on".to_owned(),
                |at| duration_words(rounded(at.since(alert.firing_at))),
            );
            let _ = writeln!(
                text,
                "| {} | {} | {} | {over} |",
                cell(&name),
                alert.severity,
                clock(alert.firing_at)
            );
        }
    }
    text
}

fn of_samples(text: &mut String, impact: &Impact) {
    let is_whole = impact.oldest_sample.is_some_and(|oldest| oldest <= impact.from);
    if impact.samples.is_empty() {
        text.push_str(
            "Of that time no observation of any part is kept: how the parts were is not known.\n\n",
        );
        return;
    }
    if !is_whole && let Some(oldest) = impact.oldest_sample {
        let _ = write!(text, "Observations from before {} are not kept any more.\n\n", clock(oldest));
    }
    let bad: Vec<&SampleSum> = impact.samples.iter().filter(|sum| sum.bad > 0).collect();
    if bad.is_empty() {
        let total: i64 = impact.samples.iter().map(|sum| sum.total).sum();
        let _ = write!(text, "All {total} observations of {} parts were good.\n\n", impact.samples.len());
        return;
    }
    text.push_str("| part | observations | bad | share | first bad | last bad |\n| --- | --- | --- | --- | --- | --- |\n");
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), clock);
    for SampleSum { region, component, total, bad, first_bad, last_bad } in bad {
        // Rounded down: it is never said to have been better than it was.
        let share =
            percent_down(*total - *bad, *total).map_or_else(|| "-".to_owned(), |good| format!("{good} good"));
        let _ = writeln!(
            text,
            "| {} | {total} | {bad} | {share} | {} | {} |",
            cell(&format!("{component} in {region}")),
            moment(*first_bad),
            moment(*last_bad)
        );
    }
    let good = impact.samples.iter().filter(|sum| sum.bad == 0).count();
    let _ = write!(text, "\nThe other {good} parts that were observed were good all the time.\n\n");
}

fn of_requests(text: &mut String, impact: &Impact) {
    if impact.http.is_empty() {
        text.push_str("No requests were counted in that time: how many failed is not known.\n\n");
    } else {
        text.push_str("| region | requests | failed (5xx) | p95 |\n| --- | --- | --- | --- |\n");
        for (region, requests) in &impact.http {
            let p95 = requests
                .p95_us
                .map_or_else(|| "-".to_owned(), |us| duration_words(Duration::from_micros(us)));
            let _ = writeln!(
                text,
                "| {} | {:.0} | {:.0} | {p95} |",
                cell(region),
                requests.total,
                requests.failed
            );
        }
        text.push_str("\nRequests that no region answered at all are in no region's count.\n\n");
    }
    if !impact.runs.is_empty() {
        let counts: Vec<_> =
            impact.runs.iter().map(|(status, count)| format!("{count:.0} {status}")).collect();
        let _ = write!(text, "Runs that ended: {}.\n\n", cell(&counts.join(", ")));
    }
}

fn of_resolution(facts: &Facts) -> String {
    let incident = &facts.incident;
    let by = incident.resolved_by.as_deref().unwrap_or("nobody");
    let Some(at) = incident.resolved_at else { return "It is not over yet.".to_owned() };
    let words = if facts.last_words.trim().is_empty() {
        "Nothing was said with it.".to_owned()
    } else {
        format!("What was said with it:\n\n{}", quoted(&facts.last_words))
    };
    format!("Resolved at {} by {}. {words}", clock(at), cell(by))
}

fn of_actions(incident: IncidentId, actions: &[(ActionItem, Option<String>)], today: Date) -> String {
    if actions.is_empty() {
        return format!(
            "{UNWRITTEN}what is to be done so that it does not happen again, each with an owner and a day \
             (`levqor incidents action add {incident}`)."
        );
    }
    let mut text = "| what | owner | due | state |\n| --- | --- | --- | --- |\n".to_owned();
    for (item, owner) in actions {
        let state = match item.done_at {
            Some(at) => format!("done {}", at.date()),
            None if item.is_overdue(today) => "overdue".to_owned(),
            None => "open".to_owned(),
        };
        let owner = owner.as_deref().unwrap_or("nobody yet");
        let _ = writeln!(text, "| {} | {} | {} | {state} |", cell(&item.text), cell(owner), item.due);
    }
    text
}

/// To the second.
fn rounded(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

fn list(parts: &[String]) -> String {
    cell(&parts.join(", "))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;")
}

/// A text as it may stand in a cell of a table or in a heading: on one line, and nothing of it is a mark of ours, of a table or of
/// Markdown. Alerts quote what strangers' servers answered, and that leads nowhere.
fn cell(text: &str) -> String {
    let mut plain = String::new();
    for letter in one_line(text).chars() {
        if matches!(letter, '\\' | '|' | '[' | ']' | '`' | '*' | '~') {
            plain.push('\\');
        }
        plain.push(letter);
    }
    plain
}

/// What a line of the timeline says at most; the incident's own has all of it.
fn shortened(text: &str) -> String {
    if text.chars().count() <= LINE_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(LINE_CHARS_MAX).chain(['…']).collect()
}

/// The words of somebody, none of which is a heading or a mark.
fn quoted(text: &str) -> String {
    let lines = text.trim().lines().map(|line| format!("> {}", line.replace('<', "&lt;")));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
