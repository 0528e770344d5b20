//! Uptime, certificates, disk, clock, and how old the last backup is.

use serde_json::{Value, json};

use super::{Context, Done, Failure, facts, output, parts};
use crate::{features::health, pages::duration_words};

/// Days of observations that uptime is reckoned from.
const DAYS: i64 = 30;
const MIB: u64 = 1024 * 1024;

pub(in super::super) async fn work(context: &Context) -> Done {
    let (app, today) = (&context.app, context.due_at.date());
    let uptime = facts::uptime(context, today.plus_days(1 - DAYS), today).await?;
    let readiness = app.store.readiness().await;
    let free = readiness.disk_free_bytes;
    let disk = match free {
        Some(free) if free < app.settings.disk_free_bytes_min => {
            format!("Disk: only {} MiB free, less than the node needs", free / MIB)
        }
        Some(free) => format!("Disk: {} MiB free", free / MIB),
        None => "Disk: unknown, the database is not on this machine or does not tell".to_owned(),
    };
    let (clock, clock_told) = clock(context).await;
    let (certificates, certificates_told) = certificates(context).await?;
    let backup = parts::last_backup(context).await?;
    let backup_words = backup.map_or_else(
        || "Backups: unknown, none is known".to_owned(),
        |at| format!("Backups: the last one is {} old", duration_words(app.now().since(at))),
    );
    let age = app.now().since(app.started_at);
    output(
        format!(
            "{} in {DAYS} days. {certificates}. {disk}. {clock}. {backup_words}. This node runs for {}.",
            uptime.line,
            duration_words(age)
        ),
        json!({
            "uptime": uptime.data, "days": DAYS, "certificates": certificates_told,
            "disk_free_bytes": free, "disk_free_bytes_min": app.settings.disk_free_bytes_min, "clock": clock_told,
            "last_backup_at": backup, "node": app.node.to_string(), "node_runs_for_seconds": age.as_secs(),
        }),
    )
}

/// Of this node against the database, and of the others as they told lately.
async fn clock(context: &Context) -> (String, Value) {
    let own = health::service::clock_ahead(&context.app).await;
    match own {
        None => ("Clock: unknown, the database has no clock of its own".to_owned(), Value::Null),
        Some((ahead, took)) => {
            let seconds = super::number(ahead) / 1_000_000.0;
            let bad = health::service::ahead_failure((ahead, took));
            let told = json!({ "ahead_seconds": seconds, "good": bad.is_none() });
            (
                bad.map_or_else(
                    || format!("Clock: {seconds:+.3} s off the database's"),
                    |bad| format!("Clock: {bad}"),
                ),
                told,
            )
        }
    }
}

/// Those that probes have looked at.
async fn certificates(context: &Context) -> Result<(String, Value), Failure> {
    let probed = context.app.store.probe_verdicts().await?;
    let about: Vec<_> = probed
        .iter()
        .filter(|one| {
            let names = [Some(&one.probe), one.reason.as_ref()];
            names.into_iter().flatten().any(|text| text.contains("certificate") || text.contains("tls"))
        })
        .collect();
    if about.is_empty() {
        return Ok(("Certificates: unknown, no probe looks at one".to_owned(), Value::Null));
    }
    let bad: Vec<String> = about
        .iter()
        .filter(|one| one.state != "up")
        .map(|one| format!("{} ({})", one.target, one.reason.as_deref().unwrap_or(&one.state)))
        .collect();
    let told: Vec<Value> = about
        .iter()
        .map(|one| json!({ "target": one.target, "state": one.state, "reason": one.reason, "since": one.since }))
        .collect();
    let words = match bad.is_empty() {
        true => format!("Certificates: {} looked at, all good", about.len()),
        false => format!("Certificates: {}", bad.join(", ")),
    };
    Ok((words, json!(told)))
}
