//! `levqor maintenance list|schedule|cancel|end`: when operators work on the platform.

use serde_json::{Value, json};

use super::{
    client::{items, or_tell, present, send, word},
    listed::{LISTED_MAX, listed, say_more},
};
use crate::{
    Exit,
    cli::{ClientArgs, MaintenanceArgs, MaintenanceCommand},
    console::{say, say_table, table},
};

const PATH: &str = "api/ops/maintenance";
const HEADS: [&str; 6] = ["id", "status", "from", "until", "parts", "title"];

pub async fn maintenance(args: &MaintenanceArgs, as_json: bool) -> Exit {
    let outcome = match &args.command {
        None => list(&args.client, as_json).await,
        Some(MaintenanceCommand::List(client)) => list(client, as_json).await,
        Some(MaintenanceCommand::Schedule { title, parts, from, until, words, client }) => {
            let body = json!({ "title": title, "parts": parts, "starts_at": from, "ends_at": until, "words": words });
            act(client, PATH, body, as_json).await
        }
        Some(MaintenanceCommand::Cancel { id, reason, client }) => {
            of(client, id, "cancel", json!({ "reason": reason }), as_json).await
        }
        Some(MaintenanceCommand::End { id, client }) => of(client, id, "end", json!({}), as_json).await,
    };
    outcome.unwrap_or_else(|exit| exit)
}

async fn list(client: &ClientArgs, as_json: bool) -> Result<Exit, Exit> {
    let found = or_tell(listed(client, PATH, "maintenance", LISTED_MAX).await)?;
    present(&found, as_json, || {
        let nothing = "nothing is planned, and nothing was in the last 90 days";
        say_table(&HEADS, items(&found["maintenance"]).iter().map(row), nothing);
        say_more(&found, "maintenance");
    });
    Ok(Exit::Done)
}

async fn of(client: &ClientArgs, id: &str, verb: &str, body: Value, as_json: bool) -> Result<Exit, Exit> {
    if !id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        eprintln!("levqor: {id:?} is not the id of maintenance; `levqor maintenance list` shows them");
        return Err(Exit::WrongUse);
    }
    act(client, &format!("{PATH}/{id}/{verb}"), body, as_json).await
}

async fn act(client: &ClientArgs, path: &str, body: Value, as_json: bool) -> Result<Exit, Exit> {
    let done = or_tell(send(client, path, Some(body)).await)?;
    present(&done, as_json, || say(table(&HEADS, [row(&done)])));
    Ok(Exit::Done)
}

fn row(window: &Value) -> Vec<String> {
    let parts: Vec<String> = items(&window["parts"]).iter().map(word).collect();
    vec![
        word(&window["id"]),
        word(&window["status"]),
        word(&window["starts_at"]),
        word(&window["ends_at"]),
        parts.join(", "),
        word(&window["title"]),
    ]
}
