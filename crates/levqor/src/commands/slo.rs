//! `levqor slo`: objectives of a server, and whether documents are right.

use std::{fs, io::stdout, path::Path};

use levqor_server::features::slo::catalogue_of;
use serde_json::{Value, json};

use super::client::{answered, items, send, word};
use crate::{
    Exit,
    cli::{SloArgs, SloCommand},
    console::{Tone, paint, say, say_table, table},
};

const LIST: &str = "api/ops/slos";

pub async fn slo(args: &SloArgs, as_json: bool) -> Exit {
    let (asked, show): (_, fn(&Value)) = match &args.command {
        Some(SloCommand::Validate { files }) => return validate(files, as_json),
        None => (send(&args.client, LIST, None).await, show_list),
        Some(SloCommand::List(client)) => (send(client, LIST, None).await, show_list),
        Some(SloCommand::History { name, client }) => {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
            if name.is_empty() || !name.chars().all(plain) {
                eprintln!("levqor: {name:?} is no name of an objective; `levqor slo list` shows them");
                return Exit::WrongUse;
            }
            (send(client, &format!("{LIST}/{name}/history?step=86400"), None).await, show_history)
        }
    };
    answered(asked, as_json, show)
}

fn show_list(found: &Value) {
    let rows = items(&found["slos"]).iter().map(|slo| {
        let burn = items(&slo["windows"]).iter().find(|window| window["seconds"] == 3_600);
        vec![
            word(&slo["name"]),
            word(&slo["status"]),
            percent(&slo["target_percent"], 3),
            percent(&slo["budget"]["reached_percent"], 3),
            percent(&slo["budget"]["left_percent"], 1),
            burn.and_then(|window| window["burn"].as_f64())
                .map_or("-".to_owned(), |burn| format!("{burn:.1}")),
            slo["unknown"].as_str().unwrap_or_else(|| slo["title"].as_str().unwrap_or_default()).to_owned(),
        ]
    });
    let heads = ["name", "status", "target", "reached", "budget left", "burn (1 h)", "about"];
    say(format_args!("{}", table(&heads, rows)));
}

fn show_history(found: &Value) {
    let rows = items(&found["points"]).iter().map(|point| {
        vec![
            word(&point["at"]),
            word(&point["total"]),
            word(&point["bad"]),
            percent(&point["left_percent"], 1),
        ]
    });
    say_table(&["at", "events", "bad", "budget left"], rows, "nothing is known yet");
}

fn percent(value: &Value, digits: usize) -> String {
    value.as_f64().map_or("-".to_owned(), |number| format!("{number:.digits$} %"))
}

fn validate(files: &[std::path::PathBuf], as_json: bool) -> Exit {
    let (mut reports, mut all_read, mut all_valid) = (Vec::new(), true, true);
    for file in files {
        let name = file.display().to_string();
        let text = match read(file) {
            Ok(text) => text,
            Err(problem) => {
                all_read = false;
                eprintln!("levqor: {name}: {problem}");
                reports.push(json!({ "file": name, "valid": false, "errors": [{ "message": problem }] }));
                continue;
            }
        };
        let (catalogue, issues) = catalogue_of(&name, &text);
        let valid = issues.is_empty();
        all_valid &= valid;
        let objectives: Vec<_> =
            catalogue.objectives.iter().map(|objective| objective.name.as_str()).collect();
        if !as_json {
            issues.iter().for_each(say);
            if valid {
                let found =
                    if objectives.is_empty() { "no objectives".to_owned() } else { objectives.join(", ") };
                say(format_args!("{name}: {} ({found})", paint("valid", Tone::Good, &stdout())));
            }
        }
        reports.push(json!({ "file": name, "valid": valid, "objectives": objectives, "errors": issues }));
    }
    if as_json {
        say(format_args!("{:#}", json!({ "valid": all_read && all_valid, "files": reports })));
    }
    match (all_read, all_valid) {
        (false, _) => Exit::WrongUse,
        (true, false) => Exit::Failed,
        (true, true) => Exit::Done,
    }
}

fn read(file: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("{error}; name a readable file");
    let length = fs::metadata(file).map_err(unreadable)?.len();
    if length > levqor_slo::FILE_BYTES_MAX as u64 {
        let most = levqor_slo::FILE_BYTES_MAX;
        return Err(format!("the file has {length} bytes, and {most} are allowed; split it"));
    }
    fs::read_to_string(file).map_err(unreadable)
}
