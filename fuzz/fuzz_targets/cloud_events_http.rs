//! Whatever headers and body come, publishing them gives events or a refusal, and events survive being sent again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

// The source itself: the crate around it is a whole server.
#[path = "../../crates/levqor-server/src/features/events/binding.rs"]
mod binding;

const MEDIA: [&str; 5] = [
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/json",
    "text/plain; charset=utf-8",
    "",
];

fuzz_target!(|input: (u8, Vec<(String, Vec<u8>)>, Vec<u8>)| {
    let (media, headers, body) = input;
    let media = MEDIA[usize::from(media) % MEDIA.len()];
    let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    let lines = [("content-type", media.as_bytes())].into_iter().filter(|_| !media.is_empty()).chain(lines);
    let Ok(events) = binding::events(lines, &body, 10) else { return };
    assert!(events.len() <= 10);
    let list = Value::Array(events.iter().cloned().map(Value::from).collect()).to_string();
    let line = [("content-type", MEDIA[1].as_bytes())].into_iter();
    assert_eq!(binding::events(line, list.as_bytes(), 10), Ok(events));
});
