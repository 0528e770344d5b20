//! A CloudEvent: the one form that events have here.
//!
//! Source: CloudEvents 1.0.2, the specification and its JSON format.

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use levqor_model::{
    Timestamp,
    limits::{EVENT_ATTRIBUTES_MAX, EVENT_BYTES_MAX, EVENT_KEY_BYTES_MAX, NESTING_MAX},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{document::clip, machine::payload};

/// An event as CloudEvents 1.0 has it, in structured JSON form.
///
/// Invariant: it went through [`CloudEvent::parse`], also when it was read from storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct CloudEvent(Value);

/// Why something is not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}; {remedy}", if .attribute.is_empty() { "the event".to_owned() } else { format!("`{attribute}`") })]
pub struct EventError {
    /// The attribute that is wrong; empty when it is the event as a whole.
    pub attribute: String,
    pub problem: String,
    pub remedy: String,
}

impl EventError {
    fn new(attribute: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { attribute: clip(attribute).into_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}

const DATA: &str = "data";
const DATA_BASE64: &str = "data_base64";

impl CloudEvent {
    /// Checks an event. Attributes that are null count as absent.
    ///
    /// # Errors
    /// The first thing that is wrong: which attribute, what about it, and what to write.
    pub fn parse(value: Value) -> Result<Self, EventError> {
        let Value::Object(mut members) = value else {
            return Err(EventError::new(
                "",
                "is not an object",
                "send a CloudEvent in structured JSON form, such as {\"specversion\": \"1.0\", \"id\": \"1\", \
                 \"source\": \"/shop\", \"type\": \"order.paid\", \"data\": {}}",
            ));
        };
        members.retain(|name, value| name == DATA || !value.is_null());
        let attributes = members.keys().filter(|name| *name != DATA && *name != DATA_BASE64).count();
        if attributes > EVENT_ATTRIBUTES_MAX {
            return Err(EventError::new(
                "",
                format!("has {attributes} attributes, and {EVENT_ATTRIBUTES_MAX} are allowed"),
                "put the rest into `data`",
            ));
        }
        // Before the values are looked at, which may be large.
        let whole = Value::Object(members);
        let Some(bytes) = payload::bytes(&whole, NESTING_MAX) else {
            return Err(EventError::new(
                DATA,
                format!("is nested more than {NESTING_MAX} levels deep"),
                "make it flatter",
            ));
        };
        if bytes > EVENT_BYTES_MAX {
            return Err(EventError::new(
                "",
                format!("has {bytes} bytes as JSON, and {EVENT_BYTES_MAX} are allowed"),
                "keep the data elsewhere and send its address",
            ));
        }
        let event = Self(whole);
        let members = event.as_value();
        for (name, value) in members {
            attribute(name, value)?;
        }
        required(members)?;
        if members.contains_key(DATA) && members.contains_key(DATA_BASE64) {
            return Err(EventError::new(DATA_BASE64, "is there beside `data`", "keep one of them"));
        }
        Ok(event)
    }

    pub fn id(&self) -> &str {
        self.text("id")
    }

    pub fn source(&self) -> &str {
        self.text("source")
    }

    /// The attribute `type`.
    pub fn kind(&self) -> &str {
        self.text("type")
    }

    pub fn subject(&self) -> Option<&str> {
        self.0.get("subject").and_then(Value::as_str)
    }

    pub fn time(&self) -> Option<Timestamp> {
        self.0.get("time").and_then(Value::as_str).and_then(moment)
    }

    /// An attribute of the envelope, extensions included; not the data.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        if name == DATA || name == DATA_BASE64 { None } else { self.0.get(name) }
    }

    /// The data; binary data as its base64 text.
    pub fn data(&self) -> Option<&Value> {
        self.0.get(DATA).or_else(|| self.0.get(DATA_BASE64))
    }

    /// The event in structured JSON form.
    pub fn as_value(&self) -> &Map<String, Value> {
        static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.0.as_object().unwrap_or(&NOTHING)
    }

    /// The same as a value, for expressions.
    pub(crate) fn whole(&self) -> &Value {
        &self.0
    }

    /// What a JSON Pointer (RFC 6901) leads to.
    pub(crate) fn pointer(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// A required attribute.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl TryFrom<Value> for CloudEvent {
    type Error = EventError;

    fn try_from(value: Value) -> Result<Self, EventError> {
        Self::parse(value)
    }
}

impl From<CloudEvent> for Value {
    fn from(event: CloudEvent) -> Value {
        event.0
    }
}

fn required(members: &Map<String, Value>) -> Result<(), EventError> {
    const REQUIRED: [(&str, &str); 4] = [
        ("specversion", "add \"specversion\": \"1.0\""),
        ("id", "give the event an id that no other event of its source has"),
        ("source", "say where the event comes from, such as /shop or https://example.com/shop"),
        ("type", "say what happened, such as com.example.order.paid"),
    ];
    for (name, remedy) in REQUIRED {
        if !members.contains_key(name) {
            return Err(EventError::new(name, "is missing", remedy));
        }
    }
    Ok(())
}

/// One member: its name, and what its value must be.
pub(crate) fn attribute(name: &str, value: &Value) -> Result<(), EventError> {
    match name {
        DATA => return Ok(()),
        DATA_BASE64 => {
            return match value.as_str().map(|text| BASE64_STANDARD.decode(text)) {
                Some(Ok(_)) => Ok(()),
                _ => Err(EventError::new(
                    name,
                    "is not base64",
                    "encode the data as RFC 4648 says, with padding",
                )),
            };
        }
        _ => {}
    }
    if !is_name(name) {
        return Err(EventError::new(
            name,
            "is not the name of an attribute",
            "use 1 to 64 lower-case letters and digits, or put it into `data`",
        ));
    }
    let text = match value {
        Value::String(text) => text,
        Value::Bool(_) if !is_text(name) => return Ok(()),
        Value::Number(number)
            if !is_text(name) && number.as_i64().is_some_and(|whole| i32::try_from(whole).is_ok()) =>
        {
            return Ok(());
        }
        _ if is_text(name) => return Err(EventError::new(name, "is not text", "write it in quotes")),
        _ => {
            return Err(EventError::new(
                name,
                "is not text, a boolean or a whole number of 32 bits",
                "write it as text, or put it into `data`",
            ));
        }
    };
    if text.chars().any(char::is_control) {
        return Err(EventError::new(name, "contains a control character", "remove it"));
    }
    let is_key = matches!(name, "id" | "source" | "type");
    if is_key && text.len() > EVENT_KEY_BYTES_MAX {
        let problem = format!("has {} bytes, and {EVENT_KEY_BYTES_MAX} are allowed", text.len());
        return Err(EventError::new(name, problem, "shorten it"));
    }
    if is_text(name) && text.is_empty() {
        let remedy =
            if is_key || name == "specversion" { "write a value" } else { "write a value, or remove it" };
        return Err(EventError::new(name, "is empty", remedy));
    }
    match name {
        "specversion" if text != "1.0" => {
            let problem = format!("is {:?}, which is not supported", clip(text));
            Err(EventError::new(name, problem, "write \"1.0\""))
        }
        "source" | "dataschema" if text.contains(char::is_whitespace) => {
            Err(EventError::new(name, "is not a URI: it contains a space", "write %20 for it"))
        }
        "time" if moment(text).is_none() => {
            let problem = format!("is {:?}, which is not a moment", clip(text));
            Err(EventError::new(name, problem, "write it as RFC 3339 says, such as 2026-11-24T09:30:00Z"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The attributes that the specification defines; all of them are text that is not empty.
fn is_text(name: &str) -> bool {
    matches!(
        name,
        "specversion" | "id" | "source" | "type" | "subject" | "time" | "datacontenttype" | "dataschema"
    )
}

/// RFC 3339. The calendar's parser takes more than that, so the shape is checked first.
fn moment(text: &str) -> Option<Timestamp> {
    let digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let (date, rest) = bytes.split_at_checked(10)?;
    let (time, rest) = rest.split_at_checked(9)?;
    let shaped = |bytes: &[u8], pattern: &[u8]| {
        bytes.iter().zip(pattern).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            shape => byte.eq_ignore_ascii_case(shape),
        })
    };
    if !shaped(date, b"0000-00-00") || !shaped(time, b"T00:00:00") {
        return None;
    }
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let end = fraction.iter().position(|byte| !byte.is_ascii_digit())?;
            let (fraction, rest) = fraction.split_at(end);
            if !digits(fraction) || fraction.len() > 9 {
                return None;
            }
            rest
        }
    };
    let is_zone = match rest {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', zone @ ..] => zone.len() == 5 && shaped(zone, b"00:00"),
        _ => false,
    };
    if !is_zone {
        return None;
    }
    text.to_ascii_uppercase().parse().ok().map(Timestamp::from_jiff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event(members: Value) -> Value {
        let mut event = json!({ "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid" });
        for (name, value) in members.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    }

    #[test]
    fn events_are_taken_as_cloudevents_says() {
        let rows = [
            json!({}),
            json!({ "time": "2026-11-24T09:30:00Z", "subject": "order 7", "datacontenttype": "application/json" }),
            json!({ "time": "2026-11-24t09:30:00.123456789+01:00" }),
            json!({ "dataschema": "https://example.com/schema", "data": null }),
            json!({ "data": { "any": ["thing", 1.5] } }),
            json!({ "data_base64": "AAEC/w==" }),
            json!({ "roomid": "a", "priority": -5, "urgent": false, "empty": "" }),
            json!({ "subject": null, "data_base64": null, "data": 1 }),
            json!({ "id": "é 😀" }),
        ];
        for row in rows {
            let event =
                CloudEvent::parse(event(row.clone())).unwrap_or_else(|error| panic!("{error} in {row}"));
            let stored = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<CloudEvent>(&stored).unwrap(), event);
        }
        let event =
            CloudEvent::parse(event(json!({ "time": "2026-11-24T10:30:00+01:00", "n": 5, "subject": null })));
        let event = event.unwrap();
        assert_eq!((event.id(), event.source(), event.kind()), ("1", "/shop", "order.paid"));
        assert_eq!(event.time().unwrap().to_string(), "2026-11-24T09:30:00.000000Z");
        assert_eq!((event.attribute("n"), event.subject()), (Some(&json!(5)), None));
        assert_eq!((event.data(), event.attribute("subject")), (None, None));
    }

    #[test]
    fn what_is_no_event_is_refused_with_a_reason() {
        let long = "x".repeat(EVENT_KEY_BYTES_MAX + 1);
        let rows = [
            (json!({ "specversion": null }), "`specversion` is missing; add"),
            (json!({ "specversion": "0.3" }), "`specversion` is \"0.3\", which is not supported; write"),
            (json!({ "specversion": 1.0 }), "`specversion` is not text"),
            (json!({ "id": null }), "`id` is missing"),
            (json!({ "id": "" }), "`id` is empty"),
            (json!({ "id": 5 }), "`id` is not text"),
            (json!({ "id": "a\nb" }), "`id` contains a control character"),
            (json!({ "id": long }), "`id` has 1025 bytes"),
            (json!({ "source": "a b" }), "`source` is not a URI"),
            (json!({ "type": {} }), "`type` is not text"),
            (json!({ "subject": "" }), "`subject` is empty; write a value, or remove it"),
            (json!({ "time": "yesterday" }), "`time` is \"yesterday\", which is not a moment"),
            (json!({ "time": "2026-11-24" }), "not a moment"),
            (json!({ "time": "2026-11-24T09:30Z" }), "not a moment"),
            (json!({ "time": "2026-11-24T09:30:00" }), "not a moment"),
            (json!({ "time": "2026-13-24T09:30:00Z" }), "not a moment"),
            (json!({ "time": "2026-11-24T09:30:00.Z" }), "not a moment"),
            (json!({ "time": "2026-11-24T09:30:00Z[Europe/Berlin]" }), "not a moment"),
            (json!({ "roomId": "a" }), "`roomId` is not the name of an attribute"),
            (json!({ "": "a" }), "is not the name of an attribute"),
            (json!({ "x": 1.5 }), "`x` is not text, a boolean or a whole number"),
            (json!({ "x": 3_000_000_000_u32 }), "`x` is not text, a boolean or a whole number"),
            (json!({ "x": [] }), "`x` is not text, a boolean or a whole number"),
            (json!({ "data": 1, "data_base64": "" }), "`data_base64` is there beside `data`"),
            (json!({ "data_base64": "?" }), "`data_base64` is not base64"),
            (json!({ "data": "x".repeat(EVENT_BYTES_MAX) }), "the event has 262221 bytes"),
        ];
        for (row, reason) in rows {
            let refused = CloudEvent::parse(event(row.clone())).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused} instead of {reason}");
        }
        let many = (0..61).map(|number| (format!("a{number}"), Value::from(number))).collect();
        assert!(
            CloudEvent::parse(event(Value::Object(many))).unwrap_err().to_string().contains("65 attributes")
        );
        let mut deep = json!(1);
        for _ in 0..NESTING_MAX {
            deep = json!([deep]);
        }
        assert!(
            CloudEvent::parse(event(json!({ "data": deep }))).unwrap_err().to_string().contains("64 levels")
        );
        assert!(
            CloudEvent::parse(json!([])).unwrap_err().to_string().starts_with("the event is not an object")
        );
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("[a-z_/~]{0,8}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What is taken keeps what is required, and comes back from storage as it was.
        #[test]
        fn any_data_is_an_event_or_has_a_reason(
            members in proptest::collection::hash_map(
                prop_oneof![
                    Just("id".to_owned()), Just("source".to_owned()), Just("type".to_owned()), Just("time".to_owned()),
                    Just("data".to_owned()), Just("data_base64".to_owned()), "[a-zA-Z0-9]{0,8}",
                ],
                prop_oneof![3 => "[a-z]{1,8}".prop_map(Value::from), 1 => json_value()],
                0..6,
            ),
        ) {
            match CloudEvent::parse(event(Value::Object(members.into_iter().collect()))) {
                Ok(event) => {
                    prop_assert!(![event.id(), event.source(), event.kind()].contains(&""));
                    let stored = serde_json::to_string(&event).unwrap();
                    prop_assert_eq!(&serde_json::from_str::<CloudEvent>(&stored).unwrap(), &event);
                    prop_assert_eq!(CloudEvent::parse(event.clone().into()), Ok(event));
                }
                Err(error) => prop_assert!(error.to_string().contains("; "), "{}", error),
            }
        }

        #[test]
        fn any_value_at_all_is_looked_at_without_a_panic(value in json_value()) {
            let _ = CloudEvent::parse(value);
        }
    }
}
