//! Levqor's own functions, `call: <name>:1.0.0@default`: their names, and what they take.
//!
//! What they do is the engine's business. Here is what can be said without doing it: the input is checked against a schema,
//! as far as it is constant when a workflow is saved, and whole when it is called.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::definition::Schema;

/// The version of all of them.
pub const VERSION: &str = "1.0.0";

/// The most addresses in each of `to`, `cc` and `bcc` of a message.
pub const RECIPIENTS_MAX: usize = 50;
/// Characters of a text that an AI function takes.
const TEXT_CHARS_MAX: usize = 100_000;

/// A function of the server's own catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Answers a question.
    AiChat,
    /// Finds the label that fits a text.
    AiClassify,
    /// Finds values in a text.
    AiExtract,
    /// Makes a text shorter.
    AiSummarise,
    /// Asks a person, and waits for the answer.
    Approval,
    /// Sends a message by e-mail.
    Email,
    /// A small value that the account keeps by a key.
    Store,
    /// Posts a message that is signed.
    Webhook,
}

impl Service {
    pub const ALL: [Service; 8] = [
        Service::AiChat,
        Service::AiClassify,
        Service::AiExtract,
        Service::AiSummarise,
        Service::Approval,
        Service::Email,
        Service::Store,
        Service::Webhook,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Service::AiChat => "ai-chat",
            Service::AiClassify => "ai-classify",
            Service::AiExtract => "ai-extract",
            Service::AiSummarise => "ai-summarise",
            Service::Approval => "approval",
            Service::Email => "email",
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

    /// Whether a call leaves the server, so that it counts for the run's budget of calls.
    pub const fn is_outbound(self) -> bool {
        match self {
            Service::AiChat
            | Service::AiClassify
            | Service::AiExtract
            | Service::AiSummarise
            | Service::Email
            | Service::Webhook => true,
            Service::Approval | Service::Store => false,
        }
    }

    /// Whether a call may cost AI credits, so that it counts for the run's budget of them.
    pub const fn costs_credits(self) -> bool {
        match self {
            Service::AiChat | Service::AiClassify | Service::AiExtract | Service::AiSummarise => true,
            Service::Approval | Service::Email | Service::Store | Service::Webhook => false,
        }
    }

    /// How its arguments are written.
    pub const fn example(self) -> &'static str {
        match self {
            Service::AiChat => "{ prompt: How do runs retry? }",
            Service::AiClassify => "{ text: '${ .mail }', labels: [ invoice, complaint ] }",
            Service::AiExtract => {
                "{ text: '${ .mail }', schema: { type: object, properties: { total: { type: number } } } }"
            }
            Service::AiSummarise => "{ text: '${ .mail }', maxSentences: 3 }",
            Service::Approval => "{ title: Pay 900 EUR to Acme? }",
            Service::Email => "{ to: ada@example.com, subject: Paid, text: 'Thank you.' }",
            Service::Store => "{ action: get, key: lastOrder }",
            Service::Webhook => {
                "{ url: https://example.com/hook, secret: '${ $secrets.hook }', body: { type: paid } }"
            }
        }
    }

