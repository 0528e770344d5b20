//! The counters of this process, and their way to the store and back.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use levqor_model::Timestamp;
use levqor_store::Store;
use tokio::sync::OnceCell;

use super::{
    Counter,
    latency::{Latencies, Percentiles},
    totals::{Totals, WINDOW},
};
use crate::app::Parts;

/// What is counted while requests are answered.
#[derive(Debug)]
pub struct Metrics {
    totals: Mutex<Totals>,
    latencies: Mutex<Latencies>,
    /// Set once the counts of earlier processes are in `totals`.
    restored: OnceCell<()>,
    /// One writer at a time, so that what one takes is written before the next looks.
    flushing: tokio::sync::Mutex<()>,
}

impl Metrics {
    pub(crate) fn new(_parts: &Parts) -> Self {
        Self {
            totals: Mutex::new(Totals::new()),
            latencies: Mutex::new(Latencies::new()),
            restored: OnceCell::new(),
            flushing: tokio::sync::Mutex::new(()),
        }
    }

    pub fn add(&self, counter: Counter, now: Timestamp, by: i64) {
        self.totals().add(counter, now, by);
    }

    /// Of all time, as far as this process knows.
    pub fn total(&self, counter: Counter) -> i64 {
        self.totals().total(counter)
    }

    /// Of the last five minutes.
    pub fn last_5m(&self, counter: Counter, now: Timestamp) -> i64 {
        self.totals().last_5m(counter, now)
    }

    pub(crate) fn add_latency(&self, now: Timestamp, latency: Duration) {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).add(now, latency);
    }

    pub(super) fn percentiles(&self, now: Timestamp) -> Percentiles {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).percentiles(now)
    }

    /// Reads what earlier processes counted, once.
    ///
    /// # Errors
    /// When the store cannot be read; the next call tries again.
    pub async fn restore(&self, store: &Store, now: Timestamp) -> Result<(), levqor_store::Error> {
        self.restored
            .get_or_try_init(|| async {
                let totals = store.totals().await?;
                let buckets = store.buckets_since(now - Duration::from_secs(WINDOW as u64)).await?;
                self.totals().restore(&totals, &buckets);
                Ok(())
            })
            .await
            .copied()
    }

    /// Writes what was counted since the last time.
    ///
    /// Not cancel safe: counts that were taken and not yet written are lost when the future is dropped.
    ///
    /// # Errors
    /// When the store cannot be reached; nothing is lost then.
    pub async fn flush(&self, store: &Store, now: Timestamp) -> Result<(), levqor_store::Error> {
        // Without this, the counts would be written first and then read back as if another process had counted them.
        self.restore(store, now).await?;
        let _one_at_a_time = self.flushing.lock().await;
        let increments = self.totals().take_pending();
        if increments.is_empty() {
            return Ok(());
        }
        let result = store.add_counts(increments.clone()).await;
        if result.is_err() {
            self.totals().give_back(increments);
        }
        result
    }

    fn totals(&self) -> std::sync::MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
