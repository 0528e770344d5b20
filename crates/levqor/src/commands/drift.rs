//! `levqor drift`: whether what a server really serves is what was agreed.

use std::{
    fs,
    io::stdout,
    path::{Path, PathBuf},
};

use levqor_drift::{Acknowledgement, Circumstances, Finding, Report, Site};
use levqor_model::{Clock, Date, Secret, SystemClock, Timestamp};
use serde_json::{Value, json};

use super::client::send;
use crate::{
    Exit,
    cli::{AcknowledgeArgs, ClientArgs, DriftArgs, DriftCommand},
    config::{self, Flags},
    console::{Tone, paint, say},
};

/// Where `--write` puts the report; the same name with another ending has it for programs.
const REPORT: &str = "docs/DRIFT_STATUS.md";

pub async fn drift(flags: &Flags, args: &DriftArgs, as_json: bool) -> Exit {
    let done = match &args.command {
        None => look(flags, args, as_json).await,
        Some(DriftCommand::Acknowledge(args)) => acknowledge(flags, args, as_json).await,
    };
    done.unwrap_or_else(|(exit, problem)| {
        eprintln!("levqor: {problem}");
        exit
    })
}

async fn look(flags: &Flags, args: &DriftArgs, as_json: bool) -> Result<Exit, (Exit, String)> {
    let files = files(args).map_err(|problem| (Exit::WrongUse, problem))?;
    let report = report(flags, &args.client).await?;
    for file in &files {
        write(file, &report).map_err(|problem| (Exit::Failed, problem))?;
    }
    if as_json {
        say(format_args!("{:#}", json!(report)));
    } else {
        let mut lines = report.lines();
        let verdict = lines.pop().unwrap_or_default();
        lines.iter().for_each(say);
        say(paint(&verdict, if report.pass { Tone::Good } else { Tone::Bad }, &stdout()));
    }
    Ok(if report.pass { Exit::Done } else { Exit::Failed })
}

/// The files that the report goes to. No folder is made for them.
fn files(args: &DriftArgs) -> Result<Vec<PathBuf>, String> {
    let mut files = args.report.clone();
    if args.write {
        let file = PathBuf::from(REPORT);
        files.extend([file.with_extension("json"), file]);
    }
    for file in &files {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(format!(
                "there is no folder {}; make it, or name another file by --report",
                folder.display()
            ));
        }
    }
    Ok(files)
}

fn write(file: &Path, report: &Report) -> Result<(), String> {
    let is_json = file.extension().is_some_and(|ending| ending == "json");
    let text = if is_json { format!("{:#}\n", json!(report)) } else { report.markdown() };
    fs::write(file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

async fn report(flags: &Flags, client: &ClientArgs) -> Result<Report, (Exit, String)> {
    let wrong = |problem: String| (Exit::WrongUse, problem);
    let promised = config::promised(flags).map_err(|complaints| wrong(complaints.to_string()))?;
    let site = Site::new(&client.url, client.key.clone().map(Secret::new))
        .map_err(|problem| wrong(format!("--url {problem}")))?;
    let stripe = match &promised.stripe {
        Some(access) => Some(Site::new(&access.address, Some(access.key.clone())).map_err(wrong)?),
        None => None,
    };
    let acknowledgements = acknowledgements(client).await;
    let given = Circumstances {
        agreed: &promised.blueprint.read(),
        stripe: stripe.as_ref(),
        now: SystemClock.now(),
        looked_at: site.address().to_owned(),
        acknowledgements: &acknowledgements,
        before: &[],
    };
    Ok(levqor_drift::check(&site, given).await)
}

/// What does not count now: operators are told, and to others everything counts.
async fn acknowledgements(client: &ClientArgs) -> Vec<Acknowledgement> {
    if client.key.is_none() {
        return Vec::new();
    }
    let read = |mut found: Value| serde_json::from_value(found["acknowledgements"].take());
    match send(client, "api/ops/drift", None).await {
        Ok(found) => read(found).unwrap_or_else(|error| {
            eprintln!("levqor: everything counts: the server's acknowledgements cannot be read: {error}");
            Vec::new()
        }),
        Err((_, problem)) => {
            eprintln!("levqor: everything counts: {problem}");
            Vec::new()
        }
    }
}

async fn acknowledge(flags: &Flags, args: &AcknowledgeArgs, as_json: bool) -> Result<Exit, (Exit, String)> {
    let wrong = |problem: String| (Exit::WrongUse, problem);
    let until = moment(&args.until).map_err(wrong)?;
    if args.client.key.is_none() {
        return Err(wrong("give an API key of an operator by --key or LEVQOR_API_KEY".to_owned()));
    }
    // As it is now: what somebody lives with is what was seen, and nothing that comes later at the same place.
    let report = report(flags, &args.client).await?;
    let there: Vec<&Finding> =
        report.findings.iter().filter(|finding| finding.deviation.place == args.place).collect();
    if there.is_empty() {
        let places: Vec<_> = report.findings.iter().map(|finding| finding.deviation.place.as_str()).collect();
        let known = if places.is_empty() {
            "everything is as agreed".to_owned()
        } else {
            format!("there are:\n  {}", places.join("\n  "))
        };
        return Err(wrong(format!("nothing is found at {:?}; {known}", args.place)));
    }
    let mut noted = Vec::new();
    for finding in there {
        let deviation = &finding.deviation;
        let body = json!({
            "place": deviation.place, "expected": deviation.expected, "found": deviation.found,
            "reason": args.reason, "until": until,
        });
        noted.push(send(&args.client, "api/ops/drift/acknowledge", Some(body)).await?);
        if !as_json {
            say(format_args!("does not count until {until}: {deviation}"));
        }
    }
    if as_json {
        say(format_args!("{:#}", json!({ "acknowledgements": noted })));
    }
    Ok(Exit::Done)
}

/// A day, from whose beginning on it counts again, or a moment.
fn moment(text: &str) -> Result<Timestamp, String> {
    // A moment first: a day would be read from the beginning of one, too.
    text.parse().or_else(|_| text.parse::<Date>().map(Date::start)).map_err(|_| {
        format!(
            "--until {text:?} is neither a day such as 2026-12-31 nor a time such as 2026-12-31T12:00:00Z"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_with_its_first_moment() {
        let rows = [
            ("2026-12-31", Some("2026-12-31T00:00:00.000000Z")),
            ("2026-12-31T12:00:00+01:00", Some("2026-12-31T11:00:00.000000Z")),
            ("tomorrow", None),
            ("2026-02-30", None),
        ];
        for (text, expected) in rows {
            assert_eq!(moment(text).ok().map(|at| at.to_string()).as_deref(), expected, "{text}");
        }
    }
}
