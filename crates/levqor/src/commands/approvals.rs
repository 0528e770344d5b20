//! `levqor approvals`: what runs ask people, and the answers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    Exit,
    cli::{ApprovalsArgs, ApprovalsCommand, ClientArgs},
    console::{say, table},
};

/// Longest time for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

pub async fn approvals(args: &ApprovalsArgs, as_json: bool) -> Exit {
    let outcome = match &args.command {
        None => send(&args.client, "api/approvals", None).await,
        Some(ApprovalsCommand::Approve { id, comment }) => answer(&args.client, id, "approve", comment).await,
        Some(ApprovalsCommand::Reject { id, comment }) => answer(&args.client, id, "reject", comment).await,
    };
    let found = match outcome {
        Ok(found) => found,
        Err((exit, problem)) => {
            eprintln!("levqor: {problem}");
            return exit;
        }
    };
    if as_json {
        say(format_args!("{found:#}"));
    } else if args.command.is_some() {
        say(format_args!("{}: {}", word(&found["status"]), word(&found["title"])));
    } else {
        let rows: Vec<_> = found["approvals"].as_array().into_iter().flatten().map(row).collect();
        if rows.is_empty() {
            say(format_args!("nothing waits for a decision"));
        } else {
            say(format_args!("{}", table(&["id", "title", "run", "asked"], rows.into_iter())));
        }
    }
    Exit::Done
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

/// A GET, or a POST of a body.
async fn send(client: &ClientArgs, path: &str, body: Option<Value>) -> Result<Value, (Exit, String)> {
    let failed = |problem: String| (Exit::Failed, problem);
    let base = client.url.trim_end_matches('/');
    if !matches!(url::Url::parse(base), Ok(url) if matches!(url.scheme(), "http" | "https")) {
        let problem =
            format!("--url {base:?} is not an http or https address; write it like http://127.0.0.1:8000");
        return Err((Exit::WrongUse, problem));
    }
    let Some(key) = &client.key else {
        return Err((Exit::WrongUse, "give an API key by --key or LEVQOR_API_KEY".to_owned()));
    };
    let http = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .build()
        .map_err(|error| failed(format!("cannot make requests: {error}")))?;
    let url = format!("{base}/{path}");
    let request = match &body {
        None => http.get(url),
        Some(body) => http.post(url).header("content-type", "application/json").body(body.to_string()),
    };
    let answer = request.bearer_auth(key).send().await.map_err(|error| {
        failed(format!("{base} does not answer: {error}; start it with `levqor`, or name another with --url"))
    })?;
    let good = answer.status().is_success();
    let text = answer.text().await.map_err(|error| failed(error.to_string()))?;
    let found: Value = serde_json::from_str(&text)
        .map_err(|_| failed(format!("{base} did not answer with JSON; is it a Levqor server?")))?;
    if good { Ok(found) } else { Err(failed(word(&found["detail"]))) }
}

/// A value without quotes; a dash when it is not there.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
