//! `levqor notifications`: messages to people and other systems, and those that did not arrive.

use levqor_model::{NotificationId, NotificationState};
use serde_json::{Value, json};

use super::{
    client::{answered, items, send, word},
    listed::{LISTED_MAX, listed, say_more},
};
use crate::{
    Exit,
    cli::{ClientArgs, NotificationsArgs, NotificationsCommand},
    console::{say, say_table},
};

pub async fn notifications(args: &NotificationsArgs, as_json: bool) -> Exit {
    let asked = match &args.command {
        None => list(&args.client, args.state.as_deref()).await,
        Some(NotificationsCommand::Retry { id, client }) => act(client, id, "retry", json!({})).await,
        Some(NotificationsCommand::Dismiss { id, reason, client }) => {
            act(client, id, "dismiss", json!({ "reason": reason })).await
        }
    };
    answered(asked, as_json, |found| {
        if args.command.is_some() {
            say(format_args!("{} is {}", word(&found["id"]), word(&found["state"])));
        } else {
            let heads = ["id", "state", "to", "attempts", "made", "subject", "problem"];
            say_table(&heads, items(&found["notifications"]).iter().map(row), "no messages");
            say_more(found, "notifications");
        }
    })
}

async fn list(client: &ClientArgs, state: Option<&str>) -> Result<Value, (Exit, String)> {
    let state = state.map(str::parse::<NotificationState>).transpose();
    let state = state.map_err(|error| (Exit::WrongUse, format!("--state: {error}")))?;
    let filter = state.map_or_else(String::new, |state| format!("?state={state}"));
    listed(client, &format!("api/ops/notifications{filter}"), "notifications", LISTED_MAX).await
}

fn row(message: &Value) -> Vec<String> {
    let to = match &message["destination"] {
        Value::String(destination) => destination.clone(),
        _ => word(&message["target"]),
    };
    vec![
        word(&message["id"]),
        word(&message["state"]),
        to,
        word(&message["attempts"]),
        word(&message["created_at"]),
        word(&message["subject"]),
        word(&message["problem"]),
    ]
}

async fn act(client: &ClientArgs, id: &str, verb: &str, body: Value) -> Result<Value, (Exit, String)> {
    let id: NotificationId = id.parse().map_err(|error| {
        let problem =
            format!("{id:?} is not the id of a message: {error}; `levqor notifications` lists them");
        (Exit::WrongUse, problem)
    })?;
    send(client, &format!("api/ops/notifications/{id}/{verb}"), Some(body)).await
}
