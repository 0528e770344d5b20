//! Panics go to the log, and so to whoever collects errors. What the runtime catches would otherwise be a line on standard error, which
//! nobody counts.

use std::{any::Any, panic};

/// From now on each panic is an error in the log, with its place. What was told of it before is told still.
pub fn tell() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        tracing::error!(place = %place, "a panic: {}", words(info.payload()));
        before(info);
    }));
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("it said nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_words() {
        let said = |work: fn()| {
            let payload = panic::catch_unwind(work).unwrap_err();
            words(&*payload).to_owned()
        };
        assert_eq!(said(|| panic!("a test")), "a test");
        let owned: fn() = || panic::panic_any(format!("a test of {}", words(&"words")));
        assert_eq!(said(owned), "a test of words");
        assert_eq!(said(|| panic::panic_any(7)), "it said nothing");
    }
}
