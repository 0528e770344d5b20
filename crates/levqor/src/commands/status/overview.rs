//! What operators see of everything: the same as `/admin`, for a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use super::{super::client::items, text};
use crate::console::{Tone, table};

/// Rows of a table; the commands and pages of each part have all.
const ROWS: usize = 15;

/// Colours a word, or leaves it.
pub(super) type Paint<'a> = &'a dyn Fn(&str, Tone) -> String;

/// Whether an answer is one of these, and not a problem document or the answer of something else.
pub(super) fn is_overview(answer: &Value) -> bool {
    answer["verdict"]["standing"].is_string() && answer["parts"].is_array()
}

pub(super) fn is_all_right(overview: &Value) -> bool {
    overview["verdict"]["standing"] == "all_right"
}

/// All of it as lines.
pub(super) fn shown(overview: &Value, paint: Paint<'_>) -> String {
    let mut out = verdict(overview, paint);
    let mut add = |title: &str, heads: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            let more = rows.len().saturating_sub(ROWS);
            let shown = table(heads, rows.into_iter().take(ROWS));
            // Writing to a text cannot fail.
            let _ = write!(out, "\n\n{}\n{shown}", paint(title, Tone::Strong));
            if more > 0 {
                let _ = write!(out, "\n(and {more} more)");
            }
        }
    };
    add("Parts", &["part", "state", "what", "since"], parts(overview, paint));
    add("Regions", &["region", "state", "nodes", "runs", "round trips"], regions(overview, paint));
    add("Nodes", &["node", "state", "region", "began", "why"], nodes(overview, paint));
    add("Objectives", &["objective", "state", "left", "burn of the last hour"], slos(overview, paint));
    add("Alerts", &["alert", "state", "what", "since", "who has it"], alerts(overview, paint));
    add("Incidents", &["incident", "level", "state", "title", "since"], incidents(overview));
    add(
        "Jobs that run, fail, are late or paused",
        &["job", "state", "failures", "last"],
        jobs(overview, paint),
    );
    add(
        "Probes and jobs elsewhere that are not well",
        &["target", "state", "looked at by", "since", "why"],
        probes(overview, paint),
    );
    add("Queues", &["queue", "waiting", "note"], queues(overview));
    out
}

fn verdict(overview: &Value, paint: Paint<'_>) -> String {
    let verdict = &overview["verdict"];
    let title = match verdict["standing"].as_str() {
        Some("all_right") => "Everything is all right",
        Some("attention") => "Something needs attention",
        Some("trouble") => "Something is wrong",
        _ => "It is not known whether everything is all right",
    };
    let mut out = format!("{}: {}", paint(title, tone(&verdict["standing"])), text(&verdict["sentence"]));
    match verdict["since"].as_str() {
        Some(since) => out.push_str(&format!(", since {since}")),
        None if !is_all_right(overview) => out.push_str(", nobody knows since when"),
        None => {}
    }
    if let Some(link) = verdict["link"].as_str() {
        out.push_str(&format!(" ({link})"));
    }
    let not_set_up: Vec<_> = items(&verdict["not_set_up"]).iter().map(text).collect();
    if !not_set_up.is_empty() {
        out.push_str(&format!("\nNot set up here: {}", not_set_up.join(", ")));
    }
    match (overview["costs"]["summary"].as_str(), overview["costs_unknown"].as_str()) {
        (Some(costs), _) => {
            out.push_str(&format!("\nCosts: {costs} Collected at {}.", text(&overview["costs"]["at"])));
        }
        (None, Some(reason)) => out.push_str(&format!("\nCosts: they could not be read: {reason}")),
        (None, None) => out.push_str("\nCosts: not known yet"),
    }
    let (tickets, accounts) = (&overview["tickets"], &overview["accounts"]);
    match tickets["open"].as_i64() {
        Some(open) => {
            out.push_str(&format!("\nSupport requests: {open} wait, {} late", text(&tickets["late"])));
        }
        None => out.push_str("\nSupport requests: how many wait is not known"),
    }
    out.push_str(&format!(
        "\nAccounts: {}; suspicious addresses: {}",
        text(accounts),
        text(&overview["suspicious_addresses"])
    ));
    out
}

fn tone(standing: &Value) -> Tone {
    match standing.as_str() {
        Some("all_right") => Tone::Good,
        Some("trouble") => Tone::Bad,
        Some("not_set_up") => Tone::Quiet,
        _ => Tone::Warning,
    }
}

/// A word of several parts, as people write it.
fn words(value: &Value) -> String {
    text(value).replace('_', " ")
}

