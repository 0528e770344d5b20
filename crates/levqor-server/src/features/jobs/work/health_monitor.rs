//! Uptime, certificates, disk, clock, and how old the last backup is.

use levqor_model::Timestamp;
use serde_json::{Value, json};

use super::{
    Context, Done, Failure, facts, output,
    parts::{self, Backup},
};
use crate::{features::health, pages::duration_words};

/// Days of observations that uptime is reckoned from.
const DAYS: i64 = 30;
const MIB: u64 = 1024 * 1024;
/// Heartbeats of backups that are told in words.
const BACKUPS_TOLD: usize = 5;

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
    let backups = parts::backups(context).await?;
    let backup_words = backup_words(&backups, app.now());
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
            "last_backup_at": backups.iter().filter_map(|one| one.ended_well_at).max(),
            "backups": backups.iter().map(|one| json!({
                "heartbeat": one.name, "ended_well_at": one.ended_well_at, "down": one.down,
            })).collect::<Vec<_>>(),
            "node": app.node.to_string(), "node_runs_for_seconds": age.as_secs(),
        }),
    )
}

fn backup_words(backups: &[Backup], now: Timestamp) -> String {
    if backups.is_empty() {
        return "Backups: unknown, no heartbeat has backup in its name".to_owned();
    }
    let words = backups.iter().take(BACKUPS_TOLD).map(|one| {
        let name = &one.name;
        let last = match one.ended_well_at {
            Some(at) => format!("{name} ended well {} ago", duration_words(now.since(at))),
            None => format!("unknown whether {name} ever ended well"),
        };
        match &one.down {
            Some(reason) => format!("{last} and is down ({reason})"),
            None => last,
        }
    });
    format!("Backups: {}", words.collect::<Vec<_>>().join(", "))
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
