//! What jobs need of parts that may not be there: each answer says so when there is nobody to ask.

use std::collections::BTreeMap;

use levqor_model::Timestamp;
use levqor_store::heartbeats::{BeatState, Ping};
use serde_json::{Value, json};

use super::{Context, Failure};
use crate::{error_reporter::Occurrence, features::probes};

/// How an objective stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Budget {
    pub(super) objective: String,
    pub(super) at: Timestamp,
    /// What is left of the error budget, in parts per million of it; None: it is not known.
    pub(super) left_ppm: Option<i64>,
    /// How fast it is spent, in thousandths of what the objective allows; None: it is not known.
    pub(super) burn_milli: Option<i64>,
}

/// The last that is known of each objective, by name. Empty: nobody has evaluated any.
pub(super) async fn budgets(context: &Context) -> Result<Vec<Budget>, Failure> {
    let rows = context.app.store.last_budgets().await?;
    Ok(rows
        .into_iter()
        .map(|(objective, at, left_ppm, burn_milli)| Budget { objective, at, left_ppm, burn_milli })
        .collect())
}

/// Sends a marked event through the error reporter, and waits for the collector's answer. None: no DSN is configured.
pub(super) async fn send_marked_error(context: &Context) -> Result<Option<Value>, Failure> {
    let Some(reporter) = &context.app.settings.error_reporter else { return Ok(None) };
    let event = Occurrence {
        at: context.app.now(),
        message: "This is a test of the error reporter; nothing is wrong.".to_owned(),
        logger: "levqor.sentry_test".to_owned(),
        is_error: false,
        tags: BTreeMap::from([("test".to_owned(), "yes".to_owned())]),
    };
    let id = reporter.confirm(&event).await.map_err(|problem| Failure::Other(problem.to_string()))?;
    let told = reporter.told();
    Ok(Some(json!({
        "event": id, "collector": reporter.host(),
        "since_start": { "delivered": told.delivered, "failed": told.failed, "dropped": told.dropped },
    })))
}

/// How many leads were stored from `from` on, and by which source.
pub(super) async fn leads(context: &Context, from: Timestamp) -> Result<Vec<(String, i64)>, Failure> {
    Ok(context.store().lead_sources(from, context.app.now()).await?)
}

/// What a heartbeat says of backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backup {
    /// The heartbeat's name.
    pub(super) name: String,
    /// When one ended well last. None: that was never heard, or longer ago than pings are kept.
    pub(super) ended_well_at: Option<Timestamp>,
    /// Why it is missed, or that it is.
    pub(super) down: Option<String>,
}

/// The heartbeats with `backup` in their names: who makes backups tells of itself there. Empty: nobody does, and nothing is known.
pub(super) async fn backups(context: &Context) -> Result<Vec<Backup>, Failure> {
    let store = &context.app.store;
    let mut found = Vec::new();
    let mut beats = probes::heartbeats_now(&context.app).await?;
    beats.retain(|beat| beat.name.to_lowercase().contains("backup"));
    for beat in beats {
        let ended_well_at = match (beat.exit_code, beat.ended_at) {
            (Some(0), ended) => ended,
            // The last one failed; the one before may not have.
            (_, Some(_)) => {
                let pings = store.heartbeat_pings(beat.name.clone()).await?;
                pings.into_iter().find(|ping| ping.kind == Ping::Success.as_str()).map(|ping| ping.at)
            }
            (_, None) => None,
        };
        let down = (beat.state == BeatState::Down)
            .then(|| beat.reason.unwrap_or_else(|| "nothing is heard of it".to_owned()));
        found.push(Backup { name: beat.name, ended_well_at, down });
    }
    Ok(found)
}
