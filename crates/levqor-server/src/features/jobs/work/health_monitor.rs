//! Uptime, certificates, disk, clock, and how old the last backup is.

use levqor_model::Timestamp;
use serde_json::{Value, json};

use super::{
    Context, Done, facts, output,
    parts::{self, Backup},
};
use crate::{
    features::{
        health,
        probes::{self, Certificate, State},
    },
    pages::duration_words,
};

/// Days of observations that uptime is reckoned from.
const DAYS: i64 = 30;
const MIB: u64 = 1024 * 1024;
/// Heartbeats of backups that are told in words.
const BACKUPS_TOLD: usize = 5;
/// Certificates that are listed.
const CERTIFICATES_LISTED: usize = 100;

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
    let (certificates, certificates_told) = certificates(&probes::certificates(app), app.now());
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

/// Those that probes see, with when they end.
fn certificates(all: &[Certificate], now: Timestamp) -> (String, Value) {
    if all.is_empty() {
        return ("Certificates: unknown, no probe has seen one".to_owned(), Value::Null);
    }
    let told: Vec<Value> = all
        .iter()
        .take(CERTIFICATES_LISTED)
        .map(|one| {
            json!({
                "probe": one.probe, "target": one.target, "good_until": one.good_until, "state": one.state.as_str(),
                "reason": one.reason,
            })
        })
        .collect();
    let is_good =
        |one: &&Certificate| one.state == State::Up && one.good_until.is_some_and(|until| until > now);
    let bad: Vec<String> = all
        .iter()
        .filter(|one| !is_good(one))
        .map(|one| {
            let why = match (one.good_until, &one.reason) {
                (Some(until), _) if until <= now => format!("ended {} ago", duration_words(now.since(until))),
                (_, Some(reason)) => reason.clone(),
                (None, None) => "not seen".to_owned(),
                (Some(_), None) => one.state.as_str().to_owned(),
            };
            format!("{} ({why})", one.target)
        })
        .collect();
    let first = all.iter().filter(is_good).filter_map(|one| Some((one.good_until?, &one.target))).min();
    let mut words = format!("Certificates: {} of {} good", all.len() - bad.len(), all.len());
    if let Some((until, target)) = first {
        words.push_str(&format!(
            ", the first to end is that of {target} in {}",
            duration_words(until.since(now))
        ));
    }
    if !bad.is_empty() {
        words.push_str(&format!("; {}", bad.iter().take(5).cloned().collect::<Vec<_>>().join(", ")));
    }
    (words, json!(told))
}

#[cfg(test)]
mod tests {
    use super::super::DAY;
    use super::*;

    #[test]
    fn certificates_are_told_with_the_first_that_ends() {
        let now = Timestamp::from_seconds(1_795_502_901);
        let one = |target: &str, days: Option<u64>, state, reason: Option<&str>| Certificate {
            probe: "shop".to_owned(),
            target: target.to_owned(),
            good_until: days.map(|days| now + DAY * u32::try_from(days).unwrap()),
            state,
            reason: reason.map(str::to_owned),
        };
        assert_eq!(
            certificates(&[], now),
            ("Certificates: unknown, no probe has seen one".to_owned(), Value::Null)
        );
        let all = [one("a", Some(40), State::Up, None), one("b", Some(21), State::Up, None)];
        let (words, told) = certificates(&all, now);
        assert_eq!(words, "Certificates: 2 of 2 good, the first to end is that of b in 21 d");
        assert_eq!((&told[1]["target"], &told[1]["state"]), (&json!("b"), &json!("up")));
        let all = [
            one("a", Some(0), State::Up, None),
            one("b", None, State::Unknown, None),
            one("c", Some(5), State::Down, Some("its certificate ends in 5 d")),
        ];
        let (words, _) = certificates(&all, now);
        assert_eq!(
            words,
            "Certificates: 0 of 3 good; a (ended 0 s ago), b (not seen), c (its certificate ends in 5 d)"
        );
    }
}
