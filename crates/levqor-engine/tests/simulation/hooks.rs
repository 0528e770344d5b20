//! Messages of the function `webhook`: what is sent is what was asked for, signed, and known by one id however often it comes.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use levqor_flow::{
    definition::HttpOutput,
    machine::{HttpRequest, ServiceCall},
};
use serde_json::Value;
use sha2::Sha256;

use crate::{callee::Delivery, documents::HOOK_SECRET, state::text};

/// The request of a call, without what proves who sends it.
pub fn request(call: &ServiceCall) -> HttpRequest {
    HttpRequest {
        key: call.key.clone(),
        method: "POST".to_owned(),
        uri: text(&call.input, "url").to_owned(),
        credentials: None,
        headers: Vec::new(),
        query: Vec::new(),
        body: Some(Value::String(call.input["body"].to_string())),
        output: HttpOutput::Response,
        redirect: false,
    }
}

/// What is wrong with the proofs of messages that arrived.
pub fn judge<'a>(deliveries: impl Iterator<Item = &'a Delivery>) -> Vec<String> {
    let (mut wrong, mut ids) = (Vec::new(), BTreeMap::new());
    for delivery in deliveries {
        let proof = |name: &str| {
            let mut found = delivery.proof.iter().filter(|(header, _)| header == name);
            found.next().map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let (id, at) = (proof("webhook-id"), proof("webhook-timestamp"));
        let key = &delivery.call.key;
        let first = *ids.entry(key).or_insert(id);
        if first != id {
            wrong.push(format!("{key} was sent as {first} and again as {id}"));
        }
        let body = delivery.call.body.as_ref().and_then(Value::as_str).unwrap_or_default();
        if id.is_empty() || signature(&format!("{id}.{at}.{body}")) != proof("webhook-signature") {
            wrong.push(format!("{key} is not signed: {:?}", delivery.proof));
        }
    }
    wrong
}

pub fn signature(text: &str) -> String {
    let key = HOOK_SECRET.strip_prefix("whsec_").and_then(|key| BASE64_STANDARD.decode(key).ok());
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key.unwrap_or_default()).unwrap();
    mac.update(text.as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}
