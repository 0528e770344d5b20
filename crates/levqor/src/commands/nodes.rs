//! `levqor nodes`: the processes that share a database, what they drive, and who took over what.

use std::io::stdout;

use serde_json::Value;

use super::client::{answered, items, send, word};
use crate::{
    Exit,
    cli::ClientArgs,
    console::{Tone, paint, say, table},
};

pub async fn nodes(client: &ClientArgs, as_json: bool) -> Exit {
    answered(send(client, "api/ops/nodes", None).await, as_json, show)
}

fn show(found: &Value) {
    let rows = items(&found["nodes"]).iter().map(|node| {
        let this = if node["this"] == true { " (asked)" } else { "" };
        let since = if node["stopped_at"].is_null() { &node["started_at"] } else { &node["stopped_at"] };
        vec![
            format!("{}{this}", word(&node["node_id"])),
            word(&node["region"]),
            state(node),
            word(&node["runs"]),
            node["clock_ahead_ms"]
                .as_f64()
                .map_or("-".to_owned(), |ahead| format!("{:+.2} s", ahead / 1_000.0)),
            word(&node["version"]),
            word(since),
        ]
    });
    let heads = ["node", "region", "state", "live runs", "clock", "version", "since"];
    say(format_args!("{}", table(&heads, rows)));
    for node in items(&found["nodes"]) {
        if let (Some("live"), Some(reason)) = (node["state"].as_str(), node["reason"].as_str()) {
            say(format_args!("{} is not ready: {reason}", word(&node["node_id"])));
        }
    }
    let takeovers = items(&found["takeovers"]);
    if !takeovers.is_empty() {
        let rows = takeovers.iter().map(|takeover| {
            let place =
                |node: &str, region: &str| format!("{} ({})", word(&takeover[node]), word(&takeover[region]));
            vec![
                word(&takeover["at"]),
                word(&takeover["runs"]),
                place("from_node", "from_region"),
                place("node_id", "region"),
            ]
        });
        say(format_args!("\n{}", table(&["taken over at", "runs", "from", "by"], rows)));
    }
}

fn state(node: &Value) -> String {
    let text = match node["stop_reason"].as_str() {
        Some(reason) => format!("{}: {reason}", word(&node["state"])),
        None if node["state"] == "live" && node["ready"] == false => "live: not ready".to_owned(),
        None => word(&node["state"]),
    };
    let tone = match node["state"].as_str() {
        Some("live") if node["ready"] == false => Tone::Bad,
        Some("live") => Tone::Good,
        Some("late") => Tone::Bad,
        _ => return text,
    };
    paint(&text, tone, &stdout())
}
