//! Who waits for the end of which run, and which runs cannot be written down now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use levqor_model::RunId;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Ends {
    waiting: Mutex<HashMap<RunId, Arc<Bells>>>,
    /// Why the store refuses the journals of runs that are in memory.
    refused: Mutex<HashMap<RunId, levqor_store::Error>>,
}

#[derive(Debug, Default)]
struct Bells {
    ended: Notify,
    /// The run's status has changed.
    turned: Notify,
    refused: Notify,
}

/// Someone who waits for one run; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    ends: &'a Ends,
    run: RunId,
    bells: Arc<Bells>,
}

impl Ends {
    pub(crate) fn waiter(&self, run: RunId) -> Waiter<'_> {
        let bells = Arc::clone(self.waiting().entry(run).or_default());
        Waiter { ends: self, run, bells }
    }

    pub(crate) fn announce(&self, run: RunId) {
        if let Some(bells) = self.waiting().get(&run) {
            bells.ended.notify_waiters();
        }
    }

    /// The run's row has another status.
    pub(crate) fn turn(&self, run: RunId) {
        if let Some(bells) = self.waiting().get(&run) {
            bells.turned.notify_waiters();
        }
    }

    /// The store refuses the run's journal, until [`Ends::written`] says otherwise.
    pub(crate) fn refused(&self, run: RunId, reason: levqor_store::Error) {
        self.refusals().insert(run, reason);
        if let Some(bells) = self.waiting().get(&run) {
            bells.refused.notify_waiters();
        }
    }

    /// The run is written down, or nobody tries to any more.
    pub(crate) fn written(&self, run: RunId) {
        self.refusals().remove(&run);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Bells>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> MutexGuard<'_, HashMap<RunId, levqor_store::Error>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// The next end that is announced after this call. Cancel safe.
    pub(crate) fn ended(&self) -> tokio::sync::futures::Notified<'_> {
        self.bells.ended.notified()
    }

    /// The next change of status that is told after this call. Cancel safe.
    pub(crate) fn turned(&self) -> tokio::sync::futures::Notified<'_> {
        self.bells.turned.notified()
    }

    /// Waits until the store refuses the run's journal; at once when it does already. Cancel safe.
    pub(crate) async fn refused(&self) -> levqor_store::Error {
        loop {
            let mut refused = std::pin::pin!(self.bells.refused.notified());
            refused.as_mut().enable();
            if let Some(reason) = self.ends.refusals().get(&self.run) {
                return reason.clone();
            }
            refused.await;
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.ends.waiting();
        // One in the map, one here: nobody else waits.
        if Arc::strong_count(&self.bells) == 2 {
            waiting.remove(&self.run);
        }
    }
}
