//! Whatever headers and body come, publishing them gives events or a refusal, and events survive being sent again.
#![no_main]

use serde_json::Value;

// The source itself: the crate around it is a whole server.
#[path = "../../crates/levqor-server/src/features/events/binding.rs"]
mod binding;

// As on the wire: lines of headers, an empty one, the body.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut body = input;
    let mut headers = Vec::new();
    while let Some(end) = body.iter().position(|byte| *byte == b'\n') {
        let line = &body[..end];
        body = &body[end + 1..];
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let Ok(name) = std::str::from_utf8(&line[..colon]) else { return };
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
        headers.push((name.to_ascii_lowercase(), value));
    }
    let lines = headers.iter().map(|(name, value)| (name.as_str(), *value));
    let Ok(events) = binding::events(lines, body, 10) else { return };
    assert!(events.len() <= 10);
    let list = Value::Array(events.iter().cloned().map(Value::from).collect()).to_string();
    let line = [("content-type", b"application/cloudevents-batch+json".as_slice())].into_iter();
    assert_eq!(binding::events(line, list.as_bytes(), 10), Ok(events));
});
