//! Who waits for the end of which run.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use levqor_model::RunId;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Ends {
    waiting: Mutex<HashMap<RunId, Arc<Notify>>>,
}

/// Someone who waits for one run; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    ends: &'a Ends,
    run: RunId,
    bell: Arc<Notify>,
}

impl Ends {
    pub(crate) fn waiter(&self, run: RunId) -> Waiter<'_> {
        let bell = Arc::clone(self.waiting().entry(run).or_default());
        Waiter { ends: self, run, bell }
    }

    pub(crate) fn announce(&self, run: RunId) {
        if let Some(bell) = self.waiting().get(&run) {
            bell.notify_waiters();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// The next end that is announced after this call. Cancel safe.
    pub(crate) fn ended(&self) -> tokio::sync::futures::Notified<'_> {
        self.bell.notified()
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.ends.waiting();
        // One in the map, one here: nobody else waits.
        if Arc::strong_count(&self.bell) == 2 {
            waiting.remove(&self.run);
        }
    }
}
