//! What commands ask of a running server.

use std::time::Duration;

use serde_json::Value;

use crate::{Exit, cli::ClientArgs};

/// Longest time for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A GET, or a POST of a body.
pub(super) async fn send(
    client: &ClientArgs,
    path: &str,
    body: Option<Value>,
) -> Result<Value, (Exit, String)> {
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
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
