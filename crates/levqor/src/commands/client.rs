//! What commands ask of a running server.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::{Exit, cli::ClientArgs, console::say};

/// Longest time for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A GET, or a POST of a body.
pub(super) async fn send(
    client: &ClientArgs,
    path: &str,
    body: Option<Value>,
) -> Result<Value, (Exit, String)> {
    must_have_key(client)?;
    send_as_anyone(client, path, body).await
}

/// A DELETE, which is answered with nothing.
pub(super) async fn delete(client: &ClientArgs, path: &str) -> Result<(), (Exit, String)> {
    must_have_key(client)?;
    let answer = request(client, Method::DELETE, path, None, TIMEOUT).await?;
    if answer.status().is_success() {
        return Ok(());
    }
    let problem = json_of(client, answer).await.err();
    Err(problem.unwrap_or((Exit::Failed, "the server refused without a reason".to_owned())))
}

/// [`send`] of what may take its time.
pub(super) async fn send_within(
    client: &ClientArgs,
    path: &str,
    body: Option<Value>,
    patience: Duration,
) -> Result<Value, (Exit, String)> {
    must_have_key(client)?;
    json_of(client, ask(client, path, body, patience).await?).await
}

/// A GET whose answer is read piece by piece.
pub(super) async fn open(
    client: &ClientArgs,
    path: &str,
    patience: Duration,
) -> Result<reqwest::Response, (Exit, String)> {
    must_have_key(client)?;
    let answer = ask(client, path, None, patience).await?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let problem = json_of(client, answer).await.err();
    Err(problem.unwrap_or((Exit::Failed, "the server refused without a reason".to_owned())))
}

fn must_have_key(client: &ClientArgs) -> Result<(), (Exit, String)> {
    match client.key {
        Some(_) => Ok(()),
        None => {
            let problem = "give an API key by --key or LEVQOR_API_KEY; the server printed one at its first start, \
                           and the page API keys of the console makes others";
            Err((Exit::WrongUse, problem.to_owned()))
        }
    }
}

/// [`send`] of what is answered without a key too.
pub(super) async fn send_as_anyone(
    client: &ClientArgs,
    path: &str,
    body: Option<Value>,
) -> Result<Value, (Exit, String)> {
    json_of(client, ask(client, path, body, TIMEOUT).await?).await
}

async fn ask(
    client: &ClientArgs,
    path: &str,
    body: Option<Value>,
    patience: Duration,
) -> Result<reqwest::Response, (Exit, String)> {
    let method = if body.is_some() { Method::POST } else { Method::GET };
    request(client, method, path, body, patience).await
}

async fn request(
    client: &ClientArgs,
    method: Method,
    path: &str,
    body: Option<Value>,
    patience: Duration,
) -> Result<reqwest::Response, (Exit, String)> {
    let failed = |problem: String| (Exit::Failed, problem);
    let base = client.url.trim_end_matches('/');
    if !matches!(url::Url::parse(base), Ok(url) if matches!(url.scheme(), "http" | "https")) {
        let problem =
            format!("--url {base:?} is not an http or https address; write it like http://127.0.0.1:8000");
        return Err((Exit::WrongUse, problem));
    }
    let http = reqwest::Client::builder()
        .timeout(patience)
        .no_proxy()
        .build()
        .map_err(|error| failed(format!("cannot make requests: {error}")))?;
    let url = format!("{base}/{path}");
    let request = http.request(method, url);
    let request = match &body {
        None => request,
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
    };
    let request = match &client.key {
        Some(key) => request.bearer_auth(key),
        None => request,
    };
    request.send().await.map_err(|error| {
        failed(format!("{base} does not answer: {error}; start it with `levqor`, or name another with --url"))
    })
}

async fn json_of(client: &ClientArgs, answer: reqwest::Response) -> Result<Value, (Exit, String)> {
    let failed = |problem: String| (Exit::Failed, problem);
    let base = client.url.trim_end_matches('/');
    let good = answer.status().is_success();
    let text = answer.text().await.map_err(|error| failed(error.to_string()))?;
    let found: Value = serde_json::from_str(&text)
        .map_err(|_| failed(format!("{base} did not answer with JSON; is it a Levqor server?")))?;
    if good { Ok(found) } else { Err(refusal(&found)) }
}

/// What a problem document says, with what it says of each field or check.
fn refusal(problem: &Value) -> (Exit, String) {
    let kind = problem["type"].as_str().unwrap_or_default();
    let mut words = word(&problem["detail"]);
    for error in items(&problem["errors"]) {
        let line = format!("{}: {}", word(&error["pointer"]), word(&error["message"]));
        if line != words {
            words.push_str("\n  ");
            words.push_str(&line);
        }
    }
    // A name that nothing has is the caller's mistake.
    let exit = if kind.ends_with("/region-not-found") { Exit::WrongUse } else { Exit::Failed };
    (exit, words)
}

/// What was asked for. A problem is told here, and is the exit.
pub(super) fn or_tell(asked: Result<Value, (Exit, String)>) -> Result<Value, Exit> {
    asked.map_err(|(exit, problem)| {
        eprintln!("levqor: {problem}");
        exit
    })
}

/// Shows what was asked for; a problem is told instead, and is the exit.
pub(super) fn answered(
    asked: Result<Value, (Exit, String)>,
    as_json: bool,
    in_words: impl FnOnce(&Value),
) -> Exit {
    match or_tell(asked) {
        Ok(found) => {
            present(&found, as_json, || in_words(&found));
            Exit::Done
        }
        Err(exit) => exit,
    }
}

/// Shows what was found to programs, or to people.
pub(super) fn present(found: &Value, as_json: bool, in_words: impl FnOnce()) {
    if as_json {
        say(format_args!("{found:#}"));
    } else {
        in_words();
    }
}

/// The members of a list; none when it is not there.
pub(super) fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[][..], Vec::as_slice)
}

/// A value without quotes; a dash when it is not there. Names that others chose, or a file that somebody else wrote, must not move the
/// cursor and draw another verdict: what controls a terminal is shown as a sign for it.
pub(super) fn word(value: &Value) -> String {
    let harmless = |letter: char| if letter.is_control() && letter != '\n' { '\u{fffd}' } else { letter };
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.chars().map(harmless).collect(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_is_shown_moves_the_cursor() {
        for (value, expected) in [
            (json!("as it is\nand on"), "as it is\nand on"),
            (json!("\u{1b}[2K\rAUDIT: WHOLE"), "\u{fffd}[2K\u{fffd}AUDIT: WHOLE"),
            (json!({ "a": "\u{1b}" }), r#"{"a":"\u001b"}"#),
            (json!(null), "-"),
        ] {
            assert_eq!(word(&value), expected);
        }
    }
}
