//! Any text is read and checked, and what is refused is refused with a reason; what is taken can be drawn.
#![no_main]

use levqor_flow::{document, graph};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let checked = document::parse(text);
    assert_eq!(checked.workflow.is_some(), checked.errors.is_empty());
    if let Some(workflow) = checked.workflow {
        let _ = graph::graph(&workflow);
    }
});
