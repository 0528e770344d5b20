//! `levqor heartbeats list|add|show|remove`: jobs elsewhere that tell of themselves.

use std::io::stdout;

use serde_json::{Value, json};

use super::{
    client::{delete, items, or_tell, present, send, word},
    probes::segment,
};
use crate::{
    Exit,
    cli::{ClientArgs, HeartbeatsArgs, HeartbeatsCommand},
    console::{Tone, paint, say, say_table, table},
};

const HEARTBEATS: &str = "api/ops/heartbeats";

pub async fn heartbeats(args: &HeartbeatsArgs, as_json: bool) -> Exit {
    let outcome = match &args.command {
        None => list(&args.client, as_json).await,
        Some(HeartbeatsCommand::List(client)) => list(client, as_json).await,
        Some(HeartbeatsCommand::Add { name, period, grace, client }) => {
            add(client, name, (*period, *grace), as_json).await
        }
        Some(HeartbeatsCommand::Show { name, client }) => show(client, name, as_json).await,
        Some(HeartbeatsCommand::Remove { name, client }) => remove(client, name, as_json).await,
    };
    outcome.unwrap_or_else(|exit| exit)
}

fn tone(state: &Value) -> Tone {
    match state.as_str() {
        Some("up") => Tone::Good,
        Some("down") => Tone::Bad,
        Some("new") => Tone::Quiet,
        _ => Tone::Warning,
    }
}

fn row(beat: &Value) -> Vec<String> {
    let running = if beat["running"] == true { ", runs" } else { "" };
    vec![
        word(&beat["name"]),
        format!("{}{running}", paint(&word(&beat["state"]), tone(&beat["state"]), &stdout())),
        word(&beat["since"]),
        format!("{} s", word(&beat["period_seconds"])),
        format!("{} s", word(&beat["grace_seconds"])),
        word(&beat["pinged_at"]),
        word(&beat["reason"]),
    ]
}

fn ping(ping: &Value) -> Vec<String> {
    let took = ping["duration_ms"].as_i64().map_or_else(|| "-".to_owned(), |took| format!("{took} ms"));
    vec![word(&ping["at"]), word(&ping["kind"]), word(&ping["exit_code"]), took]
}

const HEADS: [&str; 7] = ["job", "state", "since", "period", "grace", "last heard", "why"];

async fn list(client: &ClientArgs, as_json: bool) -> Result<Exit, Exit> {
    let found = or_tell(send(client, HEARTBEATS, None).await)?;
    let all = items(&found["heartbeats"]);
    let none = "no job elsewhere tells of itself; `levqor heartbeats add NAME --period SECONDS` makes an address for one";
    present(&found, as_json, || say_table(&HEADS, all.iter().map(row), none));
    Ok(if all.iter().any(|beat| beat["state"] == "down") { Exit::Failed } else { Exit::Done })
}

async fn add(
    client: &ClientArgs,
    name: &str,
    (period, grace): (u64, u64),
    as_json: bool,
) -> Result<Exit, Exit> {
    let body = json!({ "name": name, "period_seconds": period, "grace_seconds": grace });
    let made = or_tell(send(client, HEARTBEATS, Some(body)).await)?;
    present(&made, as_json, || {
        say(word(&made["url"]));
        eprintln!(
            "The address is shown this once. Call it when {name} has ended well; add /start, /fail or an exit code."
        );
    });
    Ok(Exit::Done)
}

async fn show(client: &ClientArgs, name: &str, as_json: bool) -> Result<Exit, Exit> {
    let found = or_tell(send(client, &format!("{HEARTBEATS}/{}", segment(name)), None).await)?;
    present(&found, as_json, || {
        say(table(&HEADS, std::iter::once(row(&found))));
        say("");
        let pings = items(&found["pings"]).iter().map(ping);
        say_table(&["at", "ping", "exit code", "took"], pings, "it was never heard of");
    });
    Ok(if found["state"] == "down" { Exit::Failed } else { Exit::Done })
}

async fn remove(client: &ClientArgs, name: &str, as_json: bool) -> Result<Exit, Exit> {
    or_tell(delete(client, &format!("{HEARTBEATS}/{}", segment(name))).await.map(|()| Value::Null))?;
    present(&json!({ "deleted": name }), as_json, || say(format_args!("{name} is deleted")));
    Ok(Exit::Done)
}
