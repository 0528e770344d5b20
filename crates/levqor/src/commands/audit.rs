//! `levqor audit list|verify|accept|export`: the evidence log of a running server, or a copy of it.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write, stdout},
    path::Path,
    time::{Duration, Instant},
};

use levqor_model::{
    PublicKey,
    audit::{EXPORT_FORMAT, Record, Report, SignedHeads, Verifier},
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::client::{answered, items, open, or_tell, present, send, send_within, word};
use crate::{
    Exit,
    cli::{AuditArgs, AuditCommand, AuditListArgs, AuditVerifyArgs, ClientArgs},
    console::{Tone, paint, say, table},
};

/// A server reads all of its log for an answer.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// No line of an export is longer: the first one has a line for each start of a process.
const LINE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Findings that are shown to people.
const SHOWN_MAX: usize = 50;

pub async fn audit(args: &AuditArgs, as_json: bool) -> Exit {
    match &args.command {
        AuditCommand::List(args) => list(args, as_json).await,
        AuditCommand::Verify(args) => match &args.file {
            Some(file) => told(verified_file(file, args), as_json),
            None => told(verified_server(&args.client).await, as_json),
        },
        AuditCommand::Accept { public_key, seen, reason, client } => {
            let wish = json!({ "key": public_key, "seen": seen, "reason": reason });
            accept(client, wish, as_json).await
        }
        AuditCommand::Export { out, client } => match export(client, out.as_deref(), as_json).await {
            Ok(()) => Exit::Done,
            Err((exit, problem)) => {
                eprintln!("levqor: {problem}");
                exit
            }
        },
    }
}

async fn list(args: &AuditListArgs, as_json: bool) -> Exit {
    let mut query = Serializer::new(String::new());
    let given = [
        ("kind", &args.kind),
        ("account", &args.account),
        ("author", &args.author),
        ("subject", &args.subject),
        ("from", &args.from),
        ("until", &args.until),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("limit", &args.limit.to_string());
    let asked = send(&args.client, &format!("api/ops/audit?{}", query.finish()), None).await;
    answered(asked, as_json, show_records)
}

fn show_records(found: &Value) {
    let records = items(&found["records"]);
    if records.is_empty() {
        say("no record is like that; without options the newest ones are shown");
        return;
    }
    let rows = records.iter().map(|record| {
        vec![
            word(&record["at"]),
            word(&record["kind"]),
            word(&record["author"]),
            word(&record["subject"]),
            word(&record["details"]),
        ]
    });
    say(table(&["at", "kind", "author", "subject", "details"], rows));
    if !found["next_cursor"].is_null() {
        say("there are more; ask for a time with --from and --until, or for more with --limit");
    }
}

/// What was found, as a server tells it.
async fn verified_server(client: &ClientArgs) -> Result<Value, (Exit, String)> {
    send_within(client, "api/ops/audit/verify", Some(json!({})), PATIENCE).await
}

fn told(found: Result<Value, (Exit, String)>, as_json: bool) -> Exit {
    let found = match or_tell(found) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    present(&found, as_json, || show(&found));
    if found["whole"] == true { Exit::Done } else { Exit::Failed }
}

fn show(found: &Value) {
    let (records, chains) = (word(&found["records"]), word(&found["chains"]));
    for finding in items(&found["findings"]).iter().take(SHOWN_MAX) {
        say(paint(&word(&finding["message"]), Tone::Bad, &stdout()));
    }
    let total = found["findings_total"].as_u64().unwrap_or_default();
    if total > SHOWN_MAX as u64 {
        say(format_args!("… and {} more; --json shows the first thousand", total - SHOWN_MAX as u64));
    }
    let verdict = match total {
        0 => paint("AUDIT: WHOLE", Tone::Good, &stdout()),
        1 => paint("AUDIT: 1 finding", Tone::Bad, &stdout()),
        many => paint(&format!("AUDIT: {many} findings"), Tone::Bad, &stdout()),
    };
    say(format_args!("{verdict}, {records} records in {chains} chains"));
    if found["not_signed_yet"] != 0 {
        let not_signed = word(&found["not_signed_yet"]);
        say(format_args!("{not_signed} of them are linked, and no checkpoint has signed them yet"));
    }
    say(format_args!("signed by {}", word(&found["public_key"])));
    show_others(found);
    if found["key_from_file"] == true {
        say(paint(
            "that key stands in the file itself: compare it with what `levqor audit verify` of the server shows, or give it by --public-key",
            Tone::Warning,
            &stdout(),
        ));
    }
    if found["witnessed"] == false {
        say(paint(
            "no witness was there: a log that was put back to an earlier state as a whole would not be noticed; give a node's \
             audit-witness.json by --witness, or ask a node that has a data directory",
            Tone::Warning,
            &stdout(),
        ));
    }
}

async fn accept(client: &ClientArgs, wish: Value, as_json: bool) -> Exit {
    let accepted = match or_tell(send_within(client, "api/ops/audit/accept", Some(wish), PATIENCE).await) {
        Ok(accepted) => accepted,
        Err(exit) => return exit,
    };
    if as_json {
        say(format_args!("{accepted:#}"));
    } else {
        say(format_args!(
            "{} checkpoints in {} chains by {} are agreed to, and signed",
            word(&accepted["checkpoints"]),
            word(&accepted["chains"]),
            word(&accepted["key"])
        ));
    }
    Exit::Done
}

/// Whose signatures of before are here.
fn show_others(found: &Value) {
    for other in found["other_keys"].as_array().into_iter().flatten() {
        let (key, checkpoints) = (word(&other["key"]), word(&other["checkpoints"]));
        if other["accepted"] == true {
            let reason = word(&other["reason"]);
            say(format_args!(
                "{checkpoints} checkpoints are signed by the abandoned key {key}, which was agreed to: {reason}"
            ));
        } else {
            let told = format!(
                "{checkpoints} checkpoints are signed by another key, {key}; if it was given up with its keyring, and is the one that you \
                 have noted: levqor audit accept '{key}' --seen {} --reason …",
                word(&other["digest"])
            );
            say(paint(&told, Tone::Warning, &stdout()));
        }
    }
}

/// What goes to standard output is JSON already, a record a line.
async fn export(client: &ClientArgs, out: Option<&Path>, as_json: bool) -> Result<(), (Exit, String)> {
    let failed = |problem: String| (Exit::Failed, problem);
    let mut answer = open(client, "api/ops/audit/export", PATIENCE).await?;
    let unwritten = |error: io::Error| match out {
        Some(path) => failed(format!("{} cannot be written: {error}", path.display())),
        None => failed(format!("standard output cannot be written: {error}")),
    };
    let mut to: Box<dyn Write> = match out {
        Some(path) => Box::new(fs::File::create(path).map_err(unwritten)?),
        None => Box::new(stdout().lock()),
    };
    let (began, mut bytes) = (Instant::now(), 0);
    let broken =
        |error| failed(format!("the answer broke off: {error}; what was written is not the whole log"));
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        bytes += piece.len();
        to.write_all(&piece).map_err(unwritten)?;
    }
    to.flush().map_err(unwritten)?;
    if let Some(path) = out {
        if as_json {
            say(format_args!("{:#}", json!({ "file": path.display().to_string(), "bytes": bytes })));
            return Ok(());
        }
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("{bytes} bytes written to {} in {seconds:.1} s", path.display());
    }
    Ok(())
}

/// How findings call the first line of an export.
const HEAD: &str = "the head of the export";

/// The first line of an export.
#[derive(Debug, Deserialize)]
struct Head {
    format: String,
    public_key: String,
    heads: SignedHeads,
}

fn verified_file(path: &Path, args: &AuditVerifyArgs) -> Result<Value, (Exit, String)> {
    let wrong = |problem: String| (Exit::WrongUse, problem);
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        wrong(format!("{} cannot be read: {error}", path.display()))
    };
    let mut lines = Lines::open(path).map_err(|error| unreadable(path, &error))?;
    let first = lines.next().map_err(|error| unreadable(path, &error))?.unwrap_or_default();
    let head: Head = serde_json::from_slice(first).map_err(|error| {
        wrong(format!("{} is no export of the evidence log: line 1: {error}", path.display()))
    })?;
    if head.format != EXPORT_FORMAT {
        let found = head.format.chars().take(40).collect::<String>();
        return Err(wrong(format!(
            "{} has the format {found:?}; this build reads {EXPORT_FORMAT:?}",
            path.display()
        )));
    }
    let text = args.public_key.as_ref().unwrap_or(&head.public_key);
    let key = PublicKey::parse(text).map_err(|error| wrong(format!("--public-key: {error}")))?;
    let mut verifier = Verifier::new(vec![key]);
    // Only the key that signs now tells where the copy ends: with the secret of one that was given up, whoever has it could cut the copy.
    if head.heads.open(&[key]).is_some() {
        verifier.witness(HEAD, &head.heads);
    } else {
        verifier.no_witness(HEAD);
    }
    for path in &args.witness {
        let text = fs::read(path).map_err(|error| unreadable(path, &error))?;
        let signed: SignedHeads = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("{} is no witness: {error}", path.display())))?;
        verifier.witness(&path.display().to_string(), &signed);
    }
    let (mut broken, mut broken_total) = (Vec::new(), 0_u64);
    loop {
        let number = lines.number + 1;
        let line = lines.next().map_err(|error| unreadable(path, &error))?;
        let Some(line) = line else { break };
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => verifier.push(&record),
            Err(error) => {
                broken_total += 1;
                if broken.len() < SHOWN_MAX {
                    broken.push(json!({ "message": format!("line {number} is no record: {error}") }));
                }
            }
        }
    }
    let mut found = report(&verifier.finish(), key, args);
    if broken_total > 0 {
        found["whole"] = Value::Bool(false);
        found["findings_total"] = json!(found["findings_total"].as_u64().unwrap_or_default() + broken_total);
        if let Some(findings) = found["findings"].as_array_mut() {
            broken.append(findings);
            *findings = broken;
        }
    }
    Ok(found)
}

