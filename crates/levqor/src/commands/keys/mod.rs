//! `levqor keys`: the server's own keys, which sign and seal (API keys are something else: `/api/keys`).

mod abandon;

use std::{io::stdout, time::Duration};

use levqor_model::{KeyPurpose, RingKeyId};
use serde_json::{Value, json};

use super::client::{items, or_tell, present, send, send_within, word};
use crate::{
    Exit,
    cli::{ClientArgs, KeysArgs, KeysCommand},
    config::Flags,
    console::{Tone, paint, say, table},
};

/// Everything that is stored is opened.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(300);

pub async fn keys(flags: &Flags, args: &KeysArgs, as_json: bool) -> Exit {
    let outcome = match &args.command {
        KeysCommand::List(client) => list(client, as_json).await,
        KeysCommand::Rotate { purposes, client } => rotate(client, purposes, as_json).await,
        KeysCommand::Verify(client) => verify(client, as_json).await,
        KeysCommand::Revoke { id, client } => revoke(client, id, as_json).await,
        KeysCommand::Abandon { yes } => return abandon::abandon(flags, *yes, as_json).await,
    };
    outcome.unwrap_or_else(|exit| exit)
}

async fn list(client: &ClientArgs, as_json: bool) -> Result<Exit, Exit> {
    let found = or_tell(send(client, "api/ops/keyring", None).await)?;
    let rows = items(&found["keys"]).iter().map(|key| {
        vec![
            word(&key["id"]),
            word(&key["purpose"]),
            state(key),
            word(&key["activates_at"]),
            word(if key["ended_at"].is_null() { &key["retires_at"] } else { &key["ended_at"] }),
            uses(key),
        ]
    });
    let heads = ["key", "purpose", "state", "active from", "until", "needed by"];
    present(&found, as_json, || say(table(&heads, rows)));
    Ok(Exit::Done)
}

fn state(key: &Value) -> String {
    let tone = match key["state"].as_str() {
        Some("active") => Tone::Good,
        Some("revoked") => Tone::Bad,
        Some("published" | "retiring") => Tone::Warning,
        _ => Tone::Quiet,
    };
    paint(&word(&key["state"]), tone, &stdout())
}

fn uses(key: &Value) -> String {
    match (key["purpose"].as_str(), key["uses"].as_u64().unwrap_or_default()) {
        (_, 0) => "-".to_owned(),
        (Some("webhooks"), 1) => "1 webhook".to_owned(),
        (Some("webhooks"), uses) => format!("{uses} webhooks"),
        (_, 1) => "1 sealed value".to_owned(),
        (_, uses) => format!("{uses} sealed values"),
    }
}

async fn rotate(client: &ClientArgs, purposes: &[KeyPurpose], as_json: bool) -> Result<Exit, Exit> {
    let purposes = if purposes.is_empty() { KeyPurpose::ALL } else { purposes };
    let mut done = Vec::new();
    for purpose in purposes {
        let body = json!({ "purpose": purpose });
        let rotation = or_tell(send(client, "api/ops/keyring/rotate", Some(body)).await)?;
        if !as_json {
            let key = &rotation["key"];
            let (id, at) = (word(&key["id"]), word(&key["activates_at"]));
            let already = if rotation["already"] == true { "already " } else { "" };
            say(format_args!("{purpose}: {id} is {already}published, and becomes active at {at}"));
        }
        done.push(rotation);
    }
    if as_json {
        say(format_args!("{:#}", json!({ "rotations": done })));
    }
    Ok(Exit::Done)
}

async fn verify(client: &ClientArgs, as_json: bool) -> Result<Exit, Exit> {
    let asked = send_within(client, "api/ops/keyring/verify", Some(json!({})), VERIFY_TIMEOUT).await;
    let found = or_tell(asked)?;
    let is_good = found["ok"] == true;
    present(&found, as_json, || {
        for fault in items(&found["faults"]) {
            let line = format!("{}: {}", word(&fault["what"]), word(&fault["problem"]));
            say(format_args!("{}", paint(&line, Tone::Bad, &stdout())));
        }
        let told = items(&found["faults"]).len() as u64;
        let faults = found["faults_total"].as_u64().unwrap_or_default();
        if faults > told {
            say(format_args!("and {} more", faults - told));
        }
        let looked = format!(
            "{} keys, {} sealed values and {} signed webhooks were looked at",
            word(&found["keys"]),
            word(&found["sealed"]),
            word(&found["webhooks"])
        );
        let verdict = if is_good { "all of them hold".to_owned() } else { format!("{faults} do not hold") };
        let tone = if is_good { Tone::Good } else { Tone::Bad };
        say(format_args!("{}", paint(&format!("{looked}: {verdict}"), tone, &stdout())));
    });
    Ok(if is_good { Exit::Done } else { Exit::Failed })
}

async fn revoke(client: &ClientArgs, id: &str, as_json: bool) -> Result<Exit, Exit> {
    if let Err(problem) = id.parse::<RingKeyId>() {
        let hint =
            if id.starts_with("key_") { "it is an API key, which DELETE /api/keys revokes; " } else { "" };
        eprintln!(
            "levqor: {id:?} is not the id of a key of the server: {hint}{problem}; `levqor keys list` shows them"
        );
        return Err(Exit::WrongUse);
    }
    let path = format!("api/ops/keyring/{id}/revoke");
    let done = or_tell(send(client, &path, Some(json!({}))).await)?;
    present(&done, as_json, || {
        let [purpose, state, ended] = ["purpose", "state", "ended_at"].map(|name| word(&done["key"][name]));
        say(format_args!("{purpose}: {id} is {state} since {ended}"));
        if let Some(successor) = done["successor"]["id"].as_str() {
            say(format_args!("{purpose}: {successor} has taken its place"));
        }
    });
    Ok(Exit::Done)
}
