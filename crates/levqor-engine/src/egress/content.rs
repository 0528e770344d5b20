//! From an answer to the task's raw output.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use levqor_flow::{
    definition::HttpOutput,
    machine::{ErrorKind, FlowError},
};
use levqor_model::limits::NESTING_MAX;
use reqwest::{
    StatusCode,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderMap},
};
use serde_json::{Map, Value, json};

use crate::payload::depth_exceeds;

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The request as `output: response` shows it.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) headers: &'a HeaderMap,
}

/// # Errors
/// A communication error when the answer says it is JSON and is not, or is nested too deeply.
pub(super) fn output(form: HttpOutput, sent: &Sent<'_>, answer: &Answer) -> Result<Value, FlowError> {
    match form {
        HttpOutput::Raw => Ok(Value::String(STANDARD.encode(&answer.body))),
        HttpOutput::Content => content(answer),
        HttpOutput::Text => String::from_utf8(answer.body.clone())
            .map(Value::String)
            .map_err(|_| broken("the answer is not text".to_owned())),
        HttpOutput::Response => Ok(json!({
            "request": {
                "method": sent.method,
                "uri": sent.uri,
                "headers": shown_headers(sent.headers),
            },
            "statusCode": answer.status.as_u16(),
            "headers": shown_headers(&answer.headers),
            "content": content(answer)?,
        })),
    }
}

/// JSON becomes a value, text a string, nothing null, anything else base64.
fn content(answer: &Answer) -> Result<Value, FlowError> {
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    let encoded = answer.headers.get(CONTENT_ENCODING).is_some_and(|value| value != "identity");
    let media = media_type(&answer.headers);
    if !encoded && is_json(&media) {
        let value: Value = serde_json::from_slice(&answer.body).map_err(|reason| {
            broken(format!("the answer says that it is {media}, but is not JSON: {reason}"))
        })?;
        if depth_exceeds(&value, NESTING_MAX) {
            return Err(broken(format!("the answer is nested deeper than {NESTING_MAX} levels")));
        }
        return Ok(value);
    }
    if !encoded
        && is_text(&media)
        && let Ok(text) = std::str::from_utf8(&answer.body)
    {
        return Ok(Value::String(text.to_owned()));
    }
    Ok(Value::String(STANDARD.encode(&answer.body)))
}

/// The first characters of a body for an error's text; empty when it is not text.
pub(super) fn excerpt(answer: &Answer) -> String {
    const CHARACTERS_MAX: usize = 300;
    let Ok(text) = std::str::from_utf8(&answer.body) else { return String::new() };
    let mut excerpt: String = text.trim().chars().take(CHARACTERS_MAX).collect();
    if text.trim().chars().nth(CHARACTERS_MAX).is_some() {
        excerpt.push('…');
    }
    excerpt
}

fn media_type(headers: &HeaderMap) -> String {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default()
}

fn is_json(media: &str) -> bool {
    media == "application/json" || media == "text/json" || media.ends_with("+json")
}

fn is_text(media: &str) -> bool {
    media.is_empty()
        || media.starts_with("text/")
        || media.ends_with("+xml")
        || matches!(
            media,
            "application/xml"
                | "application/javascript"
                | "application/x-www-form-urlencoded"
                | "application/yaml"
                | "application/x-ndjson"
        )
}

/// Header names with their values joined; credentials are masked, for outputs are recorded.
fn shown_headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut shown = Map::new();
    for name in headers.keys() {
        let value = if name == AUTHORIZATION || name == COOKIE {
            "***".to_owned()
        } else {
            let values: Vec<_> =
                headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            values.join(", ")
        };
        shown.insert(name.as_str().to_owned(), Value::String(value));
    }
    shown
}

fn broken(detail: String) -> FlowError {
    ErrorKind::Communication.error("Answer not usable", detail)
}
