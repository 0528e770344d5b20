//! CloudEvents over HTTP: one event or a batch in JSON, or one with its attributes in headers.
//!
//! Pure: header lines and a body in, events out. Nothing of a request is trusted.
//!
//! Source: CloudEvents 1.0.2, HTTP protocol binding (§3) and JSON event format (§3, §4).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use levqor_flow::event::{CloudEvent, EventError};
use percent_encoding::percent_decode;
use serde_json::{Map, Value};

const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
/// What names of headers that hold attributes start with.
const PREFIX: &str = "ce-";

/// Why a request holds no events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "send one event as `{ONE}`, several as `{BATCH}`, or one with its attributes in `{PREFIX}` headers{}",
        shown(.0)
    )]
    MediaType(String),
    #[error("the body {0}")]
    Body(String),
    #[error(
        "{found} events were sent at once; at most {max} are taken, so send the rest with another request"
    )]
    TooMany { found: usize, max: usize },
    /// `place` is that in the batch.
    #[error("{}{error}", .place.map_or_else(String::new, |place| format!("event {place}: ")))]
    Event { place: Option<usize>, error: EventError },
}

fn shown(media: &str) -> String {
    if media.is_empty() {
        return String::new();
    }
    let media: String = media.chars().take(64).collect();
    format!("; this came as {media:?}")
}

/// The events of a request, in order. `headers` have names in lower case; `max` is how many a batch may have.
///
/// # Errors
/// The first thing that is wrong.
pub fn events<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    body: &[u8],
    max: usize,
) -> Result<Vec<CloudEvent>, Refusal> {
    let mut content_type = None;
    let mut attributes = Vec::new();
    for (name, value) in headers {
        if name == "content-type" {
            content_type = Some(value);
        } else if let Some(attribute) = name.strip_prefix(PREFIX) {
            attributes.push((attribute, value));
        }
    }
    let content_type = content_type.map(|value| String::from_utf8_lossy(value).into_owned());
    let media = media_type(content_type.as_deref().unwrap_or_default());
    match media.as_str() {
        ONE => one(json(body)?).map(|event| vec![event]),
        BATCH => batch(body, max),
        // A format of events that is not JSON, whatever its headers say.
        _ if media.starts_with("application/cloudevents") => Err(Refusal::MediaType(media)),
        _ if attributes.iter().any(|(name, _)| *name == "specversion") => {
            binary(&attributes, content_type.as_deref(), &media, body).map(|event| vec![event])
        }
        _ => Err(Refusal::MediaType(media)),
    }
}

fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|reason| Refusal::Body(format!("is not JSON: {reason}")))
}

fn one(value: Value) -> Result<CloudEvent, Refusal> {
    if value.is_array() {
        return Err(Refusal::Body(format!("is a list; send several events as `{BATCH}`")));
    }
    CloudEvent::parse(value).map_err(|error| Refusal::Event { place: None, error })
}

fn batch(body: &[u8], max: usize) -> Result<Vec<CloudEvent>, Refusal> {
    let Value::Array(values) = json(body)? else {
        return Err(Refusal::Body(format!("is not a list; send one event as `{ONE}`")));
    };
    if values.len() > max {
        return Err(Refusal::TooMany { found: values.len(), max });
    }
    values
        .into_iter()
        .enumerate()
        .map(|(place, value)| {
            CloudEvent::parse(value).map_err(|error| Refusal::Event { place: Some(place), error })
        })
        .collect()
}

/// Attributes from headers, data from the body.
fn binary(
    attributes: &[(&str, &[u8])],
    content_type: Option<&str>,
    media: &str,
    body: &[u8],
) -> Result<CloudEvent, Refusal> {
    let mut members = Map::new();
    for (name, value) in attributes {
        // `data` comes in the body; a header of that name would take its place.
        if matches!(*name, "data" | "data_base64" | "datacontenttype") {
            let error = EventError {
                attribute: (*name).to_owned(),
                problem: format!("is in the header `{PREFIX}{name}`"),
                remedy: "send the data as the body, and its type as `Content-Type`".to_owned(),
            };
            return Err(Refusal::Event { place: None, error });
        }
        let text = percent_decode(value).decode_utf8().map_err(|_| Refusal::Event {
            place: None,
            error: EventError {
                attribute: (*name).to_owned(),
                problem: "is not UTF-8".to_owned(),
                remedy: "write it as percent-encoded UTF-8".to_owned(),
            },
        })?;
        if members.insert((*name).to_owned(), Value::String(text.into_owned())).is_some() {
            let error = EventError {
                attribute: (*name).to_owned(),
                problem: "is there twice".to_owned(),
                remedy: "send each attribute once".to_owned(),
            };
            return Err(Refusal::Event { place: None, error });
        }
    }
    if let Some(content_type) = content_type {
        members.insert("datacontenttype".to_owned(), Value::String(content_type.to_owned()));
    }
    if !body.is_empty() {
        let (name, data) = data(media, body)?;
        members.insert(name.to_owned(), data);
    }
    CloudEvent::parse(Value::Object(members)).map_err(|error| Refusal::Event { place: None, error })
}

