//! The counters of this process, and their way to the store and back.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use levqor_model::Timestamp;
use levqor_store::Store;
use tokio::sync::OnceCell;

use super::{
    Counter,
    exposition::Exposition,
    latency::{Latencies, Percentiles},
    totals::{Totals, WINDOW},
};
use crate::app::Parts;

/// What is counted while requests are answered.
#[derive(Debug)]
pub struct Metrics {
    totals: Arc<Mutex<Totals>>,
    pub(super) exposition: Exposition,
    latencies: Mutex<Latencies>,
    /// Set once the counts of earlier processes are in `totals`.
    restored: OnceCell<()>,
    /// One writer at a time, so that what one takes is written before the next looks.
    flushing: tokio::sync::Mutex<()>,
    jobs: AtomicUsize,
    jobs_alive: AtomicUsize,
}

/// As long as it lives, a job counts as alive.
#[derive(Debug)]
pub(crate) struct Alive<'a>(&'a AtomicUsize);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn new(parts: &Parts) -> Self {
        let totals = Arc::new(Mutex::new(Totals::new()));
        Self {
            exposition: Exposition::new(parts, totals.clone()),
            totals,
            latencies: Mutex::new(Latencies::new()),
            restored: OnceCell::new(),
            flushing: tokio::sync::Mutex::new(()),
            jobs: AtomicUsize::new(0),
            jobs_alive: AtomicUsize::new(0),
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

    /// A request was answered; `route` as it is written in the router.
    pub(crate) fn answered(
        &self,
        now: Timestamp,
        method: &Method,
        route: &str,
        status: StatusCode,
        latency: Duration,
    ) {
        self.exposition.answered(method, route, status, latency);
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).add(now, latency);
    }

    /// There is one more periodic job.
    pub(crate) fn job_added(&self) {
        self.jobs.fetch_add(1, Ordering::Relaxed);
    }

    /// The job runs from now on, until the value is dropped.
    pub(crate) fn job_alive(&self) -> Alive<'_> {
        self.jobs_alive.fetch_add(1, Ordering::Relaxed);
        Alive(&self.jobs_alive)
    }

    /// Periodic jobs, and those of them that are alive.
    pub(super) fn jobs(&self) -> (usize, usize) {
        (self.jobs.load(Ordering::Relaxed), self.jobs_alive.load(Ordering::Relaxed))
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
