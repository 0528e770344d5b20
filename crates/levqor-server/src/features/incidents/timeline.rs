//! What happened, in order, put together by itself: what people said, what alerts did, and what operators and nodes did meanwhile, as the
//! evidence log has it.

use std::time::Duration;

use levqor_model::{AlertId, Timestamp, audit::Record};
use levqor_store::{
    incidents::{EntryKind, Incident, IncidentAlert, IncidentEntry},
    nodes::Node,
};
use serde_json::Value;

use crate::features::admin::query_of;

/// How long before the beginning it begins: causes come first.
pub(super) const LEAD_IN: Duration = Duration::from_secs(30 * 60);
/// Letters of a value that somebody else wrote.
const VALUE_CHARS_MAX: usize = 200;

/// Where a line comes from. The order is the one of lines of the same moment: what was seen, what was done, what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Alert,
    Evidence,
    Incident,
}

impl Source {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Source::Alert => "alert",
            Source::Evidence => "evidence",
            Source::Incident => "incident",
        }
    }
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    pub at: Timestamp,
    pub source: Source,
    /// Its own place among those of its source and moment.
    place: (String, u64),
    pub kind: String,
    pub who: String,
    pub text: String,
    pub public: bool,
    /// The page with more of it.
    pub link: Option<String>,
}

/// What a timeline is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Material {
    pub entries: Vec<IncidentEntry>,
    pub alerts: Vec<IncidentAlert>,
    pub records: Vec<Record>,
    /// Nodes that were seen lately: a node with another version than the one before it is a deploy.
    pub nodes: Vec<Node>,
}

/// The time that it is about.
pub(super) fn span(incident: &Incident, now: Timestamp) -> (Timestamp, Timestamp) {
    let began = incident.began_at.map_or(incident.opened_at, |at| at.min(incident.opened_at));
    (began - LEAD_IN, incident.resolved_at.unwrap_or(now) + Duration::from_micros(1))
}

/// All lines, in order.
pub(super) fn of(incident: &Incident, material: &Material) -> Vec<Line> {
    let own: Vec<AlertId> = material.alerts.iter().map(|alert| alert.alert).collect();
    let mut lines: Vec<Line> = material.entries.iter().map(of_entry).collect();
    lines.extend(material.alerts.iter().flat_map(of_alert));
    let records = material.records.iter().filter(|record| matters(record, incident, &own));
    lines.extend(records.map(|record| of_record(record, &material.nodes)));
    lines.sort_unstable();
    lines
}

fn of_entry(entry: &IncidentEntry) -> Line {
    let words = match entry.kind {
        EntryKind::Acknowledged => "acknowledged".to_owned(),
        EntryKind::Update if entry.text.is_empty() => format!("is {}", entry.state),
        EntryKind::Update => format!("{}: {}", entry.state, entry.text),
        kind if entry.text.is_empty() => kind.as_str().replace('_', " "),
        EntryKind::Opened | EntryKind::Resolved | EntryKind::Reopened => {
            format!("{}: {}", entry.kind.as_str(), entry.text)
        }
        _ => entry.text.clone(),
    };
    Line {
        at: entry.at,
        source: Source::Incident,
        place: (String::new(), entry.seq.cast_unsigned()),
        kind: entry.kind.as_str().to_owned(),
        who: entry.author.clone(),
        text: words,
        public: entry.public,
        link: None,
    }
}

fn of_alert(alert: &IncidentAlert) -> Vec<Line> {
    let IncidentAlert { alert: id, rule, subject, severity, summary, began_at, firing_at, ended_at, .. } =
        alert;
    let name = if subject.is_empty() { rule.clone() } else { format!("{rule} ({subject})") };
    let line = |at: Timestamp, order: u64, kind: &str, text: String| Line {
        at,
        source: Source::Alert,
        place: (id.to_string(), order),
        kind: kind.to_owned(),
        who: "levqor".to_owned(),
        text,
        public: false,
        link: Some(query_of("/admin/audit", [("subject", Some(id.to_string().as_str()))])),
    };
    let mut lines =
        vec![line(*firing_at, 1, "alert.fired", format!("alert {name} fired, {severity}: {summary}"))];
    if began_at < firing_at {
        lines.push(line(*began_at, 0, "alert.began", format!("what alert {name} is about began")));
    }
    lines.extend(ended_at.map(|at| line(at, 2, "alert.resolved", format!("alert {name} is over"))));
    lines
}

