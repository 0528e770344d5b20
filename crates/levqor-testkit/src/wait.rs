//! Waiting for something to become true, with a ceiling instead of a guess.

use std::{future::Future, time::Duration};

/// Longer than anything takes that works, also on a loaded machine.
const CEILING: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

/// Polls until `probe` gives a value.
///
/// # Panics
/// When it doesn't within a minute; `what` says what was waited for.
pub async fn wait_for<T, F>(what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + CEILING;
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited {CEILING:?} in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// [`wait_for`] for a plain condition.
///
/// # Panics
/// When it isn't true within a minute.
pub async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || std::future::ready(condition().then_some(()))).await;
}
