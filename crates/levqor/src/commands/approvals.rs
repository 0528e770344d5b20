//! `levqor approvals`: what runs ask people, and the answers.

use serde_json::{Value, json};

use super::client::{answered, items, send, word};
use crate::{
    Exit,
    cli::{ApprovalsArgs, ApprovalsCommand, ClientArgs},
    console::{say, say_table},
};

pub async fn approvals(args: &ApprovalsArgs, as_json: bool) -> Exit {
    let outcome = match &args.command {
        None => send(&args.client, "api/approvals", None).await,
        Some(ApprovalsCommand::Approve { id, comment }) => answer(&args.client, id, "approve", comment).await,
        Some(ApprovalsCommand::Reject { id, comment }) => answer(&args.client, id, "reject", comment).await,
    };
    answered(outcome, as_json, |found| {
        if args.command.is_some() {
            say(format_args!("{}: {}", word(&found["status"]), word(&found["title"])));
        } else {
            let rows = items(&found["approvals"]).iter().map(row);
            say_table(&["id", "title", "run", "asked"], rows, "nothing waits for a decision");
        }
    })
}

fn row(approval: &Value) -> Vec<String> {
    ["id", "title", "run_id", "requested_at"].map(|member| word(&approval[member])).to_vec()
}

async fn answer(
    client: &ClientArgs,
    id: &str,
    verb: &str,
    comment: &Option<String>,
) -> Result<Value, (Exit, String)> {
    if !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err((
            Exit::WrongUse,
            format!("{id:?} is not the id of an approval; `levqor approvals` lists them"),
        ));
    }
    let body = comment.as_ref().map_or_else(|| json!({}), |comment| json!({ "comment": comment }));
    send(client, &format!("api/approvals/{id}/{verb}"), Some(body)).await
}
