//! Any request gives a draft, and every drafted workflow passes the checks.
#![no_main]

use levqor_flow::{document, draft};

libfuzzer_sys::fuzz_target!(|request: &str| {
    if let Some(workflow) = draft::draft(request).workflow {
        let errors = document::check(&workflow).errors;
        assert!(errors.is_empty(), "{workflow}\n{errors:?}");
    }
});