fn parts(overview: &Value, paint: Paint<'_>) -> Vec<Vec<String>> {
    let row = |part: &Value| {
        let state = paint(&words(&part["standing"]), tone(&part["standing"]));
        vec![text(&part["name"]), state, text(&part["sentence"]), text(&part["since"])]
    };
    items(&overview["parts"]).iter().map(row).collect()
}

fn regions(overview: &Value, paint: Paint<'_>) -> Vec<Vec<String>> {
    let row = |region: &Value| {
        let tone = match region["status"].as_str() {
            Some("active") => Tone::Good,
            Some("down") => Tone::Bad,
            Some("planned") => Tone::Quiet,
            _ => Tone::Warning,
        };
        let trips: Vec<_> = region["latency_ms"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(to, ms)| Some(format!("{to} {:.1} ms", ms.as_f64()?)))
            .collect();
        vec![
            text(&region["code"]),
            paint(&text(&region["status"]), tone),
            text(&region["nodes_live"]),
            text(&region["runs"]),
            if trips.is_empty() { "-".to_owned() } else { trips.join(", ") },
        ]
    };
    items(&overview["regions"]).iter().map(row).collect()
}

fn nodes(overview: &Value, paint: Paint<'_>) -> Vec<Vec<String>> {
    let row = |node: &Value| {
        let tone = match node["state"].as_str() {
            Some("ready") => Tone::Good,
            Some("not_ready") => Tone::Bad,
            _ => Tone::Warning,
        };
        let why = match (node["reason"].as_str(), node["late_since"].as_str()) {
            (Some(reason), _) => reason.to_owned(),
            (None, Some(since)) => format!("its lease is over since {since}"),
            (None, None) => "-".to_owned(),
        };
        vec![
            text(&node["id"]),
            paint(&words(&node["state"]), tone),
            text(&node["region"]),
            text(&node["started_at"]),
            why,
        ]
    };
    items(&overview["nodes"]).iter().map(row).collect()
}

fn probes(overview: &Value, paint: Paint<'_>) -> Vec<Vec<String>> {
    let tone = |state: &str| if state == "down" { Tone::Bad } else { Tone::Warning };
    let target = |one: &Value| {
        let state = match (one["state"].as_str(), one["disputed"] == true) {
            (Some("up"), false) => return None,
            (Some("up"), true) => "disputed",
            // Nobody asked for it yet.
            (Some("unknown"), _) if one["by_itself"] != true => return None,
            (state, _) => state.unwrap_or("unknown"),
        };
        let (name, by) = (text(&one["target"]), text(&one["probe"]));
        Some(vec![name, paint(state, tone(state)), by, text(&one["since"]), text(&one["reason"])])
    };
    let heartbeat = |one: &Value| {
        let state = match (one["state"].as_str(), one["overdue"] == true) {
            (Some("up"), _) | (Some("new"), false) => return None,
            (Some("new"), true) => "never heard of",
            (state, _) => state.unwrap_or("unknown"),
        };
        let (name, by) = (text(&one["name"]), "its heartbeat".to_owned());
        Some(vec![name, paint(state, tone(state)), by, text(&one["since"]), text(&one["reason"])])
    };
    let probes = &overview["probes"];
    let mut rows: Vec<_> = items(&probes["targets"]).iter().filter_map(target).collect();
    rows.extend(items(&probes["heartbeats"]).iter().filter_map(heartbeat));
    rows
}

fn slos(overview: &Value, paint: Paint<'_>) -> Vec<Vec<String>> {
    let row = |slo: &Value| {
        let tone = match slo["status"].as_str() {
            Some("met") => Tone::Good,
            Some("burning" | "exhausted") => Tone::Bad,
            Some("quiet") => Tone::Quiet,
            _ => Tone::Warning,
        };
        let number = |value: &Value, unit: &str| {
            value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.1}{unit}"))
        };
        vec![
            text(&slo["name"]),
            paint(&text(&slo["status"]), tone),
            number(&slo["left_percent"], " %"),
            number(&slo["burn_of_hour"], ""),
        ]
    };
    items(&overview["slos"]).iter().map(row).collect()
}

fn alerts(overview: &Value, paint: Paint<'_>) -> Vec<Vec<String>> {
    let row = |alert: &Value| {
        let (word, tone) = match (alert["state"].as_str(), alert["severity"].as_str()) {
            (Some("firing"), Some("critical")) => (text(&alert["severity"]), Tone::Bad),
            (Some("firing"), _) => (text(&alert["severity"]), Tone::Warning),
            _ => (text(&alert["state"]), Tone::Quiet),
        };
        vec![
            text(&alert["id"]),
            paint(&word, tone),
            text(&alert["summary"]),
            text(&alert["since"]),
            text(&alert["acknowledged_by"]),
        ]
    };
    items(&overview["alerts"]["open"]).iter().map(row).collect()
}

