//! What the engine notes while it drives a run: the names of sleeping tasks always, whole records when someone watches.

use std::collections::BTreeMap;

use levqor_flow::machine::{Notes, TaskNote};
use levqor_model::TaskStatus;

use crate::watch::Live;

#[derive(Debug, Default)]
pub(crate) struct Notepad {
    /// Tasks under way: name, and whether it waits.
    open: BTreeMap<u64, (String, bool)>,
    pub(crate) live: Option<Live>,
}

impl Notepad {
    /// Names of the tasks that wait.
    pub(crate) fn sleeping(&self) -> Vec<&str> {
        self.open.values().filter(|(_, waits)| *waits).map(|(name, _)| name.as_str()).collect()
    }
}

impl Notes for Notepad {
    fn note(&mut self, note: TaskNote<'_>) {
        match &note {
            TaskNote::Began { task, name, .. } => {
                self.open.insert(*task, ((*name).to_owned(), false));
            }
            TaskNote::Became { task, status, .. } => {
                if let Some((_, waits)) = self.open.get_mut(task) {
                    *waits = *status == TaskStatus::Waiting;
                }
            }
            TaskNote::Ended { task, .. } => {
                self.open.remove(task);
            }
        }
        if let Some(live) = &mut self.live {
            live.note(note);
        }
    }
}
