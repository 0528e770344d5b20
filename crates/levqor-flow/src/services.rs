//! Levqor's own functions, `call: <name>:1.0.0@default`: their names, and what they take.
//!
//! What they do is the engine's business. Here is what can be said without doing it: the input is checked against a schema,
//! as far as it is constant when a workflow is saved, and whole when it is called.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::definition::Schema;

/// The version of all of them.
pub const VERSION: &str = "1.0.0";

/// A function of the server's own catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Asks a person, and waits for the answer.
    Approval,
    /// A small value that the account keeps by a key.
    Store,
    /// Posts a message that is signed.
    Webhook,
}

impl Service {
    pub const ALL: [Service; 3] = [Service::Approval, Service::Store, Service::Webhook];

    pub const fn name(self) -> &'static str {
        match self {
            Service::Approval => "approval",
            Service::Store => "store",
            Service::Webhook => "webhook",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// Whether a call may wait for long without anybody working on it.
    pub const fn waits(self) -> bool {
        matches!(self, Service::Approval)
    }

    /// Whether a call leaves the server, so that it counts for the run's budget.
    pub const fn is_outbound(self) -> bool {
        matches!(self, Service::Webhook)
    }

    /// How its arguments are written.
    pub const fn example(self) -> &'static str {
        match self {
            Service::Approval => "{ title: Pay 900 EUR to Acme? }",
            Service::Store => "{ action: get, key: lastOrder }",
            Service::Webhook => {
                "{ url: https://example.com/hook, secret: '${ $secrets.hook }', body: { type: paid } }"
            }
        }
    }

    /// The schema of its input.
    pub(crate) fn schema(self) -> &'static Schema {
        static WHOLE: LazyLock<[Schema; 3]> =
            LazyLock::new(|| Service::ALL.map(|service| compiled(&service.document())));
        &WHOLE[self as usize]
    }

    /// The schema of some of its input: what is not there may be computed later.
    pub(crate) fn part_schema(self) -> &'static Schema {
        static PARTS: LazyLock<[Schema; 3]> = LazyLock::new(|| {
            Service::ALL.map(|service| {
                let properties = service.document()["properties"].clone();
                compiled(&json!({ "type": "object", "properties": properties }))
            })
        });
        &PARTS[self as usize]
    }

    /// What its input must have, and may have.
    pub(crate) fn members(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Service::Approval => (&["title"], &["title", "message", "data"]),
            Service::Store => (&["action", "key"], &["action", "key", "value", "expected"]),
            Service::Webhook => (&["url", "secret", "body"], &["url", "secret", "body"]),
        }
    }

    fn document(self) -> Value {
        let properties = match self {
            Service::Approval => json!({
                "title": { "type": "string", "minLength": 1, "maxLength": 200 },
                "message": { "type": "string", "maxLength": 4_000 },
                "data": {},
            }),
            Service::Store => json!({
                "action": { "enum": ["get", "set", "delete", "compare-and-set"] },
                "key": { "type": "string", "minLength": 1, "maxLength": 200 },
                "value": {},
                "expected": {},
            }),
            Service::Webhook => json!({
                "url": { "type": "string", "pattern": "^https?://." },
                "secret": { "type": "string", "pattern": "^whsec_[A-Za-z0-9+/]{32,}={0,2}$" },
                "body": {},
            }),
        };
        let mut document = Map::new();
        document.insert("type".to_owned(), json!("object"));
        document.insert("properties".to_owned(), properties);
        document.insert("required".to_owned(), json!(self.members().0));
        document.insert("additionalProperties".to_owned(), json!(false));
        if self == Service::Store {
            let writes = json!({ "properties": { "action": { "enum": ["set", "compare-and-set"] } } });
            document.insert("if".to_owned(), writes);
            document.insert("then".to_owned(), json!({ "required": ["value"] }));
        }
        Value::Object(document)
    }
}

fn compiled(document: &Value) -> Schema {
    crate::document::external_schema(document).expect("the schemas of our own functions are schemas")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_checked() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let rows = [
            (Service::Approval, json!({ "title": "Pay?" }), true),
            (Service::Approval, json!({ "title": "Pay?", "message": "", "data": [1] }), true),
            (Service::Approval, json!({ "title": "" }), false),
            (Service::Approval, json!({ "message": "Pay?" }), false),
            (Service::Approval, json!({ "title": "x".repeat(201) }), false),
            (Service::Approval, json!({ "title": "x", "who": "me" }), false),
            (Service::Store, json!({ "action": "get", "key": "k" }), true),
            (Service::Store, json!({ "action": "set", "key": "k", "value": null }), true),
            (Service::Store, json!({ "action": "set", "key": "k" }), false),
            (Service::Store, json!({ "action": "compare-and-set", "key": "k", "value": 1 }), true),
            (Service::Store, json!({ "action": "swap", "key": "k" }), false),
            (Service::Store, json!({ "action": "get", "key": "" }), false),
            (Service::Store, json!("k"), false),
            (Service::Webhook, json!({ "url": "https://a.b", "secret": secret, "body": {} }), true),
            (Service::Webhook, json!({ "url": "ftp://a.b", "secret": secret, "body": {} }), false),
            (Service::Webhook, json!({ "url": "https://a.b", "secret": "hush", "body": {} }), false),
            (Service::Webhook, json!({ "url": "https://a.b", "secret": secret }), false),
        ];
        for (service, input, good) in rows {
            assert_eq!(service.schema().0.is_valid(&input), good, "{} {input}", service.name());
        }
        for (position, service) in Service::ALL.into_iter().enumerate() {
            assert_eq!((service as usize, Service::named(service.name())), (position, Some(service)));
            assert!(service.part_schema().0.is_valid(&json!({})));
            assert!(crate::document::read(service.example()).unwrap().is_object());
        }
    }
}
