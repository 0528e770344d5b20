//! How many runs begin and end, and how soon they begin: counted where it is durable, taken by whoever keeps it.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use levqor_model::{RunStatus, Timestamp, Values};

/// What has happened since it was taken last.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct RunMeasures {
    /// Runs whose first journal entry is durable.
    pub started: u64,
    pub completed: u64,
    pub faulted: u64,
    pub cancelled: u64,
    /// From the acceptance of runs to their start, in microseconds.
    pub start_delays: Values,
}

#[derive(Debug, Default)]
pub(crate) struct Measures {
    started: AtomicU64,
    completed: AtomicU64,
    faulted: AtomicU64,
    cancelled: AtomicU64,
    start_delays: Mutex<Values>,
}

impl Measures {
    /// A run that was accepted at that moment has begun.
    pub(crate) fn started(&self, accepted_at: Timestamp, now: Timestamp) {
        self.started.fetch_add(1, Ordering::Relaxed);
        let delay = u64::try_from(now.since(accepted_at).as_micros()).unwrap_or(u64::MAX);
        self.start_delays.lock().unwrap_or_else(PoisonError::into_inner).add(delay);
    }

    /// The end of a run is durable.
    pub(crate) fn ended(&self, status: RunStatus) {
        match status {
            RunStatus::Completed => &self.completed,
            RunStatus::Faulted => &self.faulted,
            RunStatus::Cancelled => &self.cancelled,
            RunStatus::Pending | RunStatus::Running | RunStatus::Waiting | RunStatus::Suspended => return,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn take(&self) -> RunMeasures {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        RunMeasures {
            started: take(&self.started),
            completed: take(&self.completed),
            faulted: take(&self.faulted),
            cancelled: take(&self.cancelled),
            start_delays: std::mem::take(
                &mut *self.start_delays.lock().unwrap_or_else(PoisonError::into_inner),
            ),
        }
    }
}
