//! One answer for all who ask while it is made: however many ask, whatever it costs is paid by one after the other.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

/// What was made last.
#[derive(Debug)]
pub(super) struct Together<T> {
    kept: Mutex<Option<Kept<T>>>,
}

#[derive(Debug)]
struct Kept<T> {
    /// When its making began: it knows nothing of what happened later.
    begun: Instant,
    value: Arc<T>,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self { kept: Mutex::new(None) }
    }
}

impl<T> Together<T> {
    /// What was made, if that began at most `old` before this was asked for; else it is made now, once for all who wait meanwhile. With
    /// zero nobody gets what was made before they asked: who has just changed something sees it.
    ///
    /// Cancel safe: when whoever makes it goes away, the next one who waits makes it.
    pub(super) async fn get<F>(&self, old: Duration, make: impl FnOnce() -> F) -> Arc<T>
    where
        F: Future<Output = T>,
    {
        let asked = Instant::now();
        let mut kept = self.kept.lock().await;
        if let Some(Kept { begun, value }) = &*kept
            && asked.saturating_duration_since(*begun) <= old
        {
            return Arc::clone(value);
        }
        let begun = Instant::now();
        let value = Arc::new(make().await);
        *kept = Some(Kept { begun, value: Arc::clone(&value) });
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_are_answered_by_two_at_most_and_nobody_by_what_was_made_before() {
        let (made, together) = (AtomicUsize::new(0), Together::default());
        let ask = |old: Duration| {
            together.get(old, || async {
                // Others ask while it is made.
                tokio::task::yield_now().await;
                made.fetch_add(1, Ordering::Relaxed)
            })
        };
        join_all((0..50).map(|_| ask(Duration::ZERO))).await;
        // The first one's began before the others had asked.
        assert_eq!(made.load(Ordering::Relaxed), 2);
        assert_eq!(*ask(Duration::ZERO).await, 2, "it was made anew");
        assert_eq!(*ask(Duration::from_secs(3_600)).await, 2, "what is not too old is enough");
        assert_eq!(made.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn whoever_goes_away_while_it_is_made_leaves_it_to_the_next() {
        let together = Together::default();
        let first = together.get(Duration::ZERO, std::future::pending::<usize>);
        let gone = tokio::time::timeout(Duration::from_millis(1), first).await;
        assert!(gone.is_err());
        assert_eq!(*together.get(Duration::ZERO, || async { 7 }).await, 7);
    }
}
