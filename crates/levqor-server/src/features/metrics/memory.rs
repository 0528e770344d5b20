//! The counters of this process, and their way to the store and back.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use levqor_model::Timestamp;
use levqor_store::Store;
use tokio::sync::OnceCell;

use super::{
    Counter,
    exposition::Answers,
    latency::{Latencies, Percentiles},
    steps::Steps,
    tally::Tallies,
    totals::{Totals, WINDOW},
};

/// What is counted while requests are answered.
#[derive(Debug)]
pub struct Metrics {
    totals: Mutex<Totals>,
    tallies: Tallies,
    kept: Mutex<Kept>,
    /// Observations that lost their labels, since the process began.
    crowded: AtomicU64,
    /// Set once the counts of earlier processes are in `totals`.
    restored: OnceCell<()>,
    /// One writer at a time, so that what one takes is written before the next looks.
    flushing: tokio::sync::Mutex<()>,
    /// The same for stored series.
    pub(super) recording: tokio::sync::Mutex<()>,
    jobs: AtomicUsize,
    jobs_alive: AtomicUsize,
}

/// What was counted, as it is asked for.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) answers: Answers,
    pub(super) steps: Steps,
    latencies: Latencies,
    /// The step in which everything was looked at last.
    pub(super) looked_in: Option<Timestamp>,
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
    pub(crate) fn new() -> Self {
        Self {
            totals: Mutex::new(Totals::new()),
            tallies: Tallies::new(),
            kept: Mutex::new(Kept {
                answers: Answers::default(),
                steps: Steps::new(),
                latencies: Latencies::default(),
                looked_in: None,
            }),
            crowded: AtomicU64::new(0),
            restored: OnceCell::new(),
            flushing: tokio::sync::Mutex::new(()),
            recording: tokio::sync::Mutex::new(()),
            jobs: AtomicUsize::new(0),
            jobs_alive: AtomicUsize::new(0),
        }
    }

    pub fn add(&self, counter: Counter, now: Timestamp, by: i64) {
        self.totals().add(counter, now, by);
        self.tallies.count(now, counter.name(), &[], u64::try_from(by).unwrap_or(0));
    }

    /// Of all time, as far as this process knows.
    pub fn total(&self, counter: Counter) -> i64 {
        self.totals().total(counter)
    }

    /// What this process has counted since it began.
    pub(super) fn own(&self, counter: Counter) -> i64 {
        self.totals().own(counter)
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
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.tallies.answered(now, word_of(method), route, status.as_u16(), micros);
    }

    pub(crate) fn count_in(
        &self,
        now: Timestamp,
        name: &'static str,
        labels: &[(&'static str, &str)],
        by: u64,
    ) {
        self.tallies.count(now, name, labels, by);
    }

    pub(crate) fn observe(
        &self,
        now: Timestamp,
        name: &'static str,
        labels: &[(&'static str, &str)],
        value: u64,
    ) {
        self.tallies.observe(now, name, labels, value);
    }

    pub(crate) fn look(
        &self,
        now: Timestamp,
        name: &'static str,
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        self.tallies.look(now, name, labels, value);
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
        self.kept().latencies.percentiles(now)
    }

    /// What was answered since the process began.
    pub(super) fn answers(&self) -> Answers {
        self.kept().answers.clone()
    }

    /// Series that have a place here, and observations that lost their labels since the process began.
    pub(super) fn series(&self) -> (usize, u64) {
        let mut kept = self.kept();
        let crowded = kept.steps.take_crowded();
        (kept.steps.series(), self.crowded.fetch_add(crowded, Ordering::Relaxed) + crowded)
    }

    /// What was counted until now, with everything that was counted since it was asked for last.
    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (step, seen) in self.tallies.take() {
            kept.answers.add(&seen);
            for route in seen.routes.values() {
                kept.latencies.merge(step, route.durations.histogram());
            }
            kept.steps.put(step, seen);
        }
        kept
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

    /// Reads what all nodes have counted, when there are others.
    ///
    /// # Errors
    /// When the store cannot be read; what was known stays.
    pub(super) async fn refresh(&self, store: &Store, now: Timestamp) -> Result<(), levqor_store::Error> {
        self.restore(store, now).await?;
        if !store.is_shared() {
            return Ok(());
        }
        // What is on its way to the store is neither in it nor pending.
        let _nobody_writes = self.flushing.lock().await;
        let totals = store.totals().await?;
        let buckets = store.buckets_since(now - Duration::from_secs(WINDOW as u64)).await?;
        self.totals().renew(&totals, &buckets);
        Ok(())
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

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Anybody can invent a method; a label of each would be a series of each.
fn word_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
