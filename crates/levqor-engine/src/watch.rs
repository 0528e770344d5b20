//! Live updates of runs, for whoever watches. Nothing is computed for runs that nobody watches.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use levqor_flow::machine::{Notes, TaskNote};
use levqor_model::{RegionCode, RunId};
use tokio::sync::broadcast;

use crate::{RunUpdate, TaskRecord};

/// Updates that a slow reader may be behind; it loses older ones and is told so.
pub(crate) const UPDATES_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct Watchers {
    channels: Mutex<HashMap<RunId, broadcast::Sender<RunUpdate>>>,
    /// Runs that are looked at for their watchers, since another node may drive them.
    followed: Mutex<HashSet<RunId>>,
}

/// The one who looks at a run for its watchers, until dropped.
#[derive(Debug)]
pub(crate) struct Following<'a> {
    watchers: &'a Watchers,
    run: RunId,
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.watchers.followed().remove(&self.run);
    }
}

impl Watchers {
    pub(crate) fn watch(&self, run: RunId) -> broadcast::Receiver<RunUpdate> {
        let mut channels = self.channels();
        channels.retain(|_, channel| channel.receiver_count() > 0);
        match channels.get(&run) {
            Some(channel) => channel.subscribe(),
            None => {
                let (channel, updates) = broadcast::channel(UPDATES_MAX);
                channels.insert(run, channel);
                updates
            }
        }
    }

    /// None when somebody looks at the run already.
    pub(crate) fn follow(&self, run: RunId) -> Option<Following<'_>> {
        self.followed().insert(run).then_some(Following { watchers: self, run })
    }

    fn followed(&self) -> MutexGuard<'_, HashSet<RunId>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wanted(&self, run: RunId) -> bool {
        let channels = self.channels();
        !channels.is_empty() && channels.get(&run).is_some_and(|channel| channel.receiver_count() > 0)
    }

    pub(crate) fn publish(&self, run: RunId, updates: impl IntoIterator<Item = RunUpdate>) {
        if let Some(channel) = self.channels().get(&run) {
            for update in updates {
                // Fails when the last reader has just gone.
                let _ = channel.send(update);
            }
        }
    }

    /// No more updates will come: the readers' channels close.
    pub(crate) fn close(&self, run: RunId) {
        self.channels().remove(&run);
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<RunId, broadcast::Sender<RunUpdate>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns notes into records of the tasks that are under way, and into updates that are published after the next commit.
#[derive(Debug)]
pub(crate) struct Live {
    region: RegionCode,
    open: HashMap<u64, TaskRecord>,
    updates: VecDeque<RunUpdate>,
}

impl Live {
    /// `open` are the tasks that are under way now.
    pub(crate) fn new(region: RegionCode, open: impl IntoIterator<Item = TaskRecord>) -> Self {
        Self {
            region,
            open: open.into_iter().map(|record| (record.task, record)).collect(),
            updates: VecDeque::new(),
        }
    }

    pub(crate) fn take_updates(&mut self) -> VecDeque<RunUpdate> {
        std::mem::take(&mut self.updates)
    }
}

impl Notes for Live {
    fn note(&mut self, note: TaskNote<'_>) {
        let task = match note {
            TaskNote::Began { task, .. } | TaskNote::Became { task, .. } | TaskNote::Ended { task, .. } => {
                task
            }
        };
        match &note {
            TaskNote::Began { .. } => {
                if let Some(record) = TaskRecord::began(&note, &self.region) {
                    self.open.insert(task, record);
                }
            }
            TaskNote::Became { .. } | TaskNote::Ended { .. } => {
                if let Some(record) = self.open.get_mut(&task) {
                    record.take_in(&note, &self.region);
                }
            }
        }
        let record = match note {
            TaskNote::Ended { .. } => self.open.remove(&task),
            _ => self.open.get(&task).cloned(),
        };
        if let Some(record) = record {
            if self.updates.len() == UPDATES_MAX {
                self.updates.pop_front();
            }
            self.updates.push_back(RunUpdate::Task(Arc::new(record)));
        }
    }
}