/// In the form in which servers tell it.
fn report(report: &Report, key: PublicKey, args: &AuditVerifyArgs) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            let place = finding.place();
            json!({
                "message": finding.to_string(),
                "chain": place.map(|place| place.0),
                "first": place.map(|place| place.1),
                "last": place.map(|place| place.2),
            })
        })
        .collect();
    let others: Vec<Value> = report
        .other_keys
        .iter()
        .map(|other| {
            json!({
                "key": other.key,
                "checkpoints": other.checkpoints,
                "chains": other.chains,
                "digest": other.digest,
                "accepted": other.accepted.is_some(),
                "reason": other.accepted,
            })
        })
        .collect();
    json!({
        "whole": report.is_whole(),
        "records": report.records,
        "chains": report.chains,
        "not_signed_yet": report.not_signed_yet,
        "witnessed": !args.witness.is_empty(),
        "findings_total": report.findings_total,
        "findings": findings,
        "public_key": key.to_string(),
        "key_from_file": args.public_key.is_none(),
        "other_keys": others,
    })
}

/// The lines of a file, one at a time, none longer than its bound.
struct Lines {
    file: BufReader<fs::File>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> io::Result<Self> {
        let file = BufReader::with_capacity(1 << 20, fs::File::open(path)?);
        Ok(Self { file, line: Vec::new(), number: 0 })
    }

    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        self.number += 1;
        let read = self.file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line)?;
        if read as u64 == LINE_BYTES_MAX {
            return Err(io::Error::other(format!(
                "line {} is longer than {LINE_BYTES_MAX} bytes",
                self.number
            )));
        }
        Ok((read > 0).then_some(self.line.as_slice()))
    }
}
