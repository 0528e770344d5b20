//! `levqor regions`: where a server runs, what is so there now, and how far regions are apart.

use std::io::stdout;

use serde_json::Value;

use super::client::{answered, items, send, send_as_anyone, word};
use crate::{
    Exit,
    cli::RegionsArgs,
    console::{Tone, paint, say, table},
};

pub async fn regions(args: &RegionsArgs, as_json: bool) -> Exit {
    let asked = if args.for_edge {
        send(&args.client, "api/ops/regions", None).await
    } else {
        send_as_anyone(&args.client, "api/regions", None).await
    };
    answered(asked, as_json, |found| {
        if args.for_edge {
            say(format_args!(
                "[snapshot]\npublic_key = \"{}\"\nfile = \"regions.json\"",
                word(&found["snapshot_key"])
            ));
        } else {
            show(found);
        }
    })
}

fn show(found: &Value) {
    let regions = items(&found["regions"]);
    let rows = regions.iter().map(|region| {
        let this = if region["current"] == true { " (asked)" } else { "" };
        vec![
            format!("{}{this}", word(&region["code"])),
            word(&region["name"]),
            status(region),
            word(&region["nodes_live"]),
            word(&region["runs"]),
            lag(&region["replication"]),
            distances(&region["latency_ms"]),
        ]
    });
    let heads = ["region", "name", "status", "nodes", "live runs", "behind", "round trips"];
    say(format_args!("{}", table(&heads, rows)));
    for region in regions {
        if let Some(reason) = region["reason"].as_str() {
            say(format_args!("{}: {reason}", word(&region["code"])));
        }
    }
}

fn status(region: &Value) -> String {
    let text = word(&region["status"]);
    let tone = match text.as_str() {
        "active" => Tone::Good,
        "down" => Tone::Bad,
        _ => return text,
    };
    paint(&text, tone, &stdout())
}

/// How far the region's standby is behind the primary.
fn lag(replication: &Value) -> String {
    match (replication["lag_seconds"].as_f64(), replication["lag_bytes"].as_i64()) {
        (Some(seconds), _) => format!("{seconds:.1} s"),
        (None, Some(bytes)) => format!("{bytes} bytes"),
        (None, None) => "-".to_owned(),
    }
}

fn distances(latency: &Value) -> String {
    let Some(all) = latency.as_object() else { return "-".to_owned() };
    let words: Vec<_> =
        all.iter().map(|(to, ms)| format!("{to} {:.1} ms", ms.as_f64().unwrap_or_default())).collect();
    words.join(", ")
}
