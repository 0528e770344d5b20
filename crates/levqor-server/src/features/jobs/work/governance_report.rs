//! The week in the evidence log, who has access, how old keys are, and whether everything is as agreed.

use std::time::Duration;

use levqor_model::{KeyPurpose, KeyState};
use serde_json::{Value, json};

use super::{Context, DAY, Done, Failure, facts, output};
use crate::pages::{count, plural};

/// Kinds of records that are told by name.
const KINDS_MAX: usize = 40;
/// API keys with a secret that is older, or that nobody used for as long, are told.
const OLD: Duration = Duration::from_secs(90 * 24 * 60 * 60);

pub(in super::super) async fn work(context: &Context) -> Done {
    let (app, until) = (&context.app, context.due_at);
    let kinds = context.store().audit_kinds(until - DAY * 7, until).await?;
    let records: i64 = kinds.iter().map(|(_, found)| found).sum();
    let access = context.store().access_counts(app.now(), app.now() - OLD).await?;
    let (key_words, keys) = server_keys(context).await?;
    let (drift, tampering) = (facts::drift(context).await?, facts::tampering(context).await?);
    let most: Vec<String> =
        kinds.iter().take(3).map(|(kind, found)| format!("{kind} {}", count(*found))).collect();
    let most = if most.is_empty() { String::new() } else { format!(" ({})", most.join(", ")) };
    let summary = format!(
        "{} in the evidence log in 7 days{most}. {}, {}; {}, of which {} have a secret older than 90 days and {} were not used since. {key_words}. {}. {}.",
        plural(records, "record", "records"),
        plural(access.people, "person", "people"),
        plural(access.operators, "operator", "operators"),
        plural(access.keys, "API key", "API keys"),
        count(access.old_keys),
        count(access.unused_keys),
        drift.line,
        tampering.line,
    );
    let listed: Vec<Value> =
        kinds.iter().take(KINDS_MAX).map(|(kind, found)| json!({ "kind": kind, "records": found })).collect();
    output(
        summary,
        json!({
            "from": until - DAY * 7, "until": until,
            "evidence_log": { "records": records, "kinds": listed, "kinds_total": kinds.len() },
            "access": {
                "people": access.people, "operators": access.operators, "sessions": access.sessions,
                "api_keys": access.keys, "operator_api_keys": access.operator_keys,
                "api_keys_older_than_90_days": access.old_keys, "api_keys_unused_for_90_days": access.unused_keys,
            },
            "server_keys": keys, "drift": drift.data, "tampering": tampering.data,
        }),
    )
}

/// The active key of each purpose, and how old it is.
async fn server_keys(context: &Context) -> Result<(String, Value), Failure> {
    let (_, keys) = context.app.store.keyring(None).await?.unwrap_or_default();
    let now = context.app.now();
    let mut words = Vec::new();
    let mut told = Vec::new();
    for purpose in KeyPurpose::ALL {
        let active = keys.iter().find(|key| key.purpose == *purpose && key.state == KeyState::Active);
        let days = active.map(|key| now.since(key.activates_at).as_secs() / 86_400);
        words.push(days.map_or_else(|| format!("{purpose} none"), |days| format!("{purpose} {days} d")));
        let id = active.map(|key| key.id.to_string());
        told.push(json!({ "purpose": purpose.as_str(), "active_key": id, "age_days": days }));
    }
    Ok((format!("Server keys: {}", words.join(", ")), json!(told)))
}
