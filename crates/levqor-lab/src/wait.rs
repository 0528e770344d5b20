//! Waiting for something to become true, with a ceiling instead of a guess.

use std::{future::Future, time::Duration};

use anyhow::ensure;
use tokio::time::Instant;

const PAUSE: Duration = Duration::from_millis(2);

/// Polls until `probe` gives a value.
///
/// # Errors
/// When it doesn't within `patience`; `what` says what was waited for.
pub async fn until<T, F>(what: &str, patience: Duration, mut probe: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = probe().await {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "waited {patience:?} in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
