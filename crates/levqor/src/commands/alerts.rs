//! `levqor alerts`: what is not as it should be, who has it, and what is silenced.

use std::time::Duration;

use levqor_model::{AlertId, Clock, SilenceId, SystemClock};
use serde_json::{Value, json};

use super::{
    client::{answered, delete, items, send, word},
    listed::{LISTED_MAX, listed, say_more},
};
use crate::{
    Exit,
    cli::{AlertsArgs, AlertsCommand, ClientArgs, SilenceArgs},
    console::{say, say_table},
};

/// More cannot be open at once.
const OPEN_MAX: usize = 2_000;

pub async fn alerts(args: &AlertsArgs, as_json: bool) -> Exit {
    let asked = match &args.command {
        None => list(&args.client, args.all).await,
        Some(AlertsCommand::Acknowledge { id, note, client }) => acknowledge(client, id, note).await,
        Some(AlertsCommand::Silences(client)) => send(client, "api/ops/silences", None).await,
        Some(AlertsCommand::Silence(args)) => silence(args).await,
        Some(AlertsCommand::Unsilence { id, client }) => unsilence(client, id).await,
    };
    answered(asked, as_json, |found| match &args.command {
        None => show(found),
        Some(AlertsCommand::Acknowledge { .. }) => {
            say(format_args!("{} is yours: {}", word(&found["id"]), word(&found["summary"])));
        }
        Some(AlertsCommand::Silences(_)) => show_silences(found),
        Some(AlertsCommand::Silence(_)) => {
            say(format_args!("{} is on until {}", word(&found["id"]), word(&found["ends_at"])));
        }
        Some(AlertsCommand::Unsilence { id, .. }) => say(format_args!("{id} is over")),
    })
}

async fn list(client: &ClientArgs, all: bool) -> Result<Value, (Exit, String)> {
    if all {
        return listed(client, "api/ops/alerts", "alerts", LISTED_MAX).await;
    }
    let mut firing = listed(client, "api/ops/alerts?state=firing", "alerts", OPEN_MAX).await?;
    let mut pending = listed(client, "api/ops/alerts?state=pending", "alerts", OPEN_MAX).await?;
    if let (Some(list), Some(more)) = (firing["alerts"].as_array_mut(), pending["alerts"].as_array()) {
        list.extend(more.iter().cloned());
        let rank = |alert: &Value| {
            let severities = ["critical", "major", "minor"];
            severities.iter().position(|severity| alert["severity"] == **severity).unwrap_or(severities.len())
        };
        list.sort_by_key(|alert| (alert["state"] != "firing", rank(alert)));
    }
    // A cursor goes on with one of the two.
    if let Some(members) = firing.as_object_mut() {
        members.remove("next_cursor");
    }
    if firing["more"].is_null() && pending["more"].is_string() {
        firing["more"] = pending["more"].take();
    }
    Ok(firing)
}

fn show(found: &Value) {
    let heads = ["id", "severity", "state", "rule", "subject", "since", "who", "what"];
    say_table(&heads, items(&found["alerts"]).iter().map(row), "nothing is open");
    say_more(found, "alerts");
}

fn row(alert: &Value) -> Vec<String> {
    let who = match (&alert["acknowledged"]["by"], &alert["silence"]) {
        (Value::String(by), _) => by.clone(),
        (_, Value::String(_)) => "silenced".to_owned(),
        _ => "-".to_owned(),
    };
    let mut row = ["id", "severity", "state", "rule", "subject", "began_at"]
        .map(|member| word(&alert[member]))
        .to_vec();
    row.extend([who, word(&alert["summary"])]);
    row
}

fn show_silences(found: &Value) {
    let matcher = |one: &Value| format!("{}={}", word(&one["field"]), word(&one["pattern"]));
    let rows = items(&found["silences"]).iter().map(|silence| {
        let matchers: Vec<_> = items(&silence["matchers"]).iter().map(matcher).collect();
        vec![
            word(&silence["id"]),
            matchers.join(" "),
            word(&silence["ends_at"]),
            word(&silence["reason"]),
            word(&silence["created_by"]),
        ]
    });
    say_table(&["id", "about", "until", "reason", "by"], rows, "nothing is silenced");
}

async fn acknowledge(client: &ClientArgs, id: &str, note: &Option<String>) -> Result<Value, (Exit, String)> {
    let id: AlertId = id.parse().map_err(|error| {
        (Exit::WrongUse, format!("{id:?} is not the id of an alert: {error}; `levqor alerts` lists them"))
    })?;
    let body = note.as_ref().map_or_else(|| json!({}), |note| json!({ "note": note }));
    send(client, &format!("api/ops/alerts/{id}/acknowledge"), Some(body)).await
}

async fn silence(args: &SilenceArgs) -> Result<Value, (Exit, String)> {
    let ends_at = SystemClock.now() + Duration::from_secs(u64::from(args.hours) * 3_600);
    let body = json!({
        "matchers": [
            { "field": "rule", "pattern": args.rule },
            { "field": "subject", "pattern": args.subject },
        ],
        "reason": args.reason,
        "ends_at": ends_at,
    });
    send(&args.client, "api/ops/silences", Some(body)).await
}

async fn unsilence(client: &ClientArgs, id: &str) -> Result<Value, (Exit, String)> {
    let id: SilenceId = id.parse().map_err(|error| {
        let problem =
            format!("{id:?} is not the id of a silence: {error}; `levqor alerts silences` lists them");
        (Exit::WrongUse, problem)
    })?;
    delete(client, &format!("api/ops/silences/{id}")).await?;
    Ok(json!({ "id": id, "ended": true }))
}