fn data(media: &str, body: &[u8]) -> Result<(&'static str, Value), Refusal> {
    // No type means JSON, says the format.
    if media.is_empty() || is_json(media) {
        return json(body).map(|value| ("data", value));
    }
    if media.starts_with("text/")
        && let Ok(text) = std::str::from_utf8(body)
    {
        return Ok(("data", Value::String(text.to_owned())));
    }
    Ok(("data_base64", Value::String(BASE64_STANDARD.encode(body))))
}

fn is_json(media: &str) -> bool {
    media.ends_with("/json") || media.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(headers: &[(&str, &str)], body: &str) -> Result<Value, String> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        match events(headers, body.as_bytes(), 2) {
            Ok(events) => Ok(events.iter().map(|event| Value::Object(event.as_value().clone())).collect()),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    const CE: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

    fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        CE.iter().chain(more).copied().collect()
    }

    #[test]
    fn every_mode_gives_the_same_event() {
        let event =
            json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": { "n": 1 } });
        let structured = [("content-type", "Application/CloudEvents+JSON; charset=utf-8")];
        assert_eq!(parsed(&structured, &event.to_string()), Ok(json!([event])));
        let batch = [("content-type", BATCH)];
        let mut other = event.clone();
        other["id"] = json!("2");
        assert_eq!(parsed(&batch, &json!([event, other]).to_string()), Ok(json!([event, other])));
        assert_eq!(parsed(&batch, "[]"), Ok(json!([])));

        let mut binary = event.clone();
        binary["datacontenttype"] = json!("application/json");
        assert_eq!(
            parsed(&with(&[("content-type", "application/json")]), r#"{"n": 1}"#),
            Ok(json!([binary]))
        );
        assert_eq!(parsed(&with(&[]), r#"{"n": 1}"#), Ok(json!([event])));
    }

    #[test]
    fn attributes_in_headers_are_decoded_and_data_is_kept_as_it_is() {
        let rows = [
            (vec![("ce-subject", "caf%C3%A9 %22x%22")], "", "subject", json!("café \"x\"")),
            (vec![("content-type", "text/plain")], "hello", "data", json!("hello")),
            (vec![("content-type", "image/png")], "\u{1}\u{2}", "data_base64", json!("AQI=")),
            (vec![("content-type", "application/vnd.x+json")], "[1]", "data", json!([1])),
        ];
        for (more, body, member, expected) in rows {
            let events = parsed(&with(&more), body).unwrap();
            assert_eq!(events[0][member], expected, "{more:?}");
        }
        let none = parsed(&with(&[]), "").unwrap();
        assert!(none[0].get("data").is_none());
    }

    #[test]
    fn refusals_say_what_to_send() {
        let one = [("content-type", ONE)];
        let batch = [("content-type", BATCH)];
        let event = r#"{"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}"#;
        type Row<'a> = (Vec<(&'a str, &'a str)>, String, &'a str);
        let rows: [Row<'_>; 9] = [
            (vec![], String::new(), "send one event as `application/cloudevents+json`"),
            (vec![("content-type", "application/json")], event.into(), "this came as \"application/json\""),
            (with(&[("content-type", "application/cloudevents+xml")]), String::new(), "send one event as"),
            (one.into(), "{".into(), "the body is not JSON: "),
            (one.into(), format!("[{event}]"), "the body is a list; send several events as"),
            (batch.into(), event.into(), "the body is not a list; send one event as"),
            (batch.into(), format!("[{event},{event},{event}]"), "3 events were sent at once; at most 2"),
            (batch.into(), format!("[{event},7]"), "event 1: the event is not an object"),
            (
                with(&[("ce-data", "x")]),
                String::new(),
                "`data` is in the header `ce-data`; send the data as the body",
            ),
        ];
        for (headers, body, expected) in rows {
            let refusal = parsed(&headers, &body).unwrap_err();
            assert!(refusal.contains(expected), "{expected:?} is not in {refusal:?}");
        }
        let twice = parsed(&with(&[("ce-id", "2")]), "").unwrap_err();
        assert!(twice.contains("`id` is there twice"), "{twice}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            content_type in "[a-z/+;= ]{0,40}|application/cloudevents(-batch)?\\+json",
            value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
            body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        ) {
            let mut headers: Vec<(&str, &[u8])> = CE.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            headers.push(("content-type", content_type.as_bytes()));
            headers.push(("ce-subject", &value));
            let _ = events(headers.into_iter(), &body, 2);
        }
    }
}