    /// The schema of its input.
    pub(crate) fn schema(self) -> &'static Schema {
        static WHOLE: LazyLock<[Schema; Service::ALL.len()]> =
            LazyLock::new(|| Service::ALL.map(|service| compiled(&service.document())));
        &WHOLE[self as usize]
    }

    /// The schema of some of its input: what is not there may be computed later.
    pub(crate) fn part_schema(self) -> &'static Schema {
        static PARTS: LazyLock<[Schema; Service::ALL.len()]> = LazyLock::new(|| {
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
            Service::AiChat => (&["prompt"], &["prompt", "system", "language"]),
            Service::AiClassify => (&["text", "labels"], &["text", "labels", "instructions"]),
            Service::AiExtract => (&["text", "schema"], &["text", "schema", "instructions"]),
            Service::AiSummarise => (&["text"], &["text", "maxSentences", "maxChars", "language"]),
            Service::Approval => (&["title"], &["title", "message", "data"]),
            Service::Email => {
                (&["to", "subject", "text"], &["to", "cc", "bcc", "replyTo", "subject", "text", "html"])
            }
            Service::Store => (&["action", "key"], &["action", "key", "value", "expected"]),
            Service::Webhook => (&["url", "secret", "body"], &["url", "secret", "body"]),
        }
    }

    fn document(self) -> Value {
        let text = json!({ "type": "string", "maxLength": TEXT_CHARS_MAX });
        let instructions = json!({ "type": "string", "maxLength": 4_000 });
        let language = json!({ "type": "string", "minLength": 2, "maxLength": 35 });
        let properties = match self {
            Service::AiChat => json!({
                "prompt": { "type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX },
                "system": { "type": "string", "maxLength": 20_000 },
                "language": language,
            }),
            Service::AiClassify => {
                let name = json!({ "type": "string", "minLength": 1, "maxLength": 200 });
                let words = json!({ "type": "string", "maxLength": 2_000 });
                json!({
                    "text": text,
                    "labels": {
                        "type": "array", "minItems": 1, "maxItems": 100,
                        "items": { "anyOf": [name, {
                            "type": "object",
                            "properties": {
                                "label": name,
                                "description": words,
                                "examples": { "type": "array", "maxItems": 20, "items": words },
                            },
                            "required": ["label"],
                            "additionalProperties": false,
                        }] },
                    },
                    "instructions": instructions,
                })
            }
            Service::AiExtract => json!({
                "text": text,
                "schema": {
                    "type": "object",
                    "properties": {
                        "type": { "const": "object" },
                        "properties": { "type": "object", "minProperties": 1, "maxProperties": 100 },
                    },
                    "required": ["properties"],
                },
                "instructions": instructions,
            }),
            Service::AiSummarise => json!({
                "text": text,
                "maxSentences": { "type": "integer", "minimum": 1, "maximum": 50 },
                "maxChars": { "type": "integer", "minimum": 20, "maximum": 20_000 },
                "language": language,
            }),
            Service::Approval => json!({
                "title": { "type": "string", "minLength": 1, "maxLength": 200 },
                "message": { "type": "string", "maxLength": 4_000 },
                "data": {},
            }),
            Service::Email => {
                let address = json!({ "type": "string", "minLength": 3, "maxLength": 320, "pattern": "^[^\\s@]+@[^\\s@]+$|^[^\\r\\n<>]*<[^\\s@<>]+@[^\\s@<>]+>$" });
                let addresses = json!({ "oneOf": [
                    address, { "type": "array", "items": address, "minItems": 1, "maxItems": RECIPIENTS_MAX },
                ] });
                json!({
                    "to": addresses,
                    "cc": addresses,
                    "bcc": addresses,
                    "replyTo": address,
                    "subject": { "type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[^\\r\\n]*$" },
                    "text": { "type": "string", "maxLength": 200_000 },
                    "html": { "type": "string", "maxLength": 400_000 },
                })
            }
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
        let schema = json!({ "type": "object", "properties": { "total": { "type": "number" } } });
        let rows = [
            (Service::AiChat, json!({ "prompt": "Hi", "system": "Be brief.", "language": "de" }), true),
            (Service::AiChat, json!({ "prompt": "" }), false),
            (Service::AiChat, json!({ "query": "Hi" }), false),
            (Service::AiClassify, json!({ "text": "", "labels": ["a"] }), true),
            (
                Service::AiClassify,
                json!({ "text": "x", "labels": [{ "label": "a", "examples": ["b"] }] }),
                true,
            ),
            (Service::AiClassify, json!({ "text": "x", "labels": [] }), false),
            (Service::AiClassify, json!({ "text": "x", "labels": [{ "description": "b" }] }), false),
            (Service::AiExtract, json!({ "text": "x", "schema": schema }), true),
            (Service::AiExtract, json!({ "text": "x", "schema": { "type": "array" } }), false),
            (Service::AiExtract, json!({ "text": "x", "schema": { "properties": {} } }), false),
            (Service::AiSummarise, json!({ "text": "x", "maxSentences": 1, "maxChars": 20 }), true),
            (Service::AiSummarise, json!({ "text": "x", "maxSentences": 0 }), false),
            (Service::AiSummarise, json!({ "text": "x".repeat(TEXT_CHARS_MAX + 1) }), false),
            (Service::Approval, json!({ "title": "Pay?" }), true),
            (Service::Approval, json!({ "title": "Pay?", "message": "", "data": [1] }), true),
            (Service::Approval, json!({ "title": "" }), false),
            (Service::Approval, json!({ "message": "Pay?" }), false),
            (Service::Approval, json!({ "title": "x".repeat(201) }), false),
            (Service::Approval, json!({ "title": "x", "who": "me" }), false),
            (Service::Email, json!({ "to": "a@b.c", "subject": "s", "text": "" }), true),
            (
                Service::Email,
                json!({ "to": ["a@b.c", "Ada L <ada@b.c>"], "subject": "s", "text": "t", "html": "<p>" }),
                true,
            ),
            (Service::Email, json!({ "to": [], "subject": "s", "text": "" }), false),
            (
                Service::Email,
                json!({ "to": vec!["a@b.c"; RECIPIENTS_MAX + 1], "subject": "s", "text": "" }),
                false,
            ),
            (Service::Email, json!({ "to": "a@b.c\r\nBcc: x@y.z", "subject": "s", "text": "" }), false),
            (Service::Email, json!({ "to": "Ada\n <a@b.c>", "subject": "s", "text": "" }), false),
            (Service::Email, json!({ "to": "a@b.c", "subject": "s\r\nBcc: x@y.z", "text": "" }), false),
            (Service::Email, json!({ "to": "nobody", "subject": "s", "text": "" }), false),
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
