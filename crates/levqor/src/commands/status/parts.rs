//! `levqor status parts`: how each part is as measured, and what was found where something is not well.

use std::io::stdout;

use serde_json::Value;

use super::super::client::{or_tell, send, word};
use crate::{
    Exit,
    cli::ClientArgs,
    console::{Tone, paint, say, table},
};

pub(super) async fn list(client: &ClientArgs, as_json: bool) -> Exit {
    let found = match or_tell(send(client, "api/ops/status", None).await) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let rows = rows(&found, |text, tone| paint(text, tone, &stdout()));
    if as_json {
        say(format_args!("{found:#}"));
    } else if rows.is_empty() {
        say("nothing is observed");
    } else {
        say(table(&["part", "measured", "newest sample", "found"], rows));
    }
    Exit::Done
}

fn rows(found: &Value, painted: impl Fn(&str, Tone) -> String) -> Vec<Vec<String>> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for region in array(&found["regions"]) {
        for part in array(&region["components"]) {
            let measured = word(&part["measured"]);
            let tone = match measured.as_str() {
                "operational" => Tone::Good,
                "down" => Tone::Bad,
                _ => Tone::Warning,
            };
            rows.push(vec![
                format!("{}/{}", word(&region["code"]), word(&part["name"])),
                painted(&measured, tone),
                word(&part["at"]),
                word(&part["reason"]),
            ]);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_part_is_shown_with_what_was_found() {
        let found = json!({ "regions": [
            { "code": "eu-west", "components": [
                { "name": "api", "measured": "operational", "at": "2026-11-24T12:00:00Z" },
                { "name": "database", "measured": "down", "at": "2026-11-24T12:00:01Z", "reason": "10.1.2.3 refused" },
            ] },
            { "code": "us-east", "components": [] },
        ] });
        let rows =
            rows(&found, |text, tone| format!("{text}{}", if matches!(tone, Tone::Bad) { "!" } else { "" }));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0][..2], ["eu-west/api", "operational"]);
        assert_eq!(rows[1], ["eu-west/database", "down!", "2026-11-24T12:00:01Z", "10.1.2.3 refused"]);
    }
}
