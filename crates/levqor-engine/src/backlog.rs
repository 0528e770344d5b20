//! Runs that should be in memory and wait for a place.
//!
//! The database is the real queue: this one holds ids up to a bound. When it is full it forgets, remembers that it
//! forgot, and later the database is read again. A fresh start is the same case: everything was forgotten.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use levqor_model::RunId;
use tokio::sync::Notify;

/// 16 bytes each, twice. What comes beyond is found again by a scan.
const IDS_MAX: usize = 65_536;

#[derive(Debug)]
struct Queue {
    order: VecDeque<RunId>,
    queued: HashSet<RunId>,
    forgot: bool,
}

#[derive(Debug)]
pub(crate) struct Backlog {
    queue: Mutex<Queue>,
    bell: Notify,
    ids_max: usize,
}

impl Backlog {
    pub(crate) fn new() -> Self {
        Self::with_bound(IDS_MAX)
    }

    fn with_bound(ids_max: usize) -> Self {
        Self {
            queue: Mutex::new(Queue { order: VecDeque::new(), queued: HashSet::new(), forgot: true }),
            bell: Notify::new(),
            ids_max,
        }
    }

    /// Asks for the run to be loaded.
    pub(crate) fn push(&self, run: RunId) {
        let mut queue = self.queue();
        if queue.queued.contains(&run) {
            return;
        }
        if queue.order.len() < self.ids_max {
            queue.order.push_back(run);
            queue.queued.insert(run);
        } else {
            queue.forgot = true;
        }
        drop(queue);
        self.bell.notify_one();
    }

    pub(crate) fn pop(&self) -> Option<RunId> {
        let mut queue = self.queue();
        let run = queue.order.pop_front()?;
        queue.queued.remove(&run);
        Some(run)
    }

    /// How many runs are loaded before this one; None when it isn't queued here.
    pub(crate) fn ahead_of(&self, run: RunId) -> Option<usize> {
        let queue = self.queue();
        if !queue.queued.contains(&run) {
            return None;
        }
        queue.order.iter().position(|queued| *queued == run)
    }

    /// Whether ids were forgotten since the last time; the caller reads the database.
    pub(crate) fn take_forgot(&self) -> bool {
        std::mem::take(&mut self.queue().forgot)
    }

    /// Has the database read again: a run that should be here may have been missed.
    pub(crate) fn forget(&self) {
        self.queue().forgot = true;
        self.bell.notify_one();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue().order.is_empty()
    }

    /// Waits until something was pushed. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.bell.notified().await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use levqor_model::{SeededRandom, Timestamp};

    use super::*;

    #[test]
    fn a_full_backlog_remembers_that_it_forgot() {
        let backlog = Backlog::with_bound(2);
        assert!(backlog.take_forgot(), "a fresh start knows nothing");
        let random = SeededRandom::new(1);
        let runs: Vec<RunId> = (1..4).map(|at| RunId::new(Timestamp::from_seconds(at), &random)).collect();
        backlog.push(runs[0]);
        backlog.push(runs[0]);
        backlog.push(runs[1]);
        assert!(!backlog.take_forgot());
        backlog.push(runs[2]);
        assert_eq!((backlog.pop(), backlog.pop(), backlog.pop()), (Some(runs[0]), Some(runs[1]), None));
        assert!(backlog.take_forgot() && !backlog.take_forgot());
    }
}
