//! A webhook message as a run sees it: `{method, query, headers, body, encoding}`.
//!
//! Headers come by a list of those that are known to hold no credentials: runs are kept, and read by many.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

/// What a run gets to see of the headers, besides the attributes of a CloudEvent (`ce-…`).
const HEADERS: [&str; 24] = [
    "accept",
    "content-language",
    "content-type",
    "traceparent",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-atlassian-webhook-identifier",
    "x-delivery-id",
    "x-event-key",
    "x-event-type",
    "x-github-delivery",
    "x-github-event",
    "x-github-hook-id",
    "x-gitlab-event",
    "x-gitlab-event-uuid",
    "x-request-id",
    "x-shopify-event-id",
    "x-shopify-shop-domain",
    "x-shopify-topic",
    "x-shopify-webhook-id",
    "x-wc-webhook-event",
    "x-wc-webhook-resource",
    "x-wc-webhook-topic",
];

/// The input of the run. `headers` have names in lower case.
///
/// # Errors
/// When the body says that it is JSON, and is not.
pub fn input<'a>(
    method: &str,
    query: &str,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: &[u8],
) -> Result<Value, serde_json::Error> {
    let mut kept = Map::new();
    let mut media = String::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value);
        if name == "content-type" {
            media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        }
        if HEADERS.contains(&name) || name.starts_with("ce-") {
            add(&mut kept, name, &text);
        }
    }
    let mut asked = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        add(&mut asked, &name, &value);
    }
    let (encoding, body) = content(&media, body)?;
    Ok(json!({ "method": method, "query": asked, "headers": kept, "body": body, "encoding": encoding }))
}

/// A name that comes again makes a list.
fn add(members: &mut Map<String, Value>, name: &str, value: &str) {
    match members.get_mut(name) {
        None => drop(members.insert(name.to_owned(), Value::from(value))),
        Some(Value::Array(values)) => values.push(Value::from(value)),
        Some(first) => *first = json!([first.take(), value]),
    }
}

fn content(media: &str, body: &[u8]) -> Result<(&'static str, Value), serde_json::Error> {
    if body.is_empty() {
        return Ok(("none", Value::Null));
    }
    if media.ends_with("/json") || media.ends_with("+json") {
        return serde_json::from_slice(body).map(|value| ("json", value));
    }
    Ok(match std::str::from_utf8(body) {
        Ok(text) => ("text", Value::from(text)),
        Err(_) => ("base64", Value::from(BASE64_STANDARD.encode(body))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(query: &str, headers: &[(&str, &str)], body: &[u8]) -> Value {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        input("POST", query, headers, body).unwrap()
    }

    #[test]
    fn a_run_sees_the_message_without_credentials() {
        let headers = [
            ("authorization", "Bearer secret"),
            ("cookie", "a=b"),
            ("webhook-signature", "v1,x"),
            ("stripe-signature", "x"),
            ("x-api-key", "x"),
            ("x-forwarded-for", "10.0.0.1"),
            ("content-type", "application/json; charset=utf-8"),
            ("x-github-event", "push"),
            ("ce-type", "t"),
        ];
        assert_eq!(
            seen("a=1&b=2&a=3%20x&a=4", &headers, br#"{"n": 1}"#),
            json!({
                "method": "POST",
                "query": { "a": ["1", "3 x", "4"], "b": "2" },
                "headers": { "content-type": "application/json; charset=utf-8", "x-github-event": "push", "ce-type": "t" },
                "body": { "n": 1 },
                "encoding": "json",
            })
        );
    }

    #[test]
    fn a_body_is_json_text_or_bytes() {
        let rows: [(&str, &[u8], &str, Value); 5] = [
            ("text/plain", b"{}", "text", json!("{}")),
            ("", b"hello", "text", json!("hello")),
            ("application/octet-stream", &[0xff, 0xfe], "base64", json!("//4=")),
            ("application/json", b"", "none", Value::Null),
            ("application/x.y+json", b"[]", "json", json!([])),
        ];
        for (media, body, encoding, expected) in rows {
            let seen = seen("", &[("content-type", media)], body);
            assert_eq!((&seen["encoding"], &seen["body"]), (&json!(encoding), &expected), "{media}");
        }
        let headers = [("content-type", b"application/json".as_slice())];
        assert!(input("POST", "", headers.into_iter(), b"{").is_err());
    }
}
