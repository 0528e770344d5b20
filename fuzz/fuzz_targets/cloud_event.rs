//! Any JSON is an event, which comes back from storage as it was, or is refused with a reason and a remedy.
#![no_main]

use levqor_flow::event::CloudEvent;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    match CloudEvent::parse(value) {
        Ok(event) => {
            assert!(!event.id().is_empty() && !event.source().is_empty() && !event.kind().is_empty());
            let stored = serde_json::to_string(&event).expect("an event is JSON");
            let read: CloudEvent = serde_json::from_str(&stored).expect("what was an event is one");
            assert_eq!(read, event);
        }
        Err(error) => assert!(error.to_string().contains("; ")),
    }
});