/// Whether operators want to read it here: not what the incident itself says better, nor what is about single people, or what people
/// outside ask for.
fn matters(record: &Record, incident: &Incident, own: &[AlertId]) -> bool {
    let noun = record.kind.split('.').next().unwrap_or_default();
    match noun {
        "sign_in_link" | "user" | "session" | "postmortem" => false,
        "consultation" | "lead" | "subscription" | "ticket" => false,
        "alert" => !own.iter().any(|alert| alert.to_string() == record.subject),
        "incident" => {
            record.subject != incident.id.to_string()
                && matches!(
                    record.kind.as_str(),
                    "incident.opened" | "incident.resolved" | "incident.reopened"
                )
        }
        _ => true,
    }
}

fn of_record(record: &Record, nodes: &[Node]) -> Line {
    // Records of ours have an object of details; of another version's it shows what it can.
    let details: Value = serde_json::from_str(&record.details).unwrap_or_default();
    Line {
        at: record.at,
        source: Source::Evidence,
        place: (record.chain.clone(), record.seq),
        kind: record.kind.clone(),
        who: record.author.clone(),
        text: words(record, &details, nodes),
        public: false,
        link: Some(query_of(
            "/admin/audit",
            [("kind", Some(record.kind.as_str())), ("subject", Some(record.subject.as_str()))],
        )),
    }
}

fn words(record: &Record, details: &Value, nodes: &[Node]) -> String {
    let subject = shortened(&record.subject);
    let value = |name: &str| match &details[name] {
        Value::Null => None,
        Value::String(text) => Some(shortened(text)),
        other => Some(shortened(&other.to_string())),
    };
    let because = |name: &str| value(name).map_or_else(String::new, |why| format!(": {why}"));
    let or_some = |name: &str| value(name).unwrap_or_else(|| "some".to_owned());
    match record.kind.as_str() {
        "node.joined" => {
            let (region, version) = (or_some("region"), or_some("version"));
            let deploy = version_before(nodes, record, &region)
                .filter(|before| *before != version)
                .map_or_else(String::new, |before| format!(", {before} before: a deploy"));
            format!("node {subject} began in {region} with version {version}{deploy}")
        }
        "node.stopped" => format!("node {subject} stopped{}", because("reason")),
        "runs.taken_over" => format!("{} runs of node {subject} were taken over", or_some("runs")),
        "region.act_began" => format!("{} of region {subject} began{}", or_some("verb"), because("reason")),
        "region.act_ended" => format!("what was done with region {subject} ended{}", because("outcome")),
        "probe.verdict" => {
            format!("probe {subject}: {} is {}{}", or_some("target"), or_some("state"), because("reason"))
        }
        "tamper.signed" => format!("the files of {subject} as they are were agreed to"),
        "tamper.found" => format!("the file {subject} is not as agreed"),
        "tamper.restored" => format!("the file {subject} is as agreed again"),
        "tamper.accepted" => format!("the file {subject} was agreed to{}", because("reason")),
        "drift.found" => format!("{} things in {subject} are not served as agreed", or_some("total")),
        "drift.ended" => format!("{} things in {subject} are served as agreed again", or_some("total")),
        "blueprint.locked" => format!("another version of the promises was agreed to{}", because("reason")),
        kind => match kind.split_once('.') {
            Some(("ring_key", verb)) => {
                format!("key {subject} for {} was {}", or_some("purpose"), verb.replace('_', " "))
            }
            Some(("alert", verb)) => format!("another alert {}{}", verb.replace('_', " "), because("rule")),
            Some(("incident", verb)) => format!("incident {subject} was {}", verb.replace('_', " ")),
            // The one thing of its kind.
            Some((noun, verb)) if noun == subject => format!("{noun}: {}", verb.replace('_', " ")),
            Some((noun, verb)) => {
                format!("{} {subject}: {}", noun.replace('_', " "), verb.replace('_', " "))
            }
            None => format!("{kind} {subject}"),
        },
    }
}

/// The version of the node that began last in that region before this one, as far as it is known.
fn version_before(nodes: &[Node], record: &Record, region: &str) -> Option<String> {
    let own = |node: &&Node| node.region.as_str() == region && node.id.to_string() != record.subject;
    let before = nodes.iter().filter(own).filter(|node| node.started_at < record.at);
    before.max_by_key(|node| node.epoch).map(|node| node.version.clone())
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(VALUE_CHARS_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
