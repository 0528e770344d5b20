//! `levqor region drain|activate|failover`: asks a running server, tells how far it is, and ends with its report.

use std::{
    io::{stderr, stdout},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::client::{send, word};
use crate::{
    Exit,
    cli::{ClientArgs, RegionArgs, RegionCommand, RegionWish},
    console::{Tone, paint, say, table},
};

const LOOK_EVERY: Duration = Duration::from_millis(300);
/// The node that is asked may be one that is given up; another one answers under the same address, or it comes back.
const SILENCE_MAX: Duration = Duration::from_secs(60);

pub async fn region(args: &RegionArgs, as_json: bool) -> Exit {
    match act(args).await {
        Ok(act) => {
            if as_json {
                say(format_args!("{act:#}"));
            } else {
                report(&act);
            }
            if act["outcome"] == "done" { Exit::Done } else { Exit::Failed }
        }
        Err((exit, problem)) => {
            eprintln!("levqor: {problem}");
            exit
        }
    }
}

/// Begins what is wanted, and waits for its end.
async fn act(args: &RegionArgs) -> Result<Value, (Exit, String)> {
    let (verb, wish, body) = match &args.command {
        RegionCommand::Drain(wish) => ("drain", wish, json!({ "reason": wish.reason })),
        RegionCommand::Activate(wish) => ("activate", wish, json!({ "reason": wish.reason })),
        RegionCommand::Failover { wish, to, unrehearsed } => {
            ("failover", wish, json!({ "to": to, "unrehearsed": unrehearsed, "reason": wish.reason }))
        }
    };
    let RegionWish { code, client, reason: _ } = wish;
    if !code.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') {
        let problem = format!("{code:?} is not the code of a region; `levqor regions` lists them");
        return Err((Exit::WrongUse, problem));
    }
    let path = format!("api/ops/regions/{code}");
    let begun = send(client, &format!("{path}/{verb}"), Some(body)).await?;
    follow(client, &path, begun).await
}

async fn follow(client: &ClientArgs, path: &str, begun: Value) -> Result<Value, (Exit, String)> {
    let (mut told, mut heard) = (String::new(), Instant::now());
    loop {
        match send(client, path, None).await {
            Ok(found) => {
                heard = Instant::now();
                let mut ended = found["reports"].as_array().into_iter().flatten();
                if let Some(act) = ended.find(|act| act["id"] == begun["id"]) {
                    return Ok(act.clone());
                }
                let now = progress(&found);
                if now != told {
                    eprintln!("{}", paint(&now, Tone::Quiet, &stderr()));
                    told = now;
                }
            }
            Err(problem) if heard.elapsed() > SILENCE_MAX => return Err(problem),
            Err((_, problem)) => {
                let now = format!("no answer yet: {problem}");
                if now != told {
                    eprintln!("{}", paint(&now, Tone::Quiet, &stderr()));
                    told = now;
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn progress(found: &Value) -> String {
    let act = &found["act"];
    let phase = word(&act["phase"]).replace('_', " ");
    let standing = &found["standing"];
    match standing["leaving_runs"].as_i64() {
        Some(leaving) => format!(
            "{} {}: {phase}, {leaving} runs to go, {} pinned",
            word(&act["verb"]),
            word(&act["region"]),
            word(&standing["pinned_runs"])
        ),
        None => format!("{}: waiting", word(&found["code"])),
    }
}

fn report(act: &Value) {
    let report = &act["report"];
    let done = act["outcome"] == "done";
    let head = format!("{} of {}: {}", word(&act["verb"]), word(&act["region"]), word(&act["outcome"]));
    say(format_args!("{}", paint(&head, if done { Tone::Good } else { Tone::Bad }, &stdout())));
    if let Some(failure) = report["failure"].as_str() {
        say(format_args!("{failure}"));
    }
    let mut rows = Vec::new();
    let mut row = |what: &str, value: String| rows.push(vec![what.to_owned(), value]);
    if act["verb"] != "activate" {
        row("runs moved", word(&report["moved_runs"]));
        for (region, runs) in report["moved"].as_object().into_iter().flatten() {
            row(&format!("  to {region}"), word(runs));
        }
        row("runs pinned", word(&report["pinned_runs"]));
        for pinned in report["pinned"].as_array().into_iter().flatten() {
            row(&format!("  {}", word(&pinned["residency"])), word(&pinned["runs"]));
        }
        row("longest gap", seconds(&report["longest_gap_seconds"]));
    }
    for phase in report["phases"].as_array().into_iter().flatten() {
        row(&word(&phase["name"]).replace('_', " "), seconds(&phase["seconds"]));
    }
    say(format_args!("{}", table(&["", ""], rows.into_iter())));
}

fn seconds(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.2} s"))
}