fn incidents(overview: &Value) -> Vec<Vec<String>> {
    let row = |one: &Value| {
        ["id", "level", "state", "title", "since"].iter().map(|member| text(&one[*member])).collect()
    };
    items(&overview["incidents"]).iter().map(row).collect()
}

fn jobs(overview: &Value, paint: Paint<'_>) -> Vec<Vec<String>> {
    let worth_a_row =
        |job: &&Value| job["state"] != "active" || job["failures"] != 0 || job["late"].is_string();
    let row = |job: &Value| {
        let (word, tone) = if job["failures"] != 0 {
            ("failing".to_owned(), Tone::Bad)
        } else if job["late"].is_string() {
            ("late".to_owned(), Tone::Warning)
        } else if job["state"] == "running" {
            ("running".to_owned(), Tone::Quiet)
        } else {
            (text(&job["state"]), Tone::Warning)
        };
        vec![text(&job["id"]), paint(&word, tone), text(&job["failures"]), text(&job["last_at"])]
    };
    items(&overview["jobs"]).iter().filter(worth_a_row).map(row).collect()
}

fn queues(overview: &Value) -> Vec<Vec<String>> {
    let queues = &overview["queues"];
    if !queues.is_object() {
        return Vec::new();
    }
    let since =
        |at: &Value, what: &str| at.as_str().map_or_else(String::new, |at| format!("{what} since {at}"));
    let sink = if queues["sink"] == true { text(&queues["sink_waiting"]) } else { "-".to_owned() };
    vec![
        vec![
            "writes, this node".to_owned(),
            text(&queues["store_waiting"]),
            format!("of {}", text(&queues["store_capacity"])),
        ],
        vec![
            "runs".to_owned(),
            text(&queues["runs_waiting"]),
            since(&queues["runs_oldest_at"], "the oldest"),
        ],
        vec!["event sink".to_owned(), sink, since(&queues["sink_failing_since"], "it takes nothing")],
        vec![
            "messages".to_owned(),
            text(&queues["messages_waiting"]),
            format!(
                "{} given up, {} with nobody to go to",
                text(&queues["messages_dead"]),
                text(&queues["messages_undeliverable"])
            ),
        ],
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn overview() -> Value {
        json!({
            "verdict": {
                "standing": "trouble", "sentence": "Incident L3, investigating: Hooks fail", "since": "2026-11-24T11:59:00Z",
                "link": "/admin/incidents/inc_1", "part": "incidents", "parts_not_right": 2, "not_set_up": ["tamper"],
            },
            "parts": [
                { "name": "incidents", "standing": "trouble", "sentence": "Hooks fail", "since": "2026-11-24T11:59:00Z" },
                { "name": "tamper", "standing": "not_set_up", "sentence": "No files are guarded" },
            ],
            "regions": [
                { "code": "eu-west", "status": "active", "nodes_live": 2, "runs": 7, "latency_ms": { "us-east": 80.04 } },
                { "code": "us-east", "status": "down", "nodes_live": 0, "runs": 0, "latency_ms": {} },
            ],
            "nodes": [
                { "id": "node_1", "region": "eu-west", "state": "ready", "started_at": "2026-11-24T09:00:00Z" },
                { "id": "node_2", "region": "eu-west", "state": "not_ready", "reason": "disk: full", "started_at": "2026-11-24T09:00:00Z" },
                { "id": "node_3", "region": "us-east", "state": "late", "late_since": "2026-11-24T11:59:10Z", "started_at": "2026-11-24T09:00:00Z" },
            ],
            "probes": {
                "targets": [
                    { "probe": "reach", "target": "eu-west", "state": "up", "disputed": false, "by_itself": true },
                    { "probe": "reach", "target": "us-east", "state": "down", "disputed": false, "by_itself": true, "reason": "refused" },
                    { "probe": "reach", "target": "ap-south", "state": "up", "disputed": true, "by_itself": true },
                    { "probe": "journey", "target": "the-way", "state": "unknown", "disputed": false, "by_itself": false },
                ],
                "heartbeats": [
                    { "name": "backup", "state": "new", "overdue": true, "since": "2026-11-24T10:00:00Z" },
                    { "name": "report", "state": "up", "overdue": false, "since": "2026-11-24T10:00:00Z" },
                ],
            },
            "tickets": { "open": 4, "late": 1 },
            "accounts": 12,
            "suspicious_addresses": 2,
            "slos": [{ "name": "requests", "status": "burning", "left_percent": -3.25, "burn_of_hour": 14.4 }],
            "alerts": { "firing": 1, "pending": 1, "open": [
                { "id": "alr_1", "state": "firing", "severity": "critical", "summary": "it burns", "since": "2026-11-24T11:58:00Z" },
                { "id": "alr_2", "state": "pending", "severity": "critical", "summary": "it may burn", "since": "2026-11-24T11:59:30Z" },
            ] },
            "incidents": [{ "id": "inc_1", "level": "l3", "state": "investigating", "title": "Hooks fail", "since": "2026-11-24T11:59:00Z" }],
            "jobs": [
                { "id": "kv_costs", "state": "active", "failures": 0 },
                { "id": "sentry_test", "state": "active", "failures": 2, "last_at": "2026-11-24T10:00:00Z" },
            ],
            "queues": {
                "store_waiting": 0, "store_capacity": 1_024, "runs_waiting": 3, "runs_oldest_at": "2026-11-24T11:50:00Z", "sink": false,
                "messages_waiting": 1, "messages_dead": 0, "messages_undeliverable": 2,
            },
        })
    }

    #[test]
    fn it_says_what_is_wrong_since_when_and_where_to_look() {
        let shown = shown(&overview(), &|word, _| word.to_owned());
        let first = shown.lines().next().unwrap();
        assert_eq!(
            first,
            "Something is wrong: Incident L3, investigating: Hooks fail, since 2026-11-24T11:59:00Z (/admin/incidents/inc_1)"
        );
        for part in [
            "Not set up here: tamper",
            "Costs: not known yet",
            "not set up",
            "us-east 80.0 ms",
            "-3.2 %",
            "14.4",
            "it may burn",
            "sentry_test",
            "the oldest since 2026-11-24T11:50:00Z",
            "0 given up, 2 with nobody to go to",
            "disk: full",
            "its lease is over since 2026-11-24T11:59:10Z",
            "refused",
            "disputed",
            "never heard of",
            "Support requests: 4 wait, 1 late",
            "Accounts: 12; suspicious addresses: 2",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        for well in ["kv_costs", "the-way", "report"] {
            assert!(
                !shown.contains(well),
                "{well} is well, or nobody asked for it, and needs no row: {shown}"
            );
        }
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }

    #[test]
    fn colours_say_what_the_words_say() {
        let shown = shown(&overview(), &|word, tone| format!("<{tone:?} {word}>"));
        for part in [
            "<Bad Something is wrong>",
            "<Bad trouble>",
            "<Quiet not set up>",
            "<Good active>",
            "<Bad down>",
            "<Bad burning>",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn only_what_is_known_to_be_all_right_is() {
        let with = |standing: Value| json!({ "verdict": { "standing": standing }, "parts": [] });
        for (standing, right) in [
            (json!("all_right"), true),
            (json!("unknown"), false),
            (json!("attention"), false),
            (json!("trouble"), false),
            (json!("a word of tomorrow"), false),
        ] {
            let overview = with(standing.clone());
            assert!(is_overview(&overview));
            assert_eq!(is_all_right(&overview), right, "{standing}");
            let plain = shown(&overview, &|word, _| word.to_owned());
            assert_eq!(plain.starts_with("Everything is all right"), right, "{plain}");
        }
        assert!(!is_overview(&with(Value::Null)));
        assert!(!is_overview(
            &json!({ "status": 403, "detail": "only operators of the platform may do this" })
        ));
    }

    #[test]
    fn what_cannot_be_read_is_not_what_is_not_there_yet() {
        let mut overview = overview();
        overview["costs_unknown"] = json!("no answer within 4 s");
        overview["tickets"] = Value::Null;
        let told = shown(&overview, &|word, _| word.to_owned());
        for words in [
            "Costs: they could not be read: no answer within 4 s",
            "Support requests: how many wait is not known",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
        overview["costs"] = json!({ "summary": "2.00 USD in all.", "at": "2026-11-24T01:00:00Z" });
        let told = shown(&overview, &|word, _| word.to_owned());
        assert!(told.contains("Costs: 2.00 USD in all. Collected at 2026-11-24T01:00:00Z."), "{told}");
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let mut long = overview();
        let alert = long["alerts"]["open"][0].clone();
        long["alerts"]["open"] = Value::Array(vec![alert; 40]);
        assert!(shown(&long, &|word, _| word.to_owned()).contains("(and 25 more)"));
    }
}
