//! As what a consumed event is handed on.

use serde_json::Value;

use super::CloudEvent;
use crate::definition::Read;

impl Read {
    pub(crate) fn of(self, event: &CloudEvent) -> Value {
        match self {
            Read::Data => event.data().cloned().unwrap_or_default(),
            Read::Envelope => event.whole().clone(),
            Read::Raw => match event.data() {
                None => Value::Null,
                Some(Value::String(text)) => Value::from(text.as_str()),
                Some(data) => Value::from(data.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_in_three_ways() {
        let rows = [
            (json!({ "data": { "a": 1 } }), json!({ "a": 1 }), json!("{\"a\":1}")),
            (json!({ "data": "text" }), json!("text"), json!("text")),
            (json!({ "data": 1.5 }), json!(1.5), json!("1.5")),
            (json!({ "data_base64": "AAE=" }), json!("AAE="), json!("AAE=")),
            (json!({}), Value::Null, Value::Null),
        ];
        for (members, data, raw) in rows {
            let mut event = json!({ "specversion": "1.0", "id": "1", "source": "/a", "type": "b" });
            for (name, value) in members.as_object().unwrap() {
                event[name] = value.clone();
            }
            let parsed = CloudEvent::parse(event.clone()).unwrap();
            assert_eq!(Read::Data.of(&parsed), data, "{members}");
            assert_eq!(Read::Raw.of(&parsed), raw, "{members}");
            assert_eq!(Read::Envelope.of(&parsed), event);
        }
    }
}
