//! `levqor tamper status|accept|verify`: whether the server's own files are as agreed.

use std::{
    io::stdout,
    os::unix::ffi::OsStrExt,
    path::{Path, absolute},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use levqor_model::tamper::shown;
use serde_json::{Value, json};

use super::client::{or_tell, send, word};
use crate::{
    Exit,
    cli::{ClientArgs, TamperArgs, TamperCommand},
    console::{Tone, paint, say, table},
};

const STATUS: &str = "api/ops/tamper";
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// All files of all nodes, and the whole evidence log.
const VERIFY_PATIENCE: Duration = Duration::from_secs(30 * 60);
/// A node signs within a second, unless it is gone.
const SIGN_PATIENCE: Duration = Duration::from_secs(15);

pub async fn tamper(args: &TamperArgs, as_json: bool) -> Exit {
    let outcome = match &args.command {
        TamperCommand::Status(client) => status(client, as_json).await,
        TamperCommand::Accept { path, reason, place, found, client } => {
            let wish = json!({ "path": named(path), "reason": reason, "place": place, "found": found });
            accept(client, wish, as_json).await
        }
        TamperCommand::Verify(client) => verify(client, as_json).await,
    };
    outcome.unwrap_or_else(|exit| exit)
}

async fn status(client: &ClientArgs, as_json: bool) -> Result<Exit, Exit> {
    let found = or_tell(send(client, STATUS, None).await)?;
    Ok(tell(&found, as_json))
}

fn tell(found: &Value, as_json: bool) -> Exit {
    if as_json {
        say(format_args!("{found:#}"));
    } else {
        show(found);
    }
    if found["verdict"] == "untouched" { Exit::Done } else { Exit::Failed }
}

fn tone(verdict: &Value) -> Tone {
    match verdict.as_str() {
        Some("untouched") => Tone::Good,
        Some("changed") => Tone::Bad,
        _ => Tone::Warning,
    }
}

fn places(found: &Value) -> impl Iterator<Item = &Value> {
    found["places"].as_array().into_iter().flatten()
}

fn show(found: &Value) {
    let rows = places(found).map(|place| {
        vec![
            word(&place["place"]),
            paint(&word(&place["verdict"]), tone(&place["verdict"]), &stdout()),
            word(&place["region"]),
            word(&place["files"]),
            word(&place["sequence"]),
            word(&place["agreed_at"]),
            noticed(place),
        ]
    });
    say(table(&["place", "verdict", "region", "files", "baseline", "agreed at", "noticed by"], rows));
    for place in places(found) {
        let findings = place["findings"].as_array().map_or(&[][..], Vec::as_slice);
        for finding in findings {
            say("");
            let head = format!("{}: {}", word(&finding["severity"]), word(&finding["path"]));
            say(paint(&head, Tone::Bad, &stdout()));
            say(format_args!("  at        {}, since {}", word(&place["place"]), word(&finding["since"])));
            say(format_args!("  expected  {}", something(&finding["expected"])));
            say(format_args!("  found     {}", something(&finding["found"])));
        }
        if let Some(remark) = place["evidence"]["remark"].as_str() {
            say(format_args!("\nof the evidence log at {}, {}", word(&place["place"]), word(&json!(remark))));
        }
        let more = place["findings_total"].as_u64().unwrap_or_default().saturating_sub(findings.len() as u64);
        if more > 0 {
            say(format_args!("\nand {more} more at {}", word(&place["place"])));
        }
    }
    say(format_args!(
        "\n{}",
        paint(
            &format!("TAMPER STATUS: {}", word(&found["verdict"]).to_uppercase()),
            tone(&found["verdict"]),
            &stdout()
        )
    ));
}

fn noticed(place: &Value) -> String {
    if place["live"] != true {
        return "nobody: its node is gone".to_owned();
    }
    if place["watch"]["events"] == true { "events" } else { "looking" }.to_owned()
}

fn something(value: &Value) -> String {
    if value.is_null() { "nothing".to_owned() } else { word(value) }
}

/// A path as findings name it. What is no path of a file is one of the names that findings give to other things.
fn named(path: &str) -> String {
    if path.starts_with('(') {
        return path.to_owned();
    }
    let text = absolute(Path::new(path)).unwrap_or_else(|_| Path::new(path).to_owned());
    shown(text.as_os_str().as_bytes())
}

async fn accept(client: &ClientArgs, wish: Value, as_json: bool) -> Result<Exit, Exit> {
    let accepted = or_tell(send(client, &format!("{STATUS}/accept"), Some(wish)).await)?;
    let wanted = accepted["accepted"].as_array().cloned().unwrap_or_default();
    let began = Instant::now();
    let left = loop {
        let found = or_tell(send(client, STATUS, None).await)?;
        let left: Vec<Value> = wanted.iter().filter(|wish| is_open(&found, wish)).cloned().collect();
        if left.is_empty() || began.elapsed() > SIGN_PATIENCE {
            break left;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    if as_json {
        say(format_args!("{:#}", json!({ "accepted": wanted, "not_signed": left })));
    } else {
        for wish in &wanted {
            say(format_args!(
                "{} at {}: {}",
                word(&wish["path"]),
                word(&wish["place"]),
                something(&wish["found"])
            ));
        }
        let line = match left.len() {
            0 => paint("agreed to, and signed", Tone::Good, &stdout()),
            open => paint(
                &format!(
                    "{open} not signed: something else is there by now, or the node is gone; see `levqor tamper status`"
                ),
                Tone::Bad,
                &stdout(),
            ),
        };
        say(line);
    }
    Ok(if left.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Whether it is still a finding, of whatever content.
fn is_open(found: &Value, wish: &Value) -> bool {
    places(found)
        .filter(|place| place["place"] == wish["place"])
        .flat_map(|place| place["findings"].as_array().into_iter().flatten())
        .any(|finding| finding["path"] == wish["path"])
}

async fn verify(client: &ClientArgs, as_json: bool) -> Result<Exit, Exit> {
    let asked = or_tell(send(client, &format!("{STATUS}/verify"), Some(json!({}))).await)?;
    let (request, asked_of) = (&asked["request"], asked["places"].as_array().cloned().unwrap_or_default());
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}") {
        bar.set_style(style);
    }
    let began = Instant::now();
    loop {
        let found = or_tell(send(client, STATUS, None).await)?;
        let open: Vec<&Value> = places(&found)
            .filter(|place| asked_of.contains(&place["place"]) && place["live"] == true)
            .filter(|place| place["verified"] != *request)
            .collect();
        let (mut total, mut done) = (0, 0);
        for place in places(&found).filter(|place| asked_of.contains(&place["place"])) {
            let bytes = place["bytes"].as_u64().unwrap_or_default();
            total += bytes;
            done += match place["verified"] == *request {
                true => bytes,
                false => place["rehashing"]["bytes_done"].as_u64().unwrap_or_default(),
            };
        }
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(format!("{} of {} nodes", asked_of.len() - open.len(), asked_of.len()));
        if open.is_empty() {
            bar.finish_and_clear();
            let gone = asked_of.iter().filter(|name| {
                !places(&found).any(|place| place["place"] == **name && place["verified"] == *request)
            });
            let mut silent = 0;
            for name in gone {
                eprintln!("levqor: the node of {} is gone and has not answered", word(name));
                silent += 1;
            }
            if !as_json {
                say(format_args!("hashed anew in {:.1} s", began.elapsed().as_secs_f64()));
            }
            let exit = tell(&found, as_json);
            // Nobody knows of its files.
            return Ok(if silent > 0 { Exit::Failed } else { exit });
        }
        if began.elapsed() > VERIFY_PATIENCE {
            bar.abandon();
            eprintln!(
                "levqor: {} nodes have not answered within {} s",
                open.len(),
                VERIFY_PATIENCE.as_secs()
            );
            return Err(Exit::Failed);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
